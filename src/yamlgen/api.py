"""The composition root: load a pipeline, run it, get the rows. It wires the rooms together and does nothing else.

What the command line can do is done here, so that Python users have the same machine.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from yamlgen.data.collected import Collected
from yamlgen.data.sink import OutputPaths, Sink, StdoutSink, output_paths
from yamlgen.data.source import Source, source_of, spooled
from yamlgen.errors import Code, Diagnostic, InvalidPipeline, UsageError, YamlgenError, near
from yamlgen.events import Emit, Event, RunFinished, RunStarted
from yamlgen.language.compiler import compile_draft
from yamlgen.language.draft import Draft, read
from yamlgen.language.plan import Plan
from yamlgen.observe.record import fingerprint, run_record
from yamlgen.observe.report import Report
from yamlgen.ports import JSON, Columns, Provider, Row, RowSink, Usage

if TYPE_CHECKING:
    from yamlgen.claude.access import Simulation
    from yamlgen.halt import Halt


@dataclass(frozen=True)
class Pipeline:
    """A pipeline's file, read and checked; its plan depends on the parameters of a run.

    Attributes:
        path: the file.
        warnings: what is worth knowing, though it stops nothing.
    """

    path: Path
    shown: str
    draft: Draft
    source: Source
    columns: Columns | None
    overrides: Mapping[str, str]
    warnings: tuple[Diagnostic, ...]

    def plan(self, params: Mapping[str, JSON] | None = None) -> Plan:
        """The plan of a run with these parameters.

        Raises:
            InvalidPipeline: a parameter is missing, undeclared or wrong.
        """
        made = compile_draft(self.draft, self.columns, params, complete=True)
        if made.plan is None:
            raise InvalidPipeline(made.diagnostics)
        return made.plan


def check(
    path: str | Path,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, str] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the word that the YAML has for it
) -> tuple[Pipeline | None, tuple[Diagnostic, ...]]:
    """Everything that is wrong with a pipeline's file, and the pipeline if nothing is."""
    shown, path = str(path), Path(path)
    draft, diagnostics = read(path, shown, overrides, None if input is None else str(input))
    if draft is None:
        return None, tuple(diagnostics)
    source = source_of(draft.pipeline.input, draft.path, draft.shown)
    columns = source.columns()
    made = compile_draft(draft, columns, params)
    if made.plan is None:
        return None, made.diagnostics
    return Pipeline(path, shown, draft, source, columns, dict(overrides or {}), made.diagnostics), made.diagnostics


def load(
    path: str | Path,
    *,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the word that the YAML has for it
) -> Pipeline:
    """Read and check a pipeline's file.

    Args:
        path: the YAML file.
        overrides: values to set, by dotted path, as with `--set`; a text is read as YAML.
        input: where the rows come from instead, as with `--input`.

    Raises:
        InvalidPipeline: it has mistakes; `.diagnostics` holds all of them with their places.
    """
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in (overrides or {}).items()}
    pipeline, diagnostics = check(path, overrides=texts, input=input)
    if pipeline is None:
        raise InvalidPipeline(diagnostics)
    return pipeline


@dataclass(frozen=True)
class Options:
    """How a run differs from what the pipeline's file says.

    Attributes:
        output: another output path, or `-` for standard output.
        limit: only the first rows.
        simulate: talk to the simulator in place of the API.
        max_concurrency: a ceiling below the pipeline's own.
        latency: seconds that a simulated answer takes.
        faults: rates of simulated faults, such as `rate_limit=0.1`.
        seed: picks the simulated answers and faults.
    """

    output: str | Path | None = None
    limit: int | None = None
    simulate: bool = False
    max_concurrency: int | None = None
    latency: float = 0.0
    faults: Sequence[str] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("limit", 1), ("max_concurrency", 1), ("latency", 0)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int | float) or isinstance(value, bool) or value < least):
                raise UsageError(f"{name} is {value!r}", code=Code.BAD_PARAM, hint=f"{least} or more")

    @property
    def simulation(self) -> Simulation | None:
        """How the simulator behaves, if there is to be one."""
        from yamlgen.claude.access import Simulation  # noqa: PLC0415 - the SDK loads where something runs

        return Simulation(self.latency, tuple(self.faults), self.seed) if self.simulate else None


@dataclass(frozen=True)
class Finished:
    """A run that came to its end: its report, and its files."""

    report: Report
    paths: OutputPaths


class Preview(NamedTuple):
    """One request of one row; `made_up` names the steps whose outputs in it the simulator invented."""

    step: str
    request: dict[str, JSON]
    made_up: tuple[str, ...]


class Interrupted(YamlgenError):  # noqa: N818 - the user's wish, no error
    """The run was asked to stop, and did."""


async def execute(
    pipeline: Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    options: Options | None = None,
    emit: Emit | None = None,
    halt: Halt | None = None,
    collect: Collected | None = None,
) -> Finished:
    """Run a pipeline to its end and leave its files.

    Args:
        pipeline: as loaded.
        params: the values of its parameters.
        options: what differs from the file.
        emit: told every event.
        halt: ends the run early when requested.
        collect: keeps the rows in memory, besides the files.

    Raises:
        YamlgenError: nothing could be run, or the run ended early; what was finished is in the partial file, which
            the error's hint names.
    """
    from yamlgen.claude.access import reach  # noqa: PLC0415 - the SDK loads where something runs
    from yamlgen.halt import Halt  # noqa: PLC0415

    options, halt, report = options or Options(), halt or Halt(), Report()
    listeners: list[Emit] = [report.observe, *([emit] if emit else [])]
    plan = pipeline.plan(params)
    if options.max_concurrency is not None:
        plan = _with_ceiling(plan, options.max_concurrency)
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    async with reach(plan.runtime, options.simulation) as provider:
        with ExitStack() as stack:
            source = stack.enter_context(spooled(pipeline.source, getattr(sys.stdin, "buffer", None)))
            rows = _count(source, plan, options.limit)
            sink, paths = _sink(plan, options)
            paths.spare(pipeline.draft.files())
            sink.open()
            target: RowSink = sink
            if collect is not None:
                collect.sink, target = sink, collect
            started, clock = datetime.now(UTC), time.monotonic()
            tell(RunStarted(run, plan.name, tuple(step.name for step in plan.steps), rows))
            error: YamlgenError | None = None
            try:
                await _drive(plan, provider, source.rows(options.limit), target, tell, halt)
                if halt.requested and report.finished + report.failed < rows:
                    error = Interrupted(f"stopped: {halt.reason}", code=Code.STOPPED)
                if error is None:
                    report.seconds = time.monotonic() - clock
                    about = _about(pipeline, plan, source, paths, options)
                    sink.finish(run_record(report, about, plan.folder, started))
                    tell(RunFinished(None, report.seconds))
            except YamlgenError as stopped:
                error = stopped
            except BaseException as stopped:
                tell(RunFinished(str(stopped) or "cancelled", time.monotonic() - clock, _kept(sink)))
                raise
            if error is not None:
                kept = _kept(sink)
                tell(RunFinished(error.message, time.monotonic() - clock, kept))
                error.hint = f"{error.hint}; {kept}" if error.hint else kept
                raise error from None
    return Finished(report, paths)


async def _drive(
    plan: Plan, provider: Provider[Plan], rows: Iterator[Row], sink: RowSink, tell: Emit, halt: Halt
) -> None:
    from yamlgen.run.local import LocalEngine  # noqa: PLC0415 - not needed to load and check

    async with provider.open(plan, halt) as models:
        await LocalEngine(plan, models, sink, tell, halt, plan.concurrency).run(rows)


def _with_ceiling(plan: Plan, most: int) -> Plan:
    return replace(plan, runtime=plan.runtime.model_copy(update={"concurrency": min(plan.concurrency, most)}))


def _count(source: Source, plan: Plan, limit: int | None) -> int:
    rows = source.scan(frozenset(step.name for step in plan.steps))
    if rows == 0:
        raise UsageError(f"{source.name()} has no rows", code=Code.NO_ROWS, hint="nothing was sent")
    return rows if limit is None else min(rows, limit)


def _sink(plan: Plan, options: Options) -> tuple[Sink, OutputPaths]:
    if options.output is not None and str(options.output) != "-":
        paths = output_paths(Path(options.output))
        return Sink(paths), paths
    target = plan.folder / plan.output.path
    to_stdout = options.output is not None
    paths = output_paths(target, simulated=options.simulate, limit=options.limit, to_stdout=to_stdout)
    return (StdoutSink(paths, sys.stdout.buffer) if to_stdout else Sink(paths)), paths


def _about(pipeline: Pipeline, plan: Plan, source: Source, paths: OutputPaths, options: Options) -> dict[str, JSON]:
    return {
        "pipeline": {
            "name": plan.name,
            "file": pipeline.shown,
            "hash": fingerprint(pipeline.draft.document.data),
        },
        "params": dict(plan.params),
        "overrides": dict(pipeline.overrides),
        "models": {step.name: step.model for step in plan.steps},
        "input": source.name(),
        "output": "-" if str(options.output) == "-" else os.path.relpath(paths.rows, plan.folder),
        "limit": options.limit,
        "simulated": options.simulate,
    }


def _kept(sink: Sink) -> str:
    """Close the files of a run that ended early, and say what they hold."""
    finished = sink.abort()
    rows = f"{sink.kept} finished row{'' if sink.kept == 1 else 's'}"
    said = f"{rows} kept in {near(finished)}" if finished else "no row was finished"
    return said if sink.unfinished is None else f"{said}, what is known of others in {near(sink.unfinished)}"


@dataclass(frozen=True)
class Result:
    """What came of a run.

    Attributes:
        rows: the finished rows in input order: the row's columns, then the steps' outputs.
        failures: the rows that were set aside, as in the `failed` file.
        usage: the tokens of the whole run, failed rows included.
        report: counts and usage per step, failures in groups.
        output: the file of the finished rows; `None` when they were printed.
    """

    rows: list[dict[str, JSON]]
    failures: list[dict[str, JSON]]
    usage: Usage
    report: Report
    output: Path | None


async def arun(
    pipeline: str | Path | Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the word that the YAML has for it
    on_event: Emit | None = None,
    **options: Any,
) -> Result:
    """Run a pipeline and return its rows; its files are written as by the command line.

    Args:
        pipeline: a YAML file, or what `load` returned.
        params: the values of its parameters.
        overrides: values to set, by dotted path; only with a file.
        input: where the rows come from instead; only with a file.
        on_event: told every event of the run.
        **options: the fields of `Options`: `output`, `limit`, `simulate`, `max_concurrency`, and for the simulator
            `latency`, `faults` and `seed`.

    Raises:
        InvalidPipeline: the file has mistakes.
        YamlgenError: nothing could be run, or the run ended early.
    """
    if isinstance(pipeline, Pipeline) and (overrides or input is not None):
        message = "overrides and input change a pipeline while it is read"
        raise UsageError(message, code=Code.BAD_OVERRIDE, hint="pass them to `load`")
    loaded = pipeline if isinstance(pipeline, Pipeline) else load(pipeline, overrides=overrides, input=input)
    collected = Collected()
    done = await execute(loaded, params=params, options=Options(**options), emit=on_event, collect=collected)
    return Result(
        rows=collected.rows,
        failures=collected.failures,
        usage=done.report.usage,
        report=done.report,
        output=None if str(options.get("output")) == "-" else done.paths.rows,
    )


def run(pipeline: str | Path | Pipeline, **arguments: Any) -> Result:
    """`arun` for synchronous code, in a notebook too."""
    from yamlgen.door import wait_for  # noqa: PLC0415 - asyncio loads where something runs

    return wait_for(arun(pipeline, **arguments))


async def preview(pipeline: Pipeline, params: Mapping[str, JSON], number: int) -> list[Preview]:
    """The requests of one row, without sending any.

    Args:
        pipeline: as loaded.
        params: the values of its parameters.
        number: which row, counted from 1.

    Raises:
        UsageError: the input has fewer rows.
        RowError: a template cannot be filled in for this row.
    """
    from yamlgen.claude.access import Simulation, reach  # noqa: PLC0415 - the SDK loads where something runs
    from yamlgen.halt import Halt  # noqa: PLC0415

    plan, previews = pipeline.plan(params), []
    with spooled(pipeline.source, getattr(sys.stdin, "buffer", None)) as source:
        row = next(islice(source.rows(), number - 1, None), None)
    if row is None:
        raise UsageError(f"{source.name()} has no row {number}", code=Code.NO_ROWS, hint="rows count from 1")
    async with reach(plan.runtime, Simulation()) as provider, provider.open(plan, Halt()) as models:
        outputs: dict[str, JSON] = {}
        for step in plan.ordered():
            prompt = step.prompt(row, plan.params, outputs)
            previews.append(Preview(step.name, models[step.name].request(prompt), tuple(sorted(step.needs))))
            if any(step.name in other.needs for other in plan.steps):
                answer = await models[step.name].answer(prompt, lambda _reason, _wait: None)
                outputs[step.name] = answer.value
    return previews
