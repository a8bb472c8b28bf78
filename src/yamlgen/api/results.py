"""What comes of a run: its rows and its failures as values, and the report that everything said of it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from yamlgen.data.row_identity import row_name
from yamlgen.reports.report import Example, FailureGroup, LostStep, Report, StepCount, UsageTotal, largest_first
from yamlgen.value_objects import JSON, Usage

if TYPE_CHECKING:  # what lists runs need not wait for the formats
    from yamlgen.output.files import OutputPaths as OutputPaths  # noqa: PLC0414

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
    """What came of a run.

    Attributes:
        rows: the finished rows in input order: the row's columns, then the steps' outputs.
        failures: the rows that were set aside, as in the `failed` file.
        failed_items: the items that are null in the lists of `rows` (`on_item_error: "null"`), each as in `failures`,
            with `item`, from 1, and `case`, its name.
        lost_steps: the steps that lost every item of every row, with their most frequent reason; the command line
            ends with 1 for these, too.
        usage: the tokens that this run has paid for, failed rows included; of a simulated run, those of its answers.
        cost_usd: what they cost, or would have cost without the simulator; `None` where a price is not known.
        report: counts and usage per step, paid and reused apart, failures in groups.
        output: the file of the finished rows; `None` when they were printed.
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
