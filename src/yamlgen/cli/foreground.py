"""A run on the command line: signals, confirmation, summary and exit code; shared by `run` and `retry`."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from yamlgen.api.chosen_outputs import chosen_paths
from yamlgen.cancellation import Cancellation
from yamlgen.cli.display import Display, choose
from yamlgen.cli.messages import as_json, codes_in, echo, json_object, put, show, show_error, show_explanation
from yamlgen.cli.next_command import after_finish, after_stop
from yamlgen.cli.signal_handling import CODES, SignalHandler, interrupted
from yamlgen.cli.summary import failures, foretold, next_lines, outlay, page_told, summary
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.errors import Code, YamlgenError, anchored
from yamlgen.events import Event, RunForecast, RunStarted
from yamlgen.exit_codes import ExitCode

if TYPE_CHECKING:
    from yamlgen.api.loaded_pipeline import Pipeline
    from yamlgen.api.results import Report
    from yamlgen.api.run_execution import FinishedRun
    from yamlgen.api.run_options import RunOptions

T = TypeVar("T")

_GARBAGE: Final = 20_000
"""New objects between two garbage collections during a run."""


@dataclass(frozen=True)
class DisplayOptions:
    """How much of a run is shown, and where."""

    quiet: bool
    verbose: bool
    progress: str
    as_json: bool


Prepare = Callable[[], tuple["Pipeline", dict[str, Any], "RunOptions"]]

ShowRows = Callable[["Pipeline", dict[str, Any], "RunOptions", "Report"], Mapping[str, Any]]
"""Shows the rows of a run that has ended, finished or not; returns what to add to its JSON."""


@anchored()
def run_shown(prepare: Prepare, shown: DisplayOptions, show_rows: ShowRows | None = None) -> int:
    """Load a pipeline, run it and show the result; return the exit code.

    Args:
        prepare: loads the pipeline.
        shown: how much of the run is shown.
        show_rows: shows its rows, before its summary.
    """
    display: Display | None = None
    chain = _Chain(shown)
    try:
        loaded, given, options = prepare()
        options = replace(options, watched=sys.stderr.isatty())
        chain.warn(loaded)
        to_stdout = "-" in chosen_paths(loaded.outputs, options.output).values()
        if to_stdout and shown.as_json:
            message = "stdout cannot contain both the rows (-o -) and the summary (--output-format json)"
            raise click.UsageError(message)
        chain.rows_shown = to_stdout
        display = chain.display()
        with SignalHandler() as interruptions:
            done = interruptions.wait(chain.run(loaded, given, options, display, interruptions))
    except YamlgenError as error:
        report, commands, rows = None, list[str](), dict[str, Any]()
        if chain.running is not None:
            stopped, own = chain.running
            if not shown.quiet:
                commands = after_stop(error, own.report, sys.argv[1:], stopped, options)
            report = own.report if own is display else None  # that of a stage is among the stages
            if options.lock and not (shown.quiet or shown.as_json):
                echo("no lock was written")
            if show_rows is not None and report is not None and report.run:
                rows = dict(show_rows(stopped, given, options, report))
            if report is not None and report.page is not None:
                rows["report"] = report.page.as_json()
        return tell(error, json_out=shown.as_json, report=report, commands=commands, stages=chain.stages, more=rows)
    report, paths = done.report, done.paths
    rows = {} if show_rows is None else dict(show_rows(loaded, given, options, report))
    simulation = options.simulation.about if options.simulation else None
    if shown.as_json:
        files = {"output": paths.names(), "rejected": paths.rejected()}
        files |= {"failed": str(paths.failed), "run": str(paths.run)}
        told = {"simulated": options.simulate, "simulation": simulation, "files": files}
        told |= {} if done.lock is None else {"lock": done.lock.as_json()}
        told |= {} if report.page is None else {"report": report.page.as_json()}
        put(json_object({**report.as_json(), **told, **rows, **({"stages": chain.stages} if chain.stages else {})}))
    elif not shown.quiet:
        lines = next_lines(after_finish(loaded, options, report, sys.argv[1:]))
        locked = [] if done.lock is None else [str(done.lock)]
        echo("\n".join([summary(report, paths, simulation=simulation), *locked, *lines]))
    _show_unwritten(report)
    for unwritten in (done.lock, report.page):
        if unwritten is not None and unwritten.error is not None:
            return int(unwritten.error.exit_code)
    return ExitCode.FAILED_ROWS if report.failed or report.lost_steps else ExitCode.OK


@dataclass
class _Chain:
    """A run and the runs of its stages before it, each with a display of its own.

    Attributes:
        rows_shown: whether the rows of the run are printed.
        stages: what the stages did until now, as JSON.
        running: what runs, or ran last.
    """

    shown: DisplayOptions
    rows_shown: bool = False
    stages: list[dict[str, Any]] = field(default_factory=list)
    running: tuple[Pipeline, Display] | None = None

    def display(self) -> Display:
        shown = self.shown
        return choose(shown.progress, verbose=shown.verbose, quiet=shown.quiet, rows_shown=self.rows_shown)

    async def run(
        self,
        pipeline: Pipeline,
        params: dict[str, Any],
        options: RunOptions,
        display: Display,
        interruptions: SignalHandler,
    ) -> FinishedRun:
        from yamlgen.api.stage_runs import StageNews, run_stages, without_costs  # noqa: PLC0415 - loads the engine

        def tell(news: StageNews) -> None:
            self.stages.append({"file": news.stage.pipeline.shown, "up_to_date": news.is_current, "report": None})
            self.say(str(news))
            if not news.is_current:
                self.warn(news.stage.pipeline)

        async def stage(each: Pipeline, given: Mapping[str, Any], chosen: RunOptions) -> FinishedRun:
            own = self.display()
            self.running = each, own
            try:
                done = await _run(each, dict(given), chosen, own, interruptions)
            finally:
                if own.report.run:
                    self.stages[-1]["report"] = own.report.as_json()
            simulation = chosen.simulation.about if chosen.simulation else None
            self.say(summary(done.report, done.paths, simulation=simulation))
            if done.lock is not None:
                self.say(str(done.lock))
            interruptions.pause()
            return done

        options = await run_stages(pipeline, params, options, stage, tell)
        self.running = pipeline, display
        if self.stages:
            count = len(self.stages) + 1
            self.say(f"stage {count} of {count}: {pipeline.shown}")
        try:
            return await _run(pipeline, params, options, display, interruptions)
        except YamlgenError as error:
            raise without_costs(error, self.spent) from error.__cause__

    @property
    def spent(self) -> float:
        """What the stages have cost, in US dollars."""
        return sum(each["report"]["paid"]["cost_usd"] or 0.0 for each in self.stages if each["report"])

    def warn(self, pipeline: Pipeline) -> None:
        """Show the warnings about a file. Its run reports a missing or malformed input."""
        if not self.shown.quiet:
            show(each for each in pipeline.warnings if each.code not in (Code.MISSING_INPUT, Code.BAD_INPUT))

    def say(self, text: str) -> None:
        if not self.shown.quiet and not self.shown.as_json:
            echo(text)


async def _run(
    pipeline: Pipeline, params: dict[str, Any], options: RunOptions, display: Display, interruptions: SignalHandler
) -> FinishedRun:
    """Run a pipeline with signal handling: the first signal requests a stop, the second cancels."""
    from yamlgen.api.run_execution import execute  # noqa: PLC0415 - loads the engine

    gc.freeze()  # loaded modules are never garbage; the rest is small, and is collected often
    gc.set_threshold(_GARBAGE, 2, 2)
    gc.enable()
    cancellation, task, received = Cancellation(), asyncio.current_task(), interruptions.received

    def stop(number: signal.Signals) -> None:
        cancellation.request("Ctrl-C" if number is signal.SIGINT else "SIGTERM")
        if display.batches.only and display.report.simulated:
            display.say("stopping: the simulated batches end with the run")
        elif display.batches.only:
            display.say("stopping: the API continues to process the batches")
        else:
            display.say("stopping: waiting for the requests and functions in flight; press Ctrl-C again to cancel them")

    def observe(event: Event) -> None:
        if isinstance(event, RunStarted) and task is not None:
            interruptions.begin(stop, task.cancel)
        display.observe(event)

    rows, confirm = sys.stdout.buffer, _asker(display)
    try:
        with display, redirect_stdout(sys.stderr):  # a user's function must not print among the rows
            return await execute(
                pipeline,
                params=params,
                options=options,
                emit=observe,
                cancellation=cancellation,
                confirm=confirm,
                stdout=rows,
            )
    except asyncio.CancelledError:
        if not received:  # nothing was sent yet
            raise
        _show_ended(display)
        raise interrupted(f"cancelled: {cancellation.reason}", display.kept(), received[0]) from None
    except YamlgenError as error:
        _show_ended(display)
        if received:
            raise error.replace(exit_code=CODES[received[0]]) from error.__cause__
        raise


def _show_ended(display: Display) -> None:
    """Show what a run that ended early did and cost until then."""
    if not display.quiet and display.report.run:
        for line in (*outlay(display.report), *failures(display.report), *page_told(display.report)):
            echo(line)
    _show_unwritten(display.report)


def _show_unwritten(report: Report) -> None:
    """Show why the page of the report could not be written, if it could not."""
    if report.page is not None and report.page.error is not None:
        show_error(report.page.error)


def _asker(display: Display) -> Callable[[RunForecast], bool] | None:
    """Return a function that asks for confirmation; `None` without a terminal."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask_below(forecast: RunForecast) -> bool:
        if display.quiet:
            echo(foretold(forecast))
        return ask(forecast)

    return ask_below


def ask(_: RunForecast) -> bool:
    """Ask at the terminal whether a run may cost what its forecast says, which was shown."""
    try:
        return click.confirm("Continue?", default=False, err=True)
    except click.Abort as abort:
        echo()  # ends the line of the question
        if isinstance(abort.__context__, EOFError):  # Ctrl-D means no
            return False
        raise interrupted("stopped: Ctrl-C", "nothing was sent", signal.SIGINT) from None


def tell(
    error: YamlgenError,
    *,
    json_out: bool,
    report: Report | None = None,
    commands: Sequence[str] = (),
    stages: Sequence[dict[str, Any]] = (),
    more: Mapping[str, Any] | None = None,
) -> int:
    """Show the error that ended a command, and return the exit code.

    Args:
        error: the error.
        json_out: print one JSON object to stdout, otherwise text to stderr.
        report: what a run did until then; for JSON.
        commands: the commands that continue the run; for text.
        stages: the stages before the run, and what they did; for JSON.
        more: what else to print; for JSON.
    """
    if not json_out:
        show_error(error)
        for line in next_lines(list(commands)):
            echo(line)
        show_explanation(codes_in(error))
    elif isinstance(error, InvalidPipeline):
        put(as_json(error.diagnostics))
    else:
        described = {"code": str(error.code), "message": error.message, "hint": error.hint}
        told = {**(report.as_json() if report and report.run else {}), "error": described}
        put(json_object({**told, **(more or {}), **({"stages": list(stages)} if stages else {})}))
    return int(error.exit_code)
