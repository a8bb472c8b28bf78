"""A run on the command line: signals, confirmation, summary and exit code; shared by `run` and `retry`."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from yamlgen.api.chosen_outputs import chosen_paths
from yamlgen.cancellation import Cancellation
from yamlgen.cli.display import Display, choose
from yamlgen.cli.messages import as_json, codes_in, echo, json_object, put, show, show_error, show_explanation
from yamlgen.cli.next_command import after_finish, after_stop
from yamlgen.cli.signal_handling import CODES, SignalHandler, interrupted
from yamlgen.cli.summary import failures, foretold, next_lines, outlay, summary
from yamlgen.errors import Code, InvalidPipeline, YamlgenError, anchored
from yamlgen.events import Event, RunForecast, RunStarted
from yamlgen.exit_codes import ExitCode

if TYPE_CHECKING:
    from yamlgen.api.loading import Pipeline
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


@anchored()
def run_shown(prepare: Prepare, shown: DisplayOptions) -> int:
    """Load a pipeline, run it and show the result; return the exit code."""
    display: Display | None = None
    try:
        loaded, given, options = prepare()
        options = replace(options, watched=sys.stderr.isatty())
        if not shown.quiet:  # the run itself reports a missing or malformed input
            show(each for each in loaded.warnings if each.code not in (Code.MISSING_INPUT, Code.BAD_INPUT))
        to_stdout = "-" in chosen_paths(loaded.outputs, options.output).values()
        if to_stdout and shown.as_json:
            message = "stdout cannot contain both the rows (-o -) and the summary (--output-format json)"
            raise click.UsageError(message)
        display = choose(shown.progress, verbose=shown.verbose, quiet=shown.quiet, rows_shown=to_stdout)
        with SignalHandler() as interruptions:
            done = interruptions.wait(_run(loaded, given, options, display, interruptions))
    except YamlgenError as error:
        report = display.report if display else None
        commands = after_stop(error, report, sys.argv[1:], loaded, options) if display and not shown.quiet else []
        return tell(error, json_out=shown.as_json, report=report, commands=commands)
    report, paths = done.report, done.paths
    simulation = options.simulation.about if options.simulation else None
    if shown.as_json:
        files = {"output": paths.names(), "rejected": paths.rejected()}
        files |= {"failed": str(paths.failed), "run": str(paths.run)}
        put(json_object({**report.as_json(), "simulated": options.simulate, "simulation": simulation, "files": files}))
    elif not shown.quiet:
        lines = next_lines(after_finish(loaded, options, report, sys.argv[1:]))
        echo("\n".join([summary(report, paths, simulation=simulation), *lines]))
    return ExitCode.FAILED_ROWS if report.failed or report.lost_steps else ExitCode.OK


async def _run(
    pipeline: Pipeline, params: dict[str, Any], options: RunOptions, display: Display, interruptions: SignalHandler
) -> FinishedRun:
    """Run a pipeline with signal handling: the first signal requests a stop, the second cancels."""
    from yamlgen.api.run_execution import execute  # noqa: PLC0415 - loads the engine

    gc.freeze()  # loaded modules are never garbage; the rest is small, and is collected often
    gc.set_threshold(_GARBAGE, 2, 2)
    cancellation, task, received = Cancellation(), asyncio.current_task(), interruptions.received

    def stop(number: signal.Signals) -> None:
        cancellation.request("Ctrl-C" if number is signal.SIGINT else "SIGTERM")
        if display.batches.only and display.report.simulated:
            display.say("stopping: the simulated batches end with the run")
        elif display.batches.only:
            display.say("stopping: the API continues to process the batches")
        else:
            display.say("stopping: waiting for the requests in flight; press Ctrl-C again to cancel them")

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
        for line in (*outlay(display.report), *failures(display.report)):
            echo(line)


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


def tell(error: YamlgenError, *, json_out: bool, report: Report | None = None, commands: Sequence[str] = ()) -> int:
    """Show the error that ended a command, and return the exit code.

    Args:
        error: the error.
        json_out: print one JSON object to stdout, otherwise text to stderr.
        report: what a run did until then; for JSON.
        commands: the commands that continue the run; for text.
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
        put(json_object({**(report.as_json() if report and report.run else {}), "error": described}))
    return int(error.exit_code)
