"""The batches of a run, computed from its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from yamlgen.events import BatchChecked, BatchEnded, BatchPosted

COLLECTED: Final = "collected"
"""The status of a batch whose results are in the store."""

_DIGITS: Final = 9


@dataclass
class BatchProgress:
    """A batch that a run has posted, or waits for.

    Attributes:
        id: the API's id of the batch.
        step: the step whose requests it has.
        requests: the number of its requests.
        earlier: whether an earlier run has posted it.
        status: `in_progress`, `canceling`, or `collected`.
        seconds: its age when it was last checked; of a collected one, the time from its creation to its end.
        past: how long earlier batches took, in seconds: the shortest and the longest; `None` if there were none.
        counts: the number of its requests by outcome, once it is collected.
        cost: what its answers cost in US dollars; `None` if a price is unknown, or before it is collected.
    """

    id: str
    step: str
    requests: int
    earlier: bool = False
    status: str = "in_progress"
    seconds: float = 0.0
    past: tuple[float, float] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    cost: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether its results are not in the store yet."""
        return self.status != COLLECTED

    def as_json(self) -> dict[str, Any]:
        """Return the batch as JSON values."""
        return {
            "id": self.id,
            "step": self.step,
            "status": self.status,
            "requests": self.requests,
            "earlier": self.earlier,
            "seconds": round(self.seconds, 3),
            "counts": {name: count for name, count in self.counts.items() if name != "processing"},
            "cost_usd": None if self.cost is None else round(self.cost, _DIGITS),
        }


def fold(batches: dict[str, BatchProgress], event: BatchPosted | BatchChecked | BatchEnded) -> BatchProgress:
    """Add an event of a batch to the batches of a run, by id, and return the batch."""
    batch = batches.setdefault(event.batch, BatchProgress(event.batch, event.step, event.requests))
    batch.seconds = event.seconds
    match event:
        case BatchPosted():
            batch.earlier = event.earlier
        case BatchChecked():
            batch.status, batch.past = event.status, event.past
        case BatchEnded():
            batch.status, batch.counts, batch.cost = COLLECTED, event.counts, event.cost
    return batch
