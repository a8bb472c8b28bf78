"""A run as the command line has it: the signals, the question, the summary and the exit code.

`run` and `retry` differ in what they ask for; what happens around a run is the same, and is here.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from yamlgen.cancellation import Cancellation
from yamlgen.cli.display import Display, choose
from yamlgen.cli.messages import as_json, echo, json_line, put, show, show_error
from yamlgen.cli.signal_handling import CODES, SignalHandler, interrupted
from yamlgen.cli.summary import failures, foretold, outlay, summary
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
"""New objects between two looks for garbage during a run."""


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
    """Load, run and show; the exit code."""
    display: Display | None = None
    try:
        loaded, given, options = prepare()
        options = replace(options, watched=sys.stderr.isatty())
        if not shown.quiet:  # that the input is missing or odd is for the run to say, which reads all of it
            show(each for each in loaded.warnings if each.code not in (Code.MISSING_INPUT, Code.BAD_INPUT))
        to_stdout = str(options.output) == "-"
        if to_stdout and shown.as_json:
            message = "stdout holds the rows (-o -) or one summary (--output-format json), not both"
            raise click.UsageError(message)
        display = choose(shown.progress, verbose=shown.verbose, quiet=shown.quiet, rows_shown=to_stdout)
        with SignalHandler() as interruptions:
            done = interruptions.wait(_run(loaded, given, options, display, interruptions))
    except YamlgenError as error:
        return tell(error, json_out=shown.as_json, report=display.report if display else None)
    report, paths = done.report, done.paths
    simulation = options.simulation.about if options.simulation else None
    if shown.as_json:
        files = {"output": str(paths.rows), "failed": str(paths.failed), "run": str(paths.run)}
        put(json_line({**report.as_json(), "simulated": options.simulate, "simulation": simulation, "files": files}))
    elif not shown.quiet:
        echo(summary(report, paths, to_stdout=to_stdout, simulation=simulation))
    return ExitCode.FAILED_ROWS if report.failed or report.lost_steps else ExitCode.OK


async def _run(
    pipeline: Pipeline, params: dict[str, Any], options: RunOptions, display: Display, interruptions: SignalHandler
) -> FinishedRun:
    """Run under the signals: once requests are sent, the first asks to stop, and the second cancels."""
    from yamlgen.api.run_execution import execute  # noqa: PLC0415 - loads the engine

    gc.freeze()  # what is loaded by now is never garbage; so what is left is little, and looked through often
    gc.set_threshold(_GARBAGE, 2, 2)
    cancellation, task, received = Cancellation(), asyncio.current_task(), interruptions.received

    def stop(number: signal.Signals) -> None:
        cancellation.request("Ctrl-C" if number is signal.SIGINT else "the process was asked to end")
        display.say("stopping: what is in flight comes home first; Ctrl-C again cancels it")

    def observe(event: Event) -> None:
        if isinstance(event, RunStarted) and task is not None:
            interruptions.begin(stop, task.cancel)
        display.observe(event)

    rows, confirm = sys.stdout.buffer, _asker(display)
    try:
        with display, redirect_stdout(sys.stderr):  # what an author's function prints must not stand among the rows
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
    """What a run that ended early did until then, and what it paid."""
    if not display.quiet and display.report.run:
        for line in (*outlay(display.report), *failures(display.report)):
            echo(line)


def _asker(display: Display) -> Callable[[RunForecast], bool] | None:
    """How a person is asked; `None` where nobody sits."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(forecast: RunForecast) -> bool:
        if display.quiet:
            echo(foretold(forecast))
        try:
            return click.confirm("Go on?", default=False, err=True)
        except click.Abort as abort:
            echo()  # behind the question
            if isinstance(abort.__context__, EOFError):  # Ctrl-D is no answer
                return False
            raise interrupted("stopped: Ctrl-C", "nothing was sent", signal.SIGINT) from None

    return ask


def tell(error: YamlgenError, *, json_out: bool, report: Report | None = None) -> int:
    """Show the error that ended a command, as text or as JSON, with what a run did until then; the exit code."""
    if not json_out:
        show_error(error)
    elif isinstance(error, InvalidPipeline):
        put(as_json(error.diagnostics))
    else:
        told = {"code": str(error.code), "message": error.message, "hint": error.hint}
        put(json_line({**(report.as_json() if report and report.run else {}), "error": told}))
    return int(error.exit_code)
