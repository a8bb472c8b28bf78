"""The calls of the batch endpoints: what is sent, what is read, and how each failure is told."""

import asyncio
import gzip
import json
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from batch_requests import requests
from scripted_api import KEY, Reply, ScriptedServer, refusal
from yamlgen.batches.batch_api import BatchCallFailed
from yamlgen.claude.batch_calls import open_batch_calls
from yamlgen.claude.credentials import ApiKey
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.errors import Code, EnvironmentProblem, MissingKey, RunStopped
from yamlgen.simulator.faults import Faults
from yamlgen.simulator.server import Simulator

BATCH = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "in_progress",
    "request_counts": {"processing": 3, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
    "created_at": "2026-11-28T08:00:00.5Z",
    "ended_at": None,
    "cancel_initiated_at": None,
    "results_url": None,
}


@asynccontextmanager
async def calls_at(url, timeout=5.0, **options):  # noqa: ASYNC109 - that of the calls
    """The calls of the API at an address."""
    error_context = ErrorContext("", url, "ANTHROPIC_API_KEY", KEY)
    async with open_batch_calls(
        credentials=ApiKey(KEY), error_context=error_context, timeout=timeout, **options
    ) as calls:
        yield calls


async def stream(*pieces):
    """The pieces of a body as they come."""
    for piece in pieces:
        yield piece


async def created(calls, wanted=None, betas=()):
    """Create a batch of these requests, each a piece of its own."""
    lines = [json.dumps(each).encode() for each in wanted or requests(3)]
    pieces = [b'{"requests":[', *(b"," * (index > 0) + line for index, line in enumerate(lines)), b"]}"]
    return await calls.create(stream(*pieces), sum(map(len, pieces)), betas)


async def results_of(calls, id="msgbatch_1"):  # noqa: A002 - the API's word
    """The lines of the results of a batch."""
    async with calls.results(id) as lines:
        return [line async for line in lines]


async def lines_until_failure(calls, id="msgbatch_1"):  # noqa: A002
    """The lines that come before the failure, and the failure."""
    found = []
    try:
        async with calls.results(id) as lines:
            async for line in lines:
                found.append(line)  # noqa: PERF401 - what came is wanted after a failure
    except BatchCallFailed as failed:
        return found, failed
    return found, None


def answered_by(response, do, stays=0.0, **options):
    """The outcome of a call to a server that reads the head of a request, writes these bytes and hangs up."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        await writer.drain()
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), stays)
        writer.transport.abort() if stays else writer.close()
        closed.set()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
        async with server, calls_at(url, **options) as calls:
            outcome = await do(calls)
        over.set()
        await closed.wait()
        await asyncio.sleep(0.01)
        return outcome

    over, closed = asyncio.Event(), asyncio.Event()
    return asyncio.run(main())


CALLS = {
    "create": created,
    "list": lambda calls: calls.list(),
    "retrieve": lambda calls: calls.retrieve("msgbatch_1"),
    "cancel": lambda calls: calls.cancel("msgbatch_1"),
    "results": results_of,
}
EVERY = pytest.mark.parametrize("name", CALLS)


def scripted(*replies, do=CALLS["retrieve"], **options):
    """What a call returns or the failure that it raises, and the server that replied."""

    async def main():
        async with ScriptedServer(*replies) as server, calls_at(server.url, **options) as calls:
            try:
                return await do(calls), server
            except BatchCallFailed as failed:
                return failed, server

    return asyncio.run(main())


def simulated(conversation, **options):
    """Run `conversation(calls, simulator)` against a simulator."""

    async def main():
        async with Simulator(**options) as simulator, calls_at(simulator.url) as calls:
            return await conversation(calls, simulator)

    return asyncio.run(main())


def test_a_batch_is_created_watched_and_read():
    """All its requests have a line in the results; the list has it, too."""

    async def conversation(calls, _):
        batch = await created(calls, requests(5))
        assert (batch.status, batch.requests, batch.ended, batch.canceled) == ("in_progress", 5, None, False)
        while batch.status != "ended":
            batch = await calls.retrieve(batch.id)
        assert await calls.list() == ([batch], None)
        return batch, await results_of(calls, batch.id)

    batch, lines = simulated(conversation, batch_delay=0.1)
    assert batch.counts["succeeded"] == batch.requests == 5
    assert batch.created < batch.ended
    assert {json.loads(line)["custom_id"] for line in lines} == {f"id-{index}" for index in range(5)}


def test_the_list_goes_on_after_a_batch():
    """Each page names the batch after which the next begins; the last names none."""

    async def conversation(calls, _):
        made = [(await created(calls)).id for _ in range(3)]
        first, after = await calls.list(limit=2)
        last, end = await calls.list(after, limit=2)
        return made[::-1], [batch.id for batch in first + last], end

    made, listed, end = simulated(conversation)
    assert listed == made
    assert end is None


def test_a_canceled_batch_says_so_and_an_ended_one_is_refused():
    """The refusal is certain, and no reason to try again."""

    async def conversation(calls, _):
        batch = await calls.cancel((await created(calls)).id)
        while batch.status != "ended":
            batch = await calls.retrieve(batch.id)
        with pytest.raises(BatchCallFailed) as caught:
            await calls.cancel(batch.id)
        return batch, caught.value

    batch, failed = simulated(conversation, batch_delay=60)
    assert batch.canceled
    assert batch.counts["canceled"] == 3
    assert (failed.status, failed.transient) == (400, False)


def test_a_lost_creation_is_in_doubt_and_in_the_list():
    """No response: status 0, not certain. The batch was created once, because nothing is sent again here."""

    async def conversation(calls, _):
        with pytest.raises(BatchCallFailed) as caught:
            await created(calls)
        return caught.value, (await calls.list())[0]

    failed, batches = simulated(conversation, faults=Faults.parse(["batch_lost=1"]))
    assert (failed.status, failed.transient, failed.is_certain) == (0, True, False)
    assert failed.error.message == "the connection failed during the creation of a batch: the server closed it"
    assert len(batches) == 1


def test_results_that_are_cut_off_raise_after_what_came():
    """What arrived is yielded, the rest raises as transient, and a second read has everything."""

    async def conversation(calls, _):
        batch = await created(calls, requests(50))
        while batch.status != "ended":
            batch = await calls.retrieve(batch.id)
        found, failed = await lines_until_failure(calls, batch.id)
        return found, failed, await results_of(calls, batch.id)

    found, failed, again = simulated(conversation, faults=Faults.parse(["batch_cut=1"]))
    assert 0 < len(found) < len(again) == 50
    assert failed.transient


@EVERY
@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (401, Code.KEY_REJECTED, False),
        (402, Code.PAYMENT, False),
        (403, Code.FORBIDDEN_MODEL, False),
        (400, Code.BAD_REQUEST, False),
        (413, Code.BAD_REQUEST, False),
        (408, Code.TRANSPORT, True),
        (429, Code.TRANSPORT, True),
        (500, Code.TRANSPORT, True),
        (529, Code.TRANSPORT, True),
    ],
)
def test_a_status_decides_what_a_failure_means(name, status, code, transient):
    """It is sent once. The key appears in no message, even if the server repeats it."""
    failed, server = scripted(refusal(status, f"because of {KEY}"), do=CALLS[name])
    assert len(server.bodies) == 1
    assert (failed.status, failed.transient, failed.error.code) == (status, transient, code)
    assert isinstance(failed.error, RunStopped)
    assert "because of" in failed.error.message
    assert KEY not in f"{failed} {failed.error}"
    assert failed.is_certain == (status < 500 and status != 408)


@EVERY
def test_a_rate_limit_names_its_seconds(name):
    """`retry-after` is passed on."""
    failed, _ = scripted(refusal(429, headers={"retry-after": "7"}), do=CALLS[name])
    assert failed.retry_after == 7


@pytest.mark.parametrize("name", ["create", "list"])
@pytest.mark.parametrize("status", [404, 405, 501])
def test_an_api_without_batches_is_told(name, status):
    """A platform without the endpoint: how to do without it."""
    failed, server = scripted(Reply(b"<html>nginx</html>", status, kind="text/html"), do=CALLS[name])
    assert failed.error.message.startswith(f"the API at {server.url} has no Message Batches ({status}): ")
    assert "`batch=False`" in failed.error.hint
    assert not failed.transient


@pytest.mark.parametrize("name", ["retrieve", "cancel", "results"])
def test_an_unknown_batch_is_told_apart_from_a_missing_page(name):
    """The API's own 404 is about the batch, and a proxy's about the address."""
    failed, _ = scripted(refusal(404, "not found"), do=CALLS[name])
    assert failed.error.message.startswith("the API does not know batch msgbatch_1 with this key: not found")
    assert "another workspace" in failed.error.hint
    failed, _ = scripted(Reply(b"no such page", 404, kind="text/plain"), do=CALLS[name])
    assert "there is no such page" in failed.error.message


@EVERY
def test_a_redirect_is_not_followed(name):
    """The key goes to the configured host only."""

    async def main():
        async with ScriptedServer(Reply(BATCH)) as other:
            moved = Reply(b"", 307, {"location": f"{other.url}/elsewhere"})
            async with ScriptedServer(moved) as server, calls_at(server.url) as calls:
                with pytest.raises(BatchCallFailed) as caught:
                    await CALLS[name](calls)
            return caught.value, other.bodies

    failed, received = asyncio.run(main())
    assert received == []
    assert (failed.status, failed.transient, failed.error.code) == (307, False, Code.UNREACHABLE)
    assert "a key is not sent there" in failed.error.message


def test_results_come_from_the_configured_host():
    """Whatever `results_url` says."""

    async def main():
        async with ScriptedServer(Reply(b"{}\n")) as other:
            ended = BATCH | {"processing_status": "ended", "results_url": f"{other.url}/results"}
            async with ScriptedServer(Reply(ended), Reply(b"{}\n")) as server, calls_at(f"{server.url}/base") as calls:
                batch = await calls.retrieve("msgbatch_1")
                return await results_of(calls, batch.id), server, other

    lines, server, other = asyncio.run(main())
    assert lines == [b"{}"]
    assert server.paths[1] == f"{server.url}/base/v1/messages/batches/msgbatch_1/results"
    assert other.bodies == []


def test_lines_may_end_and_be_cut_anyhow():
    """A line end of Windows, blank lines, a line over many packets, and a last line without an end."""
    long = json.dumps({"a": "é" * 200_000}).encode()
    body = b'{"n":1}\r\n\r\n \n' + long + b'\n{"n":2}'
    lines, _ = scripted(Reply(body), do=results_of)
    assert lines == [b'{"n":1}', long, b'{"n":2}']
    lines, _ = scripted(Reply(gzip.compress(body), headers={"content-encoding": "gzip"}), do=results_of)
    assert lines == [b'{"n":1}', long, b'{"n":2}']


def test_a_line_of_any_length_does_not_fill_the_memory(monkeypatch):
    """There is a maximum."""
    monkeypatch.setattr("yamlgen.claude.batch_calls._LONGEST_LINE", 1000)
    failed, _ = scripted(Reply(b'{"n":1}\n' + b"x" * 100_000), do=results_of)
    assert "a line is longer than" in failed.error.message


def test_a_body_that_ends_without_a_stated_end_is_checked():
    """Some gateways state no length and close the connection, so that only the last line shows a cut."""
    head = b"HTTP/1.0 200 OK\r\nContent-Type: application/x-jsonl\r\n\r\n"
    found, failed = answered_by(head + b'{"n":1}\n{"n":', lines_until_failure)
    assert found == [b'{"n":1}']
    assert failed.transient
    assert "the last line is cut off" in failed.error.message
    assert answered_by(head + b'{"n":1}\n{"n":2}', lines_until_failure) == ([b'{"n":1}', b'{"n":2}'], None)


@pytest.mark.parametrize("end", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
def test_a_body_that_ends_too_early_is_a_failure(end):
    """Whether its end was stated by a length or is marked in the stream."""
    body = b'8\r\n{"n":1}\n\r\n' if b"chunked" in end else b'{"n":1}\n'
    found, failed = answered_by(b"HTTP/1.1 200 OK\r\n" + end + b"\r\n\r\n" + body, lines_until_failure)
    assert found == [b'{"n":1}']
    assert failed.transient
    assert "the connection failed during the download of the results of batch msgbatch_1" in failed.error.message


def test_a_slow_read_lasts_as_long_as_it_moves():
    """The deadline begins anew with each piece, and does not run while a line is used."""
    slow = Reply(b'{"n":1}\n{"n":2}\n', drip=0.05)
    lines, _ = scripted(slow, do=results_of, timeout=0.4)
    assert len(lines) == 2

    async def used_slowly(calls):
        async with calls.results("msgbatch_1") as lines:
            async for _ in lines:
                await asyncio.sleep(0.3)

    assert scripted(Reply(b"{}\n" * 3), do=used_slowly, timeout=0.2)[0] is None


def test_a_stalled_read_ends():
    """What came is yielded before."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    found, failed = answered_by(head + b'{"n":1}\n', lines_until_failure, stays=1.0, timeout=0.2)
    assert found == [b'{"n":1}']
    assert failed.transient
    assert "sent nothing for 0.2 s during the download of the results of batch msgbatch_1" in failed.error.message


@EVERY
def test_a_silent_server_is_not_waited_for_longer(name):
    """Each call has a deadline."""
    failed, server = scripted(Reply(BATCH, wait=30), do=CALLS[name], timeout=0.2)
    assert failed.error.message.startswith(f"{server.url} sent nothing for 0.2")
    assert (failed.status, failed.transient, failed.is_certain) == (0, True, False)


@EVERY
def test_an_address_without_a_server_is_told(name):
    """As for a single request."""

    async def main():
        async with ScriptedServer() as server:
            url = server.url
        async with calls_at(url) as calls:
            with pytest.raises(BatchCallFailed) as caught:
                await CALLS[name](calls)
        return url, caught.value

    url, failed = asyncio.run(main())
    assert failed.error.message == f"cannot reach {url}: connection refused"
    assert failed.error.code is Code.UNREACHABLE
    assert failed.transient


@EVERY
def test_a_missing_key_sends_nothing(name):
    """The failure is the one of the key, and certain."""
    problem = MissingKey("no API key", code=Code.NO_KEY)
    failed, server = scripted(do=CALLS[name], keyless=problem)
    assert server.bodies == []
    assert isinstance(failed.error, EnvironmentProblem)
    assert failed.error.code is Code.NO_KEY
    assert failed.is_certain
    assert not failed.transient


def test_a_creation_is_streamed_with_its_length_and_headers(monkeypatch):
    """One body of the stated length, not in chunks; the beta features of the environment stay."""
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "Anthropic-Beta: one, two\nx-gateway: mine")

    async def both(calls):
        await created(calls, betas=["two", "three"])
        return await created(calls)

    _, server = scripted(Reply(BATCH), do=both, api_version="2026-10-21")
    assert [len(body["requests"]) for body in server.bodies] == [3, 3]
    first, second = server.headers
    assert int(first["content-length"]) > 100
    assert "transfer-encoding" not in first
    assert first["content-type"] == "application/json"
    assert first.getall("anthropic-beta") == ["one,two,three"]
    assert second.getall("anthropic-beta") == ["one, two"]
    assert (first["x-gateway"], first["anthropic-version"]) == ("mine", "2026-10-21")
    assert KEY in (first.get("x-api-key"), first.get("authorization", "").removeprefix("Bearer "))


@pytest.mark.parametrize("length", [4, 9])
def test_a_body_of_another_length_is_never_sent_as_a_whole(length):
    """A server would take a part for the whole, or wait for the rest."""

    async def wrong(calls):
        with pytest.raises(ValueError, match="length"):
            await calls.create(stream(b"123", b"456"), length)

    _, server = scripted(Reply(BATCH), do=wrong)
    assert server.bodies == []


def test_an_error_of_the_body_is_raised_as_it_is():
    """The store cannot be read: that is no failure of the call."""
    problem = EnvironmentProblem("the disk is gone", code=Code.DISK)

    async def broken():
        yield b"1"
        raise problem

    async def creating(calls):
        with pytest.raises(EnvironmentProblem) as caught:
            await calls.create(broken(), 9)
        return caught.value

    found, server = scripted(Reply(BATCH), do=creating)
    assert found is problem
    assert server.bodies == []


def test_a_slow_creation_lasts_as_long_as_it_moves():
    """The deadline begins anew with each piece that is sent."""

    async def slow():
        for _ in range(8):
            await asyncio.sleep(0.1)
            yield b"1"

    batch, _ = scripted(Reply(BATCH), do=lambda calls: calls.create(slow(), 8), timeout=0.4)
    assert batch.id == "msgbatch_1"


def test_a_creation_that_is_refused_before_its_end_tells_why():
    """A gateway that accepts smaller bodies answers 413 without reading the rest."""
    pieces = [b"x" * 100_000] * 500

    async def creating(calls):
        with pytest.raises(BatchCallFailed) as caught:
            await calls.create(stream(*pieces), sum(map(len, pieces)))
        return caught.value

    response = b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge"
    failed = answered_by(response, creating, stays=0.5)
    assert failed.status == 413
    assert failed.is_certain
    assert "256 MB" in failed.error.hint


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"<html><title>Enter</title></html>", kind="text/html"),
        Reply([1]),
        Reply(b""),
        Reply({"id": "../models", "type": "message_batch"}),
        Reply({"id": KEY, "type": "message_batch"}),
        Reply({"id": "msg_1", "type": "message"}),
        Reply({"data": "none"}),
        Reply({"data": [{"id": 1}]}),
    ],
)
@pytest.mark.parametrize("name", ["create", "list", "retrieve", "cancel"])
def test_what_is_not_a_batch_is_a_failure(reply, name):
    """A creation that was answered like this is in doubt."""
    failed, server = scripted(reply, do=CALLS[name])
    assert "is not that of a Messages API" in failed.error.message
    assert server.url in failed.error.hint
    assert KEY not in str(failed.error)
    assert failed.status == 200
    assert not failed.is_certain
    assert failed.transient == (name != "create")


def test_another_batch_than_the_wanted_one_is_a_failure():
    """A cache that answers with what it has would end a wait too soon."""
    failed, _ = scripted(Reply(BATCH | {"id": "msgbatch_2"}))
    assert isinstance(failed, BatchCallFailed)


def test_an_error_in_a_200_is_that_error():
    """Some gateways send the status 200 with each error."""
    failed, _ = scripted(Reply({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}))
    assert failed.transient
    assert "busy" in failed.error.message


def test_a_gateway_may_leave_out_most_fields():
    """The id and a hint of what it is suffice."""
    before = datetime.now(UTC)
    done = {"id": "batch:a+b=", "processing_status": "done", "ended_at": "2026-11-28T09:00:00+01:00"}
    batch, _ = scripted(Reply(done), do=lambda calls: calls.retrieve("batch:a+b="))
    assert (batch.status, batch.ended) == ("ended", datetime(2026, 11, 28, 8, tzinfo=UTC))
    assert batch.created >= before - timedelta(seconds=2)
    assert batch.requests == 0
    odd = {"id": "b", "type": "message_batch", "request_counts": {"processing": None, "x": 2}}
    batch, server = scripted(Reply(odd), do=lambda calls: calls.cancel("b"))
    assert (batch.status, batch.ended, batch.requests) == ("in_progress", None, 2)
    assert server.paths == [f"{server.url}/v1/messages/batches/b/cancel"]


@pytest.mark.parametrize("hours", [-30, 5])
def test_the_time_is_that_of_the_api(hours):
    """A machine whose clock is wrong still knows which batches came after a moment."""

    async def told(calls):
        before = calls.now()
        await calls.retrieve("msgbatch_1")
        return before, calls.now()

    moment = datetime.now(UTC) + timedelta(hours=hours)
    (before, after), _ = scripted(Reply(BATCH, headers={"date": at_hours(hours)}), do=told)
    assert abs(before - datetime.now(UTC)) < timedelta(seconds=5)
    assert abs(after - moment) < timedelta(seconds=5)
    (before, after), _ = scripted(Reply(BATCH, headers={"date": "yesterday"}), do=told)
    assert abs(after - before) < timedelta(seconds=5)


def at_hours(hours):
    """A `Date` header of a clock that is so many hours ahead."""
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime("%a, %d %b %Y %H:%M:%S GMT")


@pytest.mark.parametrize("status", [200, 404, 529])
def test_the_time_is_known_before_a_batch_is_posted(status):
    """One call hears it, whatever the status, and a later one is not needed."""

    async def told(calls):
        await calls.synchronize()
        await calls.synchronize()
        return calls.now()

    reply = Reply({"data": []}, status, {"date": at_hours(5)})
    now, server = scripted(reply, do=told)
    assert abs(now - datetime.now(UTC) - timedelta(hours=5)) < timedelta(seconds=5)
    assert server.paths == [f"{server.url}/v1/messages/batches?limit=1"]


def test_without_a_response_there_is_no_time():
    """A server that cannot be reached is a failure."""
    failed, _ = scripted(Reply(b"", cut=True), do=lambda calls: calls.synchronize())
    assert failed.transient
    assert failed.status == 0


def test_no_call_is_shown_the_simulators_redirect_host():
    """The simulator names a host that does not exist; the results are read all the same."""

    async def conversation(calls, simulator):
        batch = await created(calls)
        while batch.status != "ended":
            batch = await calls.retrieve(batch.id)
        await results_of(calls, batch.id)
        return simulator.requests[f"/v1/messages/batches/{batch.id}/results", 200]

    assert simulated(conversation) == 1
