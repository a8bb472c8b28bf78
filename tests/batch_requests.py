"""Batches of a simulator: requests, and what is read of them with the SDK."""

import asyncio
import json

from anthropic.types.messages import MessageBatchIndividualResponse

HEADERS = {"x-api-key": "x", "anthropic-version": "2023-06-01"}
PATH = "/v1/messages/batches"


def params(prompt="Hello.", **more):
    """The params of a request."""
    return {
        "model": "claude-haiku-5-5",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": prompt}],
        **more,
    }


def requests(count, **more):
    """So many requests of a batch, of different prompts."""
    return [{"custom_id": f"id-{index}", "params": params(f"Row {index}.", **more)} for index in range(count)]


def one(**more):
    """A batch of one request with these params."""
    return [{"custom_id": "id-0", "params": params(**more)}]


async def ended(client, batch):
    """A batch after its end, which is waited for."""
    while (now := await client.messages.batches.retrieve(batch.id)).processing_status != "ended":
        assert now.request_counts.processing > 0
        await asyncio.sleep(0.01)
    return now


async def response_of(client, batch):
    """The response with the results, read from the client's own host."""
    address = f"{str(client.base_url).rstrip('/')}{PATH}/{batch.id}/results"
    return await client._client.get(address, headers=HEADERS)


async def lines(client, batch):
    """The lines of the results."""
    response = await response_of(client, batch)
    assert response.status_code == 200
    return response.text.splitlines()


async def results(client, batch):
    """The results as the SDK's type, each of which is checked against it."""
    found = [json.loads(line) for line in await lines(client, batch)]
    return [MessageBatchIndividualResponse.model_validate(each, strict=False) for each in found]


async def made(client, wanted, **options):
    """Create a batch, wait for its end, and read its results: the batch, and the results by custom id."""
    batch = await client.messages.batches.create(requests=wanted, **options)
    batch = await ended(client, batch)
    return batch, {each.custom_id: each.result for each in await results(client, batch)}


def counts(batch):
    """The counts of a batch that are not 0."""
    return {kind: count for kind, count in batch.request_counts.to_dict().items() if count}
