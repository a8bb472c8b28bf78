"""The open batches of a run, as lines. Their age continues between two checks; their progress is unknown."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from yamlgen.api.results import counted, dollars, time_told
from yamlgen.cli.messages import safe
from yamlgen.cli.summary import between, outcomes
from yamlgen.events import BatchChecked, BatchEnded, BatchPosted, RequestSent, RowResumed

if TYPE_CHECKING:
    from yamlgen.api.results import BatchProgress, Report
    from yamlgen.events import Event

_MOST: Final = 4
"""The maximum number of open batches that are shown one by one."""


class OpenBatches:
    """The open batches of a run, as they are now.

    Args:
        report: the report of the run, which has observed each event already.

    Attributes:
        only: whether the run does nothing but wait for batches.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._checked: dict[str, float] = {}
        self.only = False

    def observe(self, event: Event) -> None:
        """Note when the age of a batch was known, and whether the run does anything else."""
        if isinstance(event, BatchPosted | BatchChecked):
            self._checked[event.batch] = time.monotonic()
            self.only = isinstance(event, BatchChecked)
        elif isinstance(event, RowResumed | RequestSent):
            self.only = False

    def lines(self) -> list[str]:
        """Return a line for each open batch, the oldest first, and one for those that are too many to show."""
        found = sorted(((self._age(each), each) for each in _open(self._report)), key=lambda each: -each[0])
        lines = [_told(batch, age) for age, batch in found[:_MOST]]
        more = [batch.requests for _, batch in found[_MOST:]]
        if more:
            lines.append(f"{counted(len(more), 'more batch')}: {counted(sum(more), 'request')}")
        return lines

    def of_step(self, step: str) -> int:
        """Return the number of requests of a step that are in open batches."""
        return sum(batch.requests for batch in _open(self._report) if batch.step == step)

    def _age(self, batch: BatchProgress) -> float:
        now = time.monotonic()
        return batch.seconds + now - self._checked.get(batch.id, now)


def _open(report: Report) -> list[BatchProgress]:
    return [batch for batch in list(report.batches.values()) if batch.is_open]


def _told(batch: BatchProgress, age: float) -> str:
    """Return an open batch as a line: its step, its requests, its age, and how long earlier ones took."""
    status = "being canceled" if batch.status == "canceling" else "in progress"
    line = f"batch of {safe(batch.step)}: {counted(batch.requests, 'request')}, {status}, {time_told(age)} old"
    return line if batch.past is None else f"{line}; earlier batches took {span_told(*batch.past)}"


def span_told(shortest: float, longest: float) -> str:
    """Return a span of durations, which may be one duration."""
    return between(time_told(shortest), time_told(longest))


def waiting_told(rows: int) -> str:
    """Return how many rows wait for the results of batches."""
    return f"{counted(rows, 'row')} {'waits' if rows == 1 else 'wait'} for batches"


def news(event: Event, *, simulated: bool) -> str | None:
    """Return the line about a batch that was posted, or has ended; `None` for other events."""
    if isinstance(event, BatchPosted):
        by = f", posted by an earlier run {time_told(event.seconds)} ago" if event.earlier else " posted"
        return f"batch {safe(event.batch)} of {safe(event.step)}: {counted(event.requests, 'request')}{by}"
    if isinstance(event, BatchEnded):
        cost = "cost unknown" if event.cost is None else dollars(event.cost, simulated=simulated)
        told = ", ".join([*outcomes(event.counts), cost])
        return f"batch {safe(event.batch)} of {safe(event.step)}: ended after {time_told(event.seconds)}: {told}"
    return None
