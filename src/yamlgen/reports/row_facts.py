"""What a run did with each row, as plain values read from its store: for those who show it, however they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from yamlgen.errors import Code
from yamlgen.planning.plan import Plan
from yamlgen.planning.skipping import is_skipped
from yamlgen.row_result import Answer
from yamlgen.steps.plan_step import PlanStep
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import StoredAttempt, StoredResult, StoredRow
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
    """Reads the facts of the rows of a run.

    Args:
        run_reader: the store.
        run: the run.
        plan: the plan of the run, which tells why a step was skipped.
    """

    def __init__(self, run_reader: RunReader, run: RunEntry, plan: Plan) -> None:
        self._run_reader = run_reader
        self._run = run
        self._plan = plan
        self._paid: set[int] = set()

    def rows(self) -> Iterator[RowFacts]:
        """Yield the facts of each row that the run has reached, in input order."""
        self._paid.clear()
        for row in self._run_reader.all_rows(self._run):
            columns = self._run_reader.columns(row)
            known = self._run_reader.id(self._run, row)
            yield RowFacts(row.number, known, row.status, columns, tuple(self._steps(row, columns)))

    def _steps(self, row: StoredRow, columns: Mapping[str, JSON]) -> Iterator[StepFacts]:
        results = {each.step: each for each in row.results}
        values = {name: self._run_reader.value(each) for name, each in results.items()}
        absent = {name for name, each in results.items() if each.status == "skipped" or self._is_null(each)}
        for step in self._plan.steps:
            result = results.get(step.name)
            if result is None:
                yield StepFacts(step.name, step.kind, "not run")
            elif result.status == "skipped":
                reason = self._reason(step, columns, values, absent)
                yield StepFacts(step.name, step.kind, "skipped", reason=reason)
            else:
                yield self._made(step, result, values[step.name])

    def _is_null(self, result: StoredResult) -> bool:
        """Whether a step failed and is null."""
        return any(each["item"] is None for each in self._run_reader.lost(result)) and result.value == "null"

    def _reason(self, step: PlanStep, columns: Mapping[str, JSON], values: Mapping[str, JSON], absent: set[str]) -> str:
        """Return why a step was skipped."""
        hidden = sorted((step.needs - step.asks) & absent)
        scope = self._plan.scope_of(columns, {name: Answer(value) for name, value in values.items()})
        if hidden and is_skipped(step, scope, absent):
            names = ", ".join(f"`{name}`" for name in hidden)
            return f"it reads {names}, which {'has' if len(hidden) == 1 else 'have'} no value"
        return f"`when` is false: `{step.when}`"

    def _made(self, step: PlanStep, result: StoredResult, value: JSON) -> StepFacts:
        attempts = self._run_reader.attempts(result)
        own = [each for each in attempts if each.run == self._run.name and each.number not in self._paid]
        self._paid.update(each.number for each in own)
        costs = [each.cost for each in own if each.cost is not None]
        error, lost = self._run_reader.error(result), self._run_reader.lost(result)
        status = result.status
        if self._is_null(result):
            status, error, lost = "null", lost[0], []
        elif error is not None and error["code"] == Code.NOT_STORED:
            status = "missing"
        return StepFacts(
            step.name,
            step.kind,
            status,
            value,
            error=error and _told(error),
            failed_items=tuple({"case": each["case"], **_told(each)} for each in lost),
            reasks=tuple(_reasks(attempts)),
            answers=len(attempts),
            stored=len(attempts) - len(own),
            cost_usd=round(sum(costs), _DIGITS) if len(costs) == len(own) else None,
        )


def _told(error: Mapping[str, Any]) -> dict[str, JSON]:
    return {key: error.get(key) for key in ("code", "message", "hint")}


def _reasks(attempts: list[StoredAttempt]) -> Iterator[Reask]:
    """Yield why each answer was followed by another one to the same request."""
    last = {each.case: each for each in attempts}
    for attempt in attempts:
        if attempt.errors and attempt is not last[attempt.case]:
            yield Reask(attempt.case, "; ".join(attempt.errors))
