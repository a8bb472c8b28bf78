"""Batches in the store: what is added is sent, what comes back is an answer, and no request is in two open batches."""

import asyncio
import json
from dataclasses import replace

import pytest
from gathered_batches import CREATED, MINUTES, answered, gathered, key_of, post, remote, unanswered
from hand_made_store import HandMadeStore

from yamlgen.batches.batch_store import HEAD, SEPARATOR, TAIL, BatchFailure, BatchOrigin, BatchRecord, State
from yamlgen.interfaces import UNOBSERVED, RequestContext
from yamlgen.store.codec import unpacked
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.run_session import open_runs

HEADERS = (("x-team", "TEAM"),)
ORIGIN = BatchOrigin(
    "https://api.example.com", "TEAM_KEY", "2026-10-21", simulated=True, headers=HEADERS, workspace="w"
)


@pytest.fixture
def hand_made_store(tmp_path):
    """An empty store."""
    return HandMadeStore(tmp_path / "store")


async def recall(run_recorder, name):
    """The stored answer of a request, as a step recalls it."""
    context = RequestContext("facts", '"Oslo"', UNOBSERVED.observer)
    async with run_recorder.attempts_of((key_of(name),), context) as log:
        return log.recall((key_of(name),))


def test_a_batch_goes_through_its_life(hand_made_store):
    """Each state has what is known by then; a reader of the runs sees the same record."""

    async def work(recorder):
        batches, seen = recorder.batches, []
        number = await batches.begin_batch("facts", ("beta-1", "beta-2"), ORIGIN)
        assert [await batches.add(number, gathered(name)) for name in ("a", "b")] == [True, True]
        seen.append(batches.record_of(number))
        seen.append(await batches.intend(number, CREATED, 1.5))
        await batches.posted(number, remote(ended=False, processing=2))
        seen.append(batches.record_of(number))
        await batches.settle(number, [answered("a"), answered("b", cost=0.5)])
        seen.append(await batches.collected(number, remote(succeeded=2)))
        assert batches.past_seconds() == (MINUTES.total_seconds(),)
        return seen

    gathering, posting, posted, collected = hand_made_store.run("first", work)
    size = len(HEAD) + len(gathered("a").entry) + len(SEPARATOR) + len(gathered("b").entry) + len(TAIL)
    about = {"requests": 2, "size": size, "betas": ("beta-1", "beta-2"), "origin": ORIGIN}
    assert gathering == BatchRecord(1, 1, "facts", State.GATHERING, **about)
    assert posting == BatchRecord(1, 1, "facts", State.POSTING, most=1.5, intended=CREATED, **about)
    about |= {"most": 1.5, "intended": CREATED, "created": CREATED, "id": "msgbatch_1"}
    assert posted == BatchRecord(1, 1, "facts", State.POSTED, **about)
    about |= {"ended": CREATED + MINUTES, "counts": {"succeeded": 2}, "cost": 0.75}
    assert collected == BatchRecord(1, 1, "facts", State.COLLECTED, **about)
    with open_runs(hand_made_store.place) as run_reader:
        assert run_reader.batches(1) == [collected]
        assert run_reader.batched(1) == {"facts": 2}
        assert run_reader.paid(1)["facts"]["attempts"] == 2
        assert run_reader.paid(1)["facts"]["cost_usd"] == 0.75


BODIES = {
    "plain": {},
    "not ASCII": {"system": 'Île "d\'Oléron" \u2028 😀'},
    "a lone surrogate": {"system": "a\ud800b"},
    "numbers": {"temperature": 1e-7, "metadata": [0.1, 10**30, None, True]},
}


@pytest.mark.parametrize("kind", BODIES)
def test_the_entries_are_the_bytes_that_were_added(hand_made_store, kind):
    """The body has the length that its record has, and is the requests in the order in which they were added."""
    requests = [gathered(f"{number}", **BODIES[kind]) for number in reversed(range(20))]

    async def work(recorder):
        number = await recorder.batches.begin_batch("facts")
        for request in requests:
            await recorder.batches.add(number, request)
        record = await recorder.batches.intend(number, CREATED, None)
        return record, list(recorder.batches.entries(number))

    record, entries = hand_made_store.run("first", work)
    assert entries == [request.entry for request in requests]
    body = HEAD + SEPARATOR.join(entries) + TAIL
    assert record.size == len(body)
    custom_ids = [each["custom_id"] for each in json.loads(body)["requests"]]
    assert custom_ids == [request.key.hex() for request in requests]
    assert hand_made_store.query("SELECT count(*) FROM batch_request WHERE entry IS NOT NULL") == [(0,)]


def test_an_entry_may_differ_from_the_body_that_is_kept(hand_made_store):
    """What is sent is the entry; what is stored with the answer is the body."""
    request = gathered("a", stream=True)
    request = replace(request, entry=gathered("a", system="é").entry)

    async def work(recorder):
        number = await recorder.batches.begin_batch("facts")
        await recorder.batches.add(number, request)
        entries = list(recorder.batches.entries(number))
        await recorder.batches.settle(number, [answered("a")])
        return entries

    assert hand_made_store.run("first", work) == [request.entry]
    ((kept,),) = hand_made_store.query("SELECT request FROM attempt")
    assert unpacked(kept) == request.body


def test_an_answer_is_kept_with_its_request_once(hand_made_store):
    """The request leaves the batch when its answer is stored, with the request; the same result twice is one answer."""

    async def work(recorder):
        number = await post(recorder.batches, "a", "b")
        assert recorder.batches.variant_of(number, key_of("a")) == "facts"
        await recorder.batches.settle(number, [answered("a"), answered("a", cost=9.0)])
        await recorder.batches.settle(number, [answered("a", cost=9.0)])
        assert recorder.batches.variant_of(number, key_of("a")) is None
        assert recorder.batches.unsettled(number) == 1
        return (await recorder.batches.collected(number, remote(succeeded=2))).cost

    assert hand_made_store.run("first", work) == 0.25
    query = "SELECT key, step, batch, requested, model, stop_reason, cost, seconds FROM attempt"
    assert hand_made_store.query(query) == [(key_of("a"), "facts", 1, "m", "m-1", "end_turn", 0.25, 420.0)]
    assert hand_made_store.query("SELECT count(*) FROM batch_request") == [(0,)]


def test_an_unknown_price_makes_the_cost_unknown(hand_made_store):
    """One answer without a cost is enough."""

    async def work(recorder):
        number = await post(recorder.batches, "a", "b")
        await recorder.batches.settle(number, [answered("a", cost=None), answered("b")])
        return await recorder.batches.collected(number, remote(succeeded=2))

    assert hand_made_store.run("first", work).cost is None


def test_an_answer_proves_its_setup(hand_made_store):
    """A setup is proven by an answer, in this run and on disk; a failure proves nothing."""

    async def work(recorder):
        number = await recorder.batches.begin_batch("facts")
        await recorder.batches.add(number, gathered("a", setup=b"good"))
        await recorder.batches.add(number, gathered("b", setup=b"bad"))
        await recorder.batches.settle(number, [answered("a"), unanswered("b")])
        return recorder.refusals.is_proven(b"good"), recorder.refusals.is_proven(b"bad")

    assert hand_made_store.run("first", work) == (True, False)
    assert hand_made_store.query("SELECT setup FROM proven") == [(b"good",)]


def test_a_request_is_in_one_open_batch(hand_made_store):
    """A key that an open batch has is not added, until the batch has its outcome or is dropped."""

    async def work(recorder):
        batches = recorder.batches
        first, second = await post(batches, "a", "b"), await batches.begin_batch("line")
        assert not await batches.add(second, gathered("a"))
        assert (batches.batch_of(key_of("a")), batches.record_of(second).requests) == (first, 0)
        await batches.settle(first, [unanswered("a")])
        assert await batches.add(second, gathered("a"))
        assert batches.batch_of(key_of("a")) == second
        await batches.drop(second)
        assert batches.batch_of(key_of("a")) is None
        await batches.drop(first, State.LOST)
        assert batches.batch_of(key_of("b")) is None
        return [(record.number, record.state) for record in (batches.record_of(first),)]

    assert hand_made_store.run("first", work) == [(1, State.LOST)]
    assert hand_made_store.query("SELECT id FROM batch") == [(1,)]


def test_a_failure_counts_for_its_run_until_the_request_is_sent_again(hand_made_store):
    """A failure is told with its error and its number; it is hidden while the request is in a batch, and answered."""
    error = {"type": "error", "error": {"type": "api_error", "message": "no"}}

    async def work(recorder):
        batches, told = recorder.batches, []
        for outcome in (unanswered("a"), unanswered("a", "errored", error), answered("a")):
            number = await post(batches, "a")
            told.append(batches.failure(key_of("a")))
            await batches.settle(number, [outcome])
            told.append(batches.failure(key_of("a")))
        return told

    expired, errored = BatchFailure("expired"), BatchFailure("errored", error, 2)
    assert hand_made_store.run("first", work) == [None, expired, None, errored, None, None]


def test_a_failure_is_forgotten_by_the_next_run(hand_made_store):
    """The next run sends the request again, and counts from the start."""

    async def fail(recorder):
        before = recorder.batches.failure(key_of("a"))
        await recorder.batches.settle(await post(recorder.batches, "a"), [unanswered("a")])
        return before, recorder.batches.failure(key_of("a")).times

    assert [hand_made_store.run(name, fail) for name in ("first", "second")] == [(None, 1), (None, 1)]
    hand_made_store.run("third", lambda _: asyncio.sleep(0))
    assert hand_made_store.query("SELECT count(*) FROM batch_failure") == [(0,)]


def test_what_the_results_lack_is_missing(hand_made_store):
    """When a batch is collected, requests without a result have failed, and the batch has no requests."""

    async def work(recorder):
        batches = recorder.batches
        number = await post(batches, "a", "b")
        await batches.settle(number, [unanswered("b")])
        await batches.settle(await post(batches, "b"), [answered("b")])
        await batches.collected(number, remote(succeeded=2))
        return batches.failure(key_of("a")), batches.failure(key_of("b")), batches.batch_of(key_of("a"))

    assert hand_made_store.run("first", work) == (BatchFailure("missing"), None, None)


@pytest.mark.parametrize("reuse", [ReusePolicy(), ReusePolicy(fresh=True)], ids=["plain", "fresh"])
def test_an_answer_of_this_run_is_new_to_the_rows_that_waited(hand_made_store, reuse):
    """It is reused, unless its batch has arrived; the next run reuses it, and knows that a batch brought it."""

    async def work(recorder):
        number = await post(recorder.batches, "a")
        await recorder.batches.settle(number, [answered("a")])
        before = await recall(recorder, "a")
        recorder.batches.arrived = {number}
        return [(each.reused, each.batched, each.own) for each in (before, await recall(recorder, "a"))]

    async def later(recorder):
        recorder.batches.arrived = {1}
        each = await recall(recorder, "a")
        return each.reused, each.batched, each.own

    assert hand_made_store.run("first", work, reuse) == [(True, True, True), (False, True, True)]
    assert hand_made_store.run("second", later) == (True, True, False)


def test_a_batch_of_an_earlier_run_is_adopted(hand_made_store):
    """The next run finds what was posted or may have been, with its requests, and is then the one that waits."""

    async def first(recorder):
        number = await post(recorder.batches, "a", origin=ORIGIN)
        doubtful = await recorder.batches.begin_batch("line")
        await recorder.batches.add(doubtful, gathered("b"))
        await recorder.batches.intend(doubtful, CREATED, None)
        assert recorder.batches.open_batches() == []
        return number, doubtful

    async def second(recorder):
        batches = recorder.batches
        found = batches.open_batches()
        for each in found:
            await batches.adopt(each.number)
        assert batches.open_batches() == []
        await batches.settle(found[0].number, [answered("a")])
        await batches.collected(found[0].number, remote(succeeded=1))
        return found

    numbers = hand_made_store.run("first", first)
    found = hand_made_store.run("second", second)
    assert [(each.number, each.run, each.state) for each in found] == [
        (numbers[0], 1, State.POSTED),
        (numbers[1], 1, State.POSTING),
    ]
    assert (found[0].origin, found[1].origin) == (ORIGIN, None)
    with open_runs(hand_made_store.place) as run_reader:
        assert run_reader.batches(1) == []
        assert [each.state for each in run_reader.batches(2)] == [State.COLLECTED, State.POSTING]
        assert (run_reader.batched(1), run_reader.batched(2)) == ({}, {"facts": 1})


def test_what_was_only_gathered_is_discarded_by_the_next_run(hand_made_store):
    """Nothing was sent, so the requests may be added again."""

    async def work(recorder):
        assert recorder.batches.batch_of(key_of("a")) is None
        number = await recorder.batches.begin_batch("facts")
        return number, await recorder.batches.add(number, gathered("a"))

    assert [hand_made_store.run(name, work) for name in ("first", "second")] == [(1, True), (2, True)]
    assert hand_made_store.query("SELECT id, state FROM batch") == [(2, "gathering")]


def test_the_newest_twenty_durations_are_told(hand_made_store):
    """Older batches say less about the next one."""

    async def work(recorder):
        for number in range(22):
            each = await post(recorder.batches, str(number))
            end = remote(succeeded=1) if number > 1 else remote(ended=False)
            await recorder.batches.collected(each, end)
        return recorder.batches.past_seconds()

    assert hand_made_store.run("first", work) == (MINUTES.total_seconds(),) * 20


def test_a_canceled_batch_says_nothing_of_how_long_one_takes(hand_made_store):
    """It ended early, even if a part of it was answered."""

    async def work(recorder):
        for number, counts in enumerate(({"canceled": 1}, {"canceled": 1, "succeeded": 1}, {"errored": 1})):
            await recorder.batches.collected(await post(recorder.batches, str(number)), remote(**counts))
        return recorder.batches.past_seconds()

    assert hand_made_store.run("first", work) == (MINUTES.total_seconds(),)


def test_pruning_keeps_open_batches(hand_made_store):
    """An open batch keeps its requests and its run, whose number no later run gets; a collected one goes."""

    async def first(recorder):
        await post(recorder.batches, "a", "b")
        number = await post(recorder.batches, "c")
        await recorder.batches.settle(number, [unanswered("c")])
        await recorder.batches.collected(number, remote(expired=1))

    async def second(recorder):
        (found,) = recorder.batches.open_batches()
        assert [recorder.batches.variant_of(found.number, key_of(name)) for name in "abc"] == ["facts", "facts", None]
        await recorder.batches.adopt(found.number)
        await recorder.batches.settle(found.number, [answered("a"), answered("b")])
        await recorder.batches.collected(found.number, remote(succeeded=2))
        return found.run

    hand_made_store.run("first", first)
    hand_made_store.prune("first")
    assert hand_made_store.query("SELECT id, state FROM batch") == [(1, "posted")]
    assert hand_made_store.query("SELECT count(*) FROM batch_failure") == [(0,)]
    assert hand_made_store.run("second", second) == 1
    hand_made_store.prune("second")
    assert hand_made_store.query("SELECT count(*) FROM batch") == [(0,)]
