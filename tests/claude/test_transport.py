"""One request on its way, against a server on loopback: retries, the gate, the deadline, the ceiling, streams."""

import asyncio
import gc
import socket
import time

import pytest

from scripted_api import (
    Reply,
    ScriptedServer,
    ask,
    ask_one,
    asking,
    error,
    events,
    message,
    outcomes,
    refusal,
    said,
    spoken,
)
from yamlgen.cancellation import Cancelled
from yamlgen.errors import Code, RowError, RunStopped
from yamlgen.row_result import Answer

STREAMED = 30_000


def code_of(outcome):
    """The code of an error."""
    assert isinstance(outcome, Exception), outcome
    return outcome.code


@pytest.mark.parametrize("status", [408, 409, 500, 502, 529])
def test_a_transient_status_is_tried_again(status):
    """What may pass is waited out, and the answer after it counts."""
    outcome, server = ask_one(refusal(status), said("Hi."), max_retries=1)
    assert outcome.value == "Hi."
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    "cut", [Reply(b"", cut=True), Reply(message("Hello!" * 99), cut=True)], ids=["reset", "cut body"]
)
def test_a_broken_connection_is_tried_again(cut):
    """A connection that breaks before or within the answer costs one retry, and is told in words."""
    (outcome,), server, model = ask(cut, said("Hi."), max_retries=1)
    assert outcome.value == "Hi."
    assert len(server.bodies) == 2
    assert [reason for reason, _ in model.notices] == ["the connection failed: the server closed it"]


def test_there_is_one_layer_of_retries():
    """Two retries are three requests; the SDK adds none of its own."""
    outcome, server = ask_one(refusal(529, "Overloaded"), max_retries=2)
    assert code_of(outcome) == Code.TRANSPORT
    assert "529" in outcome.message
    assert len(server.bodies) == 3


def test_a_cut_body_to_the_end_is_the_rows_error():
    """A server that was heard and keeps hanging up costs the row."""
    (first, second), server, _ = ask(
        lambda body: said("Hi.") if body["messages"][0]["content"] == "a" else Reply(message("x" * 99), cut=True),
        texts=("a", "b"),
        max_retries=1,
    )
    assert first.value == "Hi."
    assert isinstance(second, RowError)
    assert second.code == Code.TRANSPORT
    assert len(server.bodies) == 3


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_refused_request_is_sent_once(status):
    """What the API will not take does not get better by being sent again."""
    outcome, server = ask_one(refusal(status), max_retries=3)
    assert isinstance(outcome, RowError | RunStopped)
    assert len(server.bodies) == 1


def test_the_api_may_forbid_a_retry():
    """`x-should-retry: false` ends the trying at once."""
    outcome, server = ask_one(refusal(500, headers={"x-should-retry": "false"}), max_retries=3)
    assert code_of(outcome) == Code.TRANSPORT
    assert len(server.bodies) == 1


def test_the_api_may_ask_for_a_retry():
    """`x-should-retry: true` makes a failure transient that is none by its status."""
    outcome, server = ask_one(refusal(400, headers={"x-should-retry": "true"}), said("Hi."), max_retries=1)
    assert outcome.value == "Hi."
    assert len(server.bodies) == 2


def test_rate_limits_cost_no_retries():
    """Three 429s and no retries allowed: the request still comes through."""
    limited = refusal(429, headers={"retry-after": "0.1"})
    outcome, server = ask_one(limited, limited, limited, said("Hi."), max_retries=0)
    assert outcome.value == "Hi."
    assert len(server.bodies) == 4


def test_a_rate_limit_without_a_header_is_waited_out():
    """Without `retry-after` the pool waits for a while of its own."""
    outcome, server = ask_one(refusal(429), said("Hi."))
    assert outcome.value == "Hi."
    assert server.times[1] - server.times[0] >= 0.5


def test_a_rate_limit_of_the_first_holds_the_whole_pool():
    """Nothing else is known of the API: while the first request waits out a 429, the others wait with it."""

    async def main():
        async with ScriptedServer(refusal(429, headers={"retry-after": "0.6"}), said("Hi.")) as server:
            async with asking(server.url) as model:
                first = asyncio.ensure_future(model("a"))
                await asyncio.sleep(0.2)
                others = [asyncio.ensure_future(model("b")) for _ in range(5)]
                await asyncio.gather(first, *others)
            return server.times

    times = asyncio.run(main())
    assert len(times) == 7
    assert min(times[1:]) - times[0] >= 0.6


def test_a_rate_limit_among_answers_holds_its_own_request():
    """While one request waits out a 429, the others go on."""

    async def main():
        refused = set()

        def reply(body):
            text = body["messages"][0]["content"]
            if text == "bad" and not refused:
                refused.add(text)
                return refusal(429, headers={"retry-after": "1"})
            return said("Hi.")

        async with ScriptedServer(reply) as server, asking(server.url, concurrency=2) as model:
            await model("a")
            started = time.monotonic()
            bad = asyncio.ensure_future(model("bad"))
            for _ in range(6):
                await model("b")
            others = time.monotonic() - started
            await bad
            return others, time.monotonic() - started, len(server.bodies)

    others, bad, sent = asyncio.run(main())
    assert others < 0.9
    assert bad >= 1
    assert sent == 9


def test_retry_after_may_be_a_date():
    """HTTP allows a date in place of seconds, and one of next century is beyond patience."""
    outcome, _ = ask_one(refusal(429, headers={"retry-after": "Tue, 21 Oct 2149 07:28:00 GMT"}))
    assert outcome.code == Code.PAUSED_TOO_LONG


@pytest.mark.parametrize("header", ["0", "-1", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_rate_limit_is_never_hammered(header):
    """A `retry-after` that asks for no wait, or makes no sense, is waited out all the same."""
    outcome, server = ask_one(refusal(429, headers={"retry-after": header}), said("Hi."))
    assert outcome.value == "Hi."
    assert server.times[1] - server.times[0] >= 0.5


def test_a_spend_limit_ends_the_run():
    """A 429 for a spent budget is no rate limit: nothing more is sent."""
    outcome, server = ask_one(
        refusal(429, "Spend limit reached", details={"error_code": "enforced_spend_limit_reached"}), max_retries=5
    )
    assert isinstance(outcome, RunStopped)
    assert outcome.code == Code.SPEND_LIMIT
    assert len(server.bodies) == 1


@pytest.mark.parametrize("seconds", ["7200", "inf", "1e300"])
def test_a_pause_beyond_patience_ends_the_run(seconds):
    """A `retry-after` of hours is told at once, not slept through."""
    outcome, _ = ask_one(refusal(429, headers={"retry-after": seconds}))
    assert isinstance(outcome, RunStopped)
    assert outcome.code == Code.PAUSED_TOO_LONG


def test_the_deadline_cuts_a_drip_fed_body():
    """Bytes that trickle do not keep an attempt alive; the sibling is not touched, and nothing is sent again."""
    slow = Reply(message("x" * 400), drip=0.02)
    started = time.monotonic()
    (stalled, fine), server, _ = ask(
        lambda body: slow if body["messages"][0]["content"] == "slow" else said("Hi."),
        texts=("slow", "fast"),
        timeout=1,
        max_retries=3,
    )
    assert isinstance(stalled, RowError)
    assert stalled.code == Code.DEADLINE
    assert fine.value == "Hi."
    assert 1.9 < time.monotonic() - started < 3.9
    assert len(server.bodies) == 3


@pytest.mark.parametrize(("max_retries", "sent"), [(0, 1), (1, 2), (6, 2)])
def test_a_deadline_is_tried_once_more(max_retries, sent):
    """An answer that never begins meets the deadline, and is asked for once more, if anything is ever tried again."""
    (fine, silent), server, _ = ask(
        lambda body: Reply(wait=9) if body["messages"][0]["content"] == "silent" else said("Hi."),
        texts=("fine", "silent"),
        timeout=0.3,
        max_retries=max_retries,
    )
    assert fine.value == "Hi."
    assert code_of(silent) == Code.DEADLINE
    assert len(server.bodies) == 1 + sent


def test_a_server_that_never_answers_is_none():
    """It takes requests and answers none of them: that is told as it is, and ends the run."""
    outcome, server = ask_one(Reply(wait=9), timeout=0.3, max_retries=3)
    assert isinstance(outcome, RunStopped)
    assert outcome.code == Code.UNREACHABLE
    assert outcome.message == f"{server.url} accepts requests, but answered none of them within 0.3 s"
    assert len(server.bodies) == 2


def test_the_deadline_stands_still_in_the_queue():
    """Four requests of 0.4 s through one slot all finish, though together they take longer than one may."""
    found, server, _ = ask(Reply(wait=0.4), texts="abcd", timeout=0.9, concurrency=1)
    assert all(isinstance(outcome, Answer) for outcome in found)
    assert server.most == 1


def test_the_deadline_stands_still_at_the_gate():
    """A wait for the rate limit is not held against the request."""
    outcome, _ = ask_one(refusal(429, headers={"retry-after": "0.8"}), said("Hi."), timeout=0.5)
    assert outcome.value == "Hi."


def test_trying_ends_with_the_rows_time():
    """Retries that together took the time of one attempt are enough."""
    slow = Reply(error("overloaded_error", "Overloaded"), 529, wait=0.35)
    outcome, server = ask_one(slow, timeout=0.6, max_retries=50)
    assert code_of(outcome) == Code.TRANSPORT
    assert len(server.bodies) == 2


def test_the_ceiling_is_never_exceeded():
    """Of thirty requests at once, never more than three are in flight."""
    found, server, _ = ask(Reply(wait=0.02), texts="x" * 30, concurrency=3)
    assert all(isinstance(outcome, Answer) for outcome in found)
    assert server.most == 3


def test_a_waiting_request_holds_no_slot():
    """While one request backs off, another one uses its slot."""
    (first, second), server, _ = ask(
        lambda body: refusal(529) if body["messages"][0]["content"] == "bad" else said("Hi."),
        texts=("bad", "good"),
        concurrency=1,
        max_retries=2,
    )
    assert code_of(first) == Code.TRANSPORT
    assert second.value == "Hi."
    assert [body["messages"][0]["content"] for body in server.bodies].index("good") == 1


def test_an_address_that_nobody_answers_ends_the_run():
    """Nothing was ever heard: the address is wrong or the network down, for every row."""

    async def main():
        async with asking(url, max_retries=1) as model:
            return await outcomes(model())

    with socket.socket() as closed:  # held, so that no server of another test gets its port
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        (outcome,) = asyncio.run(main())
    assert isinstance(outcome, RunStopped)
    assert outcome.code == Code.UNREACHABLE
    assert url in outcome.message


def test_the_notice_tells_the_reason_and_the_wait():
    """Whoever watches a row learns why it waits, and how long."""
    limited = refusal(429, headers={"retry-after": "0.2"})
    _, _, model = ask(refusal(529), limited, said("Hi."), max_retries=1)
    (overloaded, backoff), (limit, pause) = model.notices
    assert "529" in overloaded
    assert 0 <= backoff <= 0.5
    assert "429" in limit
    assert 0.1 < pause < 0.5


def test_a_halt_lets_what_is_in_flight_finish():
    """The request on its way comes home; those that wait for a slot are not sent."""

    async def main():
        async with ScriptedServer(Reply(wait=0.4)) as server, asking(server.url, concurrency=1) as model:
            tasks = [asyncio.ensure_future(model(text)) for text in "abc"]
            await asyncio.sleep(0.2)
            model.cancellation.request("enough")
            return await outcomes(*tasks), server.bodies

    (first, *others), bodies = asyncio.run(main())
    assert first.value == "Hello!"
    assert all(isinstance(other, Cancelled) for other in others)
    assert len(bodies) == 1


@pytest.mark.parametrize(
    "reply",
    [refusal(529, headers={"retry-after": "20"}), refusal(429, headers={"retry-after": "20"})],
    ids=["backoff", "gate"],
)
def test_a_halt_wakes_who_sleeps(reply):
    """Nobody sleeps on for a retry that will not be sent."""

    async def main():
        async with ScriptedServer(reply) as server, asking(server.url, max_retries=3) as model:
            tasks = [asyncio.ensure_future(model(text)) for text in "abc"]
            await asyncio.sleep(0.3)
            started = time.monotonic()
            model.cancellation.request("enough")
            found = await outcomes(*tasks)
            return found, time.monotonic() - started

    found, seconds = asyncio.run(main())
    assert all(isinstance(outcome, Cancelled) for outcome in found)
    assert seconds < 0.2


def test_a_halt_wakes_who_waits_by_itself():
    """A request that waits out its own rate limit, while others go, learns at once that it will not be sent."""

    async def main():
        bad = refusal(429, headers={"retry-after": "30"})
        reply = lambda body: bad if body["messages"][0]["content"] == "bad" else said("Hi.")  # noqa: E731
        async with ScriptedServer(reply) as server, asking(server.url) as model:
            await model("good")
            task = asyncio.ensure_future(model("bad"))
            await asyncio.sleep(0.3)
            assert (await model("good")).value == "Hi."
            started = time.monotonic()
            model.cancellation.request("enough")
            return (await outcomes(task))[0], time.monotonic() - started

    outcome, seconds = asyncio.run(main())
    assert isinstance(outcome, Cancelled)
    assert seconds < 0.2


def test_a_request_that_is_always_refused_says_why():
    """While others come through it waits for as long as a run does; then it fails, with the API's words."""

    async def main():
        def reply(body):
            return refusal(429, "too many tokens") if body["messages"][0]["content"] == "long" else said("Hi.")

        async with ScriptedServer(reply) as server, asking(server.url, max_pause=2) as model:
            task = asyncio.ensure_future(model("long"))
            while not task.done():
                await model("short")
                await asyncio.sleep(0.05)
            return (await outcomes(task))[0]

    outcome = asyncio.run(main())
    assert code_of(outcome) == Code.TRANSPORT
    assert outcome.message.startswith(
        "a rate limit (429) refused the request for 2 s, while other requests succeeded: too many tokens"
    )
    assert "larger than its quota" in outcome.hint


def test_a_hang_ends_the_run_and_sets_no_row_aside():
    """An API that was heard and answers nothing any more: the run pauses, probes, and ends, its rows untouched."""
    replies = [said("Hi.")] * 4 + [Reply(wait=60)]
    found, server, _ = ask(*replies, texts="x" * 40, timeout=0.4, max_retries=6, max_pause=3)
    assert sum(isinstance(outcome, Answer) for outcome in found) == 4
    assert {outcome.code for outcome in found if isinstance(outcome, Exception)} == {Code.PAUSED_TOO_LONG}
    assert len(server.bodies) < 120


def test_an_address_that_is_waited_for_costs_no_retries():
    """The author waits for an address to come up: connections that fail until then are nobody's."""

    async def main():
        async with asking(url, max_retries=0, unheard=20) as model:
            task = asyncio.ensure_future(model())
            await asyncio.sleep(3)
            waits = not task.done()
            task.cancel()
            await outcomes(task)
            return waits

    with socket.socket() as closed:  # held, so that no server of another test gets its port
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert asyncio.run(main())


def test_a_long_answer_is_streamed_into_the_same_message():
    """Above the SDK's limit the request streams; the answer and its account read as without."""
    (plain,), _, _ = ask(said("Hi there."))
    (streamed,), server, _ = ask(events(*spoken("Hi there.")), max_tokens=STREAMED)
    assert server.bodies[0]["stream"] is True
    assert streamed.value == plain.value
    assert streamed.usage == plain.usage
    one, other = streamed.attempts[0].response, plain.attempts[0].response
    for key in ("id", "role", "model", "stop_reason", "type"):
        assert one[key] == other[key]
    assert streamed.attempts[0].request_id == plain.attempts[0].request_id == "req_0"


@pytest.mark.parametrize("kind", ["overloaded_error", "api_error"])
def test_an_error_inside_a_stream_is_tried_again(kind):
    """A stream that begins with 200 and ends with an error is a transient failure."""
    broken = events(*spoken("Hi")[:3], error(kind, "Overloaded"))
    outcome, server = ask_one(broken, events(*spoken("Hi.")), max_tokens=STREAMED, max_retries=1)
    assert outcome.value == "Hi."
    assert len(server.bodies) == 2


def test_an_error_inside_a_stream_to_the_end_is_the_rows():
    """When the retries are used up the row is told what the stream said."""
    broken = events(*spoken("Hi")[:3], error("overloaded_error", "Overloaded"))
    outcome, _ = ask_one(broken, max_tokens=STREAMED)
    assert code_of(outcome) == Code.TRANSPORT
    assert "Overloaded" in outcome.message


@pytest.mark.parametrize("kept", [1, 3, 5])
def test_a_stream_that_just_ends_is_tried_again(kept):
    """A stream without its last event is a cut body, however politely it was cut."""
    outcome, server = ask_one(events(*spoken("Hi")[:kept]), events(*spoken("Hi.")), max_tokens=STREAMED, max_retries=1)
    assert outcome.value == "Hi."
    assert len(server.bodies) == 2


def test_a_stream_that_breaks_off_is_tried_again():
    """A connection that breaks inside a stream costs one retry."""
    broken = events(*spoken("Hi"))
    broken.cut = True
    outcome, server = ask_one(broken, events(*spoken("Hi.")), max_tokens=STREAMED, max_retries=1)
    assert outcome.value == "Hi."
    assert len(server.bodies) == 2


def test_a_stalled_stream_meets_the_deadline():
    """Events that trickle do not keep an attempt alive."""
    stalled = events(*spoken("x" * 400))
    stalled.drip = 0.02
    started = time.monotonic()
    whole = events(*spoken("Hi."))
    (_, outcome), server, _ = ask(
        lambda body: stalled if "slow" in str(body) else whole,
        texts=("Hello?", "slow"),
        max_tokens=STREAMED,
        timeout=0.6,
        max_retries=3,
    )
    assert code_of(outcome) == Code.DEADLINE
    assert time.monotonic() - started < 3
    assert len(server.bodies) == 3
    gc.collect()  # which would tell of a connection that was not closed


def test_a_status_before_a_stream_is_judged_as_any_other():
    """A 400 for a streamed request is the API's refusal, with its words."""
    outcome, server = ask_one(refusal(400, "max_tokens: too large"), max_tokens=STREAMED, max_retries=2)
    assert code_of(outcome) == Code.BAD_REQUEST
    assert "too large" in outcome.message
    assert len(server.bodies) == 1
