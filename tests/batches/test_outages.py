"""An API that fails while a batch is processed: the run waits or ends, and the next one continues."""

import pytest

from batch_server import GOOD_KEY
from yamlgen.errors import Code
from yamlgen.events import BatchChecked
from yamlgen.exit_codes import ExitCode


def when_created(project, do):
    """Do something as soon as the batch was created."""

    def once():
        project.server.created = lambda: None
        do()

    project.server.created = once


def set_to(project, **values):
    """Set these values of the server as soon as the batch was created."""
    when_created(project, lambda: [setattr(project.server, name, value) for name, value in values.items()])


def ends_well(project):
    """Run again: the batch is collected, and was posted once."""
    project.server.is_deaf, project.server.key, project.server.looks = False, GOOD_KEY, 1
    done = project.run()
    assert (done.code, len(project.server.tries)) == (0, 1)
    project.check_end()


@pytest.mark.parametrize(("status", "code"), [(401, Code.KEY_REJECTED), (403, Code.FORBIDDEN_MODEL)])
def test_a_key_that_is_rejected_while_a_batch_is_processed_ends_the_run(status, code, project):
    """A run with a good key collects the batch."""
    project.server.looks = 9
    set_to(project, statuses=[status])
    done = project.run()
    assert (done.code, done.error.code) == (ExitCode.ENVIRONMENT, code)
    assert "1 batch with 5 requests is still in progress" in done.error.hint
    ends_well(project)


def test_a_key_that_is_still_wrong_changes_nothing(project, monkeypatch):
    """A next run with another wrong key ends as well, and loses nothing."""
    set_to(project, statuses=[401])
    assert project.run().code == ExitCode.ENVIRONMENT
    monkeypatch.setenv("ANTHROPIC_API_KEY", "wrong-key")
    assert project.run().code == ExitCode.ENVIRONMENT
    monkeypatch.setenv("ANTHROPIC_API_KEY", GOOD_KEY)
    ends_well(project)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 529])
def test_failing_looks_are_repeated(status, project):
    """An API in trouble is asked again, for its state and for its results."""
    project.server.looks = 3
    set_to(project, statuses=[status] * 5)
    assert project.run().code == 0
    assert (len(project.server.tries), project.server.statuses) == (1, [])
    project.check_end()


def test_a_batch_that_is_unknown_for_a_while(project):
    """A new batch is not known everywhere at once."""
    project.server.unlisted = 5
    assert project.run().code == 0
    assert len(project.server.tries) == 1
    project.check_end()


def test_a_batch_that_stays_unknown_ends_the_run(project):
    """It is kept, since the key may be that of another workspace: it is not paid for again."""
    project.server.unlisted = 12
    done = project.run()
    assert (done.code, done.error.code) == (ExitCode.ENVIRONMENT, Code.UNREACHABLE)
    ends_well(project)


def test_a_look_that_gets_no_answer_is_repeated(project):
    """Each call has the deadline of the author."""
    project.timeout = 0.6
    project.save()
    set_to(project, hangs=2)
    assert project.run().code == 0
    assert len(project.server.tries) == 1
    project.check_end()


def test_an_api_that_stays_silent_ends_the_run(project):
    """After the pause that the author allows; nothing is lost."""
    project.timeout, project.pause = 0.5, 1
    project.save()
    set_to(project, is_deaf=True)
    done = project.run()
    assert (done.code, done.error.code) == (ExitCode.ENVIRONMENT, Code.PAUSED_TOO_LONG)
    assert "sent nothing for 0.5 s" in done.error.message
    ends_well(project)


def test_an_api_that_is_silent_from_the_start_is_sent_nothing(project):
    """The list is asked before a batch is posted: an API that does not answer is sent no batch."""
    project.timeout, project.pause = 0.5, 1
    project.save()
    project.server.is_deaf = True
    done = project.run()
    assert (done.error.code, project.server.tries) == (Code.PAUSED_TOO_LONG, [])
    ends_well(project)


def test_an_api_that_fails_for_too_long_ends_the_run(project):
    """Errors of the server as well as silence."""
    project.pause = 1
    project.save()
    set_to(project, statuses=[500] * 10_000)
    done = project.run()
    assert (done.code, done.error.code) == (ExitCode.ENVIRONMENT, Code.PAUSED_TOO_LONG)
    project.server.statuses.clear()
    ends_well(project)


class TestCopies:
    """A store that is copied with its batch: each copy collects it."""

    def test_a_copy_of_a_stopped_run(self, project, tmp_path):
        """One creation serves both."""
        project.server.looks = None
        assert project.run(stop_at=BatchChecked).is_stopped
        other = project.copy(tmp_path / "other")
        (batch,) = project.server.batches.values()
        batch.looks = 2
        for each in (project, other):
            assert each.run().code == 0
            each.check_end()
        assert len(project.server.tries) == 1

    def test_a_copy_in_the_middle_of_a_run(self, project, tmp_path):
        """The store is copied as it lies there while the run waits."""
        project.server.looks, copies = 20, []

        def copy(event):
            if isinstance(event, BatchChecked) and not copies:
                copies.append(project.copy(tmp_path / "other"))

        assert project.run(observe=copy).code == 0
        assert copies[0].look("SELECT state FROM batch") == [("posted",)]
        assert copies[0].run().code == 0
        assert len(project.server.tries) == 1
        for each in (project, *copies):
            each.check_end()

    def test_a_copy_of_a_batch_in_doubt(self, project, tmp_path):
        """Both find it."""
        when_created(project, project.stop)
        assert project.run().is_stopped
        other = project.copy(tmp_path / "other")
        for each in (project, other):
            assert each.run().code == 0
            each.check_end()
        assert len(project.server.tries) == 1


class TestOldBatches:
    """Batches whose results the API no longer keeps."""

    @pytest.mark.parametrize("state", ["posting", "posted"])
    def test_a_batch_of_a_month_ago_is_lost(self, state, project):
        """That is told, with what it may have cost, and its requests are sent again."""
        project.server.looks = None
        if state == "posting":
            when_created(project, project.stop)
        assert project.run(stop_at=BatchChecked).is_stopped
        assert project.look("SELECT state FROM batch") == [(state,)]
        project.age(days=30)
        project.server.looks = 1
        done = project.run()
        assert (done.code, len(project.server.tries)) == (0, 2)
        assert "of 5 requests of step `line`, posted on " in done.warnings
        assert "is lost: the API keeps results for 29 days; it cost at most $" in done.warnings
        project.check_end()
        assert [state for (state,) in project.look("SELECT state FROM batch ORDER BY id")] == ["lost", "collected"]

    def test_a_batch_of_four_weeks_ago_is_collected(self, project):
        """Its results are still there."""
        project.server.looks = None
        assert project.run(stop_at=BatchChecked).is_stopped
        project.age(days=28)
        (batch,) = project.server.batches.values()
        batch.looks = 1
        ends_well(project)
