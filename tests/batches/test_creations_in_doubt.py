"""A creation whose answer was not read: the batch is found, or posted again once it certainly does not exist."""

import time
from datetime import timedelta
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import pytest

from batch_server import CUT_OFF, DROP, PATH, STALL
from batched_runs import DOUBT, ROWS
from yamlgen.api import batch_desk
from yamlgen.batches.waits import Waits
from yamlgen.claude import batch_calls
from yamlgen.errors import Code
from yamlgen.exit_codes import ExitCode

SHORTEST = 0.75 * DOUBT
"""Between two creations: the time of doubt counts from the intent, which is on disk before the first is sent."""

IN_DOUBT = "the run searches for it"
OTHERS = {f"id-{number}": {} for number in range(ROWS - 1)}
"""As many requests as ours: the first of six is sent by itself."""

OUR_KIND = {f"{number:064x}": {} for number in range(ROWS - 1)}
"""The requests of another project of yamlgen."""


def gaps(project):
    """The seconds between the creations."""
    return [later - earlier for earlier, later in pairwise(project.server.tries)]


@pytest.mark.parametrize("creation", [DROP, STALL])
def test_a_batch_that_exists_is_found(creation, project):
    """Whether the connection drops or nothing is answered: the batch is in the list, and is not posted again."""
    project.timeout = 1
    project.save()
    project.server.creations = [creation]
    done = project.run()
    assert (done.code, len(project.server.tries)) == (0, 1)
    assert IN_DOUBT in done.warnings
    assert done.posted == done.ended == [*project.server.batches]
    project.check_end()


@pytest.mark.parametrize("creation", [CUT_OFF, 408, 500, 502, 529])
def test_a_batch_that_does_not_exist_is_posted_again_after_a_while(creation, project):
    """An API may list a batch late: nothing is sent again before the time of doubt has passed."""
    project.server.creations = [creation]
    done = project.run()
    assert (done.code, len(project.server.posts)) == (0, 1)
    assert IN_DOUBT in done.warnings
    assert [gap > SHORTEST for gap in gaps(project)] == [True]
    project.check_end()


def test_every_doubt_is_waited_for(project):
    """A second creation in doubt is searched for as long as the first, and the batch that a third one made is found."""
    project.server.creations = [500, CUT_OFF, DROP]
    done = project.run()
    assert (done.code, len(project.server.tries), len(project.server.posts)) == (0, 3, 1)
    assert all(gap > SHORTEST for gap in gaps(project))
    project.check_end()


def test_a_batch_that_is_listed_late_is_found(project):
    """It is not in the first lists."""
    project.server.creations, project.server.unlisted = [DROP], 4
    assert project.run().code == 0
    assert len(project.server.tries) == 1
    project.check_end()


def test_a_rate_limit_has_created_nothing(project):
    """The batch is posted again soon, without a search."""
    project.server.creations = [429, 429]
    done = project.run()
    assert (done.code, len(project.server.tries)) == (0, 3)
    assert IN_DOUBT not in done.warnings
    assert max(gaps(project)) < SHORTEST
    project.check_end()


@pytest.mark.parametrize(
    ("creation", "code"),
    [
        (400, Code.BAD_REQUEST),
        (401, Code.KEY_REJECTED),
        (403, Code.FORBIDDEN_MODEL),
        (404, Code.UNREACHABLE),
    ],
)
def test_a_refusal_has_created_nothing(creation, code, project):
    """The run ends, and the next one posts the batch without a search."""
    project.server.creations = [creation]
    done = project.run()
    assert (done.code, done.error.code) == (ExitCode.ENVIRONMENT, code)
    assert project.look("SELECT (SELECT count(*) FROM batch) + (SELECT count(*) FROM batch_request)") == [(0,)]
    done = project.run()
    assert (done.code, done.warnings, len(project.server.tries)) == (0, "", 2)
    project.check_end()


def test_a_batch_that_is_too_large_is_halved(project):
    """Until the API accepts it; nothing is in doubt."""
    project.server.creations = [413, 413]
    done = project.run()
    assert (done.code, IN_DOUBT in done.warnings) == (0, False)
    assert max(map(len, project.server.posts)) < ROWS - 1
    project.check_end()


@pytest.mark.parametrize("others", [OTHERS, OUR_KIND])
@pytest.mark.parametrize("looks", [1, None])
def test_batches_of_others_are_not_ours(looks, others, project):
    """As many requests, before and after ours, ended or not: ours is found by its custom ids."""
    server = project.server
    server.creations, server.created = [DROP], lambda: server.add(others, looks=looks)
    server.add(others, looks=looks)
    done = project.run()
    ours = [*server.batches][1]
    assert (done.code, len(server.tries), done.ended) == (0, 1, [ours])
    assert project.lines().keys() == {f"Town {number}" for number in range(ROWS)}


def test_what_may_be_ours_is_waited_for(project):
    """A batch of our size that has not ended may be ours: nothing is posted before it has, however long that takes."""
    server = project.server
    other = server.add(OTHERS, looks=40)
    server.creations = [CUT_OFF]
    ended = []
    server.created = lambda: ended.append(other.looks == 0)
    assert project.run().code == 0
    assert (ended, len(server.tries)) == ([True], 2)


def test_a_batch_on_a_later_page_is_found(project):
    """More than a page of other batches came after it."""
    server = project.server
    server.creations = [DROP]
    server.created = lambda: [server.add({"id-0": {}}, looks=0) for _ in range(230)]
    done = project.run()
    assert (done.code, len(server.tries), done.ended) == (0, 1, [next(iter(server.batches))])
    project.check_end()


def test_damaged_results_leave_the_search_going(project):
    """A line that is not a result says nothing of whose batch it is: the next one does."""
    project.server.creations = [DROP]
    project.server.readings = [lambda lines: ['{"custom_\n', *(f"{line}\n" for line in lines[1:])]] * 4
    assert project.run().code == 0
    assert len(project.server.tries) == 1
    (batch,) = project.server.batches
    assert project.server.calls["GET", f"{PATH}/{batch}/results"] == 1 + 4, (
        "a look, and the readings until one is whole"
    )
    project.check_end()


def test_counts_that_a_gateway_omits_leave_the_search_going(project):
    """A batch without counts may be ours: its results say."""
    server, describe = project.server, project.server.describe
    server.creations = [DROP]
    server.describe = lambda batch: {**describe(batch), "request_counts": None}
    assert project.run().code == 0
    assert len(server.tries) == 1
    project.check_end()


@pytest.mark.parametrize("creation", [DROP, STALL, 200])
def test_the_next_run_finds_what_was_being_posted(creation, project):
    """The run ended while its batch was created: the next one searches for it, or knows it."""
    project.server.creations, project.server.created = [creation], project.stop
    assert project.run().is_stopped
    project.server.created = lambda: None
    done = project.run()
    assert (done.code, len(project.server.tries)) == (0, 1)
    project.check_end()


def test_a_run_without_doubt_left_looks_once(project):
    """The time of doubt counts from the intent: a run that comes much later decides at its first look."""
    project.server.creations = [CUT_OFF]
    done = project.run(observe=lambda event: IN_DOUBT in str(event) and project.stop())
    assert (done.is_stopped, len(project.server.tries)) == (True, 1)
    project.age(hours=1)
    listed = project.server.calls["GET", PATH]
    assert project.run().code == 0
    assert project.server.calls["GET", PATH] - listed <= 3
    project.check_end()


class TestClocks:
    """The clocks of the API and of this machine differ, or jump."""

    @pytest.fixture
    def turn(self, monkeypatch):
        """Set this machine's clock, as batches see it, ahead by a time."""

        def ahead(by):
            clock = SimpleNamespace(time=lambda: time.time() + by.total_seconds(), monotonic=time.monotonic)
            monkeypatch.setattr(batch_calls, "time", clock)

        return ahead

    @pytest.mark.parametrize("hours", [-30, -5, 5, 30])
    def test_a_clock_that_is_hours_off_hides_no_batch(self, hours, project):
        """The intent is noted by the clock of the API."""
        project.server.shift, project.server.creations = timedelta(hours=hours), [DROP]
        assert project.run().code == 0
        assert len(project.server.tries) == 1
        project.check_end()

    def test_a_clock_that_is_ahead_does_not_end_the_doubt_early(self, project, monkeypatch):
        """The time is told in whole seconds, so that up to one may be lacking."""
        monkeypatch.setattr(batch_desk, "Waits", partial(Waits, doubt=1.4))
        project.server.shift, project.server.creations = timedelta(hours=5), [500]
        assert project.run().code == 0
        assert gaps(project)[0] > SHORTEST
        project.check_end()

    @pytest.mark.parametrize("creation", [DROP, 200])
    @pytest.mark.parametrize("days", [-40, -1, 1, 40])
    def test_a_clock_that_jumps_between_runs_loses_no_batch(self, days, creation, project, turn):
        """Not even by more than the time for which results are kept: the next run asks the API first."""
        project.server.creations, project.server.created = [creation], project.stop
        assert project.run().is_stopped
        project.server.created = lambda: None
        turn(timedelta(days=days))
        done = project.run()
        assert (done.code, len(project.server.tries)) == (0, 1)
        assert "is lost" not in done.warnings
        project.check_end()
