"""The limits on failures that a run of a case would reach: a replay counts its answers as if they were billed."""

from __future__ import annotations

from dataclasses import replace

from yamlgen.cancellation import Cancellation
from yamlgen.engine.spending_limits import Budget
from yamlgen.errors import LimitReached
from yamlgen.events import (
    AnswerReceived,
    Event,
    ItemFailed,
    RequestSent,
    RowFailed,
    RowFinished,
    StepFailed,
    StepFinished,
)
from yamlgen.pipeline.pipeline_model import Limits

_FAILURES = ItemFailed | StepFailed
_COUNTED = AnswerReceived | StepFinished | RowFinished | RowFailed | _FAILURES


class ReplayedLimits:
    """Counts the failures of a replay, in the order of the rows, so that the result is always the same.

    Args:
        limits: the limits of the pipeline, of which `max_failures` and `max_unusable` apply.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = Limits(max_failures=limits.max_failures, max_unusable=limits.max_unusable)
        self._events: list[AnswerReceived | StepFinished | RowFinished | RowFailed | ItemFailed | StepFailed] = []
        self._has_failures = False

    def observe(self, event: Event) -> None:
        """Note one event."""
        if isinstance(event, _COUNTED):
            self._events.append(event)
            self._has_failures |= isinstance(event, _FAILURES)

    def reached(self) -> LimitReached | None:
        """Return the limit at which a run that sends every request stops; `None` if it reaches none."""
        budget = Budget(self._limits, Cancellation())
        for event in sorted(self._events, key=lambda each: each.row) if self._has_failures else ():
            if isinstance(event, AnswerReceived):
                budget.observe(RequestSent(event.row, event.step))
                budget.observe(replace(event, reused=False, cost=None))
            else:
                budget.observe(event)
        return budget.error
