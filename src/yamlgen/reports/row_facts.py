"""What a run did with each row, as plain values: for those who show it, however they do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from yamlgen.expressions.references import OF_STEPS
from yamlgen.reports.value_lines import scalars
from yamlgen.store.row_scan import ScannedRow, ScannedStep
from yamlgen.store.run_reader import RunEntry
from yamlgen.store.stored_results import StoredAttempt
from yamlgen.value_objects import JSON

_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Reask:
    """A request that was made again.

    Attributes:
        case: the item, combination or sample, such as `item 2`; empty for a step that has only one request.
        reason: what was wrong with the answer, in the words of the validator.
    """

    case: str
    reason: str


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What a step did in a row.

    Attributes:
        kind: the kind of the step.
        status: `finished`; `null` if it failed and is null; `skipped`; `failed`; `missing` if it lacks an answer that
            the run was not allowed to request; `not run`.
        value: its value; null if it has none.
        reason: why it was skipped; empty if it was not.
        error: why it failed or is null: code, message, hint.
        failed_items: the items that failed and are null, each with its name under `case`, and its error.
        reasks: the requests that were made again, in their order.
        answers: how many answers it is made of.
        stored: how many of them this row did not pay for: an earlier run or another row did.
        cost_usd: what the others cost, in US dollars; `None` if a price is unknown.
    """

    name: str
    kind: str
    status: str
    value: JSON = None
    reason: str = ""
    error: Mapping[str, JSON] | None = None
    failed_items: tuple[Mapping[str, JSON], ...] = ()
    reasks: tuple[Reask, ...] = ()
    answers: int = 0
    stored: int = 0
    cost_usd: float | None = 0.0


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What a run did with a row.

    Attributes:
        number: the position of the row, from 0.
        id: its id; `None` if its input has no ids.
        status: `finished`, `failed`, or `missing` if it lacks an answer that the run was not allowed to request.
        columns: the row of the input.
        steps: the steps, in file order.
    """

    number: int
    id: JSON
    status: str
    columns: Mapping[str, JSON]
    steps: tuple[StepFacts, ...]

    @property
    def answers(self) -> int:
        """The number of answers that it is made of."""
        return sum(step.answers for step in self.steps)

    @property
    def stored(self) -> int:
        """How many of them the row did not pay for."""
        return sum(step.stored for step in self.steps)

    @property
    def cost_usd(self) -> float | None:
        """What the others cost, in US dollars; `None` if a price is unknown."""
        costs = [step.cost_usd for step in self.steps if step.cost_usd is not None]
        return round(sum(costs), _DIGITS) if len(costs) == len(self.steps) else None

    def as_json(self) -> dict[str, JSON]:
        """Return the facts as JSON values; rows are counted from 1."""
        steps = {step.name: {key: each for key, each in asdict(step).items() if key != "name"} for step in self.steps}
        about = {"row": self.number + 1, "id": self.id, "status": self.status, "cost_usd": self.cost_usd}
        return {**about, "columns": dict(self.columns), "steps": steps}


class FactReader:
    """Makes the facts of the rows of a run.

    Args:
        run: the run.
        kinds: the kinds of its steps, by their names, in file order.
    """

    def __init__(self, run: RunEntry, kinds: Mapping[str, str]) -> None:
        self._run = run.name
        self._kinds = kinds
        self._written: Mapping[str, Any] = (run.about.get("resolved") or {}).get("steps") or {}
        self._paid: set[int] = set()

    def facts(self, row: ScannedRow) -> RowFacts:
        """Return the facts of a row; an answer that several rows share was paid for by the first that is asked for."""
        absent = [name for name, each in row.steps.items() if each.status in ("skipped", "null")]
        steps = tuple(self._step(name, kind, row.steps.get(name), absent) for name, kind in self._kinds.items())
        return RowFacts(row.number, row.id, row.status, row.columns, steps)

    def _step(self, name: str, kind: str, step: ScannedStep | None, absent: Sequence[str]) -> StepFacts:
        if step is None:
            return StepFacts(name, kind, "not run")
        if step.status == "skipped":
            return StepFacts(name, kind, "skipped", reason=_reason(self._written.get(name) or {}, absent))
        own = [each for each in step.attempts if each.run == self._run and each.number not in self._paid]
        self._paid.update(each.number for each in own)
        costs = [each.cost for each in own if each.cost is not None]
        return StepFacts(
            name,
            kind,
            step.status,
            step.value,
            error=step.error and _told(step.error),
            failed_items=tuple({"case": each["case"], **_told(each)} for each in step.failed_items),
            reasks=tuple(_reasks(step.attempts)),
            answers=len(step.attempts),
            stored=len(step.attempts) - len(own),
            cost_usd=round(sum(costs), _DIGITS) if len(costs) == len(own) else None,
        )


def _reason(written: Mapping[str, Any], absent: Sequence[str]) -> str:
    """Return why a step was skipped, from its keys in the pipeline as it ran, and the steps without a value."""
    when = written.get("when")
    others = scalars([each for key, each in written.items() if key != "when"])
    read = " ".join(each for each in others if isinstance(each, str))
    hidden = [f"`{name}`" for name in absent if _names(read, name) and not (when and _names(when, name))]
    false = f"`when` is false: `{when}`" if when else ""
    unread = f"it reads {', '.join(hidden)}, which {'has' if len(hidden) == 1 else 'have'} no value" if hidden else ""
    return ", or ".join(each for each in (false, unread) if each) or "its reason is not recorded"


def _names(source: str, step: str) -> bool:
    """Whether templates or expressions name a step."""
    name = re.escape(step)
    return bool(re.search(rf"\b(?:{'|'.join(OF_STEPS)})(?:\.{name}\b|\[['\"]{name}['\"]\])", source))


def _told(error: Mapping[str, Any]) -> dict[str, JSON]:
    return {key: error.get(key) for key in ("code", "message", "hint")}


def _reasks(attempts: list[StoredAttempt]) -> Iterator[Reask]:
    """Yield why each answer was followed by another one to the same request."""
    last = {each.case: each for each in attempts}
    for attempt in attempts:
        if attempt.errors and attempt is not last[attempt.case]:
            yield Reask(attempt.case, "; ".join(attempt.errors))
