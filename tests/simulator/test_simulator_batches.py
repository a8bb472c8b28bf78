"""Message Batches of the simulator through the SDK: their life, their results, their lists."""

import asyncio
import urllib.parse
from datetime import UTC, datetime, timedelta

import anthropic
import pytest

from batch_requests import HEADERS, PATH, counts, ended, lines, made, one, params, requests, response_of, results
from simulator_calls import SCHEMA, TOOL, talk
from yamlgen.errors import UsageError
from yamlgen.simulator.server import Simulator

LONG = "output-300k-2026-03-24"


def test_a_batch_has_a_whole_life():
    """It is created, ends, has results by custom id, and is deleted with them."""

    async def life(client, _):
        created = await client.messages.batches.create(requests=requests(4))
        batch = await ended(client, created)
        found = await results(client, batch)
        deleted = await client.messages.batches.delete(batch.id)
        assert (deleted.id, deleted.type) == (batch.id, "message_batch_deleted")
        for look in (client.messages.batches.retrieve, client.messages.batches.cancel, client.messages.batches.delete):
            with pytest.raises(anthropic.NotFoundError):
                await look(batch.id)
        assert [each async for each in client.messages.batches.list()] == []
        return created, batch, found

    created, batch, found = talk(life)
    assert created.processing_status == "in_progress"
    assert (created.type, created.ended_at, created.results_url) == ("message_batch", None, None)
    assert abs(created.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert created.expires_at - created.created_at == timedelta(hours=24)
    assert (batch.id, batch.created_at, batch.archived_at, batch.cancel_initiated_at) == (
        created.id,
        created.created_at,
        None,
        None,
    )
    assert batch.ended_at >= batch.created_at
    assert {each.custom_id for each in found} == {f"id-{index}" for index in range(4)}


def test_counts_are_zero_until_the_whole_batch_has_ended():
    """There is no progress to see, and the sum is always the number of requests."""

    async def looks(client, _):
        created = await client.messages.batches.create(
            requests=[*requests(9), {**one(max_tokens=0)[0], "custom_id": "x"}]
        )
        early = await client.messages.batches.retrieve(created.id)
        with pytest.raises(anthropic.NotFoundError, match="no results until"):
            await client.get(f"{PATH}/{created.id}/results", cast_to=object)
        with pytest.raises(anthropic.BadRequestError, match="while it is processing"):
            await client.messages.batches.delete(created.id)
        return [created, early], await ended(client, created)

    early, late = talk(looks, batch_delay=1.5)
    for batch in early:
        assert (batch.processing_status, counts(batch)) == ("in_progress", {"processing": 10})
    assert counts(late) == {"succeeded": 9, "errored": 1}


def test_a_batch_ends_when_its_delay_is_over():
    """Not when somebody asks for it."""

    async def late(client, _):
        created = await client.messages.batches.create(requests=requests(2))
        await asyncio.sleep(1)
        return await ended(client, created)

    batch = talk(late, batch_delay=0.2)
    assert 0.15 < (batch.ended_at - batch.created_at).total_seconds() < 0.9


def test_an_answer_is_that_of_a_single_message():
    """Body and seed decide, not the way it is asked; only the tier differs."""
    wanted = {
        "text": params(),
        "tool": params(tools=[TOOL]),
        "native": params(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}),
    }

    async def both(client, _):
        _, batched = await made(client, [{"custom_id": name, "params": each} for name, each in wanted.items()])
        return batched, {name: await client.messages.create(**each) for name, each in wanted.items()}

    batched, single = talk(both, seed=3)
    for name, message in single.items():
        found = batched[name].message
        assert found.usage.service_tier == "batch"
        found.usage.service_tier = message.usage.service_tier
        assert found == message


def test_equal_requests_of_different_rows_are_answered_apart():
    """A request of a batch has the row as a field, which a message has as a header."""

    async def answers(client, _):
        headers = {"x-yamlgen-row": "b"}
        _, found = await made(client, [{**one()[0], "custom_id": row, "x-yamlgen-row": row} for row in "ab"])
        return found, await client.messages.create(**params(), extra_headers=headers)

    found, single = talk(answers)
    assert found["a"].message.content != found["b"].message.content == single.content


def test_results_have_an_order_of_their_own_and_the_same_again():
    """Not that of the requests; the seed decides, and reading again changes nothing."""

    async def order(client, _):
        batch = await ended(client, await client.messages.batches.create(requests=requests(40)))
        once, again = await lines(client, batch), await lines(client, batch)
        assert once == again
        return [each.custom_id for each in await results(client, batch)]

    first, second, other = talk(order), talk(order), talk(order, seed=1)
    assert first == second
    assert sorted(first) == sorted(other) == sorted(f"id-{index}" for index in range(40))
    assert len({tuple(first), tuple(other), tuple(f"id-{index}" for index in range(40))}) == 3


@pytest.mark.parametrize("count", [2, 3])
def test_even_a_small_batch_is_out_of_order(count):
    """A client that takes the results by place is found out."""

    async def order(client, _):
        batch = await ended(client, await client.messages.batches.create(requests=requests(count)))
        return [each.custom_id for each in await results(client, batch)]

    for seed in range(5):
        assert talk(order, seed=seed) != [f"id-{index}" for index in range(count)]


def test_results_are_read_to_their_end_while_their_batch_is_deleted():
    """Two read them at once, and one of them loses nothing by the other's haste."""

    async def both(client, _):
        batch = await ended(client, await client.messages.batches.create(requests=requests(5_000)))
        address = f"{str(client.base_url).rstrip('/')}{PATH}/{batch.id}/results"
        async with client._client.stream("GET", address, headers=HEADERS) as response:
            whole = await lines(client, batch)
            await client.messages.batches.delete(batch.id)
            return whole, [line async for line in response.aiter_lines()]

    whole, slow = talk(both)
    assert len(whole) == 5_000
    assert slow == whole


def test_the_address_of_the_results_is_on_another_host():
    """The SDK's own `results` goes there with the key, and finds nobody."""

    async def follow(client, _):
        batch = await ended(client, await client.messages.batches.create(requests=requests(1)))
        assert urllib.parse.urlsplit(batch.results_url).hostname == "batches.invalid"
        with pytest.raises(anthropic.APIConnectionError):
            await client.messages.batches.results(batch.id)

    talk(follow)


REFUSED = {
    "stream": ({"stream": True}, "stream: streaming is not supported in a batch"),
    "speed": ({"speed": "fast", "model": "claude-opus-5-5"}, "speed: not supported in a batch"),
    "fallbacks": ({"fallbacks": "default"}, "fallbacks: not supported in a batch"),
    "thread": ({"thread": {"type": "create"}}, "thread: not supported in a batch"),
    "nothing": ({"max_tokens": 0}, "max_tokens: 0 is not supported in a batch"),
    "unknown": ({"temprature": 1}, "temprature: Extra inputs are not permitted"),
    "too-much": ({"max_tokens": 10**6}, "max_tokens: 1000000 > 128000, "),
    "no-model": ({"model": "claude-nope"}, "model: claude-nope"),
    "no-schema": ({"tools": [{"name": "x", "input_schema": {"type": "object", "$ref": "#/nope"}}]}, ""),
    "empty": ({"messages": []}, "messages: "),
}


def test_wrong_params_are_errors_at_the_end_and_of_their_request_alone():
    """What the messages route refuses, and what a batch may not have; the neighbours succeed."""
    wanted = [{"custom_id": name, "params": {**params(), **more}} for name, (more, _) in REFUSED.items()]
    batch, found = talk(lambda client, _: made(client, [*wanted, *requests(2), {"custom_id": "bare", "params": {}}]))
    assert counts(batch) == {"errored": len(REFUSED) + 1, "succeeded": 2}
    for name, (_, told) in REFUSED.items():
        error = found[name].error
        assert (found[name].type, error.type) == ("errored", "error")
        assert error.error.type == ("not_found_error" if name == "no-model" else "invalid_request_error")
        assert error.error.message.startswith(told)


def test_what_is_not_streamed_may_say_so():
    """`stream: false` and a null are what a batch does anyhow."""
    _, found = talk(lambda client, _: made(client, one(stream=False, speed=None)))
    assert found["id-0"].type == "succeeded"


def test_long_answers_need_a_batch_its_beta_and_a_model_that_has_them():
    """300,000 tokens, which no single message may have."""

    async def tried(client, _):
        models = ("claude-haiku-5-5", "claude-opus-4-6", "claude-fable-5-2", "claude-haiku-4-5")
        long = [{"custom_id": each, "params": params(model=each, max_tokens=300_000)} for each in models]
        _, plain = await made(client, long)
        _, found = await made(client, long, extra_headers={"anthropic-beta": LONG})
        with pytest.raises(anthropic.BadRequestError, match="300000 > 128000"):
            await client.messages.create(**long[0]["params"], extra_headers={"anthropic-beta": LONG}, timeout=60)
        _, more = await made(client, one(max_tokens=300_001), extra_headers={"anthropic-beta": LONG})
        return plain, found, more

    plain, found, more = talk(tried)
    assert {each.type for each in (*plain.values(), *more.values())} == {"errored"}
    assert {name: each.type for name, each in found.items()} == {
        "claude-haiku-5-5": "succeeded",
        "claude-opus-4-6": "succeeded",
        "claude-fable-5-2": "errored",
        "claude-haiku-4-5": "errored",
    }


def test_the_beta_client_creates_the_same_batches():
    """`beta.messages.batches` sends its betas for all requests."""

    async def conversation(client, _):
        long = [{"custom_id": "a", "params": params(max_tokens=300_000)}]
        batch = await client.beta.messages.batches.create(requests=long, betas=[LONG])
        return await ended(client, batch)

    assert counts(talk(conversation)) == {"succeeded": 1}


def test_a_canceled_batch_keeps_what_is_done():
    """A quarter of its delay is a quarter of its results; the rest is canceled, and told so in each line."""

    async def canceled(client, _):
        batch = await client.messages.batches.create(requests=requests(200))
        await asyncio.sleep(1)
        first = await client.messages.batches.cancel(batch.id)
        second = await client.messages.batches.cancel(batch.id)
        assert (first.processing_status, counts(first)) == ("canceling", {"processing": 200})
        assert first.cancel_initiated_at == second.cancel_initiated_at
        batch = await ended(client, batch)
        with pytest.raises(anthropic.BadRequestError, match="cannot be canceled because it has ended"):
            await client.messages.batches.cancel(batch.id)
        return batch, await results(client, batch)

    batch, found = talk(canceled, batch_delay=4)
    assert batch.cancel_initiated_at is not None
    assert 0 < counts(batch)["canceled"] <= 150
    assert sum(each.result.type == "canceled" for each in found) == counts(batch)["canceled"]
    assert counts(batch)["succeeded"] + counts(batch)["canceled"] == len(found) == 200


def test_a_large_batch_is_canceled_while_it_ends():
    """What is not answered yet when the cancelation comes is canceled."""

    async def canceled(client, _):
        batch = await client.messages.batches.create(requests=requests(30_000))
        looking = asyncio.create_task(client.messages.batches.retrieve(batch.id))
        await asyncio.sleep(0.05)
        assert (await client.messages.batches.cancel(batch.id)).processing_status == "canceling"
        await looking
        return await ended(client, batch)

    found = counts(talk(canceled))
    assert found["canceled"] > 0
    assert found["succeeded"] + found["canceled"] == 30_000


def test_a_batch_that_is_canceled_at_once_has_no_answers():
    """It ends long before its delay, so that nobody waits for it."""

    async def canceled(client, _):
        batch = await client.messages.batches.create(requests=requests(5))
        await client.messages.batches.cancel(batch.id)
        return await asyncio.wait_for(ended(client, batch), 5)

    assert counts(talk(canceled, batch_delay=600)) == {"canceled": 5}


def test_batches_are_listed_newest_first_over_pages():
    """The SDK pages through them, forwards and backwards; those of equal counts are told apart by id alone."""

    async def pages(client, _):
        made_ids = [(await client.messages.batches.create(requests=requests(3))).id for _ in range(5)]
        listed = [batch async for batch in client.messages.batches.list(limit=2)]
        first = await client.messages.batches.list(limit=2)
        second = await client.messages.batches.list(limit=2, after_id=first.last_id)
        back = await client.messages.batches.list(limit=2, before_id=second.first_id)
        for wrong in ({"limit": 0}, {"limit": 1001}, {"after_id": "msgbatch_nope"}):
            with pytest.raises(anthropic.BadRequestError):
                await client.messages.batches.list(**wrong)
        return made_ids, listed, first, second, back

    made_ids, listed, first, second, back = talk(pages)
    assert [batch.id for batch in listed] == made_ids[::-1]
    assert {tuple(counts(batch).items()) for batch in listed} == {(("succeeded", 3),)}
    assert (first.has_more, second.has_more) == (True, True)
    assert [batch.id for batch in back.data] == [batch.id for batch in first.data]


def test_batches_are_those_of_their_simulator():
    """Another simulator knows nothing of them, and gives no id twice."""

    async def main():
        async with Simulator() as one_server, Simulator() as other:
            ids = []
            for server in (one_server, other):
                async with anthropic.AsyncAnthropic(base_url=server.url, api_key="x", max_retries=0) as client:
                    ids.append((await client.messages.batches.create(requests=requests(2))).id)
                    assert [each.id async for each in client.messages.batches.list()] == ids[-1:]
            return ids

    assert len(set(asyncio.run(main()))) == 2


def test_batches_outlive_a_pause_of_their_server():
    """A simulator that is stopped and started again has them still."""

    async def main():
        simulator = Simulator()
        await simulator.start()
        async with anthropic.AsyncAnthropic(base_url=simulator.url, api_key="x", max_retries=0) as client:
            batch = await client.messages.batches.create(requests=requests(30))
        await simulator.stop()
        await simulator.start()
        async with anthropic.AsyncAnthropic(base_url=simulator.url, api_key="x", max_retries=0) as client:
            found = await results(client, await ended(client, batch))
        await simulator.stop()
        return found

    assert len(asyncio.run(main())) == 30


def test_the_queue_has_an_end():
    """More requests than it holds are a 429, until a batch has ended."""

    async def filled(client, _):
        first = await client.messages.batches.create(requests=requests(6))
        with pytest.raises(anthropic.RateLimitError) as caught:
            await client.messages.batches.create(requests=requests(5))
        await ended(client, first)
        second = await client.messages.batches.create(requests=requests(5))
        return caught.value.response.headers, second, [each async for each in client.messages.batches.list()]

    headers, second, listed = talk(filled, batch_delay=1, batch_queue=10)
    assert headers["retry-after"] == "1"
    assert listed[0].id == second.id
    assert len(listed) == 2


def test_a_batch_needs_a_key_and_a_version():
    """Each route refuses what the others of the API refuse."""

    async def statuses(client, simulator):
        found = []
        for method, path in (("POST", ""), ("GET", ""), ("GET", "/x"), ("DELETE", "/x"), ("POST", "/x/cancel")):
            for headers in ({}, {"x-api-key": "x"}):
                response = await client._client.request(method, f"{simulator.url}{PATH}{path}", headers=headers)
                found.append(response.status_code)
        return found

    assert talk(statuses) == [401, 400] * 5


@pytest.mark.parametrize(("delay", "shown"), [(-1, "-1"), (float("inf"), "inf")])
def test_the_delay_of_batches_is_a_time(delay, shown):
    """Neither negative nor endless."""
    with pytest.raises(UsageError, match=f"the delay of batches must be 0 or more seconds, not {shown}$"):
        Simulator(batch_delay=delay)


def test_headers_of_results_are_those_of_the_simulator():
    """They are streamed, and marked as simulated."""

    async def headers(client, _):
        batch = await ended(client, await client.messages.batches.create(requests=requests(1)))
        return (await response_of(client, batch)).headers

    found = talk(headers)
    assert found["content-type"] == "application/x-jsonl"
    assert found["x-yamlgen-simulator"] == "true"
    assert found["request-id"].startswith("req_sim_")
