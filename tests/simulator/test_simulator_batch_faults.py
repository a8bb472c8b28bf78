"""The faults of batches: each does what it says, as often as it says, the same way again."""

import json
import subprocess
import sys

import anthropic
import httpx2
import pytest
from jsonschema import Draft202012Validator

from batch_requests import HEADERS, PATH, counts, ended, lines, made, params, requests
from simulator_calls import SCHEMA, TOOL, talk
from yamlgen.simulator.faults import Faults


def faults(*texts, seed=0):
    """The options of a simulator with these faults."""
    return {"faults": Faults.parse(texts, seed), "seed": seed}


def test_a_lost_creation_has_created_a_batch():
    """The connection drops without an answer, and the batch is in the list; sent again, it is there twice."""

    async def lost(client, _):
        for _ in range(2):
            with pytest.raises(anthropic.APIConnectionError):
                await client.messages.batches.create(requests=requests(3))
        return [await ended(client, batch) async for batch in client.messages.batches.list()]

    batches = talk(lost, **faults("batch_lost=1"))
    assert [counts(batch) for batch in batches] == [{"succeeded": 3}] * 2
    assert batches[0].id != batches[1].id


def test_a_lost_creation_is_not_lost_for_ever():
    """Each attempt is decided anew, and the same way in another simulator."""

    async def tries(client, _):
        found = []
        for _ in range(12):
            try:
                await client.messages.batches.create(requests=requests(1))
            except anthropic.APIConnectionError:
                found.append(False)
            else:
                found.append(True)
        return found

    assert set(talk(tries, **faults("batch_lost=0.5"))) == {True, False}
    assert talk(tries, **faults("batch_lost=0.5")) == talk(tries, **faults("batch_lost=0.5"))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rate_limit", anthropic.RateLimitError),
        ("overloaded", anthropic.InternalServerError),
        ("server_error", anthropic.InternalServerError),
    ],
)
def test_a_refused_creation_has_created_nothing(fault, error):
    """The errors of an API in trouble meet the creation, and no request of a batch."""

    async def refused(client, _):
        with pytest.raises(error):
            await client.messages.batches.create(requests=requests(3))
        return [batch async for batch in client.messages.batches.list()]

    assert talk(refused, **faults(f"{fault}=1")) == []


def test_results_are_cut_once():
    """The first stream breaks in the middle; the second has every line, the ones that came among them."""

    async def read(client, batch, received):
        address = f"{str(client.base_url).rstrip('/')}{PATH}/{batch.id}/results"
        async with client._client.stream("GET", address, headers=HEADERS) as response:
            async for piece in response.aiter_bytes():
                received += piece

    async def both(client, _):
        batch = await ended(client, await client.messages.batches.create(requests=requests(400)))
        part, whole = bytearray(), bytearray()
        with pytest.raises(httpx2.RemoteProtocolError):
            await read(client, batch, part)
        await read(client, batch, whole)
        return part, whole

    part, whole = talk(both, **faults("batch_cut=1"))
    assert 0 < len(part) < len(whole)
    assert whole.startswith(part)
    assert len(whole.splitlines()) == 400


@pytest.mark.parametrize(
    ("fault", "kind"), [("batch_errored", "errored"), ("batch_expired", "expired"), ("batch_canceled", "canceled")]
)
def test_requests_end_in_each_way_there_is(fault, kind):
    """About a share of them, and the counts say how many; errors are the server's."""
    batch, found = talk(lambda client, _: made(client, requests(200)), **faults(f"{fault}=0.3"))
    met = [result for result in found.values() if result.type == kind]
    assert counts(batch) == {"succeeded": 200 - len(met), kind: len(met)}
    assert 30 < len(met) < 90
    assert all(result.error.error.type == "api_error" for result in met if kind == "errored")


def test_a_request_that_is_sent_again_may_succeed():
    """A fault is decided by how often the params came before: in the next batch, others meet it."""

    async def until_done(client, _):
        left, rounds = requests(60), 0
        while left:
            _, found = await made(client, left)
            left = [each for each in left if found[each["custom_id"]].type != "succeeded"]
            rounds += 1
        return rounds

    assert 1 < talk(until_done, **faults("batch_expired=0.4", "batch_errored=0.2")) < 15


def test_a_request_that_yamlgen_sends_again_may_succeed_in_another_simulator():
    """The field counts what a new process of a simulator cannot know."""
    again = [[{**each, "x-yamlgen-again": str(times)} for each in requests(40)] for times in (0, 1)]
    first, second = (talk(lambda client, _, a=a: made(client, a), **faults("batch_expired=0.5"))[1] for a in again)
    assert {name: each.type for name, each in first.items()} != {name: each.type for name, each in second.items()}


def test_a_line_comes_twice():
    """Some lines do, with the same result; the counts are of requests."""

    async def read(client, _):
        batch = await ended(client, await client.messages.batches.create(requests=requests(100)))
        return batch, await lines(client, batch)

    batch, found = talk(read, **faults("batch_twice=0.2"))
    assert counts(batch) == {"succeeded": 100}
    assert len(set(found)) == 100
    assert 105 < len(found) < 140


def test_the_faults_of_content_are_those_of_messages():
    """Refused, cut, blank and invalid answers succeed; a refused request is an error of the request."""
    wanted = [{"custom_id": "tool", "params": params(tools=[TOOL])}, {"custom_id": "text", "params": params()}]

    def met(fault):
        return talk(lambda client, _: made(client, wanted), **faults(f"{fault}=1"))[1]

    assert {each.message.stop_reason for each in met("refusal").values()} == {"refusal"}
    assert {each.message.stop_reason for each in met("truncate").values()} == {"max_tokens"}
    assert met("blank")["text"].message.content[0].text.strip() == ""
    assert not Draft202012Validator(SCHEMA).is_valid(met("invalid_output")["tool"].message.content[0].input)
    assert met("bad_request")["text"].error.error.type == "invalid_request_error"


def test_an_unreadable_line_stands_among_readable_ones():
    """No parser takes it; the counts call it a success, as it is billed."""

    async def read(client, _):
        batch = await ended(client, await client.messages.batches.create(requests=requests(50)))
        return batch, await lines(client, batch)

    batch, found = talk(read, **faults("unreadable=0.2"))
    assert counts(batch) == {"succeeded": 50}
    broken = 0
    for line in found:
        try:
            json.loads(line)
        except ValueError:
            broken += 1
    assert 2 < broken < 25


@pytest.mark.parametrize("fault", ["rate_limit", "overloaded", "server_error", "hang", "no_message", "disconnect"])
def test_no_request_of_a_batch_meets_the_faults_of_a_connection(fault):
    """They are about a request over HTTP of its own; one of two creations goes through."""

    async def all_of(client, _):
        for _ in range(30):
            try:
                return await made(client, requests(20))
            except anthropic.APIStatusError:
                continue
        raise AssertionError

    assert counts(talk(all_of, **faults(f"{fault}=0.5"))[0]) == {"succeeded": 20}


def test_no_message_meets_the_faults_of_batches():
    """A single message is answered."""
    every = [f"batch_{name}=1" for name in ("lost", "cut", "errored", "expired", "canceled", "twice")]
    message = talk(lambda client, _: client.messages.create(**params()), **faults(*every))
    assert message.stop_reason == "end_turn"


def test_the_command_serves_batches_with_their_delay():
    """`yamlgen simulate --batch-delay` to any client."""
    command = [sys.executable, "-m", "yamlgen", "simulate", "--port", "0", "--batch-delay", "600"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            url = server.stderr.readline().split()[-1]
            with anthropic.Anthropic(base_url=url, api_key="x", max_retries=0) as client:
                batch = client.messages.batches.create(requests=requests(2))
                assert client.messages.batches.retrieve(batch.id).processing_status == "in_progress"
        finally:
            server.terminate()
