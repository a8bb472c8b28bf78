"""A desk with a real store, and an API in memory whose clock and faults a test sets."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from yamlgen.batches.batch_api import BatchCallFailed, RemoteBatch
from yamlgen.batches.batch_store import BatchFailure, BatchOrigin, BatchOutcome, GatheredRequest, entry_of
from yamlgen.batches.desk import BatchDesk
from yamlgen.batches.waits import Waits
from yamlgen.cancellation import Cancellation
from yamlgen.errors import RunStopped
from yamlgen.steps.batch_config import Batch
from yamlgen.store.location import StoreLocation
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.run_session import begin_run, locked_connection, open_session

ORIGIN = BatchOrigin("http://127.0.0.1", "ANTHROPIC_API_KEY", "2026-10-21")
SENT = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)


def failed(status=0):
    """A call that was answered with a status; 0 if it was not answered."""
    return BatchCallFailed(RunStopped(f"status {status}", code="YG500"), status=status)


class MemoryAPI:
    """An API whose batches end at once, and expire.

    Attributes:
        created: called with the size of a body that was received; it may raise.
        hidden: how many listings do not show the batches yet.
        bodies: the requests of each body that was received.
    """

    is_simulated = False

    def __init__(self, created=None, hidden=0):
        self.clock, self.created, self.hidden = SENT, created, hidden
        self.batches, self.bodies = [], []

    def now(self):
        """The time."""
        return self.clock

    async def synchronize(self):
        """Hear the time."""

    async def create(self, pieces, length, betas=()):  # noqa: ARG002 - those of a `BatchAPI`
        """Create a batch."""
        self.bodies.append(json.loads(b"".join([piece async for piece in pieces]))["requests"])
        count = len(self.bodies[-1])
        batch = RemoteBatch(
            f"b{len(self.bodies)}", "ended", self.clock, self.clock, canceled=False, counts={"expired": count}
        )
        if self.created is not None:
            await self.created(self, batch, length)
        self.batches.append(batch)
        return batch

    async def list(self, after=None, limit=100):  # noqa: ARG002
        """List the batches."""
        self.hidden -= 1
        return ([] if self.hidden >= 0 else self.batches[::-1]), None

    async def retrieve(self, id):  # noqa: A002
        """Look at a batch."""
        return next(each for each in self.batches if each.id == id)

    @asynccontextmanager
    async def results(self, id):  # noqa: A002
        """Open the results of a batch."""

        async def lines():
            for each in self.bodies[int(id[1:]) - 1]:
                yield each["custom_id"]

        yield lines()


class Expired:
    """Reads results in which every request has expired."""

    def parse(self, line):
        """The key of a line."""
        return bytes.fromhex(line if isinstance(line, str) else json.loads(line)["custom_id"]), {}

    def outcome(self, _variant, key, _result, _seconds):
        """The outcome of a request."""
        return BatchOutcome(key, BatchFailure("expired"))


class Allowed:
    """Allows so many requests."""

    def __init__(self, requests=None):
        self.requests = requests

    def requests_left(self):
        """The requests."""
        return self.requests

    def usd_left(self):
        """Without a limit."""


def key_of(row):
    """The key of the request of a row."""
    return f"row {row}".encode().ljust(32, b".")


async def gather(desk, *rows):
    """Gather a request for each row."""
    for row in rows:
        key = key_of(row)
        body = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": f"row {row}"}]}
        request = GatheredRequest(key, b"setup", "note", entry_of(key, body), body)
        await desk.gather("note", request, row, ORIGIN, reask=False, most=None)


def at_desk(folder, api, work, *, batch=None, requests=None, detach=False):
    """What `work(desk, cancellation)` comes to in a run with a desk, and the states of its batches afterwards."""
    place, cancellation = StoreLocation(folder, "a.yaml"), Cancellation()

    async def main():
        with locked_connection(place, "run r") as connection, open_session(place, ReusePolicy()) as session:
            async with begin_run(session, connection, "r", {}) as run:
                batches = session.run_recorder.batches
                desk = BatchDesk(
                    batches,
                    {"note": batch or Batch()},
                    cancellation=cancellation,
                    emit=lambda _: None,
                    allowance=Allowed(requests),
                    waits=Waits(),
                    tries=1,
                    detach=detach,
                )
                desk.connect({ORIGIN: (api, Expired())})
                try:
                    async with desk:
                        made = await work(desk, cancellation)
                except Exception as error:  # noqa: BLE001 - what the test looks at
                    made = error
                await run.end("stopped", {})
            query = "SELECT state, requests FROM batch ORDER BY id"
            return made, connection.execute(query).fetchall()

    return asyncio.run(main())


def later(api, **span):
    """Let time pass at an API."""
    api.clock += timedelta(**span)
