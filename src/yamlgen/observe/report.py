"""The report of a run: what came of it, as a fold over its events.

Owns the counts, the tokens per step, and the failures in groups. A report made from a journal of events equals the
one made live, because it knows nothing but events.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from yamlgen.events import (
    Event,
    RequestRetried,
    RowFailed,
    RowFinished,
    RunFinished,
    RunStarted,
    StepFinished,
)
from yamlgen.ports import Usage

EXAMPLES: Final = 3
_VARYING: Final = re.compile(r"""\d+(\.\d+)?|"[^"]*"|'[^']*'""")


@dataclass
class StepCount:
    """What one step did: rows answered, paid answers (re-asks included), retries, tokens."""

    finished: int = 0
    failed: int = 0
    attempts: int = 0
    retried: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0


@dataclass
class FailureGroup:
    """Failures of one step that read alike but for numbers and quoted values; the first few rows as examples."""

    step: str
    code: str
    count: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Report:
    """The state of a run so far. `observe` folds one event into it."""

    run: str = ""
    pipeline: str = ""
    rows: int | None = None
    finished: int = 0
    failed: int = 0
    steps: dict[str, StepCount] = field(default_factory=dict)
    groups: dict[tuple[str, str, str], FailureGroup] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None

    @property
    def usage(self) -> Usage:
        """The tokens of all steps together, failed rows included."""
        return sum((step.usage for step in self.steps.values()), Usage())

    def observe(self, event: Event) -> None:
        """Fold one event."""
        match event:
            case RunStarted():
                self.run, self.pipeline, self.rows = event.run, event.pipeline, event.rows
                self.steps = {name: StepCount() for name in event.steps}
            case StepFinished():
                step = self.steps[event.step]
                step.finished += 1
                step.attempts += event.attempts
                step.usage += event.usage
                step.seconds += event.seconds
            case RequestRetried():
                self.steps[event.step].retried += 1
            case RowFinished():
                self.finished += 1
            case RowFailed():
                self._failed(event)
            case RunFinished():
                self.error, self.seconds = event.error, event.seconds
            case _:
                pass

    def _failed(self, event: RowFailed) -> None:
        self.failed += 1
        step = self.steps[event.step]
        step.failed += 1
        step.attempts += event.attempts
        step.usage += event.usage
        key = (event.step, event.code, _VARYING.sub("…", event.message))
        group = self.groups.setdefault(key, FailureGroup(event.step, event.code))
        group.count += 1
        if len(group.examples) < EXAMPLES:
            group.examples.append((event.row, event.message))

    def as_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "run": self.run,
            "pipeline": self.pipeline,
            "rows": {"input": self.rows, "finished": self.finished, "failed": self.failed},
            "usage": asdict(self.usage),
            "steps": {name: _step_json(step) for name, step in self.steps.items()},
            "failures": [
                {
                    "step": group.step,
                    "code": group.code,
                    "count": group.count,
                    "examples": [{"row": row, "message": message} for row, message in group.examples],
                }
                for group in sorted(self.groups.values(), key=lambda group: -group.count)
            ],
            "seconds": round(self.seconds, 3),
            "error": self.error,
        }


def _step_json(step: StepCount) -> Mapping[str, Any]:
    return {
        "finished": step.finished,
        "failed": step.failed,
        "attempts": step.attempts,
        "retried": step.retried,
        "usage": asdict(step.usage),
    }
