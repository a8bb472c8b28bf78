"""The limit on unusable answers: stops a run whose answers are mostly truncated, empty or invalid.

Owns the count, which is based on events: how many of the first billed rows of each step were unusable. A model's
refusal is an answer, and so is one that fails only the author's own checks: neither counts as unusable.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from yamlgen.errors import Code
from yamlgen.events import AnswerReceived, Event, ItemFailed, StepFailed, StepFinished
from yamlgen.option_names import by_surface

FIRST: Final = 50
"""How many billed rows of each step are examined."""

_OPEN: Final = 1000
"""How many billed rows that have not ended are observed; more only wait for the batch of a re-ask."""

MOST: Final = "90%"
"""The default of `max_unusable`: the share of these rows at which the run stops."""

_MENDS: Final = {
    Code.TRUNCATED: "raise `max_tokens`, for thinking and answer together, or write `on_truncated: retry_larger`",
    Code.CONTEXT_EXCEEDED: "shorten the rows, or use less of them in the prompt",
    Code.INVALID_OUTPUT: "describe in the prompt what the schema requires, or loosen the schema",
    Code.UNKNOWN_STOP: "change the prompt, or use another model",
}


@dataclass
class _Row:
    """A row in progress at a step: its billed requests, and its unusable items; all of them if the step is null."""

    asked: int = 0
    lost: int = 0


@dataclass
class _Step:
    """The first billed rows of a step."""

    done: int = 0
    useless: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    rows: dict[int, _Row] = field(default_factory=dict)

    def note(self, code: str, message: str) -> None:
        self.reasons[code] += 1
        self.examples[code] = message

    def end(self, row: int, *, useless: bool) -> bool:
        """Count a billed row, and return whether it was the last one to examine."""
        del self.rows[row]
        self.done += 1
        self.useless += useless
        return self.done == FIRST


@dataclass
class UnusableAnswerLimit:
    """Examines the first billed rows of each step.

    Args:
        most: the percentage of unusable rows that is too high; `None` turns the limit off.
    """

    most: float | None
    _steps: dict[str, _Step | None] = field(default_factory=dict)  # `None` once its first rows were examined

    def observe(self, event: Event) -> tuple[str, str] | None:
        """Count one event, and return the problem and its fix if too many rows of a step were unusable."""
        if self.most is None or not isinstance(event, AnswerReceived | ItemFailed | StepFailed | StepFinished):
            return None
        step = self._steps.setdefault(event.step, _Step())
        if step is None:
            return None
        match event:
            case AnswerReceived(reused=False) if event.row in step.rows or len(step.rows) < _OPEN:
                step.rows.setdefault(event.row, _Row()).asked += event.cause == "first"
            case ItemFailed(useless=True) if event.row in step.rows:
                row = step.rows[event.row]
                row.lost += 1 if event.case is not None else row.asked
                step.note(event.code, event.message)
            case StepFailed() if event.row in step.rows:
                if event.useless:
                    step.note(event.code, event.message)
                return self._judged(event.step, step, last=step.end(event.row, useless=event.useless))
            case StepFinished() if event.row in step.rows:
                row = step.rows[event.row]
                return self._judged(event.step, step, last=step.end(event.row, useless=0 < row.asked <= row.lost))
        return None

    def _judged(self, name: str, step: _Step, *, last: bool) -> tuple[str, str] | None:
        if not last:
            return None
        self._steps[name] = None
        if self.most is None or 100 * step.useless / FIRST < self.most:
            return None
        ((code, count),) = step.reasons.most_common(1)
        what = f"{step.useless} of the first {FIRST} billed rows of step `{name}` were unusable"
        return f"{what}, {count} of them like this one: {step.examples[code]}", _mend(Code(code))


def _mend(code: Code) -> str:
    if code is not Code.NO_TEXT:
        return _MENDS[code]
    look = by_surface(
        command="`yamlgen runs failed RUN` and `yamlgen runs show RUN --row ID`", python="a call with `limit=1`"
    )
    return f"look at an answer with {look}, and change the prompt"
