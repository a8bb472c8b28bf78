"""The result of a run: its rows and failures as values, and its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from yamlgen.data.row_identity import row_name
from yamlgen.reports.report import Example, FailureGroup, LostStep, Report, StepCount, UsageTotal, largest_first
from yamlgen.value_objects import JSON, Usage

if TYPE_CHECKING:  # a list of runs does not load the formats
    from yamlgen.output.files import OutputPaths as OutputPaths  # noqa: PLC0414
    from yamlgen.output.files import RowsFile as RowsFile  # noqa: PLC0414

__all__ = [
    "Example",
    "FailureGroup",
    "LostStep",
    "Report",
    "Result",
    "StepCount",
    "UsageTotal",
    "largest_first",
    "row_name",
]


@dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes:
        rows: the finished rows in input order: the columns of the input, then the outputs of the steps.
        failures: the failed rows, as in `*.failed.jsonl`.
        failed_items: the failed items and steps that are null in `rows` (`on_item_error: null`, `on_error: null`),
            each as in `failures`, with `item`, from 1, and `case`, its name; both are null for a step.
        lost_steps: the steps that lost every item of every row, or failed in every row, with their most frequent error;
            on the command line, the exit code is then 1.
        usage: the billed tokens of this run, including those of failed rows; if it is simulated, those of its answers.
        cost_usd: their cost, which is simulated if the run is; `None` if a price is unknown.
        report: counts and usage for each step, what was paid apart from what was reused, and failures in groups.
        output: the file of the finished rows; `None` if they were printed.
    """

    rows: list[dict[str, JSON]]
    failures: list[dict[str, JSON]]
    failed_items: list[dict[str, JSON]]
    lost_steps: list[dict[str, JSON]]
    usage: Usage
    cost_usd: float | None
    report: Report
    output: Path | None

    def __repr__(self) -> str:
        how, run = "simulated run" if self.report.simulated else "run", self.report.run
        cost = "price unknown" if self.cost_usd is None else f"${self.cost_usd:.4g}"
        return f"<Result of {how} {run}: {len(self.rows):,} rows, {len(self.failures):,} failed, {cost}>"
