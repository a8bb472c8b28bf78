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
from typing import Any, Final, Self

from yamlgen import failpoint
from yamlgen.batches.allowance import Allowance, limit_reached
from yamlgen.batches.batch_api import BatchAPI
from yamlgen.batches.batch_store import BatchFailure, BatchOrigin, BatchStore, GatheredRequest, OutcomeReader, State
from yamlgen.batches.detachment import still_processed
from yamlgen.batches.follower import BatchFollower, BatchTooLarge, PostingEnds, Surroundings
from yamlgen.batches.gathering import Gathering, rows_array
from yamlgen.batches.post_body import MOST_BYTES
from yamlgen.batches.posting_order import BatchKind, PostingOrder
from yamlgen.batches.waits import RepeatedCalls, Rests, Waits
from yamlgen.cancellation import Cancellation, Cancelled
from yamlgen.errors import Code, Detached, Interrupted, YamlgenError
from yamlgen.events import Emit, RunWarned
from yamlgen.steps.batch_config import Batch

_LOOK: Final = 0.05
"""Seconds between two looks at whether everything is posted."""

_FIRST: Final[Mapping[str, Any]] = {"return_when": asyncio.FIRST_COMPLETED}


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
        simulated: whether the simulator of the run answers.
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
        simulated: bool = False,
        detach: bool = False,
    ) -> None:
        self._store = store
        self._steps = steps
        self._cancellation = cancellation
        self._emit = emit
        self._allowance = allowance
        self._waits = waits
        self._tries = tries
        self._simulated = simulated
        self._detach = detach
        self._rests = Rests(cancellation)
        self._ends = PostingEnds()
        self._lock = asyncio.Lock()
        self._gatherings = PostingOrder()
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

    def origins(self) -> frozenset[BatchOrigin]:
        """Return where the open batches of earlier runs were posted. Batches of a simulator end with its run."""
        records = () if self._simulated else self._store.open_batches()
        return frozenset(record.origin for record in records if record.origin is not None)

    def connect(self, ends: Mapping[BatchOrigin, tuple[BatchAPI, OutcomeReader]]) -> None:
        """Use these endpoints, until the context of this desk ends."""
        for origin, (api, reader) in ends.items():
            calls = RepeatedCalls(self._rests, self._waits.pause)
            shared = (api, self._store, reader, self._cancellation, self._emit, self._rests, calls, self._waits)
            self._ends[origin] = Surroundings(*shared, self._between)

    async def __aenter__(self) -> Self:
        """Return the desk. Batches of an earlier simulator ended with its run."""
        for record in self._store.open_batches() if self._simulated else ():
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

    def is_waiting(self, key: bytes, row: int, part: bytes = b"") -> bool:
        """Return whether an open batch has the request of a key. Its row then waits for that batch.

        Args:
            key: the key of the answer.
            row: the index of the row.
            part: the digest of the part of the prompt that is cached for an hour; empty if there is none.
        """
        number = self._unwritten.get(key) or self._store.batch_of(key)
        if number is None:
            return False
        gathering = self._gatherings.find(number)
        if gathering is not None:
            gathering.rows.append(row)
            return True
        if number not in self._followers:
            record = self._store.record_of(number)
            self._follow(BatchFollower(self._ends.of(record.origin), number, record.step, record.most, earlier=True))
        self._gatherings.note_open(number, part)
        self._rows.setdefault(number, rows_array()).append(row)
        return True

    def failure(self, key: bytes) -> BatchFailure | None:
        """Return why a request has failed in a batch of this run, if it was not sent again since."""
        return self._store.failure(key)

    def may_send_again(self, failure: BatchFailure) -> bool:
        """Return whether a request that failed, not because of its content, is sent again."""
        return failure.times < self._tries

    async def gather(  # noqa: PLR0913 - each is one part, by name
        self,
        step: str,
        request: GatheredRequest,
        row: int,
        origin: BatchOrigin,
        *,
        reask: bool,
        most: float | None,
        betas: tuple[str, ...] = (),
        part: bytes = b"",
    ) -> None:
        """Add a request to a batch, or leave it for a later pass if a limit does not allow it now.

        Args:
            step: the step of the request.
            request: the request.
            row: the index of its row.
            origin: where it is posted.
            reask: whether it is a re-ask.
            most: its maximum cost in US dollars; `None` if the price is unknown.
            betas: the beta features that it needs in a batch.
            part: the digest of the part of its prompt that is cached for an hour; empty if there is none.

        Raises:
            Cancelled: nothing more may be sent.
        """
        async with self._lock:
            self._cancellation.check_sending()
            if not self._may_add(most):
                self._cut.append(row)
                return
            kind = self._gatherings.kind_of(step, betas, origin, part)
            gathering = self._gatherings.get(kind)
            if gathering is not None and not gathering.has_room(len(request.entry)):
                if self._gatherings.is_held(gathering, self._followers):
                    self._gatherings.hold(kind, gathering)
                else:
                    await self._post(kind)
                gathering = None
            if gathering is None:
                number = await self._store.begin_batch(step, betas, origin)
                gathering = Gathering(number, step, self._most_bytes)
                self._gatherings.add(kind, gathering)
            self._gatherings.note(gathering.number, kind, part)
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
        if requests is not None and requests <= posting + sum(each.count for each in self._gatherings):
            self._limit = "max_requests"
            return False
        if usd is not None and (most or 0.0) > usd - self._reserved():
            self._limit = "max_cost_usd"
            return False
        return True

    def _reserved(self) -> float:
        """Return the maximum cost of what is gathered and of the open batches, in US dollars."""
        gathered = sum(each.most or 0.0 for each in self._gatherings)
        return gathered + sum(each.most or 0.0 for each in self._followers.values())

    async def _post(self, kind: BatchKind) -> None:
        """Post a gathered batch; it is followed from now on."""
        gathering = self._gatherings[kind]
        await gathering.finish()
        failpoint.reach("batch-gathered")
        self._gatherings.take(kind)  # and followed at once: meanwhile, a row with an equal request would follow it too
        self._rows[gathering.number] = gathering.rows
        about = gathering.number, gathering.step, gathering.most
        self._follow(BatchFollower(self._ends.of(kind.origin), *about, count=gathering.count))

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
            if self._reap():
                async with self._lock:
                    await self._close()
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
        """Post what was gathered, if it is enough and does not wait for another batch."""
        for kind in self._gatherings.kinds():
            gathering = self._gatherings[kind]
            if self._gatherings.is_held(gathering, self._followers):
                continue
            least, count = self._least(kind), sum(each.count for each in self._gatherings.together(kind))
            # With a feature that only batches have, none is sent by itself.
            if self._gatherings.is_certain(gathering) or count >= least or kind.betas:
                await self._post(kind)

    def _least(self, kind: BatchKind) -> int:
        """Return how many requests must be gathered for a batch."""
        has_first = any(each.has_first_requests for each in self._gatherings.together(kind))
        return self._steps[kind.step].least(reasks=not has_first)

    async def _last(self) -> Sequence[int]:
        """Return the rows whose requests are sent one by one: there are too few for a batch, and none will join.

        Raises:
            LimitReached: a limit allows no batch, and no further request.
        """
        if self._cut:
            raise limit_reached(self._limit, self._allowance)
        if not self._gatherings.kinds():
            await self._tidy()
            return ()
        for kind in dict.fromkeys(BatchKind(*kind[:3]) for kind in self._gatherings.kinds()):
            together, least = self._gatherings.together(kind), self._least(kind)
            count = sum(each.count for each in together)
            what = "request" if any(each.has_first_requests for each in together) else "re-ask"
            many = f"1 {what} is" if count == 1 else f"{count:,} {what}s are"
            message = f"step `{kind.step}`: {many} sent one by one, at the full price"
            self._emit(RunWarned(f"{message}: fewer than `batch.minimum`, {least:,}"))
            self._alone.add(kind.step)
            for gathering in together:
                self._released += gathering.rows
                await gathering.finish()
                await self._store.drop(gathering.number)
        self._gatherings.clear()
        return self._take()

    async def _tidy(self) -> None:
        """Collect batches of earlier runs that have ended, although no row of this run needs them: they are billed."""
        for record in self._store.open_batches():
            end = self._ends.at(record.origin)
            if record.state is State.POSTED and end is not None:
                follower = BatchFollower(end, record.number, record.step, record.most, earlier=True)
                try:
                    await follower.collect_ended()
                except YamlgenError as error:
                    self._emit(RunWarned(f"batch {record.id} of an earlier run was not collected: {error.message}"))

    def _reap(self) -> bool:
        """Note which batches have ended, and return whether any has.

        Raises:
            YamlgenError: one of them ends the run.
        """
        done = [task for task in self._tasks if task.done()]
        for task in done:
            follower = self._tasks.pop(task)
            try:
                task.result()
            except Cancelled:  # the batch continues
                continue
            except BatchTooLarge as refused:
                self._most_bytes = max(min(self._most_bytes, refused.size) // 2, 1)
            del self._followers[follower.number]
            self._gatherings.ended(follower.number)
            self._ended.add(follower.number)
            if follower.is_canceled:
                message = f"stopped: a batch of step `{follower.step}` was canceled"
                raise Interrupted(message, code=Code.STOPPED, hint="the next run sends the unanswered requests again")
        return bool(done)

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
        holds = any(self._gatherings.is_held(each, self._followers) for each in self._gatherings)
        if is_posted and (left <= 0 or (self._detach and not self._may_go_on and not holds)):
            raise self._detached()
        self._stopped.clear()
        began, stopped = time.monotonic(), asyncio.ensure_future(self._stopped.wait())
        timeout = _LOOK if (self._detach or not math.isinf(left)) and not is_posted else left
        try:
            await asyncio.wait({*self._tasks, stopped}, timeout=None if math.isinf(timeout) else timeout, **_FIRST)
        finally:
            stopped.cancel()
        self._waited += (time.monotonic() - began) if is_posted else 0.0

    def _detached(self) -> Detached:
        requests = sum(self._store.record_of(number).requests for number in self._followers)
        if any(each.is_refused for each in self._followers.values()):
            return Detached("the API does not accept all batches yet", code=Code.DETACHED)
        return Detached(still_processed(len(self._followers), requests), code=Code.DETACHED)

    def _patience(self, follower: BatchFollower) -> float:
        """Return how long a run waits for a batch, in seconds."""
        batch = self._steps.get(follower.step)
        return math.inf if batch is None or batch.seconds is None else batch.seconds

    async def _sent(self) -> None:
        """Wait for the creations in flight: afterwards it is known whether the API has these batches."""
        while flying := [each for each in self._tasks.values() if not each.sent.is_set()]:
            await flying[0].sent.wait()
