"""The desk of a run's batches: requests are gathered here, and the run learns here which rows continue.

A run goes over its rows in passes. In a pass, a request without a stored answer is added to a batch, and its row is
left. Between two passes the run waits here. Only the indexes of waiting rows are held in memory.
"""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Protocol, Self

from yamlgen import failpoint
from yamlgen.batches.batch_api import BatchAPI
from yamlgen.batches.batch_store import BatchFailure, BatchOrigin, BatchStore, GatheredRequest, OutcomeReader, State
from yamlgen.batches.detachment import still_processed
from yamlgen.batches.follower import BatchFollower, BatchTooLarge, Surroundings
from yamlgen.batches.gathering import Gathering, rows_array
from yamlgen.batches.post_body import MOST_BYTES
from yamlgen.batches.waits import RepeatedCalls, Rests, Waits
from yamlgen.cancellation import Cancellation, Cancelled
from yamlgen.errors import Code, Detached, Interrupted, LimitReached, YamlgenError
from yamlgen.events import Emit, RunWarned
from yamlgen.option_names import option
from yamlgen.steps.batch_config import Batch

_LOOK: Final = 0.05
"""Seconds between two looks at whether everything is posted."""

_FIRST: Final[Mapping[str, Any]] = {"return_when": asyncio.FIRST_COMPLETED}


class Allowance(Protocol):
    """What a run may still send."""

    def requests_left(self) -> int | None:
        """Return the number of requests; `None` without a limit."""
        ...

    def usd_left(self) -> float | None:
        """Return the US dollars, without those of batches that are still open; `None` without a limit."""
        ...


class BatchDesk:
    """The batches of a run.

    Args:
        store: the batches in the store.
        steps: how requests are batched, by the names of the batched steps.
        cancellation: the end of the run.
        emit: receives the events.
        allowance: what the run may still send.
        waits: how long calls wait.
        tries: how often a request that failed in a batch, not because of its content, is sent.
        origin: where batches are posted, for other processes.
        detach: whether the run ends when everything is posted.
    """

    def __init__(  # noqa: PLR0913 - each is one part, by name
        self,
        store: BatchStore,
        steps: Mapping[str, Batch],
        *,
        cancellation: Cancellation,
        emit: Emit,
        allowance: Allowance,
        waits: Waits,
        tries: int,
        origin: BatchOrigin,
        detach: bool = False,
    ) -> None:
        self._store = store
        self._steps = steps
        self._cancellation = cancellation
        self._emit = emit
        self._allowance = allowance
        self._waits = waits
        self._tries = tries
        self._origin = origin
        self._detach = detach
        self._rests = Rests(cancellation)
        self._run: Surroundings | None = None
        self._lock = asyncio.Lock()
        self._gatherings: dict[tuple[str, tuple[str, ...]], Gathering] = {}
        self._unwritten: dict[bytes, int] = {}
        self._followers: dict[int, BatchFollower] = {}
        self._tasks: dict[asyncio.Task[None], BatchFollower] = {}
        self._rows: dict[int, array[int]] = {}
        self._cut: array[int] = rows_array()
        self._limit = ""
        self._released: array[int] = rows_array()
        self._ended: set[int] = set()
        self._alone: set[str] = set()
        self._most_bytes = MOST_BYTES
        self._waited = 0.0
        self._between = asyncio.Event()
        self._stopped = asyncio.Event()
        cancellation.listen(self._stopped.set)

    def connect(self, api: BatchAPI, reader: OutcomeReader) -> None:
        """Use these endpoints, until the context of this desk ends."""
        calls = RepeatedCalls(self._rests, self._waits.pause)
        shared = (api, self._store, reader, self._cancellation, self._emit, self._rests, calls, self._waits)
        self._run = Surroundings(*shared, self._between)

    async def __aenter__(self) -> Self:
        """Return the desk. Batches of an earlier simulator ended with its run."""
        for record in self._store.open_batches() if self._origin.simulated else ():
            await self._store.drop(record.number, State.LOST)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop following the batches. They continue at the API, and the next run follows them."""
        try:
            if kind is None or issubclass(kind, Exception):
                await self._sent()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def handles(self, step: str) -> bool:
        """Return whether the requests of a step are sent in batches now."""
        return step in self._steps and step not in self._alone

    def is_waiting(self, key: bytes, row: int) -> bool:
        """Return whether an open batch has the request of a key. Its row then waits for that batch."""
        number = self._unwritten.get(key) or self._store.batch_of(key)
        if number is None:
            return False
        gathering = next((each for each in self._gatherings.values() if each.number == number), None)
        if gathering is not None:
            gathering.rows.append(row)
            return True
        if number not in self._followers:
            record = self._store.record_of(number)
            self._follow(BatchFollower(self._surroundings, number, record.step, record.most, earlier=True))
        self._rows.setdefault(number, rows_array()).append(row)
        return True

    def failure(self, key: bytes) -> BatchFailure | None:
        """Return why a request has failed in a batch of this run, if it was not sent again since."""
        return self._store.failure(key)

    def may_send_again(self, failure: BatchFailure) -> bool:
        """Return whether a request that failed, not because of its content, is sent again."""
        return failure.times < self._tries

    async def gather(
        self,
        step: str,
        request: GatheredRequest,
        row: int,
        *,
        reask: bool,
        most: float | None,
        betas: tuple[str, ...] = (),
    ) -> None:
        """Add a request to a batch, or leave it for a later pass if a limit does not allow it now.

        Args:
            step: the step of the request.
            request: the request.
            row: the index of its row.
            reask: whether it is a re-ask.
            most: its maximum cost in US dollars; `None` if the price is unknown.
            betas: the beta features that it needs in a batch.

        Raises:
            Cancelled: nothing more may be sent.
        """
        async with self._lock:
            self._cancellation.check_sending()
            if not self._may_add(most):
                self._cut.append(row)
                return
            name = step, betas
            gathering = self._gatherings.get(name)
            if gathering is not None and not gathering.has_room(len(request.entry)):
                await self._post(name)
                gathering = None
            if gathering is None:
                number = await self._store.begin_batch(step, betas, self._origin)
                gathering = self._gatherings[name] = Gathering(number, step, self._most_bytes)
            written = asyncio.ensure_future(self._store.add(gathering.number, request))
            self._unwritten[request.key] = gathering.number
            written.add_done_callback(partial(self._note_written, request.key))
            await gathering.add(request, row, most, written, reask=reask)

    def _note_written(self, key: bytes, _: object) -> None:
        self._unwritten.pop(key, None)

    def _may_add(self, most: float | None) -> bool:
        """Return whether one more request is within the limits."""
        requests, usd = self._allowance.requests_left(), self._allowance.usd_left()
        posting = sum(each.count for each in self._followers.values())
        if requests is not None and requests <= posting + sum(each.count for each in self._gatherings.values()):
            self._limit = "max_requests"
            return False
        if usd is not None and (most or 0.0) > usd - self._reserved():
            self._limit = "max_cost_usd"
            return False
        return True

    def _reserved(self) -> float:
        """Return the maximum cost of what is gathered and of the open batches, in US dollars."""
        gathered = sum(each.most or 0.0 for each in self._gatherings.values())
        return gathered + sum(each.most or 0.0 for each in self._followers.values())

    async def _post(self, name: tuple[str, tuple[str, ...]]) -> None:
        """Post a gathered batch; it is followed from now on."""
        gathering = self._gatherings[name]
        await gathering.finish()
        failpoint.reach("batch-gathered")
        del self._gatherings[name]  # and followed at once: meanwhile, a row with an equal request would follow it too
        self._rows[gathering.number] = gathering.rows
        about = gathering.number, gathering.step, gathering.most
        self._follow(BatchFollower(self._surroundings, *about, count=gathering.count))

    @property
    def _surroundings(self) -> Surroundings:
        assert self._run is not None  # noqa: S101 - the provider connects the desk before any row
        return self._run

    def _follow(self, follower: BatchFollower) -> None:
        self._followers[follower.number] = follower
        self._tasks[asyncio.ensure_future(follower.follow())] = follower

    async def resume(self) -> Sequence[int]:
        """Post what was gathered, wait until rows can continue, and return them in order; empty if no row waits.

        Call it when no row is in progress. Results are stored only during this call, and those of a batch completely: a
        row never finds a part of them while its place among the waiting rows remains.

        Raises:
            Cancelled: the run is ending.
            YamlgenError: the run must end, perhaps while batches are processed.
        """
        self._between.set()
        try:
            return await self._resume()
        finally:
            self._between.clear()

    async def _resume(self) -> Sequence[int]:
        self._alone.clear()
        self._store.arrived = set()
        async with self._lock:
            await self._close()
        while True:
            self._reap()
            self._cancellation.check()
            if self._may_go_on and not any(each.is_collecting for each in self._tasks.values()):
                return self._take()
            if not self._tasks:
                return await self._last()
            await self._wait()

    @property
    def _may_go_on(self) -> bool:
        """Whether there are rows to return."""
        return bool(self._ended or self._released)

    async def _close(self) -> None:
        """Post what was gathered, if it is enough."""
        for name, gathering in list(self._gatherings.items()):
            _, betas = name
            least = self._steps[gathering.step].least(reasks=not gathering.has_first_requests)
            if gathering.count >= least or betas:  # with a feature that only batches have, none is sent by itself
                await self._post(name)

    async def _last(self) -> Sequence[int]:
        """Return the rows whose requests are sent one by one: there are too few for a batch, and none will join.

        Raises:
            LimitReached: a limit allows no batch, and no further request.
        """
        if self._cut:
            raise self._limit_reached()
        if not self._gatherings:
            await self._tidy()
            return ()
        for gathering in [*self._gatherings.values()]:
            what = "request" if gathering.has_first_requests else "re-ask"
            many = f"1 {what} is" if gathering.count == 1 else f"{gathering.count:,} {what}s are"
            least = self._steps[gathering.step].least(reasks=not gathering.has_first_requests)
            message = f"step `{gathering.step}`: {many} sent one by one, at the full price"
            self._emit(RunWarned(f"{message}: fewer than `batch.minimum`, {least:,}"))
            self._alone.add(gathering.step)
            self._released += gathering.rows
            await gathering.finish()
            await self._store.drop(gathering.number)
        self._gatherings.clear()
        return self._take()

    async def _tidy(self) -> None:
        """Collect batches of earlier runs that have ended, although no row of this run needs them: they are billed."""
        for record in self._store.open_batches():
            is_here = record.origin is not None and record.origin.base_url == self._origin.base_url
            if record.state is State.POSTED and is_here:
                follower = BatchFollower(self._surroundings, record.number, record.step, record.most, earlier=True)
                try:
                    await follower.collect_ended()
                except YamlgenError as error:
                    self._emit(RunWarned(f"batch {record.id} of an earlier run was not collected: {error.message}"))

    def _limit_reached(self) -> LimitReached:
        left = self._allowance.usd_left()
        why = f"the next batch may cost more than the ${left or 0.0:.4f} that is left"
        if self._limit == "max_requests":
            why = f"it allows {self._allowance.requests_left():,} more requests"
        hint = f"raise it with `limits.{self._limit}` or {option(self._limit, 'N')}, or run again: "
        return LimitReached(
            f"stopped at `limits.{self._limit}`: {why}", code=Code.LIMIT, hint=f"{hint}each run counts from zero"
        )

    def _reap(self) -> None:
        """Note which batches have ended.

        Raises:
            YamlgenError: one of them ends the run.
        """
        for task in [task for task in self._tasks if task.done()]:
            follower = self._tasks.pop(task)
            try:
                task.result()
            except Cancelled:  # the batch continues
                continue
            except BatchTooLarge as refused:
                self._most_bytes = max(min(self._most_bytes, refused.size) // 2, 1)
            del self._followers[follower.number]
            self._ended.add(follower.number)
            if follower.is_canceled:
                message = f"stopped: a batch of step `{follower.step}` was canceled"
                raise Interrupted(message, code=Code.STOPPED, hint="the next run sends the unanswered requests again")

    def _take(self) -> Sequence[int]:
        """Return the rows that continue, in order; a row may be repeated."""
        rows = self._released + self._cut
        for number in self._ended:
            rows += self._rows.pop(number, rows_array())
        self._store.arrived = self._ended
        self._ended, self._released, self._cut = set(), rows_array(), rows_array()
        return array("Q", sorted(rows))

    async def _wait(self) -> None:
        """Wait until something has happened to a batch.

        Raises:
            Detached: the run may not wait longer.
        """
        left = min((each for each in map(self._patience, self._followers.values())), default=math.inf) - self._waited
        left = math.inf if self._may_go_on else left
        is_posted = all(each.looked.is_set() for each in self._followers.values())
        if is_posted and (left <= 0 or (self._detach and not self._may_go_on)):
            raise self._detached()
        self._stopped.clear()
        began, stopped = time.monotonic(), asyncio.ensure_future(self._stopped.wait())
        is_bounded = self._detach or not math.isinf(left)
        timeout = _LOOK if is_bounded and not is_posted else left
        try:
            await asyncio.wait({*self._tasks, stopped}, timeout=None if math.isinf(timeout) else timeout, **_FIRST)
        finally:
            stopped.cancel()
        self._waited += (time.monotonic() - began) if is_posted else 0.0

    def _detached(self) -> Detached:
        followers = [*self._followers.values()]
        requests = sum(self._store.record_of(each.number).requests for each in followers)
        if any(each.is_refused for each in followers):
            return Detached("the API does not accept all batches yet", code=Code.DETACHED)
        return Detached(still_processed(len(followers), requests), code=Code.DETACHED)

    def _patience(self, follower: BatchFollower) -> float:
        """Return how long a run waits for a batch, in seconds."""
        batch = self._steps.get(follower.step)
        return math.inf if batch is None or batch.seconds is None else batch.seconds

    async def _sent(self) -> None:
        """Wait for the creations in flight: afterwards it is known whether the API has these batches."""
        while flying := [each for each in self._tasks.values() if not each.sent.is_set()]:
            await flying[0].sent.wait()
