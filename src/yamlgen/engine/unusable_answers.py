"""Whether what a step pays for is of any use: the brake on a run whose answers are all cut off, empty or invalid.

Owns the count, a fold over the events: of the first rows that each step pays for, how many came to nothing. A model's
refusal is an answer, and what the author checks besides the schema is the author's to judge: neither counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from yamlgen.errors import Code
from yamlgen.events import AnswerReceived, Event, ItemFailed, StepFailed, StepFinished
from yamlgen.option_names import by_surface

FIRST: Final = 50
"""How many rows of a step are looked at."""

MOST: Final = "90%"
"""The share of them that may come to nothing, where none is set."""

_MENDS: Final = {
    Code.TRUNCATED: "raise `max_tokens`: it bounds thinking and answer together",
    Code.CONTEXT_EXCEEDED: "shorten the rows, or what the prompt takes of them",
    Code.INVALID_OUTPUT: "say in the prompt what the schema wants, or loosen the schema",
    Code.UNKNOWN_STOP: "ask the model in another way, or another model",
}


@dataclass
class _Row:
    """A row under way at a step: the requests that it paid for, and the items that came to nothing."""

    asked: int = 0
    lost: int = 0


@dataclass
class _Step:
    """The first rows of a step."""

    done: int = 0
    useless: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    rows: dict[int, _Row] = field(default_factory=dict)

    def note(self, code: str, message: str) -> None:
        self.reasons[code] += 1
        self.examples[code] = message

    def end(self, row: int, *, useless: bool) -> bool:
        """Count a row that was paid for; whether it was the last one to look at."""
        del self.rows[row]
        self.done += 1
        self.useless += useless
        return self.done == FIRST


@dataclass
class UnusableAnswerLimit:
    """Looks at the first rows that each step pays for.

    Args:
        most: the percentage of them that is too much; `None` looks at none.
    """

    most: float | None
    _steps: dict[str, _Step | None] = field(default_factory=dict)  # `None` once the first rows were looked at

    def observe(self, event: Event) -> tuple[str, str] | None:
        """Count one event; what is wrong and what to do about it, where too much of a step came to nothing."""
        if self.most is None or not isinstance(event, AnswerReceived | ItemFailed | StepFailed | StepFinished):
            return None
        step = self._steps.setdefault(event.step, _Step())
        if step is None:
            return None
        match event:
            case AnswerReceived(reused=False):
                step.rows.setdefault(event.row, _Row()).asked += not event.reask
            case ItemFailed(useless=True) if event.row in step.rows:
                step.rows[event.row].lost += 1
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
        what = f"{step.useless} of the first {FIRST} rows that step `{name}` paid for came to nothing"
        return f"{what}, {count} of them like this: {step.examples[code]}", _mend(Code(code))


def _mend(code: Code) -> str:
    if code is not Code.NO_TEXT:
        return _MENDS[code]
    look = by_surface(
        command="`yamlgen runs failed RUN` and `yamlgen runs show RUN --row ID`", python="a call with `limit=1`"
    )
    return f"look at an answer with {look}, and change the prompt"
