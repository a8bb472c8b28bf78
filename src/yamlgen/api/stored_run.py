"""One run of a store, and all that can be asked of it: its rows, its failures, how it was made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yamlgen.data.row_identity import id_name, identities, number_of
from yamlgen.data.row_lookup import proposed, tell_apart
from yamlgen.errors import Code, UsageError
from yamlgen.output.failure_records import Failure, compose_failed, list_failures
from yamlgen.output.output_columns import compose_rows
from yamlgen.output.row_detail import describe_row
from yamlgen.store.location import FOLDER, StoreLocation
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.run_session import open_runs
from yamlgen.value_objects import JSON


@dataclass(frozen=True)
class Export:
    """A file of a run's rows.

    Attributes:
        run: the run's name.
        rows: how many rows are written.
        output: the file.
        failed_items: how many items in the lists of these rows failed, and are null.
        warnings: what of the rows the format cannot hold, as sentences.
    """

    run: str
    rows: int
    output: Path
    failed_items: int
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, JSON]:
        """What was written, as plain JSON values."""
        return {"run": self.run, "rows": self.rows, "output": str(self.output)}


@dataclass(frozen=True)
class Run:
    """One run, and the store that holds it; whatever is asked of it is read from there.

    Attributes:
        place: the store.
        entry: its line there, as it was when the run was looked up.
    """

    place: StoreLocation
    entry: RunEntry

    def __repr__(self) -> str:
        how = "Simulated run" if self.simulated else "Run"
        counts = f"{self.entry.finished:,} rows finished, {self.entry.failed:,} failed"
        return f"<{how} {self.name} of {self.pipeline}: {self.status}, {counts}>"

    @property
    def name(self) -> str:
        """How users call it; the beginning of it is enough where no other begins so."""
        return self.entry.name

    @property
    def pipeline(self) -> str:
        """The name of the pipeline's file."""
        return self.place.name

    @property
    def simulated(self) -> bool:
        """Whether the simulator answered."""
        return self.place.simulated

    @property
    def status(self) -> str:
        """`running`, `finished`, `stopped` or `killed`."""
        return self.entry.status

    @property
    def started(self) -> str:
        """When it began: ISO 8601, UTC."""
        return self.entry.started

    @property
    def cost_usd(self) -> float | None:
        """What it has paid until now, or would have paid without the simulator; `None` where a price is not known."""
        cost: float | None = self.entry.paid["cost_usd"]
        return cost

    @property
    def is_beside_pipeline(self) -> bool:
        """Whether the store is in its usual folder, so that the pipeline's file is known by it."""
        return self.place.folder.name == FOLDER

    @property
    def home(self) -> Path:
        """The folder of the pipeline, where the store is beside it; else that of the store."""
        return self.place.folder.parent if self.is_beside_pipeline else self.place.folder

    def as_json(self) -> dict[str, Any]:
        """What a list of runs tells of it, as plain JSON values: times in ISO 8601, UTC; costs in US dollars."""
        entry, report = self.entry, self.entry.report or {}
        return {
            "store": str(self.place.database),
            "run": entry.name,
            "pipeline": self.pipeline,
            "simulated": self.simulated,
            "status": entry.status,
            "started": entry.started,
            "ended": entry.ended,
            "seconds": report.get("seconds"),
            "rows": {"input": entry.about.get("rows"), **self._counts()},
            "paid": entry.paid,
            "reused": report.get("reused"),
        }

    def _counts(self) -> dict[str, JSON]:
        """The rows by what became of them."""
        return {"finished": self.entry.finished, "failed": self.entry.failed, "missing": self.entry.missing}

    def describe(self) -> dict[str, JSON]:
        """All that is known of it but its rows: how it was asked for, how it went, what it paid."""
        run, report = self.entry, self.entry.report or {}
        steps = report.get("steps")
        if not steps:
            with open_runs(self.place) as run_reader:
                steps = {step: {"paid": paid} for step, paid in run_reader.paid(run.number).items()}
        about = {key: value for key, value in run.about.items() if key != "options"}
        return {
            "run": run.name,
            "status": run.status,
            "started": run.started,
            "ended": run.ended,
            "seconds": report.get("seconds"),
            "rows": {"input": about.pop("rows", None), **self._counts()},
            "steps": steps,
            "failures": report.get("failures", []),
            "failed_items": report.get("failed_items", []),
            "lost_steps": report.get("lost_steps", []),
            "error": report.get("error"),
            **about,
        }

    def describe_row(self, name: str, tell: Callable[[str], object] = bool) -> dict[str, JSON]:
        """All that is known of a row: its columns, and each step's request, attempts, value or error.

        Args:
            name: the row's id, where the run's input has ids, or its number, from 1.
            tell: is told where a number could have been meant as an id, but is none.

        Raises:
            UsageError: the run has no such row, or has not finished it.
        """
        with open_runs(self.place) as run_reader:
            return describe_row(run_reader, self.entry, _find_row(run_reader, self.entry, name, tell))

    def lines(self) -> Iterator[bytes]:
        """The finished rows as JSON lines, in input order."""
        with open_runs(self.place) as run_reader:
            yield from compose_rows(run_reader, self.entry)

    def failed_lines(self, *, items: bool = False) -> Iterator[bytes]:
        """The failed rows as JSON lines, in input order, as in the file of failed rows.

        Args:
            items: whether a line follows for each item of a row that failed and is null: it has `item` and `case`.
        """
        with open_runs(self.place) as run_reader:
            yield from compose_failed(run_reader, self.entry, items=items)

    def array(self, *, failed: bool = False) -> Iterator[bytes]:
        """The rows, or the failed ones, as one JSON array, piece by piece."""
        from yamlgen.output.files import printed  # noqa: PLC0415 - a list of runs need not wait for it

        yield from printed(self.failed_lines if failed else self.lines, as_array=True)

    def failures(self) -> Iterator[Failure]:
        """Why each row failed, and why each item is null, in short and in input order."""
        with open_runs(self.place) as run_reader:
            yield from list_failures(run_reader, self.entry)

    def has_to_retry(self) -> bool:
        """Whether a retry has anything to ask."""
        with open_runs(self.place) as run_reader:
            return run_reader.has_to_retry(self.entry)

    def export(self, output: Path, *, failed: bool = False) -> Export:
        """Write the rows to a file in the format of its ending; also those of a run that did not come to its end.

        Args:
            output: a `.jsonl`, `.json` or `.csv` file; its folder is made, and what it held before is replaced.
            failed: the failed rows, as in the file of failed rows.

        Raises:
            UsageError: `output` is not a file, or its ending tells no format.
            EnvironmentProblem: the disk refuses, or another run is writing there.
        """
        from yamlgen.output.files import write_rows  # noqa: PLC0415 - a list of runs need not wait for it

        run = self.entry
        with open_runs(self.place) as run_reader:
            compose = compose_failed if failed else compose_rows
            warnings = write_rows(output, lambda: compose(run_reader, run))
            lost = 0 if failed else run_reader.nulls(run)
        rows = run.failed + run.missing if failed else run.finished
        return Export(run.name, rows, output, lost, tuple(warnings))


def values(lines: Iterator[bytes]) -> list[dict[str, JSON]]:
    """The rows of JSON lines."""
    return [json.loads(line) for line in lines]


def _find_row(run_reader: RunReader, run: RunEntry, name: str, tell: Callable[[str], object]) -> int:
    """The place, from 0, of a row of a run by its id or its number."""
    has_ids = run_reader.id_column(run) is not None
    for identity in identities(name) if has_ids else []:
        found = run_reader.find(run, identity)
        if found is not None:
            return found
    number = number_of(name)
    row = None if number is None else run_reader.row(run, number)
    if row is not None:
        tell_apart(name, run_reader.id(run, row), tell)
        return row.number
    message = f"run {run.name} has no row {id_name(name)}, or has not finished it"
    hint = proposed(name, run_reader.ids(run)) if has_ids else "rows count from 1"
    raise UsageError(message, code=Code.NO_RUN, hint=hint)
