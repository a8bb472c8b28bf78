"""The results of a batch, however they come: each answer is stored once, and what is lacking is sent again."""

import json

import pytest

from batched_runs import ROWS
from yamlgen.errors import Code
from yamlgen.events import AnswerReceived, RowResumed, StepFinished

TOWNS = [f"Town {number}" for number in range(1, ROWS)]
"""The towns in a batch: the first of six is sent by itself."""


def whole(lines):
    """The lines as they are sent."""
    return [f"{line}\n" for line in lines]


def twice(lines):
    """Each line twice."""
    return whole(lines * 2)


def late(lines):
    """Two lines are missing."""
    return whole(lines[2:])


def nothing(_lines):
    """No line came."""
    return []


def cut_at_a_line(lines):
    """The connection drops after two lines."""
    return [*whole(lines[:2]), None]


def cut_in_a_line(lines):
    """The connection drops in the middle of a line."""
    return [*whole(lines[:2]), lines[2][: len(lines[2]) // 2], None]


def cut_at_once(_lines):
    """The connection drops before the first line."""
    return [None]


def half_a_line(lines):
    """The body ends, as if it were whole, in the middle of a line."""
    return [*whole(lines[:2]), lines[2][: len(lines[2]) // 2]]


def damaged(lines):
    """The third line is no result."""
    return whole([*lines[:2], lines[2][3:], *lines[3:]])


def foreign(lines):
    """Results of requests that nobody sent are among them."""
    others = [json.dumps({"custom_id": name, "result": {"type": "expired"}}) for name in ("id-1", "ab" * 32)]
    return whole([others[0], *lines, others[1]])


def never(lines):
    """The results of two requests are lacking for good."""
    return whole(each for each in lines if "Town 2" not in each and "Town 4" not in each)


def sent_per_town(project):
    """How often each town was sent in a batch."""
    sent = dict.fromkeys(TOWNS, 0)
    for batch in project.server.batches.values():
        for params in batch.requests.values():
            sent[params["messages"][-1]["content"].removeprefix("A line on ").removesuffix(".")] += 1
    return sent


@pytest.mark.parametrize(
    "readings",
    [
        [twice],
        [late],
        [late, nothing, late],
        [cut_at_a_line],
        [cut_in_a_line],
        [half_a_line],
        [cut_at_once, cut_in_a_line, cut_at_a_line, cut_at_once, cut_in_a_line, late],
        [damaged],
        [damaged, damaged, cut_in_a_line, twice],
        [foreign],
    ],
    ids=lambda readings: "-".join(reading.__name__ for reading in readings),
)
def test_results_are_read_until_all_are_there(readings, project):
    """Whatever happens to a reading, another one follows: no request is sent again, each answer is stored once."""
    project.server.readings = [*readings]
    done = project.run()
    assert (done.code, len(project.server.tries), project.server.readings) == (0, 1, [])
    assert sorted(event.row for event in done.of(AnswerReceived)) == [*range(ROWS)]
    assert sorted(event.row for event in done.of(StepFinished)) == [*range(ROWS)]
    assert sorted(event.row for event in done.of(RowResumed)) == [*range(1, ROWS)]
    project.check_end()


@pytest.mark.parametrize("reading", [cut_in_a_line, late])
def test_what_came_before_a_run_was_stopped_is_not_read_again(reading, project):
    """The next run stores only what the store lacks."""

    def read(lines):
        project.stop()
        return reading(lines)

    project.server.readings = [reading, read]
    assert project.run().is_stopped
    done = project.run()
    assert (done.code, len(project.server.tries)) == (0, 1)
    assert sorted(event.row for event in done.of(AnswerReceived)) == [*range(ROWS)]
    project.check_end()


def test_a_batch_whose_results_are_all_stored_is_not_open(project):
    """A run was killed after it had stored the last result, before it noted that the batch was done."""
    assert project.run().code == 0
    project.edit("UPDATE batch SET state = 'posted', ended = NULL, counts = NULL")
    done = project.run()
    assert (done.code, done.posted, len(project.server.tries)) == (0, [], 1)
    project.check_end()


def test_results_that_never_come_are_sent_again(project):
    """After some readings: the other answers of the batch are kept."""
    project.server.readings = [never] * 6
    done = project.run()
    assert (done.code, [len(post) for post in project.server.posts]) == (0, [5, 2])
    assert project.lines().keys() == {"Town 0", *TOWNS}
    assert project.look("SELECT count(*) - count(DISTINCT key) FROM attempt") == [(0,)]


@pytest.mark.parametrize("kind", ["expired", "canceled", "errored", "unheard-of"])
def test_what_the_api_did_not_answer_is_sent_again(kind, project):
    """An expired or canceled request, or an error of the server, says nothing of the request."""
    error = {"type": "error", "error": {"type": "api_error", "message": "no"}}
    fault = {"type": kind, **({"error": error} if kind == "errored" else {})}
    project.server.misfortune = lambda params, times: (
        fault if times <= 2 and "Town 3" in params["messages"][0]["content"] else None
    )
    done = project.run()
    assert (done.code, [len(post) for post in project.server.posts]) == (0, [5, 1, 1])
    project.check_end()


@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize("kind", ["expired", "errored"])
def test_a_request_is_sent_again_as_often_as_the_author_says(kind, retries, project):
    """Then its row fails; nothing is known of the request, so that the next run sends it again."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}
    fault = {"type": kind, **({"error": error} if kind == "errored" else {})}
    project.server.misfortune = lambda params, _: fault if "Town 3" in params["messages"][0]["content"] else None
    project.retries = retries
    project.save()
    assert project.run().code == 1
    assert sent_per_town(project) == dict.fromkeys(TOWNS, 1) | {"Town 3": 1 + retries}
    assert project.failed() == {"Town 3": Code.TRANSPORT}
    project.check_end(failed={"Town 3"})
    assert project.run().code == 1
    assert sent_per_town(project)["Town 3"] == 2 * (1 + retries)
    project.server.misfortune = lambda *_: None
    assert project.run().code == 0
    project.check_end()


def test_a_refused_request_fails_its_row_and_is_not_sent_again(project):
    """A 400 in a batch is what it is for a single request: a stored refusal, which a retry sends again."""
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    project.server.misfortune = lambda params, times: (
        {"type": "errored", "error": error} if times <= 1 and "Town 3" in params["messages"][0]["content"] else None
    )
    assert project.run().code == 1
    assert project.failed() == {"Town 3": Code.BAD_REQUEST}
    project.check_end(failed={"Town 3"})
    assert project.look("SELECT count(*) FROM refusal") == [(1,)]
    assert project.run().code == 1
    assert sent_per_town(project) == dict.fromkeys(TOWNS, 1)


def test_a_batch_without_any_answer_is_sent_again(project):
    """All of it expired: the results have no answer at all."""
    project.server.misfortune = lambda _, times: {"type": "expired"} if times == 1 else None
    assert project.run().code == 0
    assert [len(post) for post in project.server.posts] == [5, 5]
    project.check_end()


def test_a_batch_that_somebody_cancels_ends_the_run(project):
    """What was not answered is sent again by the next run."""
    server = project.server
    server.looks = 30

    def cancel(event):
        if type(event).__name__ == "BatchChecked":
            for batch in server.batches.values():
                batch.canceled, batch.looks = True, min(batch.looks, 2)

    done = project.run(observe=cancel)
    assert done.error.code == Code.STOPPED
    server.looks = 1
    assert project.run().code == 0
    assert [len(post) for post in server.posts] == [5, 5]
    project.check_end()
