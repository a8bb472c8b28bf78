"""The batches of a simulator, and the life of each: created, perhaps canceled, ended, deleted.

A batch ends when its delay has passed and somebody looks: then its requests are answered, a few at a time, into a
temporary file. Until the last of them is answered, it counts as in progress.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from array import array
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.batch_body import RequestSpool
from yamlgen.simulator.batch_outcomes import BatchConditions, BatchModel, line_of
from yamlgen.simulator.line_spool import LineSpool
from yamlgen.simulator.paging import page_of

_HOURS: Final = 24
_PATIENCE: Final = 1.0
"""The maximum time in seconds that a request waits for a batch whose requests are being answered."""

_AT_ONCE: Final = 20
"""The requests that are answered before others have their turn."""

_CANCELING: Final = 1.0
_PART: Final = 0.1
"""A cancelation takes this part of the delay, and at most `_CANCELING` seconds."""

_RESULTS_HOST: Final = "https://batches.invalid"
"""The host of `results_url`, which must not get the key."""


class SimulatedBatch:
    """A batch.

    Args:
        spool: its requests.
        conditions: what applies to all of them.
        order: a seed for the order of its results.
        delay: the time until it ends, in seconds.
        before: for each request, how often its params were sent before; empty if that does not matter.

    Attributes:
        id: its id.
        digest: a hash of its requests.
        results: its results, when it has ended.
        was_cut: whether a stream of its results was cut.
    """

    def __init__(
        self, spool: RequestSpool, conditions: BatchConditions, order: int, delay: float, before: bytes
    ) -> None:
        self.id = f"msgbatch_sim_{secrets.token_hex(12)}"
        self.digest = spool.digest
        self.results: LineSpool | None = None
        self.was_cut = False
        self._requests: RequestSpool | None = spool
        self._conditions = conditions
        self._before = before
        self._count = len(spool)
        self._order = _shuffled(self._count, order)
        self._delay = delay
        self._begun = time.monotonic()
        self._ends = self._begun + delay
        self._created = datetime.now(UTC)
        self._canceled: datetime | None = None
        self._ended: datetime | None = None
        self._most_answered = self._count
        self._counts: Counter[str] = Counter()
        self.task: asyncio.Task[None] | None = None

    @property
    def queued(self) -> int:
        """The number of its requests that wait."""
        return 0 if self._ended else self._count

    @property
    def is_due(self) -> bool:
        """Whether its time has passed, and it has not ended yet."""
        return not self._ended and time.monotonic() >= self._ends

    def describe(self) -> dict[str, Any]:
        """Return the batch as the API shows it."""
        kinds = ("succeeded", "errored", "canceled", "expired")
        counts = {kind: self._counts[kind] if self._ended else 0 for kind in kinds}
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": "ended" if self._ended else "canceling" if self._canceled else "in_progress",
            "request_counts": {"processing": self.queued, **counts},
            "created_at": _stamp(self._created),
            "expires_at": _stamp(self._created + timedelta(hours=_HOURS)),
            "ended_at": _stamp(self._ended),
            "cancel_initiated_at": _stamp(self._canceled),
            "archived_at": None,
            "results_url": f"{_RESULTS_HOST}/v1/messages/batches/{self.id}/results" if self._ended else None,
        }

    def cancel(self) -> None:
        """Cancel what is not answered yet: of a batch whose delay is half over, half.

        Without a delay, that is what remains when it comes.

        Raises:
            SimulatedAPIError: 400, if it has ended.
        """
        if self._ended:
            raise SimulatedAPIError(f"Message Batch {self.id} cannot be canceled because it has ended.")
        if self._canceled:
            return
        self._canceled = datetime.now(UTC)
        now = time.monotonic()
        part = min(1.0, (now - self._begun) / self._delay) if self._delay else 0.0
        self._most_answered = int(part * self._count)
        self._ends = min(self._ends, now + min(_CANCELING, _PART * self._delay))

    async def end(self, model: BatchModel) -> None:
        """Answer the requests, in the order of the results."""
        requests, results, counts = self._requests, LineSpool(), Counter[str]()
        assert requests is not None  # noqa: S101 - only an ended batch has none
        for place, index in enumerate(self._order):
            request = requests.request(index)
            kind, line, is_twice = "canceled", line_of(f'"{request["custom_id"]}"', "canceled"), False
            if place < self._most_answered:
                kind, line, is_twice = model.result(
                    request, self._conditions, self._before[index] if self._before else 0
                )
            counts[kind] += 1
            for _ in range(1 + is_twice):
                results.append(line.encode())
            if place % _AT_ONCE == 0:
                await asyncio.sleep(0)
        results.finish()
        late = timedelta(seconds=time.monotonic() - self._ends) if self._delay else timedelta()
        model.prompts.keep(self._conditions.cached)
        self.results, self._counts, self._ended = results, counts, max(self._created, datetime.now(UTC) - late)
        self._requests, self._order, self._before = None, array("I"), b""


class BatchLives:
    """The batches of a simulator, by id.

    Args:
        model: answers their requests.
        delay: the time until a batch ends, in seconds.
        most_queued: the maximum number of requests in batches that have not ended.
    """

    def __init__(self, model: BatchModel, *, delay: float, most_queued: int) -> None:
        self._model = model
        self._delay = delay
        self._most_queued = most_queued
        self._batches: dict[str, SimulatedBatch] = {}

    def check_queue(self, count: int) -> None:
        """Refuse more requests than the queue has room for.

        Raises:
            SimulatedAPIError: 429.
        """
        queued = sum(batch.queued for batch in self._batches.values() if not batch.is_due)
        if queued + count > self._most_queued:
            raise SimulatedAPIError(
                f"This batch would exceed your organization's limit of {self._most_queued} requests in the queue.",
                "rate_limit_error",
            )

    def create(self, spool: RequestSpool, conditions: BatchConditions, before: bytes = b"") -> SimulatedBatch:
        """Add a batch.

        Args:
            spool: its requests.
            conditions: what applies to all of them.
            before: for each request, how often its params were sent before; empty if that does not matter.
        """
        order = int.from_bytes(spool.digest[:8], "big") ^ self._model.seed
        batch = SimulatedBatch(spool, conditions, order, self._delay, before)
        self._batches[batch.id] = batch
        return batch

    async def found(self, name: str) -> SimulatedBatch:
        """Return a batch; if its time has passed, it is ended first, or is about to.

        Raises:
            SimulatedAPIError: 404.
        """
        if name not in self._batches:
            raise SimulatedAPIError(f"Message Batch {name} not found.", "not_found_error")
        batch = self._batches[name]
        await self._end([batch])
        return batch

    async def page(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of the batches, newest first.

        Raises:
            SimulatedAPIError: 400 for a wrong query.
        """
        names, more = page_of([*self._batches][::-1], query, "batch")
        shown = [self._batches[name] for name in names]
        await self._end(shown)
        return {
            "data": [batch.describe() for batch in shown],
            "has_more": more,
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
        }

    async def delete(self, name: str) -> dict[str, str]:
        """Delete a batch that has ended.

        Raises:
            SimulatedAPIError: 404, or 400 before its end.
        """
        batch = await self.found(name)
        if batch.queued:
            raise SimulatedAPIError(f"Message Batch {name} cannot be deleted while it is processing. Cancel it first.")
        self._batches.pop(name, None)
        return {"id": name, "type": "message_batch_deleted"}

    async def stop(self) -> None:
        """Stop answering. The batches remain, for the next start."""
        tasks = [batch.task for batch in self._batches.values() if batch.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for batch in self._batches.values():
            batch.task = None

    async def _end(self, batches: list[SimulatedBatch]) -> None:
        """End those whose time has passed, or wait a while for it."""
        due = [batch for batch in batches if batch.is_due]
        for batch in due:
            batch.task = batch.task or asyncio.create_task(batch.end(self._model))
        tasks = [batch.task for batch in due if batch.task]
        if tasks:
            done, _ = await asyncio.wait(tasks, timeout=_PATIENCE)
            for task in done:
                task.result()


def _shuffled(count: int, seed: int) -> array[int]:
    """Return the numbers below `count` in another order, the same for the same seed."""
    order = array("I", range(count))
    random.Random(seed).shuffle(order)  # noqa: S311 - not for secrets
    if all(index == number for index, number in enumerate(order)):
        order.reverse()
    return order


def _stamp(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
