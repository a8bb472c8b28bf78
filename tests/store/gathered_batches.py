"""Requests and answers of batches, as a gatherer and the API make them."""

from datetime import UTC, datetime, timedelta

from yamlgen.batches.batch_api import RemoteBatch
from yamlgen.batches.batch_store import BatchFailure, BatchOutcome, GatheredRequest, entry_of
from yamlgen.value_objects import Attempt, Usage

CREATED = datetime(2026, 11, 28, 8, 0, 0, 250_000, UTC)
MINUTES = timedelta(minutes=7)


def key_of(name):
    """A key of 32 bytes."""
    return name.encode().ljust(32, b".")


def gathered(name, setup=b"setup", **body):
    """A request whose key begins with a name."""
    body = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": name}], **body}
    return GatheredRequest(key_of(name), setup, "facts", entry_of(key_of(name), body), body)


def answered(name, cost=0.25, **response):
    """The outcome of an answered request."""
    response = {"model": "m-1", "stop_reason": "end_turn", "id": name, **response}
    return BatchOutcome(key_of(name), Attempt(response, Usage(10, 5), seconds=420.0, cost=cost))


def unanswered(name, kind="expired", error=None):
    """The outcome of a request that failed."""
    return BatchOutcome(key_of(name), BatchFailure(kind, error))


def remote(id="msgbatch_1", *, ended=True, **counts):  # noqa: A002 - the API's word
    """A batch, as the API describes it."""
    status = "ended" if ended else "in_progress"
    return RemoteBatch(id, status, CREATED, CREATED + MINUTES if ended else None, canceled=False, counts=counts)


async def post(batches, *names, step="facts", **about):
    """The number of a batch that the API has, with requests of these names."""
    number = await batches.begin_batch(step, **about)
    for name in names:
        await batches.add(number, gathered(name))
    await batches.intend(number, CREATED, 1.5)
    await batches.posted(number, remote(ended=False, processing=len(names)))
    return number
