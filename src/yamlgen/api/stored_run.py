"""One run of a store: its rows, its failures and its record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yamlgen.api.chosen_outputs import ChosenPaths, chosen_paths, find_output, only_database, unnamed_database
from yamlgen.data.row_identity import id_name, identities, number_of
from yamlgen.data.row_lookup import proposed, tell_apart
from yamlgen.errors import Code, EnvironmentProblem, UsageError, near
from yamlgen.formats.format import UNCHANGED
from yamlgen.output.batch_detail import describe_batches, open_batches
from yamlgen.output.failure_records import Failure, compose_failed, list_failures
from yamlgen.output.row_composer import RowComposer, outputs_of
from yamlgen.output.row_detail import describe_row
from yamlgen.parsing.project_folder import unusable
from yamlgen.reports.run_commands import RunCommands
from yamlgen.shaping.output_plan import WHOLE
from yamlgen.store.location import FOLDER, StoreLocation
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.run_session import open_runs
from yamlgen.sync_bridge import wait_for
from yamlgen.value_objects import JSON

if TYPE_CHECKING:
    from yamlgen.api.canceled_batches import CanceledBatch


@dataclass(frozen=True)
class Export:
    """The files of a run's rows.

    Attributes:
        run: the run's name.
        rows: how many rows were written.
        outputs: the files.
        failed_items: how many items of these rows failed and are null.
        warnings: what the format cannot represent, as sentences.
        null_steps: how many steps of these rows failed and are null.
        counts: how many rows each file has.
    """

    run: str
    rows: int
    outputs: tuple[Path, ...]
    failed_items: int
    warnings: tuple[str, ...]
    null_steps: int = 0
    counts: tuple[int, ...] = ()

    def as_json(self) -> dict[str, JSON]:
        """Return the export as JSON values."""
        files = [str(path) for path in self.outputs]
        return {"run": self.run, "rows": self.rows, "output": files[0] if len(files) == 1 else files}


@dataclass(frozen=True)
class Run:
    """One run in a store, from which its methods read.

    Attributes:
        place: the store.
        entry: the run's entry in the store, as it was when the run was looked up.
    """

    place: StoreLocation
    entry: RunEntry

    def __repr__(self) -> str:
        how = "Simulated run" if self.simulated else "Run"
        counts = f"{self.entry.finished:,} rows finished, {self.entry.failed:,} failed"
        return f"<{how} {self.name} of {self.pipeline}: {self.status}, {counts}>"

    @property
    def name(self) -> str:
        """Its name; commands also accept the beginning, if it is unique."""
        return self.entry.name

    @property
    def pipeline(self) -> str:
        """The name of the pipeline file."""
        return self.place.name

    @property
    def simulated(self) -> bool:
        """Whether the run is simulated."""
        return self.place.simulated

    @property
    def status(self) -> str:
        """`running`, `finished`, `stopped`, `detached` (its batches were in progress) or `killed`."""
        return self.entry.status

    @property
    def started(self) -> str:
        """When it started: ISO 8601, UTC."""
        return self.entry.started

    @property
    def cost_usd(self) -> float | None:
        """Its cost until now in US dollars, which is simulated if the run is; `None` if a price is unknown."""
        cost: float | None = self.entry.paid["cost_usd"]
        return cost

    @property
    def is_beside_pipeline(self) -> bool:
        """Whether the store is in its default folder, next to the pipeline file."""
        return self.place.folder.name == FOLDER

    @property
    def home(self) -> Path:
        """The folder of the pipeline, if the store is next to it; otherwise the folder of the store."""
        return self.place.folder.parent if self.is_beside_pipeline else self.place.folder

    @property
    def commands(self) -> RunCommands:
        """What to type, or to call in Python, to go on from it."""
        return RunCommands(self.place, self.entry)

    def as_json(self) -> dict[str, Any]:
        """Return its entry in a list of runs, as JSON values: times in ISO 8601, UTC; costs in US dollars."""
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
        """Return the numbers of rows by their result."""
        return {"finished": self.entry.finished, "failed": self.entry.failed, "missing": self.entry.missing}

    def describe(self) -> dict[str, JSON]:
        """Return its record: options, counts, cost, and the pipeline as it ran; everything but the rows."""
        run, report = self.entry, self.entry.report or {}
        steps = report.get("steps")
        with self._opened() as run_reader:
            batches = describe_batches(run_reader, run)
            if not steps:
                batched = run_reader.batched(run.number)
                paid = run_reader.paid(run.number).items()
                steps = {step: {"batched": batched.get(step, 0), "paid": each} for step, each in paid}
        about = {
            key: value
            for key, value in run.about.items()
            if key not in ("options", "declared", "types", "lock", "workspaces")
        }
        return {
            "run": run.name,
            "status": run.status,
            "started": run.started,
            "ended": run.ended,
            "seconds": report.get("seconds"),
            "rows": {"input": about.pop("rows", None), **self._counts()},
            "steps": steps,
            "batches": batches,
            "failures": report.get("failures", []),
            "failed_items": report.get("failed_items", []),
            "lost_steps": report.get("lost_steps", []),
            "error": report.get("error"),
            **about,
        }

    def describe_row(self, name: str, tell: Callable[[str], object] = bool) -> dict[str, JSON]:
        """Return a row: its columns, and each step's requests, attempts, value or error.

        Args:
            name: the id of the row, or its number, from 1.
            tell: called with a note if a number might have been meant as an id.

        Raises:
            UsageError: the run does not have this row, or has not finished it.
        """
        with self._opened() as run_reader:
            return describe_row(run_reader, self.entry, find_row(run_reader, self.entry, name, tell))

    def cancel(self, *, forget: bool = False, tell: Callable[[CanceledBatch], object] = bool) -> list[CanceledBatch]:
        """Cancel the batches of the run that are in progress.

        Requests that are processed already are billed, and the next run collects their answers. A run that waits for
        the batches ends.

        Args:
            forget: also forget the batches that the API does not know, and those that may have been posted: the next
                run sends their requests again. No run of the pipeline may be in progress.
            tell: called after each batch.

        Returns:
            What happened to each batch; empty if none is open.

        Raises:
            EnvironmentProblem: there is no key, or the store cannot be read or written.
            YamlgenError: the API cannot be reached, or refused a cancelation.
        """
        from yamlgen.api.canceled_batches import cancel_batches  # noqa: PLC0415 - not needed to list runs
        from yamlgen.store.forgetting import forget_batches  # noqa: PLC0415

        with self._opened() as run_reader:
            entry = run_reader.run(self.name)  # as it is now
            batches, is_running = open_batches(run_reader, entry), entry.status == "running"
        drop = partial(forget_batches, self.place) if forget else None
        return wait_for(cancel_batches(batches, is_running=is_running, forget=drop, tell=tell))

    def open_elsewhere(self) -> str | None:
        """Return the name of another run of the store that has open batches, the latest one; `None` if none has."""
        with self._opened() as run_reader:
            others = (each for each in reversed(run_reader.runs()) if each.number != self.entry.number)
            return next((each.name for each in others if open_batches(run_reader, each)), None)

    def columns(self, output: str | None = None) -> tuple[str, ...]:
        """Return the columns of each row of an output; empty if they depend on the rows. Raises as `lines`."""
        return find_output(outputs_of(self.entry), output).columns

    def row_type(self, output: str | None = None) -> dict[str, JSON]:
        """Return the JSON Schema of the rows of an output, as far as it was known before the run. Raises as `lines`."""
        return find_output(outputs_of(self.entry), output).type.value

    def lines(self, output: str | None = None) -> Iterator[bytes]:
        """Yield the rows of an output as JSON Lines, in input order.

        Args:
            output: the name of the output; not needed if the pipeline has only one.

        Raises:
            UsageError: the run has no such output, or several and no name is given.
        """
        found = find_output(outputs_of(self.entry), output)
        with self._opened() as run_reader, RowComposer(run_reader, self.entry, found) as composer:
            yield from composer.lines()

    def failed_lines(self, *, items: bool = False) -> Iterator[bytes]:
        """Yield the failed rows as JSON Lines, in input order, as in `*.failed.jsonl`.

        Args:
            items: also yield a line for each failed item or step that is null; only these have `item` and `case`.
        """
        with self._opened() as run_reader:
            yield from compose_failed(run_reader, self.entry, items=items)

    def array(self, output: str | None = None, *, failed: bool = False) -> Iterator[bytes]:
        """Yield the rows of an output, or the failed rows, as one JSON array in parts."""
        from yamlgen.output.files import printed  # noqa: PLC0415 - not needed to list runs

        yield from printed(self.failed_lines if failed else lambda: self.lines(output), as_array=True)

    def failures(self) -> Iterator[Failure]:
        """Yield the error of each failed row, and of each item or step that is null, in input order."""
        with self._opened() as run_reader:
            yield from list_failures(run_reader, self.entry)

    def has_to_retry(self) -> bool:
        """Whether there is anything to retry."""
        with self._opened() as run_reader:
            return run_reader.has_to_retry(self.entry)

    def chosen(self, given: ChosenPaths, *, failed: bool = False) -> dict[str, str]:
        """Return the paths that are chosen for the outputs of the run, by name; empty for its only output.

        Raises:
            UsageError: the run has no such output, or several and no name is given.
        """
        if failed:
            return chosen_paths([WHOLE], given, "the failed rows of all outputs are one file, without a name")
        if (database := unnamed_database(given)) is not None:
            return {"": database}
        return chosen_paths(outputs_of(self.entry), given)

    def export(self, output: ChosenPaths, *, failed: bool = False) -> Export:
        """Write the rows to files in the formats of their extensions, while the run continues or after it ended.

        Args:
            output: a `.jsonl`, `.json`, `.parquet` or `.csv` file; its folder is created, and an existing file is
                replaced, but not the input. If the pipeline has several outputs, `{"train": PATH}`. A split output is
                written as by the run. In a `.sqlite` or `.db` file, all rows, steps and attempts are tables.
            failed: write the failed rows, as in `*.failed.jsonl`.

        Raises:
            UsageError: a path is not a file, has another extension, or is the input; or the run has no such output.
            EnvironmentProblem: a file cannot be written, or another run is writing it.
        """
        from yamlgen.output.files import (  # noqa: PLC0415 - not needed to list runs
            RowsFile,
            Written,
            check_distinct,
            composed,
            row_files,
            write_rows,
        )
        from yamlgen.output.sqlite_tables import write_tables  # noqa: PLC0415

        with self._opened(snapshot=True) as run_reader, ExitStack() as stack:
            run = run_reader.run(self.name)  # as it is now: its counts agree with its rows
            chosen = self.chosen(output, failed=failed)
            if (database := only_database(chosen)) is not None:
                outputs = [each for each in outputs_of(run) if set(chosen) <= {"", each.name}]
                count = write_tables(database, run_reader, run, outputs, self.place.folder, failed=failed)
                items, steps = (0, 0) if failed else run_reader.nulls(run)
                return Export(run.name, count, (database,), items, (), steps, (count,))
            if failed:
                path = Path(*chosen.values())
                if unusable(path, str(path)) is None:  # else, that is the error
                    check_distinct([(path, "the failed rows")], self.input_files)
                warnings = write_rows([(path, lambda: compose_failed(run_reader, run), UNCHANGED)])
                rows = run.failed + run.missing
                return Export(run.name, rows, (path,), 0, tuple(warnings), counts=(rows,))
            composers: list[RowComposer] = []
            written: list[Written] = []
            files: list[RowsFile] = []
            known = {each.name: each for each in outputs_of(run)}
            for name, target in chosen.items():
                composer = stack.enter_context(RowComposer(run_reader, run, known[name]))
                into = row_files(composer.output, Path(target))
                written.append(stack.enter_context(composed(composer, into)))
                composers.append(composer)
                files.extend(into)
            check_distinct([(each.path, each.told) for each in files], self.input_files)
            warnings = write_rows([each for rows_of in written for each in rows_of])
            counted = {composer.output.name: composer.counts for composer in composers}
            counts = tuple(counted[each.output].rows_of(each.part) for each in files)
            items, steps = run_reader.nulls(run)
            paths = tuple(each.path for each in files)
            return Export(run.name, sum(counts), paths, items, tuple(warnings), steps, counts)

    @property
    def input_files(self) -> list[Path]:
        """The file of the input, which nothing replaces; none if it is not known to be one file."""
        about = self.entry.about
        written = (about.get("resolved") or {}).get("input") or {}
        given = (about.get("options") or {}).get("input") or written.get("path")
        folder = self.home if self.is_beside_pipeline else Path(about["pipeline"]["file"]).parent
        return [folder / given] if isinstance(given, str) else []

    @contextmanager
    def _opened(self, *, snapshot: bool = False) -> Iterator[RunReader]:
        """Open the store. A program may keep a run for a long time, and the store may lose it meanwhile."""
        hint = "read the output file of the run, or run the pipeline again"
        if not self.place.exists:
            message = f"the store {near(self.place.database)} of run {self.name} no longer exists"
            raise EnvironmentProblem(message, code=Code.NO_RUN, hint=hint)
        with open_runs(self.place, snapshot=snapshot) as run_reader:
            if all(name != self.name for _, name in run_reader.names()):
                message = f"run {self.name} is no longer in the store: it was deleted"
                raise UsageError(message, code=Code.NO_RUN, hint=hint)
            yield run_reader


def values(lines: Iterator[bytes]) -> list[dict[str, JSON]]:
    """Parse JSON Lines."""
    return [json.loads(line) for line in lines]


def find_row(run_reader: RunReader, run: RunEntry, name: str, tell: Callable[[str], object]) -> int:
    """Return the position, from 0, of a row by its id or its number."""
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
    hint = proposed(name, run_reader.ids(run)) if has_ids else "row numbers start at 1"
    raise UsageError(message, code=Code.NO_RUN, hint=hint)
