"""What a test found: the verdict of each case, and the totals."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.forecast import RunForecast, price_json
from yamlgen.value_objects import JSON


class Verdict(StrEnum):
    """The verdict of a case."""

    PASSED = "passed"
    FAILED = "failed"
    MISSED = "not recorded"


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a case failed: a condition that is false, a row that failed, a golden that differs.

    Attributes:
        mark: its place in the test file.
        what: what is wrong, such as the expression.
        detail: the message, or the values.
    """

    mark: Mark
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Miss:
    """Requests of one step that are not recorded.

    Attributes:
        step: the step.
        rows: the number of rows.
        requests: the number of requests.
        cost: the minimum and maximum cost of recording them, in US dollars; `None` if a price is unknown.
        recorded: the date of the nearest recording; `None` if the step has none.
        changes: how the request differs from the nearest recording: `file:line`, the old and the new line.
        not_reached: the steps behind it, whose requests are unknown.
    """

    step: str
    rows: int
    requests: int
    cost: tuple[float, float] | None
    recorded: str | None
    changes: tuple[tuple[str, str | None, str | None], ...] = ()
    not_reached: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseVerdict:
    """The verdict of one case.

    Attributes:
        file: the test file, as the caller wrote it.
        case: its name.
        mark: its place.
        verdict: the verdict.
        seconds: how long it took.
        flaws: why it failed.
        misses: what is not recorded.
        gold: the accuracy and the confusion of each field.
        repeats: of repeated runs, how many passed and how many there were; `None` for a single run.
    """

    file: str
    case: str
    mark: Mark
    verdict: Verdict
    seconds: float
    flaws: tuple[Flaw, ...] = ()
    misses: tuple[Miss, ...] = ()
    gold: dict[str, JSON] = field(default_factory=dict)
    repeats: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class TestReport:
    """The verdicts of all cases.

    Attributes:
        cases: the verdicts, by file and in file order.
        unused: the number of recordings that no case uses, by test file.
        notes: what else a reader should know, as sentences.
        warnings: the warnings about the test files and their pipelines.
        simulated: the number of recordings that cases use and that are answers of the simulator, by test file.
        forecast: the forecast of what was sent, with that of each test file; `None` if there was nothing to send.
    """

    __test__ = False

    cases: tuple[CaseVerdict, ...]
    unused: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    simulated: dict[str, int] = field(default_factory=dict)
    forecast: RunForecast | None = None

    def count(self, verdict: Verdict) -> int:
        """Return how many cases have a verdict."""
        return sum(case.verdict is verdict for case in self.cases)

    @property
    def passed(self) -> bool:
        """Whether every case has passed."""
        return all(case.verdict is Verdict.PASSED for case in self.cases)

    def as_json(self) -> dict[str, JSON]:
        """Return the report as JSON values: places as `file:line:column`, costs in US dollars, times in seconds."""
        return {
            "passed": self.count(Verdict.PASSED),
            "failed": self.count(Verdict.FAILED),
            "not_recorded": self.count(Verdict.MISSED),
            "cases": [_case_json(case) for case in self.cases],
            "unused_recordings": dict(self.unused),
            "simulated_recordings": dict(self.simulated),
            "forecast": None if self.forecast is None else price_json(self.forecast),
            "notes": list(self.notes),
            "warnings": [each.as_json() for each in self.warnings],
        }


def place_of(mark: Mark) -> str:
    """Return the start of a place, as `file:line:column`."""
    return f"{mark.file}:{mark.line}:{mark.column}"


def _case_json(case: CaseVerdict) -> dict[str, JSON]:
    repeats = None if case.repeats is None else {"passed": case.repeats[0], "runs": case.repeats[1]}
    return {
        "file": case.file,
        "case": case.case,
        "place": place_of(case.mark),
        "verdict": case.verdict.value.replace(" ", "_"),
        "seconds": round(case.seconds, 3),
        "flaws": [{"place": place_of(each.mark), "what": each.what, "detail": each.detail} for each in case.flaws],
        "misses": [_miss_json(each) for each in case.misses],
        "gold": case.gold,
        "repeats": repeats,
    }


def _miss_json(miss: Miss) -> dict[str, JSON]:
    cost = None if miss.cost is None else {"least": miss.cost[0], "most": miss.cost[1]}
    return {
        "step": miss.step,
        "rows": miss.rows,
        "requests": miss.requests,
        "cost_usd": cost,
        "is_at_least": bool(miss.not_reached),
        "recorded": miss.recorded,
        "changes": [{"place": place, "old": old, "new": new} for place, old, new in miss.changes],
        "not_reached": list(miss.not_reached),
    }
