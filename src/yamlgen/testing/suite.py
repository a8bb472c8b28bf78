"""A test file that was read and checked: its cases, each with its pipeline, rows and compiled expectations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from yamlgen.diagnostics import Mark
from yamlgen.planning.plan import Plan
from yamlgen.testing.suite_config import CaseModel, TestSuiteModel
from yamlgen.testing.suite_files import recordings_of
from yamlgen.value_objects import InputRow


@dataclass(frozen=True, slots=True)
class CheckedExpectation:
    """A condition of a case.

    Attributes:
        expression: its source.
        message: the template of its message; `None` for the expression and its parts.
        mark: its place in the test file.
    """

    expression: str
    message: str | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class CheckedCase:
    """A case that can be run.

    Attributes:
        config: as written.
        mark: its place in the test file.
        plan: the plan of the pipeline with the parameters of the case, for its rows.
        count: the number of its rows.
        rows: reads its rows.
        expect: its conditions.
        place: returns the place of a row, given its position: a line of its file, or of the test file.
    """

    config: CaseModel
    mark: Mark
    plan: Plan
    count: int
    rows: Callable[[], Iterable[InputRow]]
    expect: tuple[CheckedExpectation, ...]
    place: Callable[[int], str] = field(default=str, repr=False)

    @property
    def name(self) -> str:
        """Its name."""
        return self.config.name

    @property
    def is_single(self) -> bool:
        """Whether it has one row, whose parts its conditions can read."""
        return self.config.row is not None


@dataclass(frozen=True, slots=True)
class CheckedSuite:
    """A test file without errors.

    Attributes:
        path: the file, absolute.
        shown: the file, as the caller wrote it.
        config: as written.
        pipeline: the pipeline file, absolute.
        cases: its cases, in file order.
        redacted: the places of the expressions under `redact`.
    """

    path: Path
    shown: str
    config: TestSuiteModel
    pipeline: Path
    cases: tuple[CheckedCase, ...]
    redacted: tuple[Mark, ...] = ()

    @property
    def recordings(self) -> Path:
        """The file of its recorded answers: `triage.answers.jsonl` beside `triage.test.yaml`."""
        return recordings_of(self.path)
