"""One batch, from its posting to the last of its results.

Owns that a batch is created once: the intent is on disk before it is posted, and a creation in doubt is searched for
before it is repeated. Whatever ends the process, the next run continues from the state in the store.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from yamlgen import failpoint
from yamlgen.batches.batch_api import BatchAPI, BatchCallFailed, RemoteBatch
from yamlgen.batches.batch_store import (
    BatchFailure,
    BatchOrigin,
    BatchOutcome,
    BatchRecord,
    BatchStore,
    OutcomeReader,
    State,
)
from yamlgen.batches.post_body import pieces_of
from yamlgen.batches.recovery import BatchSearch
from yamlgen.batches.waits import KEPT, Backoff, RepeatedCalls, Rests, Waits, paused_too_long
from yamlgen.cancellation import Cancellation
from yamlgen.events import BatchChecked, BatchEnded, BatchPosted, Emit, RunWarned

_AT_ONCE: Final = 200
"""How many results are stored together."""

_SLOWEST: Final = 1e5
"""The bytes per second at which an earlier process has sent the body of a creation, at least."""

_READS: Final = 6
"""How often results are read until those that are missing are given up."""


_LIST_MISSES: Final = 3
"""How often in a row the API may say that there are no batches: the list sets the clock, and shows that there are."""


class BatchTooLarge(Exception):  # noqa: N818 - its requests are sent in smaller batches
    """The API refuses a batch because of its size, in bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all batches of a run share."""

    api: BatchAPI
    store: BatchStore
    reader: OutcomeReader
    cancellation: Cancellation
    emit: Emit
    rests: Rests
    calls: RepeatedCalls
    waits: Waits
    between: asyncio.Event
    """Set while no row is in progress."""


class PostingEnds(dict[BatchOrigin, Surroundings]):
    """The ends to which a run posts batches."""

    def at(self, origin: BatchOrigin | None) -> Surroundings | None:
        """Return the end to which a batch was posted, perhaps with other credentials; `None` if the run has none."""
        if origin is None or origin in self:
            return None if origin is None else self[origin]
        return next((end for each, end in self.items() if each.base_url == origin.base_url), None)

    def of(self, origin: BatchOrigin | None) -> Surroundings:
        """Return that end, or else the first end of the run."""
        return self.at(origin) or next(iter(self.values()))


@dataclass(eq=False)
class BatchFollower:
    """Posts a batch if it is not posted yet, waits for it, and stores its results.

    Args:
        run: what it shares with the other batches of the run.
        number: its number in the store.
        step: the step of its requests.
        most: its maximum cost in US dollars; `None` if it is unknown.
        earlier: whether an earlier run has posted it, or tried to.
        count: the number of its requests, until they are told to be posted; 0 if an earlier run has counted them.

    Attributes:
        looked: set once the API has answered that it is not finished.
        sent: set unless its creation is in flight.
        is_refused: whether the API does not accept it yet, so that nothing was created.
        is_canceled: whether somebody canceled it while this run waited.
        is_collecting: whether its results are being stored.
    """

    run: Surroundings
    number: int
    step: str
    most: float | None
    earlier: bool = False
    count: int = 0
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    sent: asyncio.Event = field(default_factory=asyncio.Event)
    is_canceled: bool = False
    is_refused: bool = False
    is_collecting: bool = False

    def __post_init__(self) -> None:
        self.sent.set()

    async def follow(self) -> None:
        """Follow the batch to its end.

        Raises:
            BatchTooLarge: the API refuses its size; it is forgotten.
            Cancelled: the run ends; the batch continues.
            YamlgenError: the run must end.
        """
        try:
            remote = await self._present()
            if remote is not None:
                await self._collect(await self._ended(remote))
        except BatchCallFailed as failure:
            raise failure.error from None

    async def collect_ended(self) -> None:
        """Store the results of a batch that no row of this run needs, if it has ended. Nothing is waited for.

        Raises:
            YamlgenError: the API does not answer as it should.
        """
        run, record = self.run, self.run.store.record_of(self.number)
        assert record.id is not None  # noqa: S101 - a posted batch has an id
        try:
            remote = await run.api.retrieve(record.id)
            if remote.status == "ended":
                await run.store.adopt(self.number)
                await self._collect(remote)
                return
        except BatchCallFailed as failure:
            raise failure.error from None
        what = f"batch {record.id} of {record.requests:,} requests of step `{self.step}`, posted by an earlier run"
        run.emit(RunWarned(f"{what}, is still in progress; no row of this run needs it, and a later run collects it"))

    async def _present(self) -> RemoteBatch | None:
        """Return the batch as the API has it, after posting it if need be; `None` if it is lost."""
        run = self.run
        if self.earlier:
            await run.store.adopt(self.number)
        record = run.store.record_of(self.number)
        born = record.created or record.intended
        if born is not None:
            await run.calls.make(run.api.synchronize)  # a clock that is wrong by a month would lose it
        if born is not None and run.api.now() - born > KEPT:
            await self._lose(record, born)
            return None
        if record.state is not State.POSTED:
            return await self._posted(record)
        assert record.id is not None  # noqa: S101 - a posted batch has an id
        remote = await self._retrieved(record.id)
        self._tell_posted(remote)
        return remote

    async def _lose(self, record: BatchRecord, born: datetime) -> None:
        await self.run.store.drop(self.number, State.LOST)
        cost = "its cost is unknown" if record.most is None else f"it cost at most ${record.most:.4g}"
        named = f"batch {record.id}" if record.id else "a batch"
        what = f"{named} of {record.requests:,} requests of step `{self.step}`, posted on {born:%Y-%m-%d}, is lost"
        message = f"{what}: the API keeps results for {KEPT.days} days; {cost}; its requests are sent again"
        self.run.emit(RunWarned(message))

    async def _posted(self, record: BatchRecord) -> RemoteBatch | None:
        """Create the batch, once. Returns when the API certainly has it; `None` if its only request is too large."""
        run, backoff, began = self.run, Backoff(), time.monotonic()
        is_doubtful, sent, failed = record.state is State.POSTING, None, None
        while True:
            if is_doubtful:
                remote = await self._searched(run.store.record_of(self.number), sent)
                if remote is not None:
                    break
                if failed is not None:
                    await self._rest_after(failed, backoff, began)
            try:
                run.cancellation.check_sending()
                await run.calls.make(lambda: run.api.list(limit=1), misses=_LIST_MISSES)
                run.cancellation.check_sending()
            except BaseException:
                if self.is_refused and not is_doubtful:  # what the store notes as being posted was not created
                    await run.store.drop(self.number)
                raise
            self.sent.clear()
            try:
                record = await run.store.intend(self.number, run.api.now(), self.most)
                failpoint.reach("batch-intended")
                pieces = pieces_of(run.store.entries(self.number))
                remote = await run.api.create(pieces, record.size, record.betas)
                self.earlier = False
                failpoint.reach("batch-sent")
                break
            except BatchCallFailed as failure:
                is_doubtful, sent = not failure.is_certain, run.api.now()
                if is_doubtful:
                    failed = failure
                    continue
                if failure.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and record.requests == 1:
                    await self._refuse_request(failure)
                    return None
                if failure.status != HTTPStatus.TOO_MANY_REQUESTS:
                    await run.store.drop(self.number)
                    if failure.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                        raise BatchTooLarge(record.size) from failure
                    raise
                delay, reason = backoff.delay(failure.retry_after), failure.error.message
            finally:
                self.sent.set()
            await self._wait_for_room(delay, reason)
        self.is_refused = False
        await run.store.posted(self.number, remote)
        failpoint.reach("batch-posted")
        self._tell_posted(remote)
        return remote

    async def _refuse_request(self, failure: BatchCallFailed) -> None:
        """Store that the only request of the batch is refused: its row fails, as if it had been sent by itself."""
        error = {"type": "error", "error": {"type": "request_too_large", "message": failure.error.message}}
        for entry in self.run.store.entries(self.number):
            request = self.run.reader.parse(entry)
            if request is not None:
                await self.run.store.settle(self.number, [BatchOutcome(request[0], BatchFailure("errored", error))])
        await self.run.store.drop(self.number)

    async def _rest_after(self, failed: BatchCallFailed, backoff: Backoff, began: float) -> None:
        """Wait before a creation is repeated that has failed, and has created nothing.

        Raises:
            RunStopped: creations have failed for too long.
        """
        pause = self.run.waits.pause
        if time.monotonic() - began > pause:
            await self.run.store.drop(self.number)
            raise paused_too_long(failed, pause)
        await self.run.rests.rest(backoff.delay(failed.retry_after))

    async def _wait_for_room(self, delay: float, reason: str) -> None:
        """Wait for a rate limit: of calls, or of the requests that may be queued. Nothing was created."""
        self.looked.set()
        if not self.is_refused:
            self.is_refused = True
            message = f"the API does not accept a batch of step `{self.step}` yet; it is posted later: {reason}"
            self.run.emit(RunWarned(message))
        try:
            await self.run.rests.rest(delay)
        except BaseException:
            await self.run.store.drop(self.number)
            raise

    async def _searched(self, record: BatchRecord, sent: datetime | None) -> RemoteBatch | None:
        """Return the batch of an intent, if the API has it. `sent` is when its creation failed in this process."""
        run = self.run
        what = f"the API has not confirmed a batch of {record.requests:,} requests of step `{self.step}`"
        run.emit(RunWarned(f"{what}; the run searches for it, and posts it again only if the API does not have it"))
        search = BatchSearch(run.api, run.store, run.calls, run.rests, run.reader)
        assert record.intended is not None  # noqa: S101 - a batch in doubt has an intent
        sent = sent or record.intended + timedelta(seconds=record.size / _SLOWEST)
        return await search.find(record, sent + timedelta(seconds=run.waits.doubt), self.looked.set)

    async def _retrieved(self, name: str) -> RemoteBatch:
        return await self.run.calls.make(lambda: self.run.api.retrieve(name))

    async def _ended(self, remote: RemoteBatch) -> RemoteBatch:
        """Wait until the batch has ended."""
        run, backoff = self.run, Backoff()
        was_canceled = remote.canceled
        past = run.store.past_seconds()
        while remote.status != "ended":
            age = _between(remote.created, run.api.now())
            known = (min(past), max(past)) if past else None
            run.emit(BatchChecked(remote.id, self.step, remote.requests, remote.status, age, known))
            self.looked.set()
            await run.rests.rest(backoff.delay())
            remote = await self._retrieved(remote.id)
            self.is_canceled = remote.canceled and not was_canceled
        failpoint.reach("batch-ended")
        return remote

    async def _collect(self, remote: RemoteBatch) -> None:
        """Store the results of the ended batch, reading them again if some are missing."""
        run, backoff = self.run, Backoff()
        while not run.between.is_set():  # it may be cleared again before this goes on
            await run.between.wait()
        self.is_collecting = True
        seconds = _between(remote.created, remote.ended or run.api.now())
        for left in range(_READS, 0, -1):
            await run.calls.make(lambda: self._read(remote.id, seconds))
            if not run.store.unsettled(self.number) or left == 1:
                break
            await run.rests.rest(backoff.delay())
        record = await run.store.collected(self.number, remote)
        failpoint.reach("batch-collected")
        run.emit(BatchEnded(remote.id, self.step, record.requests, record.counts or {}, record.cost, seconds))

    async def _read(self, name: str, seconds: float) -> None:
        """Read all results, and store those that are not stored yet."""
        run = self.run
        outcomes: list[BatchOutcome] = []
        try:
            async with run.api.results(name) as lines:
                async for line in lines:
                    try:
                        result = run.reader.parse(line)
                    except BatchCallFailed:  # its request has no outcome, so that the results are read again
                        continue
                    variant = None if result is None else run.store.variant_of(self.number, result[0])
                    if result is None or variant is None:
                        continue
                    outcomes.append(run.reader.outcome(variant, *result, seconds))
                    if len(outcomes) >= _AT_ONCE:
                        await run.store.settle(self.number, outcomes)
                        failpoint.reach("batch-collecting")
                        outcomes = []
        finally:
            if outcomes:  # a stream that broke has brought them
                await run.store.settle(self.number, outcomes)
                failpoint.reach("batch-collecting")

    def _tell_posted(self, remote: RemoteBatch) -> None:
        age = _between(remote.created, self.run.api.now()) if self.earlier else 0.0
        self.count = 0
        self.run.emit(BatchPosted(remote.id, self.step, remote.requests, age, self.earlier))


def _between(start: datetime, end: datetime) -> float:
    return max(0.0, (end.astimezone(UTC) - start.astimezone(UTC)).total_seconds())
