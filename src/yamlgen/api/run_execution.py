"""A run, from the first look at the store to the finished files.

This module controls the order in which a run is prepared, started and ended. Every billed answer is stored before it is
used. Therefore, however a run ends early, the next run continues from the store.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from yamlgen.api.asked_models import models_asked, note_limits
from yamlgen.api.batch_desk import count_open, leaving, left_open, open_desk
from yamlgen.api.chosen_outputs import chosen_paths, find_output
from yamlgen.api.confirmation import Confirm, check_confirmed
from yamlgen.api.json_version import versioned
from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.lock_files import LockChange, locked_to, other_models, write_lock
from yamlgen.api.preparation import Preparation, prepare
from yamlgen.api.run_facts import recorded_facts, stored_facts
from yamlgen.api.run_fingerprint import run_fingerprint
from yamlgen.api.run_options import RunOptions
from yamlgen.api.taken_rows import rows_to_run
from yamlgen.cancellation import Cancellation, whole
from yamlgen.comparison.lock import Lock, lock_path
from yamlgen.comparison.locked_parts import RowsDigest
from yamlgen.data.source import Source
from yamlgen.engine.local_engine import LocalEngine
from yamlgen.engine.spending_limits import Budget
from yamlgen.errors import Code, Incomplete, Interrupted, YamlgenError, near
from yamlgen.events import (
    Emit,
    Event,
    OutputWritten,
    RunFinished,
    RunStarted,
    RunWarned,
)
from yamlgen.option_names import by_surface, option
from yamlgen.output.atomic_write import Staging
from yamlgen.output.failure_records import compose_failed
from yamlgen.output.files import OutputPaths, Written, composed, output_digest, output_paths, prepared, publish
from yamlgen.output.row_composer import OutputCounts, RowComposer, outputs_of
from yamlgen.output.stdout_writer import Printer, PrinterThread
from yamlgen.planning.plan import Plan
from yamlgen.reports.record_file import run_record, surroundings
from yamlgen.reports.report import Report
from yamlgen.shaping.output_plan import STEP
from yamlgen.store.location import StoreLocation
from yamlgen.store.run_reader import TESTED, RunEntry
from yamlgen.store.run_session import ActiveRun, begin_run, open_runs
from yamlgen.system_limits import in_thread
from yamlgen.value_objects import JSON

if TYPE_CHECKING:
    from yamlgen.api.run_reports import MakePage


class _Unwanted(Exception):  # noqa: N818 - not an error
    """The run was cancelled while its files were written."""


@dataclass(frozen=True)
class FinishedRun:
    """A finished run: its report, its files, its place in the store, and what became of its lock."""

    report: Report
    paths: OutputPaths
    entry: RunEntry
    place: StoreLocation
    lock: LockChange | None = None


async def execute(  # noqa: PLR0913 - the parts of a run
    pipeline: Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    options: RunOptions | None = None,
    emit: Emit | None = None,
    cancellation: Cancellation | None = None,
    confirm: Confirm | None = None,
    stdout: BinaryIO | None = None,
    tested: str | None = None,
) -> FinishedRun:
    """Run a pipeline, and write its files.

    Args:
        pipeline: the loaded pipeline.
        params: the parameters, by name.
        options: how the run differs from the file.
        emit: called with every event.
        cancellation: ends the run early when requested.
        confirm: called before a run that may cost more than `limits.confirm_above_usd`; without it, such a run does
            not start.
        stdout: receives the rows if the output is `-`. Default: standard output.
        tested: the test whose rows run; then no file is written.

    Raises:
        YamlgenError: the run could not start, or ended early; finished answers are in the store.
    """
    options, cancellation = options or RunOptions(), cancellation or Cancellation()
    plan = options.over(pipeline.plan(params))
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}{'' if tested is None else TESTED}"
    work = _RunExecution(pipeline, plan, options, name, cancellation, [] if emit is None else [emit], stdout)
    work.tested, work.locked = tested, locked_to(pipeline, plan) if options.locked else None
    async with prepare(pipeline, plan, options, f"run {name}") as ready:
        asks = plan.limits.confirm_above_usd is not None and not options.yes
        forecast, by_tool = await ready.look_ahead(quick=not asks)  # a question needs the forecast of all rows
        if not options.offline:  # without credentials it ends here; an unforeseen request checks again
            ready.provider.check_credentials(plan, forecast.asking)
        with work.made_ready(ready) as staging, work.page_reserved(ready) as page:
            for message in ready.source.told:
                work.tell(RunWarned(message))
            work.tell(forecast)
            check_confirmed(forecast, plan, options, confirm)
            work.sends = forecast.sends and not options.offline and tested is None
            try:
                done = await work.go(ready, by_tool, staging)
            except YamlgenError:
                await work.write_page(page)
                raise
            await work.write_page(page)
    if not options.lock or tested is not None:
        return done
    try:
        lock = await in_thread(partial(write_lock, pipeline, params, done.place, done.entry.name))
    except YamlgenError as error:  # the run is finished: its report is not lost
        lock = LockChange(lock_path(pipeline.path), note=error.message, is_written=False, error=error)
    return replace(done, lock=lock)


class _RunExecution:
    """One run in progress."""

    def __init__(
        self,
        pipeline: Pipeline,
        plan: Plan,
        options: RunOptions,
        name: str,
        cancellation: Cancellation,
        listeners: list[Emit],
        stdout: BinaryIO | None,
    ) -> None:
        self.pipeline = pipeline
        self.plan = plan
        self.options = options
        self.name = name
        self.cancellation = cancellation
        self.report = Report()
        self.budget = Budget(plan.limits, cancellation)
        self.listeners: list[Emit] = [self.report.observe, self.budget.observe, *listeners]
        self.undone = False
        self.tested: str | None = None
        self.stdout = stdout
        self.given = chosen_paths(plan.outputs, options.output)
        simulated, limit = options.simulate, options.limit
        self.paths = output_paths(plan.outputs, plan.folder, self.given, simulated=simulated, limit=limit)
        self.counts: dict[str, OutputCounts] = {}
        self.digest = RowsDigest()
        self.locked: Lock | None = None
        self.sends = False

    def tell(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)

    @contextmanager
    def made_ready(self, ready: Preparation) -> Iterator[Staging]:
        """Lock the output files for this run, before anything is billed; the run of a test has none."""
        if self.tested is not None:
            yield Staging()
            return
        self.paths.check(path for path in (*self.pipeline.parsed.files(), *ready.source.paths))
        what = f"run {self.name} of {near(self.plan.file)}"
        with prepared(self.paths, what=what) as staging:
            yield staging

    def page_reserved(self, ready: Preparation) -> AbstractContextManager[MakePage | None]:
        """Reserve the page of the report, before anything is billed; `None` if there is to be none."""
        if not self.options.report:
            return nullcontext()
        from yamlgen.api.run_reports import reserved_report  # noqa: PLC0415 - only with a report

        read = (*self.pipeline.parsed.files(), *ready.source.paths)
        return reserved_report(self.name, ready.session.run_reader.place, self.paths, read)

    async def write_page(self, make: MakePage | None) -> None:
        """Write the page of the report, if there is to be one; in a thread, so that signals are handled."""
        if make is not None and self.report.run:
            self.tell(await in_thread(make))

    async def go(self, ready: Preparation, by_tool: frozenset[str], staging: Staging) -> FinishedRun:
        """Run every row, and publish the files."""
        facts = recorded_facts(self.pipeline, ready, self.options, self.paths)
        about = {**facts, **surroundings(self.plan.folder)}
        kept = {**about, **stored_facts(self.pipeline, ready, self.options, self.given, by_tool)}
        kept |= {} if self.tested is None else {"test": self.tested}
        run_reader, clock, started = ready.session.run_reader, time.monotonic(), datetime.now(UTC)
        connection = ready.connection
        assert connection is not None  # noqa: S101 - a run locks its store
        equal = None if self.tested is not None else run_fingerprint(self.plan, ready.provider, by_tool)
        async with begin_run(ready.session, connection, self.name, kept, self.options.retry, equal) as run:
            steps = tuple(step.name for step in self.plan.steps)
            headers, simulated = tuple(about["headers"]), self.options.simulate
            self.tell(RunStarted(self.name, self.plan.name, steps, ready.rows, headers, simulated))
            error: YamlgenError | None = None
            try:
                await self._drive(ready, run.entry, None if self.options.recheck else equal)
                error = self._unfinished(ready.rows)
                if error is None:
                    await self._verify(ready.source)
                    for message in () if self.locked is None else other_models(run_reader, run.entry, self.locked):
                        self.tell(RunWarned(message))
                    self.report.seconds = time.monotonic() - clock
                    digest = self.digest.value if self.pipeline.source.is_repeatable else None
                    record = versioned({**run_record(self.report, about, started), "input_digest": digest})
                    if self.tested is None:
                        await self._publish(run_reader.place, run.entry, record, staging)
                    await whole(run.end("finished", record))
                    self.tell(RunFinished(None, self.report.seconds))
            except YamlgenError as stopped:
                error = stopped
            except BaseException as stopped:
                await self._stop(run, str(stopped) or "cancelled", clock, *count_open(run_reader, run.entry))
                raise
            if error is not None:
                batches, requests = count_open(run_reader, run.entry)
                if batches:
                    error = leaving(error, batches, requests, self.name)
                left = await self._stop(run, error.message, clock, batches, requests)
                if not batches and not isinstance(error, Incomplete):
                    error = error.replace(hint=f"{error.hint}; {left}" if error.hint else left)
                raise error from None
            return FinishedRun(self.report, self.paths, run.entry, run_reader.place)

    async def _drive(self, ready: Preparation, entry: RunEntry, equal: bytes | None) -> None:
        printer = None
        if self.paths.printed is not None and self.tested is None:
            printer = PrinterThread(partial(self._opened_printer, ready.session.run_reader.place, entry))
            self.listeners.append(printer.observe)
        desk = open_desk(
            ready,
            emit=self.tell,
            cancellation=self.cancellation,
            budget=self.budget,
            sends=not self.options.offline,
            detach=self.options.detach,
        )
        engine = LocalEngine(self.plan, ready.provider, ready.session.run_recorder, self.tell, self.cancellation, desk)
        try:
            rows, rest = await rows_to_run(ready, equal, self.digest, self.tell, self.cancellation)
            async with models_asked(ready, self.tell, sends=self.sends):
                await engine.run(rows, rest)
            self.undone = engine.undone
        except asyncio.CancelledError:  # do not wait for a reader that does not read
            if printer is not None:
                printer.leave()
                printer = None
            raise
        finally:
            note_limits(ready, self.report.pace)
            if printer is not None:
                await printer.close()

    def _unfinished(self, rows: int) -> YamlgenError | None:
        """Return why the run did not finish every row, if it did not."""
        report = self.report
        if report.missing:
            what = "row lacks" if report.missing == 1 else "rows lack"
            message = f"{report.missing:,} {what} an answer in the store, and this run sends nothing"
            how = "" if self.options.simulation is None else self.options.simulation.options
            command = f"`yamlgen runs failed {self.name}` lists them, `yamlgen run{how}` sends their requests"
            sends = by_surface(command=command, python=f"a call without {option('offline')} sends their requests")
            hint = f"{sends}; the previous output is unchanged"
            return Incomplete(message, code=Code.NOT_STORED, hint=hint)
        if report.finished + report.failed == rows and not self.undone:
            return None
        return self.budget.error or Interrupted(f"stopped: {self.cancellation.reason}", code=Code.STOPPED)

    async def _verify(self, source: Source) -> None:
        """Warn if the input changed during the run; in a thread, because it may be long."""
        warning = await in_thread(source.verify)
        if warning is not None:
            self.tell(RunWarned(warning))

    async def _stop(self, run: ActiveRun, message: str, clock: float, batches: int, requests: int) -> str:
        """Record in the store that the run ended early, and return what is stored, or is in batches that are open."""
        self.report.error, self.report.seconds = message, time.monotonic() - clock
        with suppress(YamlgenError):  # a disk error was reported already
            await whole(run.end("detached" if batches else "stopped", self.report.as_json()))
        kept = left_open(batches, requests, self.name) if batches else self._kept()
        self.tell(RunFinished(message, self.report.seconds, kept))
        return kept

    def _kept(self) -> str:
        """Return what a run that ended early has stored, as a phrase."""
        finished = self.report.finished
        if not (finished or self.report.paid.attempts):
            return "no row finished"
        rows = f"{finished:,} finished row{'' if finished == 1 else 's'}" if finished else "some answers"
        same = f"the same {by_surface(command='command', python='call')}"
        if self.options.fresh:
            again = f"; {same} without {option('fresh')} uses them, and older answers"
            return f"{rows} stored{again if self.tested is None else ''}"
        return f"{rows} stored; {same} continues from there"

    async def _publish(self, place: StoreLocation, entry: RunEntry, record: dict[str, JSON], staging: Staging) -> None:
        """Write and publish the files, in a thread, so that signals are handled. Then the run has finished.

        Warnings about the written rows are added to the record.
        """
        unwanted, known = threading.Event(), len(record["warnings"])
        try:
            await whole(in_thread(partial(self._write, place, entry, record, staging, unwanted)), unwanted.set)
        except _Unwanted:
            raise asyncio.CancelledError from None
        for message in record["warnings"][known:]:
            self.tell(RunWarned(message))
        for output in self.plan.outputs:
            if output.name in self.counts:
                self.tell(OutputWritten(output.name or STEP, self.counts[output.name].as_json()))

    def _write(
        self,
        place: StoreLocation,
        entry: RunEntry,
        record: dict[str, JSON],
        staging: Staging,
        unwanted: threading.Event,
    ) -> None:
        finished, failed = self.report.finished, self.report.failed

        def check() -> None:
            if unwanted.is_set():
                raise _Unwanted

        def wanted(lines: Iterator[bytes]) -> Iterator[bytes]:
            for line in lines:
                check()
                yield line

        digests: dict[Path, str] = {}

        def recorded() -> dict[str, JSON]:
            for composer in composers:
                composer.counts.digest = output_digest(self.paths.of(composer.output.name), digests)
                self.counts.setdefault(composer.output.name, composer.counts)
            outputs = (output for output in self.plan.outputs if output.name in self.counts)
            record["outputs"] = {output.name or STEP: self.counts[output.name].as_json() for output in outputs}
            return record

        with open_runs(place) as run_reader, ExitStack() as stack:
            composers = [RowComposer(run_reader, entry, output) for output in outputs_of(entry)]
            rows: list[Written] = []
            unchanged: set[Path] = set()
            for composer in composers:
                stack.enter_context(composer)
                has_rows = finished or (failed and composer.output.config.failed == "keep")
                files = self.paths.of(composer.output.name)
                left = [] if has_rows else [each for each in files if each.path.exists()]
                unchanged.update(each.path for each in left)
                if files := [each for each in files if each not in left]:
                    rows.append(stack.enter_context(composed(composer, files, check)))
            self.paths = replace(self.paths, unchanged=frozenset(unchanged))
            publish(
                staging,
                self.paths,
                rows=[each for written in rows for each in written],
                failed=(lambda: wanted(compose_failed(run_reader, entry))) if failed else None,
                record=recorded,
                tell=record["warnings"].append,
                digests=digests,
            )

    @contextmanager
    def _opened_printer(self, place: StoreLocation, entry: RunEntry) -> Iterator[Printer]:
        """Yield a printer to standard output that reads the store; unbuffered, so that no row remains in a buffer."""
        stream = self.stdout or sys.stdout.buffer
        output = find_output(outputs_of(entry), self.paths.printed)
        with open_runs(place) as run_reader, RowComposer(run_reader, entry, output) as composer:
            yield Printer(getattr(stream, "raw", stream), composer.line)
            self.counts[output.name] = composer.counts
