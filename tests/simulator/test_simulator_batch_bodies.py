"""What the creation of a batch refuses, and how its body is read: in pieces, of any size, cut anywhere."""

import asyncio
import io
import json
import random
import subprocess
import sys

import aiohttp
import anthropic
import pytest

from batch_requests import HEADERS, PATH, one, params, requests
from simulator_calls import talk
from yamlgen.simulator import batch_body
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.batch_body import read_batch
from yamlgen.simulator.server import Simulator


async def chunks(pieces):
    """The pieces of a body as they come."""
    for piece in pieces:
        yield piece


def read(*pieces):
    """The spool of a body in these pieces."""
    return asyncio.run(read_batch(chunks(pieces)))


def told(body):
    """What is said of a wrong body, which must not matter where it is cut."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = set()
    for size in (1, 7, 10**6):
        with pytest.raises(SimulatedAPIError) as caught:
            read(*(raw[at : at + size] for at in range(0, len(raw), size)))
        found.add((caught.value.status, caught.value.message))
    ((status, message),) = found
    assert status == 400
    return message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "Input should be an object"),
        (None, "Input should be an object"),
        (12, "Input should be an object"),
        ({}, "requests: Field required"),
        ({"requests": {}}, "requests: Input should be a valid array"),
        ({"requests": None}, "requests: Input should be a valid array"),
        ({"requests": []}, "requests: List should have at least 1 item after validation, not 0"),
        ({"name": "mine", "requests": []}, "name: Extra inputs are not permitted"),
        ({"requests": one(), "name": "mine"}, "name: Extra inputs are not permitted"),
        ({"requests": [5]}, "requests.0: Input should be an object"),
        ({"requests": [*requests(2), {}]}, "requests.2.custom_id: Field required"),
        ({"requests": [{"custom_id": "a"}]}, "requests.0.params: Field required"),
        ({"requests": [{"custom_id": "a", "params": []}]}, "requests.0.params: Input should be an object"),
        ({"requests": [{"custom_id": 5, "params": {}}]}, "requests.0.custom_id: Input should be a valid string"),
        ({"requests": [{**one()[0], "priority": 1}]}, "requests.0.priority: Extra inputs are not permitted"),
        ({"requests": [*requests(3), *requests(2)[1:]]}, "requests.3.custom_id: `id-1` is not unique in the batch"),
        *(
            (
                {"requests": [*requests(1), {"custom_id": name, "params": {}}]},
                "requests.1.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'",
            )
            for name in ("", "a" * 65, "a b", "a.b", "é", "a\n")
        ),
    ],
)
def test_a_wrong_body_is_told_with_its_place(body, message):
    """The first mistake, as the API names it."""
    assert told(body) == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Expecting value: char 0"),
        (b"{", "Expecting property name enclosed in double quotes: char 1"),
        (b'{"requests" 1', "Expecting ':': char 12"),
        (b'{"requests": [', "Expecting value: char 14"),
        (b'{"requests": [{"custom_id": "a", "params": {}}', "Expecting ',' or ']': char 46"),
        (b'{"requests": [{"custom_id": "a", "params": {}}}', "Expecting ',' or ']': char 46"),
        (b'{"requests": [{"custom_id": "a", "params": {}},]}', "Expecting value: char 47"),
        (b'{"requests": [{"custom_id": "a", "params": {}}]', "Expecting ',' or '}': char 47"),
        (b'{"requests": [{"custom_id": "a", "params": {}}]} x', "Extra data: char 49"),
        (b'{"requests": [{"custom_id": "a, "params": {}}]}', "Expecting ',' delimiter: char 33"),
        (b'{"requests": [{"custom_id": "a', "Unterminated string starting at: char 28"),
        (b'{"requests": [{"custom_id": "a", "params": {"n": NaN}}]}', "NaN is not JSON: char 14"),
    ],
)
def test_what_is_no_json_is_told(body, message):
    """With the place in the whole body, wherever it was cut on the way."""
    assert told(body) == f"The request body is not valid JSON: {message}"


def test_what_is_no_utf_8_is_told():
    """A byte that begins no character."""
    message = "The request body is not valid JSON: it is not UTF-8"
    assert told(b'{"requests": [{"custom_id": "\xff"}]}') == message


def test_a_body_is_read_alike_wherever_it_is_cut():
    """Between any two bytes: in numbers, escapes, literals and characters."""
    wanted = [
        {"custom_id": f"é{index}".encode().hex(), "params": params('Ü\\"\u2028\n\U0001f600', n=[1.5e-7, True, None])}
        for index in range(3)
    ]
    for raw in (json.dumps({"requests": wanted}, indent=1), json.dumps({"requests": wanted}, ensure_ascii=False)):
        body = raw.encode()
        for at in range(1, len(body)):
            spool = read(body[:at], body[at:])
            assert [spool.request(index) for index in range(len(spool))] == wanted


def test_a_large_request_is_decoded_a_few_times_only(monkeypatch):
    """One of 8 MB, in pieces of 64 kB, does not take the square of its size."""
    tries = []

    class Decoder(json.JSONDecoder):
        def raw_decode(self, text, at=0):
            tries.append(len(text) - at)
            return super().raw_decode(text, at)

    monkeypatch.setattr(batch_body, "_DECODER", Decoder())
    raw = json.dumps({"requests": one(system="x" * 2**23)}).encode()
    read(*(raw[at : at + 2**16] for at in range(0, len(raw), 2**16)))
    assert sum(tries) < 4 * len(raw)


def test_an_invalid_body_is_not_read_to_its_end():
    """A mistake at its beginning is told at once."""
    served = []

    async def endless():
        yield b'{"requests": [{"custom_id": "a", "params": {}} '
        for index in range(10**6):
            served.append(index)
            yield b'{"custom_id": "a", "params": {}}' * 100

    with pytest.raises(SimulatedAPIError, match="Expecting ',' or ']': char 47"):
        asyncio.run(read_batch(endless()))
    assert len(served) < 5


def test_a_batch_has_at_most_100000_requests():
    """That many are taken; one more is not."""

    def body(count):
        yield b'{"requests": ['
        for index in range(count):
            yield b'%s{"custom_id": "%d", "params": {}}' % (b"," if index else b"", index)
        yield b"]}"

    assert len(read(*body(100_000))) == 100_000
    with pytest.raises(SimulatedAPIError, match="at most 100000 items after validation, not 100001") as caught:
        read(*body(100_001))
    assert caught.value.status == 400


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large_is_a_413(declared, monkeypatch):
    """Whether or not its length is told in advance."""
    monkeypatch.setattr(batch_body, "MOST_BYTES", 10**6)
    monkeypatch.setattr("yamlgen.simulator.batch_routes.MOST_BYTES", 10**6)
    raw = json.dumps({"requests": one(system="x" * 2 * 10**6)}).encode()

    async def main():
        async with Simulator() as simulator, aiohttp.ClientSession(headers=HEADERS) as session:
            data = io.BytesIO(raw) if declared else chunks([raw[: 10**5], raw[10**5 :]])
            async with session.post(f"{simulator.url}{PATH}", data=data) as response:
                return response.status, await response.json()

    status, body = asyncio.run(main())
    assert (status, body["error"]["type"]) == (413, "request_too_large")


def test_a_batch_may_be_larger_than_a_message():
    """40 MB go into a batch; a message of that size is refused."""
    raw = json.dumps({"requests": requests(2, system="x" * 20 * 10**6)}).encode()

    async def main():
        async with Simulator() as simulator, aiohttp.ClientSession(headers=HEADERS) as session:
            statuses = []
            for path in (PATH, "/v1/messages"):
                async with session.post(f"{simulator.url}{path}", data=io.BytesIO(raw)) as response:
                    statuses.append(response.status)
            return statuses

    assert asyncio.run(main()) == [200, 413]


@pytest.mark.parametrize("wrong", [{"custom_id": "a"}, {"custom_id": "a b", "params": {}}])
def test_a_refusal_arrives_before_the_body_is_sent(wrong):
    """A client that is still sending 40 MB gets the 400, and no broken connection."""

    async def refused(client, _):
        with pytest.raises(anthropic.BadRequestError, match=r"requests\.0\."):
            await client.messages.batches.create(requests=[wrong, *requests(4, system="x" * 10**7)])

    talk(refused)


def test_a_creation_that_breaks_off_creates_nothing():
    """The client is gone in the middle of its body."""

    async def half():
        yield json.dumps({"requests": requests(3)}).encode()[:-20]
        raise ConnectionError

    async def broken(client, simulator):
        async with aiohttp.ClientSession(headers=HEADERS) as session:
            with pytest.raises((aiohttp.ClientError, ConnectionError)):
                await session.post(f"{simulator.url}{PATH}", data=half())
        return [batch async for batch in client.messages.batches.list()]

    assert talk(broken) == []


def test_requests_are_read_in_any_order():
    """The spool gives each of them again, whichever is asked for first."""
    wanted = requests(50)
    spool = read(json.dumps({"requests": wanted}).encode())
    order = list(range(50))
    random.Random(1).shuffle(order)  # noqa: S311 - a choice of cases
    assert [spool.request(index) for index in order] == [wanted[index] for index in order]


FLAT = """
import asyncio, json, resource, sys
import aiohttp
from yamlgen.simulator.server import Simulator

HEADERS = {"x-api-key": "x", "anthropic-version": "2023-06-01", "content-type": "application/json"}

async def body(count):
    for index in range(count):
        messages = [{"role": "user", "content": f"{index} " * 900}]
        params = {"model": "claude-haiku-5-5", "max_tokens": 9000, "messages": messages}
        request = {"custom_id": f"{index:064d}", "params": params}
        yield (("," if index else '{"requests": [') + json.dumps(request)).encode()
    yield b"]}"

async def main(count):
    async with Simulator() as simulator, aiohttp.ClientSession(headers=HEADERS) as session:
        url = f"{simulator.url}/v1/messages/batches"
        async with session.post(url, data=body(count)) as response:
            batch = await response.json()
        while batch["processing_status"] != "ended":
            async with session.get(f"{url}/{batch['id']}") as response:
                batch = await response.json()
        lines = 0
        async with session.get(f"{url}/{batch['id']}/results") as response:
            async for line in response.content:
                lines += 1
    assert lines == batch["request_counts"]["succeeded"] == count
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

asyncio.run(main(int(sys.argv[1])))
"""


def test_memory_does_not_grow_with_a_batch():
    """10,000 requests of 50 MB take hardly more than 500."""
    peaks = []
    for count in (500, 10_000):
        command = [sys.executable, "-c", FLAT, str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        peaks.append(int(done.stdout))
    assert peaks[1] / peaks[0] < 1.1
