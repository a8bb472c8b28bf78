"""`yamlgen test`: tests of pipelines on recorded answers."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from yamlgen.cli.completed_values import complete_pipeline, complete_run
from yamlgen.cli.messages import echo, json_object, put, safe, show
from yamlgen.cli.options import environment_option
from yamlgen.errors import YamlgenError
from yamlgen.events import RunForecast, RunStarted, RunWarned
from yamlgen.exit_codes import ExitCode

if TYPE_CHECKING:
    from yamlgen.api.tests import TestReport
    from yamlgen.cli.signal_handling import SignalHandler
    from yamlgen.events import Event

_RUN: Final = re.compile(r"20\d{6}(T\d*(-[0-9a-z-]*)?)?")
"""The beginning of the name of a run."""

_PATH: Final = re.compile(r"[./\\]")
"""What a path contains, but not the name of a run."""


_FROM_RUN: Final = frozenset({"from_run", "rows", "store", "simulate", "env_file"})
"""The options that `--from-run` reads."""


class _Test(click.Command):
    """A command whose `--record` and `--from-run` never read a path as their value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = args[: args.index("--")] if "--" in args else args
        given = []
        for word, after in pairwise([*options, ""]):
            if word == "--record":
                given.append("--record=missing")
            elif word == "--from-run" and not _is_run(after):
                given.append("--from-run=latest")
            else:
                given.append(word)
        return super().parse_args(ctx, given + args[len(options) :])


def _is_run(word: str) -> bool:
    """Return whether a word after `--from-run` is the name of a run, perhaps misspelt, and not a path or an option."""
    is_word = bool(word) and not word.startswith("-") and not _PATH.search(word)
    return is_word and (_RUN.fullmatch(word) is not None or not Path(word).exists())


@click.command("test", cls=_Test)
@click.argument(
    "paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...", shell_complete=complete_pipeline
)
@click.option(
    "-k", "cases", metavar="WORD", help="Run only the cases with this word in their name, or in the name of their file."
)
@click.option(
    "--record",
    type=click.Choice(["missing", "all"]),
    is_flag=False,
    flag_value="missing",
    help="Send the requests that are not recorded, and record their answers; --record=all sends every request.",
)
@click.option(
    "--from-run",
    is_flag=False,
    flag_value="latest",
    metavar="[RUN]",
    shell_complete=complete_run,
    help="Write cases and recordings from a run in the store. Nothing is sent. Default: the latest run.",
)
@click.option(
    "--rows",
    metavar="ID,...|failed|N",
    help="With --from-run: the rows with these ids, the failed ones, or the first N.",
)
@click.option("--live", is_flag=True, help="Send every request, and keep no answer.")
@click.option(
    "--repeat", type=click.IntRange(1, 1000), default=1, metavar="N", help="With --live: run each case N times."
)
@click.option(
    "--min-pass", type=click.IntRange(min=1), metavar="M", help="With --repeat: M runs must pass. Default: all."
)
@click.option("--simulate", is_flag=True, help="Use the simulated API, and keep no answer; with --record, record them.")
@click.option("--update", is_flag=True, help="Write the golden files anew.")
@click.option("--prune", is_flag=True, help="Remove the recordings that no case uses.")
@click.option("--older", metavar="AGE", help="Report recordings older than AGE, such as 90d, and retired models.")
@click.option(
    "--max-cost-usd", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Stop after N US dollars."
)
@click.option("--max-requests", type=click.IntRange(min=1), metavar="N", help="Stop each case after N requests.")
@click.option(
    "--confirm-above-usd",
    type=click.FloatRange(min=0),
    metavar="N",
    help="Ask for confirmation if all files together may cost more than N US dollars.",
)
@click.option("--max-concurrency", type=click.IntRange(1, 1000), metavar="N", help="Send at most N requests at once.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation, whatever the cost.")
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="PATH",
    help="Use the store in this folder. Default: .yamlgen next to the pipeline.",
)
@environment_option
@click.option("-v", "--verbose", is_flag=True, help="Name the cases that passed, and print all accuracies.")
@click.option(
    "--output-format",
    type=click.Choice(["text", "json", "junit", "github", "markdown"]),
    default="text",
    show_default=True,
    help="Print a report for another program to stdout. Messages go to stderr.",
)
def command(
    *,
    paths: tuple[Path, ...],
    from_run: str | None,
    rows: str | None,
    record: str | None,
    verbose: bool,
    output_format: str,
    **chosen: Any,
) -> int:
    """Test pipelines on recorded answers.

    Each PATH is a test file (.test.yaml), or a folder; without one, all tests in this folder and below run. Answers
    come from the recordings next to the test file: nothing is sent, and no API key is needed.

    \b
    Exit codes:
      0  every case passed
      1  a case failed, or is not recorded
      2  a test, a pipeline or the command is wrong
      3  no key, an unreachable API, a full disk
      4  a limit stopped the run, or it was not confirmed
    """  # noqa: D301 - `\b` is the character by which click keeps the lines of a paragraph
    from yamlgen.cli.foreground import tell  # noqa: PLC0415 - loads asyncio

    try:
        if from_run is not None:
            return _from_run(paths, from_run, rows, chosen)
        if rows is not None:
            raise click.UsageError("--rows requires --from-run")
        report = _run(paths, record, chosen)
    except YamlgenError as error:
        return tell(error, json_out=output_format == "json")
    _print(report, output_format, verbose=verbose)
    return ExitCode.OK if report.passed else ExitCode.FAILED_ROWS


def _run(paths: Sequence[Path], record: str | None, chosen: dict[str, Any]) -> TestReport:
    from yamlgen.cli.signal_handling import SignalHandler  # noqa: PLC0415 - loads asyncio

    how: Any = {None: False, "missing": True, "all": "all"}[record]
    with SignalHandler() as interruptions:
        return interruptions.wait(_tested(paths, {"record": how, **chosen}, interruptions))


async def _tested(paths: Sequence[Path], chosen: dict[str, Any], interruptions: SignalHandler) -> TestReport:
    """Run the tests; the first signal stops runs that send requests, the second cancels them."""
    import asyncio  # noqa: PLC0415 - not needed for help

    from yamlgen.api.tests import TestOptions, run_tests  # noqa: PLC0415 - loads the engine
    from yamlgen.cancellation import Cancellation  # noqa: PLC0415
    from yamlgen.cli.display import Display, choose  # noqa: PLC0415
    from yamlgen.cli.foreground import ask  # noqa: PLC0415
    from yamlgen.cli.signal_handling import CODES, interrupted  # noqa: PLC0415
    from yamlgen.cli.summary import foretold  # noqa: PLC0415

    cancellation, task, received = Cancellation(), asyncio.current_task(), interruptions.received
    display: Display | None = None

    def stop(number: signal.Signals) -> None:
        cancellation.request("Ctrl-C" if number is signal.SIGINT else "SIGTERM")
        echo("stopping: waiting for the requests in flight; press Ctrl-C again to cancel them")

    def observe(event: Event) -> None:
        nonlocal display
        if isinstance(event, RunForecast):
            for each in (*event.files, event):  # the total last, before the question
                echo(foretold(each))
            return
        if isinstance(event, RunWarned):
            echo(safe(event.message))
        if isinstance(event, RunStarted):
            if display is None and task is not None:
                interruptions.begin(stop, task.cancel)
            display = choose("plain", verbose=False)
        if display is not None:
            display.observe(event)

    confirm = ask if sys.stdin and sys.stdin.isatty() and sys.stderr.isatty() else None
    try:
        return await run_tests(paths, TestOptions(**chosen), emit=observe, confirm=confirm, cancellation=cancellation)
    except asyncio.CancelledError:
        if display is None or not received:  # nothing was sent yet
            raise
        raise interrupted(f"cancelled: {cancellation.reason}", display.kept(), received[0]) from None
    except YamlgenError as error:
        if received:
            raise error.replace(exit_code=CODES[received[0]]) from error.__cause__
        raise


def _from_run(paths: Sequence[Path], run: str, rows: str | None, chosen: dict[str, Any]) -> int:
    from yamlgen.api.run_cases import cases_from_run  # noqa: PLC0415 - loads the language

    context = click.get_current_context()
    given = (each for each in context.command.params if isinstance(each, click.Option) and each.name not in _FROM_RUN)
    used = [
        each.opts[-1] for each in given if context.get_parameter_source(str(each.name)) is ParameterSource.COMMANDLINE
    ]
    if used:
        raise click.UsageError(f"--from-run sends nothing and runs no test: remove {' and '.join(used)}")
    if len(paths) != 1:
        read = f"; `{safe(run)}` is read as the name of a run" if not paths and run != "latest" else ""
        raise click.UsageError(f"--from-run requires one PATH: a pipeline, or the test file to write{read}")
    name = None if run == "latest" else run
    store, simulate = chosen["store"], chosen["simulate"]
    for line in cases_from_run(paths[0], name, rows=rows, store=store, simulate=simulate):
        echo(line)
    return ExitCode.OK


def _print(report: TestReport, output_format: str, *, verbose: bool) -> None:
    """Print a report: text to stderr, other formats to stdout."""
    from yamlgen.cli import test_formats, test_text  # noqa: PLC0415 - not needed for help

    if output_format in ("text", "github"):
        show(report.warnings)
    if output_format == "text":
        echo("\n".join(test_text.text_lines(report, verbose=verbose)))
    elif output_format == "json":
        put(json_object(report.as_json()))
    elif output_format == "junit":
        put(test_formats.junit(report))
    elif output_format == "github":
        put(test_formats.github(report))
    else:
        put(test_formats.markdown(report))
