"""The timeline of a run: what was sent and how it went, in a bounded number of slots, however long the run takes."""

import json

import pytest

from yamlgen.events import (
    AnswerReceived,
    BatchEnded,
    BatchPosted,
    PaceChanged,
    RequestRetried,
    RequestSent,
    RowFinished,
    RunFinished,
    RunStarted,
)
from yamlgen.reports.timeline import COLUMNS, MOST_SLOTS, Timeline
from yamlgen.value_objects import Usage

SENT = RequestSent(0, "one")
ANSWERED = AnswerReceived(0, "one", Usage(10, 5), 0.5, reused=False, seconds=0.1)
REUSED = AnswerReceived(0, "one", Usage(10, 5), 0.5, reused=True, seconds=0.1)
BATCHED = AnswerReceived(0, "one", Usage(10, 5), 0.5, reused=False, seconds=0.1, batch=True)


def pace(in_flight=0, *, pool="haiku", limit=48, limited=0, failed=0, held=0.0):
    """The state of a pool."""
    return PaceChanged(pool, limit, in_flight, in_flight, 0, 0.0, None, limited, failed, held)


def folded(*moments):
    """The timeline of events, each with the second at which it happens."""
    times = [0.0]
    timeline = Timeline(lambda: times[0])
    timeline.observe(RunStarted("r1", "p", ("one",), 9))
    for at, event in moments:
        times[0] = at
        timeline.observe(event)
    return timeline.as_json()


def test_a_run_that_sends_nothing_has_no_timeline():
    """Answers out of the store send nothing, however many rows finish."""
    assert folded((0.1, REUSED), (0.2, RowFinished(0)), (9.0, RunFinished(None, 9.0))) is None


def test_a_short_run_has_one_slot():
    """All that happened within a quarter of a second is in it; a stored answer and one of a batch are none of its."""
    told = folded((0.01, SENT), (0.02, SENT), (0.1, ANSWERED), (0.1, REUSED), (0.1, BATCHED))
    assert told["seconds"] == 0.25
    assert {name: told[name] for name in COLUMNS} == {
        **{name: [0] for name in COLUMNS},
        "most_in_flight": [2],
        "sent": [2],
        "answered": [1],
    }


def test_each_slot_has_what_happened_in_it():
    """Counts are those of the slot alone, although a pool tells totals; levels last until they change."""
    told = folded(
        (0.0, SENT),
        (0.3, pace(5, limited=2, failed=1)),
        (0.6, pace(7, limited=3, failed=1, limit=24)),
        (1.1, pace(1, limited=3, failed=1, limit=24)),
        (1.3, SENT),
    )
    assert told["most_in_flight"] == [1, 5, 7, 7, 7, 1]
    assert told["limit"] == [0, 48, 48, 24, 24, 24]
    assert told["rate_limits"] == [0, 2, 1, 0, 0, 0]
    assert told["failures"] == [0, 1, 0, 0, 0, 0]
    assert told["sent"] == [1, 0, 0, 0, 0, 1]


def test_pools_are_added_up():
    """What is in flight and allowed is that of all pools together."""
    told = folded((0.0, SENT), (0.1, pace(5, limited=1)), (0.1, pace(3, pool="opus", limit=10, limited=4)))
    assert (told["most_in_flight"], told["limit"], told["rate_limits"]) == ([8], [58], [5])


def test_a_retried_request_is_not_in_flight_while_it_waits():
    """Before the first state of a pool, a request that failed leaves the number in flight."""
    retried = RequestRetried(0, "one", "overloaded", 0.5)
    told = folded((0.0, SENT), (0.1, retried), (0.3, SENT), (0.4, SENT))
    assert told["most_in_flight"] == [1, 2]


def test_a_pause_lies_where_it_was():
    """A pool tells afterwards for how long it was held; no slot was held for longer than it is."""
    told = folded((0.0, SENT), (1.1, pace(held=0.8)), (1.2, pace(held=0.9)))
    assert told["held_seconds"] == pytest.approx([0, 0.2, 0.25, 0.25, 0.2])


def test_batches_are_told_apart():
    """Their requests count when they are posted, unless an earlier run has, and their answers when they end."""
    ended = BatchEnded("b1", "one", 5, {"succeeded": 4, "errored": 1}, 0.5, 9.0)
    told = folded(
        (0.0, BatchPosted("b1", "one", 5)), (0.1, BatchPosted("b0", "one", 7, 60.0, earlier=True)), (0.6, ended)
    )
    assert (told["batch_requests"], told["batch_answers"], told["sent"]) == ([5, 0, 0], [0, 0, 4], [0, 0, 0])


def test_a_run_that_only_collects_batches_has_a_timeline():
    """The results of batches that an earlier run has posted are all that it has."""
    posted, ended = BatchPosted("b1", "one", 5, earlier=True), BatchEnded("b1", "one", 5, {"succeeded": 5}, 0.5, 9.0)
    assert folded((0.0, posted), (0.1, ended))["batch_answers"] == [5]


@pytest.mark.parametrize("seconds", [149, 150, 3600, 86_400, 30 * 86_400])
def test_a_run_of_any_length_has_few_slots(seconds):
    """Nothing is lost when pairs of slots become one, and a silence of days takes no longer than one of seconds."""
    moments = [(seconds * part / 1000, event) for part in range(1000) for event in (SENT, pace(part, limited=part))]
    told = folded(*moments, (seconds, RunFinished(None, seconds)))
    slots = {len(told[name]) for name in COLUMNS}
    assert len(slots) == 1
    assert MOST_SLOTS / 2 <= slots.pop() <= MOST_SLOTS
    assert (sum(told["sent"]), sum(told["rate_limits"]), max(told["most_in_flight"])) == (1000, 999, 999)
    assert len(told["sent"]) == int(seconds / told["seconds"]) + 1
    assert len(json.dumps(told)) < 20_000


def test_slots_are_the_same_whenever_they_are_merged():
    """A slot that was merged has what one of its width would have had: the sums, and the highest level."""
    moments = [(at / 10, event) for at in range(20) for event in (SENT, pace(at % 7))]
    fine, coarse = folded(*moments), folded(*moments, (200.0, SENT))
    assert coarse["seconds"] == 2 * fine["seconds"]
    assert coarse["sent"][:4] == [sum(fine["sent"][2 * at : 2 * at + 2]) for at in range(4)]
    assert coarse["most_in_flight"][:4] == [max(fine["most_in_flight"][2 * at : 2 * at + 2]) for at in range(4)]
