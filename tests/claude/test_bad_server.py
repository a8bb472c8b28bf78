"""A server that answers nonsense, trickles, hangs up, or breaks down for a while: rows survive what is not theirs."""

import asyncio
import json
import socket
import struct
import time
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest

from scripted_api import Reply, ScriptedServer, ask, ask_one, asking, error, message, outcomes, refusal, said, spoken
from yamlgen.cancellation import Cancelled
from yamlgen.claude import retry_policy
from yamlgen.errors import Code, RowError, RunStopped, YamlgenError
from yamlgen.pacing import pool
from yamlgen.row_result import Answer

PREFIX = "anthropic-ratelimit-requests-"


def buckets(limit, remaining, reset):
    """The headers of the bucket of requests."""
    return {f"{PREFIX}limit": str(limit), f"{PREFIX}remaining": str(remaining), f"{PREFIX}reset": reset}


def at(seconds):
    """A time so many seconds from now, as the API tells it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@pytest.fixture
def _quick(monkeypatch):
    """Waits of hundredths of seconds."""
    monkeypatch.setattr(pool, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(pool, "MOST_WAIT", 0.05)
    monkeypatch.setattr(retry_policy, "FIRST_DELAY", 0.02)
    monkeypatch.setattr(retry_policy, "MOST_DELAY", 0.1)


@pytest.fixture
def _even(monkeypatch):
    """Each wait before a retry is as long as it may be: by chance a row may fail thrice before the others do twice."""
    monkeypatch.setattr(retry_policy, "random", SimpleNamespace(uniform=lambda _, most: most))


@pytest.mark.parametrize("header", ["-1", "-inf", "soon", "nan", "", "Wed, 21 Oct 2015 07:28:00 GMT", "0", "1,5", "²"])
@pytest.mark.usefixtures("_quick")
def test_a_wait_that_makes_no_sense_is_a_short_one(header):
    """A `retry-after` in the past, below zero or in no number costs a short wait, and no row."""
    reply = refusal(429, headers={"retry-after": header})
    outcome, server = ask_one(reply, reply, said("Hi."))
    assert outcome.value == "Hi."
    assert len(server.bodies) == 3


@pytest.mark.parametrize("header", ["3600", "Fri, 31 Dec 9999 23:59:59 GMT", "1e9"])
def test_a_wait_of_an_hour_is_told_at_once(header):
    """Who is asked to wait for longer than `max_pause` does not begin to."""
    started = time.monotonic()
    outcome, server = ask_one(refusal(429, headers={"retry-after": header}), max_retries=5)
    assert isinstance(outcome, RunStopped)
    assert outcome.code == Code.PAUSED_TOO_LONG
    assert len(server.bodies) == 1
    assert time.monotonic() - started < 2


def test_a_wait_within_patience_is_kept_to():
    """The wait that the API asks for is waited, by all."""
    limited, patient = refusal(429, headers={"retry-after": "0.5"}), 20.0
    outcome, server = ask_one(limited, said("Hi."), max_pause=patient)
    assert outcome.value == "Hi."
    assert 0.5 <= server.times[1] - server.times[0] < 1.2


@pytest.mark.parametrize(
    "told",
    [
        buckets(600, 0, at(-3600)),
        buckets(60_000, 0, at(60)),
        buckets(60_000, 90_000, "2999-01-01T00:00:00Z"),
        buckets(0, 0, at(3600)),
        buckets(-5, -5, at(3600)),
        buckets("nan", "nan", "nan"),
        buckets("inf", 0, at(3600)),
        buckets("many", "few", "soon"),
        {f"{PREFIX}remaining": "0", f"{PREFIX}reset": at(3600)},
        {f"{PREFIX}limit": "50", f"{PREFIX}remaining": "0", "date": "yesterday"},
    ],
    ids=["past", "empty", "full but far", "zero", "negative", "nan", "inf", "words", "no limit", "no date"],
)
def test_headers_that_make_no_sense_hold_nobody_for_long(told):
    """Whatever an answer's headers say of quotas, the next request is sent, and answered."""

    async def main():
        reply = Reply(headers=told)
        async with ScriptedServer(reply) as server, asking(server.url, concurrency=1) as model:
            await model()
            return await asyncio.wait_for(model(), 4)

    assert isinstance(asyncio.run(main()), Answer)


@pytest.mark.usefixtures("_quick")
def test_a_rate_limit_that_says_all_is_well_is_one():
    """A 429 whose headers tell of a full bucket is waited out all the same."""
    told = {**buckets(50, 50, at(0)), "retry-after": "0.3"}
    outcome, server = ask_one(refusal(429, headers=told), said("Hi."))
    assert outcome.value == "Hi."
    assert server.times[1] - server.times[0] >= 0.3


def test_rate_limits_for_ever_end_the_run():
    """An API that limits everything for longer than `max_pause` ends the run, and no row of it."""
    started = time.monotonic()
    found, server, _ = ask(refusal(429), texts="x" * 10, max_pause=1.5, max_retries=2)
    assert time.monotonic() - started < 6
    assert any(isinstance(outcome, RunStopped) and outcome.code == Code.PAUSED_TOO_LONG for outcome in found)
    assert not any(isinstance(outcome, RowError) for outcome in found)
    assert len(server.bodies) < 60


@pytest.mark.usefixtures("_quick")
def test_an_outage_for_ever_ends_the_run():
    """An API that was heard, and then fails for longer than `max_pause`, ends the run before its rows."""
    found, _, _ = ask(refusal(529, "Overloaded"), texts="x" * 40, max_pause=0.6, max_retries=2)
    assert sum(isinstance(outcome, RunStopped) for outcome in found) >= 1
    assert {outcome.code for outcome in found} == {Code.PAUSED_TOO_LONG}


@pytest.mark.parametrize("status", [200, 429, 529])
def test_a_body_that_trickles_meets_the_deadline(status):
    """Bytes that come one by one keep no attempt alive, whatever the status before them."""
    slow = Reply(message("x" * 400) if status == 200 else error("overloaded_error", "x" * 400), status, drip=0.02)
    started = time.monotonic()
    (fine, outcome), server, _ = ask(
        lambda body: slow if body["messages"][0]["content"] == "slow" else said("Hi."),
        texts=("fine", "slow"),
        timeout=0.5,
        max_retries=3,
    )
    assert fine.value == "Hi."
    assert isinstance(outcome, RowError)
    assert outcome.code == Code.DEADLINE
    assert time.monotonic() - started < 3
    assert len(server.bodies) == 3


@asynccontextmanager
async def hanging_up(*, reset=False, answers=1):
    """A server that hangs up after so many answers on a connection, and does not say so before.

    Beside its address, the lengths of what was asked, and a semaphore that is released when it has hung up.
    """
    body = json.dumps(message("Hi.")).encode()
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    asked, hung_up = [], asyncio.Semaphore(0)

    async def serve(reader, writer):
        for _ in range(answers):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            asked.append(length)
            writer.write(answer)
            await writer.drain()
        if reset:
            await asyncio.sleep(0.02)  # a reset would take the answer with it
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        hung_up.release()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked, hung_up


@pytest.mark.parametrize("answers", [1, 2])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_connection_that_closes_between_two_rows_costs_nothing(reset, answers):
    """A server may close a connection that is kept alive: the next row is asked on another one, without a retry."""

    async def main():
        hanging = hanging_up(reset=reset, answers=answers)
        async with hanging as (url, asked, hung_up), asking(url, max_retries=0) as model:
            found = []
            for number in range(1, 7):
                found += await outcomes(model())
                if number % answers == 0:
                    await asyncio.wait_for(hung_up.acquire(), 9)
                await asyncio.sleep(0.01)  # the loop reads that the connection is closed before it goes on
            return found, asked, model

    found, asked, model = asyncio.run(main())
    assert [getattr(outcome, "value", outcome) for outcome in found] == ["Hi."] * 6
    assert len(asked) == model.sends == 6
    assert not model.notices


def test_a_connection_that_closes_as_the_next_row_is_asked_costs_nothing():
    """Where the close and the next request cross, the row still has its answer and all its retries."""

    async def main():
        async with hanging_up() as (url, _, _), asking(url, max_retries=0, concurrency=2) as model:
            found = []
            for _ in range(30):
                found += await outcomes(model(), model())
            return found

    assert [getattr(outcome, "value", outcome) for outcome in asyncio.run(main())] == ["Hi."] * 60


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(error("overloaded_error", "Overloaded")), Code.TRANSPORT),
        (Reply(b"<html>Welcome</html>", kind="text/html"), Code.NOT_A_MESSAGE),
        (Reply([]), Code.NOT_A_MESSAGE),
        (Reply(b""), Code.NOT_A_MESSAGE),
        (Reply(error("invalid_request_error", "no")), Code.BAD_REQUEST),
    ],
    ids=["error", "html", "list", "nothing", "refusal"],
)
@pytest.mark.usefixtures("_quick")
def test_a_200_that_is_no_message_sets_one_row_aside(reply, code):
    """What is no message is one row's error, with its code; its sibling has its answer."""
    (bad, good), _, _ = ask(
        lambda body: reply if body["messages"][0]["content"] == "bad" else said("Hi."),
        texts=("bad", "good"),
        max_retries=2,
    )
    assert isinstance(bad, RowError), bad
    assert bad.code == code
    assert good.value == "Hi."


@pytest.mark.parametrize("first", [4, 0], ids=["in the middle", "at the start"])
@pytest.mark.usefixtures("_quick", "_even")
def test_an_outage_loses_no_row(first):
    """Forty failures in a row are more than two retries of twenty rows could hold; the pause keeps them all."""
    script = [said("Hi.")] * first + [refusal(529, "Overloaded")] * 40 + [said("Hi.")]
    found, server, model = ask(*script, texts="x" * 20, concurrency=8, max_retries=2)
    assert [getattr(outcome, "value", outcome) for outcome in found] == ["Hi."] * 20
    assert len(server.bodies) == 60
    assert server.most <= 8
    assert len(model.notices) == 40


@pytest.mark.usefixtures("_quick")
def test_a_breakdown_of_connections_loses_no_row():
    """Hung-up connections are an outage as well, once anything was heard."""
    script = [said("Hi.")] * 4 + [Reply(b"", cut=True)] * 40 + [said("Hi.")]
    found, server, _ = ask(*script, texts="x" * 20, concurrency=8, max_retries=4)
    assert [getattr(outcome, "value", outcome) for outcome in found] == ["Hi."] * 20
    assert len(server.bodies) >= 60


@pytest.mark.usefixtures("_quick")
def test_only_probes_are_sent_in_an_outage():
    """Once the budget is empty and what was in flight is back, one request is in flight at a time."""

    async def main():
        script = [said("Hi.")] * 4 + [refusal(529, "Overloaded")] * 40 + [said("Hi.")]
        for reply in script:
            reply.wait = 0.01
        async with ScriptedServer(*script) as server, asking(server.url, concurrency=8, max_retries=2) as model:
            await outcomes(*(model() for _ in range(20)))
            return server.times

    times = asyncio.run(main())
    apart = [later - sooner for sooner, later in pairwise(times[33:45])]
    assert min(apart) >= 0.01


@pytest.mark.usefixtures("_quick")
def test_a_slow_outage_loses_no_row():
    """Probes that take their time to fail do not use up the time of their row."""

    async def main():
        down = Reply(error("overloaded_error", "Overloaded"), 529, wait=0.12)
        script = [said("Hi.")] + [refusal(529, "Overloaded")] * 22 + [down] * 2 + [said("Hi.")]
        async with (
            ScriptedServer(*script) as server,
            asking(server.url, concurrency=8, max_retries=15, timeout=0.4) as model,
        ):
            return await outcomes(*(model() for _ in range(3)))

    assert [getattr(outcome, "value", outcome) for outcome in asyncio.run(main())] == ["Hi."] * 3


_ODD = [{"a": 1}, [{}], 5, 1.5, True, None, [], {}, "\ud800"]
"""What may stand where a text should."""


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500])
@pytest.mark.usefixtures("_quick")
def test_an_error_whose_fields_are_anything_is_an_error_of_ours(status):
    """Whatever a gateway writes where the API writes texts."""
    bodies = [
        form
        for odd in _ODD
        for form in (
            {"type": "error", "error": {"type": odd, "message": odd, "details": odd}, "request_id": odd},
            {"type": "error", "error": {"type": "x", "message": {"text": odd}, "details": {"error_code": odd}}},
            {"error": odd, "message": odd, "code": odd},
            {"error": {"code": odd, "message": "no"}},
        )
    ]
    kept = (b'{"error": ' + b"[" * 9000 + b"]" * 9000 + b"}", b'{"error": {"message": 1e999}}', b"\xff{", b"9" * 5000)
    replies = [Reply(body, status) for body in (*bodies, *kept)]
    sent = {str(number): reply for number, reply in enumerate(replies)}
    found, _, _ = ask(lambda body: sent[body["messages"][0]["content"]], texts=list(sent), max_pause=0.1)
    assert all(isinstance(outcome, YamlgenError | Cancelled) for outcome in found), found
    assert not [outcome for outcome in found if getattr(outcome, "code", None) == Code.INTERNAL]


@pytest.mark.parametrize("charset", ["rot13", "idna", "undefined", "bogus", "utf-7", "utf-16"])
@pytest.mark.parametrize("status", [200, 400])
def test_a_header_that_names_odd_characters_changes_nothing(status, charset):
    """JSON is UTF-8, whatever the header says of it."""
    body = message("Hi.") if status == 200 else error("invalid_request_error", "Too hot.")
    outcome, _ = ask_one(Reply(body, status, kind=f'application/json; charset="{charset}"'))
    assert getattr(outcome, "code", None) == (None if status == 200 else Code.BAD_REQUEST), outcome


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
def test_a_stream_that_begins_with_a_mark_of_its_bytes_is_one(kind):
    """A proxy on Windows may put a byte order mark before it, and drop the names of the events."""
    lines = "".join(f"data: {json.dumps(part)}\n\n" for part in spoken("Hi."))
    outcome, _ = ask_one(Reply(b"\xef\xbb\xbf" + lines.encode(), kind=kind))
    assert outcome.value == "Hi."
