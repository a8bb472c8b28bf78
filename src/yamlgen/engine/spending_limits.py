"""The limits of a run: requests, failed rows, cost, and the share of unusable answers.

Owns the counting, which is based on events. At a limit nothing more is sent, and the requests in flight complete and
their answers are stored. A run therefore exceeds a limit by at most what was in flight. A run that has nothing left to
send finishes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from yamlgen.cancellation import Cancellation
from yamlgen.engine.unusable_answers import MOST, UnusableAnswerLimit
from yamlgen.errors import Code, LimitReached
from yamlgen.events import (
    AnswerReceived,
    BatchEnded,
    BatchPosted,
    Event,
    ItemFailed,
    RequestSent,
    RowDeferred,
    RowFailed,
    RowFinished,
    RowResumed,
    RunStarted,
    StepFailed,
    StreamCut,
)
from yamlgen.option_names import option
from yamlgen.pipeline.pipeline_model import Limits

FIRST_SHARE: Final = 50
"""How many rows must be done before a percentage applies."""


@dataclass
class Budget:
    """Counts what a run spends, and stops it at a limit.

    Args:
        limits: the limits.
        cancellation: ends the run.

    Attributes:
        error: the limit that was reached; `None` if none was.
        lost: what rows lost that then count as failed: `an item`, `a step`.
        simulated: whether the simulator answers, so that nothing is spent.
    """

    limits: Limits
    cancellation: Cancellation
    error: LimitReached | None = None
    requests: int = 0
    cost: float = 0.0
    done: int = 0
    failed: int = 0
    lost: set[str] = field(default_factory=set)
    simulated: bool = False
    _useful: UnusableAnswerLimit = field(init=False)
    _asked: dict[int, bool] = field(default_factory=dict)  # rows in progress, and whether they have failed

    def __post_init__(self) -> None:
        most = self.limits.max_unusable or MOST
        self._useful = UnusableAnswerLimit(None if most == "none" else float(most.rstrip("%")))

    def observe(self, event: Event) -> None:
        """Count one event."""
        useless = self._useful.observe(event)
        if useless is not None:
            what, mend = useless
            self._stop("max_unusable", what, f"{mend}; {option('max_unusable', 'none')} turns this limit off")
        match event:
            case RunStarted():
                self.simulated = event.simulated
            case RequestSent() | BatchPosted(earlier=False):
                self.requests += event.requests if isinstance(event, BatchPosted) else 1
                if isinstance(event, RequestSent):
                    self._asked.setdefault(event.row, False)
                if self.limits.max_requests is not None and self.requests >= self.limits.max_requests:
                    self._reach(f"{self.requests:,} requests sent", "max_requests")
            case AnswerReceived(reused=False, batch=False) | StreamCut() | BatchEnded():
                self.cost += event.cost or 0.0
                most = self.limits.max_cost_usd
                if most is not None and self.cost >= most:
                    spent = "would be spent without the simulator" if self.simulated else "spent"
                    self._reach(f"${self.cost:.4f} of ${most:g} {spent}", "max_cost_usd")
            case RowResumed():
                self._asked.setdefault(event.row, False)
            case RowDeferred() if self._asked.get(event.row) is False:  # a row that has failed is counted once
                del self._asked[event.row]
            case StepFailed() | ItemFailed() if self._asked.get(event.row) is False:
                # Counted before the row is on disk, so that no request is sent meanwhile. A row that was answered from
                # the store is not in `_asked`: it costs nothing, so its failures do not count.
                self._asked[event.row] = True
                if isinstance(event, ItemFailed):
                    self.lost.add("a step" if event.case is None else "an item")
                self.done += 1
                self.failed += 1
                self._judge_failures()
            case RowFinished() | RowFailed():
                if self._asked.pop(event.row, True) is False:
                    self.done += 1
                    self._judge_failures()
            case _:
                pass

    def requests_left(self) -> int | None:
        """Return how many requests may be sent; `None` without a limit."""
        most = self.limits.max_requests
        return None if most is None else max(0, most - self.requests)

    def usd_left(self) -> float | None:
        """Return how many US dollars may be spent, apart from batches that are open; `None` without a limit."""
        most = self.limits.max_cost_usd
        return None if most is None else max(0.0, most - self.cost)

    def _judge_failures(self) -> None:
        most = self.limits.max_failures
        if isinstance(most, int) and self.failed > most:
            self._reach(f"{self.failed:,} {self._failed()}, more than {most:,}", "max_failures")
        elif isinstance(most, str) and self.done >= FIRST_SHARE:
            share = 100 * self.failed / self.done
            if share > float(most.rstrip("%")):
                self._reach(f"{share:.1f}% of {self.done:,} {self._failed()}, more than {most}", "max_failures")

    def _failed(self) -> str:
        return f"rows failed or lost {' or '.join(sorted(self.lost))}" if self.lost else "rows failed"

    def _reach(self, what: str, limit: str) -> None:
        self._stop(
            limit,
            what,
            f"raise it with `limits.{limit}` or {option(limit, 'N')}, or run again: each run counts from zero",
        )

    def _stop(self, limit: str, what: str, hint: str) -> None:
        if self.error is None and not self.cancellation.requested:
            self.error = LimitReached(f"stopped at `limits.{limit}`: {what}", code=Code.LIMIT, hint=hint)
            self.cancellation.close(self.error.message)
