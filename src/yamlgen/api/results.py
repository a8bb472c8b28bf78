"""The result of a run: its rows and failures as values, and its report.

The rows stay in the store until they are asked for: a run of a million rows does not have them in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from yamlgen.data.row_identity import row_name
from yamlgen.errors import Code, UsageError
from yamlgen.reports.amount_words import counted, time_told
from yamlgen.reports.batch_progress import BatchProgress
from yamlgen.reports.bill import SIMULATED, UsageTotal, dollars
from yamlgen.reports.report import Example, FailureGroup, LostStep, Report, StepCount, largest_first
from yamlgen.value_objects import JSON, Usage

if TYPE_CHECKING:  # a list of runs does not load the formats, and a summary not the store
    from yamlgen.api.lock_files import LockChange
    from yamlgen.api.stored_run import Run
    from yamlgen.output.files import OutputPaths as OutputPaths  # noqa: PLC0414
    from yamlgen.output.files import RowsFile as RowsFile  # noqa: PLC0414

__all__ = [
    "SIMULATED",
    "BatchProgress",
    "Example",
    "FailureGroup",
    "LostStep",
    "Report",
    "Result",
    "StageResult",
    "StepCount",
    "UsageTotal",
    "counted",
    "dollars",
    "largest_first",
    "row_name",
    "time_told",
]


_EXACT: Final = 2**53
"""The largest integer up to which a float is exact."""
_LARGEST: Final = 2**63
"""The size of the integers of a pandas column."""


@dataclass(frozen=True)
class StageResult:
    """What happened with another pipeline whose output is a table of the query of a run.

    Attributes:
        file: its file, as messages show it.
        up_to_date: whether its output was up to date, so that it did not run.
        report: the report of its run; `None` if it did not run.
    """

    file: str
    up_to_date: bool
    report: Report | None


@dataclass(frozen=True)
class Result:
    """The result of a run. `rows`, `to_arrow`, `to_pandas` and `to_polars` return the rows of its outputs.

    Attributes:
        failures: the failed rows, as in `*.failed.jsonl`.
        failed_items: the failed items and steps that are null in the rows (`on_item_error: null`, `on_error: null`),
            each as in `failures`, with `item`, from 1, and `case`, its name; both are null for a step.
        lost_steps: the steps that lost every item of every row, or failed in every row, with their most frequent error;
            on the command line, the exit code is then 1.
        usage: the billed tokens of this run, including those of failed rows; if it is simulated, those of its answers.
        cost_usd: their cost, which is simulated if the run is; `None` if a price is unknown.
        report: counts and usage for each step, what was paid apart from what was reused, and failures in groups.
        output: the file of the rows, of the first output and its first part; `None` if they were printed.
        stages: the other pipelines whose outputs the run reads, in the order in which they run; what they cost is not
            in `cost_usd`.
        lock: what has changed in the lock, with `lock=True`.
        page: the page of its report, with `report=True`; `None` if it could not be written, see `report.page`.
    """

    failures: list[dict[str, JSON]]
    failed_items: list[dict[str, JSON]]
    lost_steps: list[dict[str, JSON]]
    usage: Usage
    cost_usd: float | None
    report: Report
    output: Path | None
    _run: Run = field(repr=False)
    stages: tuple[StageResult, ...] = ()
    lock: LockChange | None = None
    page: Path | None = None

    def rows(self, output: str | None = None) -> list[dict[str, JSON]]:
        """Return the rows of an output in input order, as the run wrote them to its file.

        They have the columns under `columns`; by default those of the input, then one for each step. With
        `failed: keep`, failed rows are among them. They are read from the store in each call, and not kept. Later runs
        do not change them.

        Args:
            output: the name of an output; required if the pipeline has several.

        Raises:
            UsageError: the pipeline has no such output, or several and no name is given; or the run was deleted from
                the store.
            EnvironmentProblem: the store was deleted or cannot be read.
        """
        return list(self._read(output))

    def to_pandas(self, output: str | None = None) -> Any:
        """Return the rows of an output, as `rows` does, as a pandas DataFrame.

        Lists and mappings stay Python objects. A column of integers that lacks some has the type `Int64`, so that the
        others stay integers. pandas must be installed.

        Args:
            output: the name of an output; required if the pipeline has several.

        Raises:
            UsageError: pandas is not installed; or as in `rows`.
            EnvironmentProblem: the store was deleted or cannot be read.
        """
        pandas = _needed("pandas", "to_pandas", "install it: `pip install pandas`")
        columns: dict[str, list[JSON]] = {name: [] for name in self._run.columns(output)}
        number = 0
        for number, row in enumerate(self._read(output), start=1):
            for name, value in row.items():
                column = columns.setdefault(name, [])
                column.extend([None] * (number - 1 - len(column)))
                column.append(value)
        for column in columns.values():
            column.extend([None] * (number - len(column)))
        return pandas.DataFrame({name: _series(pandas, column) for name, column in columns.items()})

    def to_arrow(self, output: str | None = None) -> Any:
        """Return the rows of an output, as `rows` does, as a `pyarrow.Table`.

        The columns have the types of a Parquet output: those that the pipeline declares, and otherwise those of all
        rows. Values that are mixed, recursive or free-form are strings of JSON. pyarrow must be installed.

        Args:
            output: the name of an output; required if the pipeline has several.

        Raises:
            UsageError: pyarrow is not installed; or as in `rows`.
            EnvironmentProblem: the store was deleted or cannot be read.
        """
        from yamlgen.formats.parquet import INSTALL  # noqa: PLC0415 - a list of runs does not load the formats

        _needed("pyarrow", "to_arrow", INSTALL)
        from yamlgen.formats.arrow_table import table_of  # noqa: PLC0415 - pyarrow is optional

        lines = partial(self._run.lines, output)
        return table_of(lines, self._run.row_type(output))

    def to_polars(self, output: str | None = None) -> Any:
        """Return the rows of an output as a polars DataFrame, with the types of `to_arrow`.

        polars and pyarrow must be installed.

        Args:
            output: the name of an output; required if the pipeline has several.

        Raises:
            UsageError: polars or pyarrow is not installed; or as in `rows`.
            EnvironmentProblem: the store was deleted or cannot be read.
        """
        polars = _needed("polars", "to_polars", "install it: `pip install polars pyarrow`")
        return polars.from_arrow(self.to_arrow(output))

    def _read(self, output: str | None) -> Iterator[dict[str, JSON]]:
        """Yield the finished rows of an output."""
        return map(json.loads, self._run.lines(output))

    def __repr__(self) -> str:
        how, run = "simulated run" if self.report.simulated else "run", self.report.run
        cost = "price unknown" if self.cost_usd is None else f"${self.cost_usd:.4g}"
        return f"<Result of {how} {run}: {self.report.finished:,} rows, {len(self.failures):,} failed, {cost}>"


def _needed(library: str, method: str, install: str) -> Any:
    """Return a library that is not a dependency.

    Raises:
        UsageError: it cannot be imported.
    """
    try:
        return import_module(library)
    except ImportError as error:
        message = f"`{method}` needs {library}, which cannot be imported: {error}"
        raise UsageError(message, code=Code.NO_EXTRA, hint=install) from error


def _series(pandas: Any, values: list[JSON]) -> Any:
    """Return a column with the type that pandas infers, unless it would change an integer."""
    kinds, plain = set(map(type, values)), pandas.Series(values, dtype=object)
    if int in kinds and kinds <= {int, float, type(None)}:
        if kinds == {int, type(None)} and all(value is None or -_LARGEST <= value < _LARGEST for value in values):
            return plain.astype("Int64")
        if kinds != {int} and any(isinstance(value, int) and abs(value) > _EXACT for value in values):
            return plain
    return plain.infer_objects()
