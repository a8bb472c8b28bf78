"""`yamlgen run`: the main job. Owns the signals, the summary and the exit code of a run."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from yamlgen.cli.display import Display, choose, summary
from yamlgen.cli.messages import as_json, echo, json_line, put, show, show_error
from yamlgen.cli.options import checked, output_format, pipeline_options
from yamlgen.cli.simulate import fault_options
from yamlgen.errors import Code, Exit, InvalidPipeline, YamlgenError
from yamlgen.events import Event, RunStarted
from yamlgen.halt import Halt

if TYPE_CHECKING:
    from yamlgen.api import Finished, Options, Pipeline

_CODES: Final = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}


@click.command("run")
@click.argument("pipeline", type=click.Path(path_type=Path))
@pipeline_options
@click.option("--input", "input_path", metavar="PATH|-", help="Read the rows from here instead.")
@click.option("-o", "--output", metavar="PATH|-", help="Write the rows here instead; - is stdout.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N rows; the output is named after it.")
@click.option("--simulate", is_flag=True, help="Talk to the simulator: no key, no network, no cost.")
@click.option("--max-concurrency", type=click.IntRange(1, 1000), help="At most so many requests at once.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Say every retry and every failed row.")
@click.option("--progress", type=click.Choice(["auto", "live", "plain", "none"]), default="auto", show_default=True)
@output_format
@fault_options
def command(  # noqa: PLR0913, PLR0917 - click passes its options by name
    pipeline: Path,
    params: dict[str, str],
    overrides: dict[str, str],
    input_path: str | None,
    output: str | None,
    limit: int | None,
    simulate: bool,  # noqa: FBT001 - click passes by name
    max_concurrency: int | None,
    quiet: bool,  # noqa: FBT001
    verbose: bool,  # noqa: FBT001
    progress: str,
    output_format: str,
    **simulated: Any,
) -> int:
    """Send every row through every step, and write the rows.

    Ctrl-C once stops sending and keeps what is in flight; twice cancels. Exit codes: 0 all good, 1 rows failed,
    2 the pipeline or the call is wrong, 3 the environment is (no key, no input, no network, no disk).
    """
    from yamlgen.api import Options  # noqa: PLC0415 - loads the language

    if any(simulated.values()) and not simulate:
        raise click.UsageError("--latency, --fault and --seed go with --simulate")
    json_out = output_format == "json"
    if json_out and output == "-":
        raise click.UsageError("stdout holds the rows (-o -) or one summary (--output-format json), not both")
    try:
        loaded, given = checked(pipeline, params, overrides, input_path)
        if not quiet:  # that the input is missing is an error of the run, below
            show(warning for warning in loaded.warnings if warning.code is not Code.MISSING_INPUT)
        options = Options(output=output, limit=limit, simulate=simulate, max_concurrency=max_concurrency, **simulated)
        display = choose("none" if quiet else progress, verbose=verbose, rows_shown=output == "-")
        with _interruptible():
            done = asyncio.run(_run(loaded, given, options, display))
    except YamlgenError as error:
        return _tell(error, json_out=json_out)
    if json_out:
        files = {"output": str(done.paths.rows), "failed": str(done.paths.failed), "run": str(done.paths.run)}
        put(json_line({**done.report.as_json(), "simulated": simulate, "files": files}))
    if not quiet and not json_out:
        echo(summary(done.report, done.paths, to_stdout=output == "-", simulated=simulate))
    return Exit.FAILED_ROWS if done.report.failed else Exit.OK


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end at once what comes before the first request, such as reading a pipe that never ends.

    Raises:
        YamlgenError: it did.
    """

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise _interrupted("stopped: Ctrl-C", "nothing was sent", signal.SIGINT) from None
    finally:
        signal.signal(signal.SIGINT, before)


async def _run(pipeline: Pipeline, params: dict[str, Any], options: Options, display: Display) -> Finished:
    """Run under the signals: once requests are sent, the first asks to stop, and the second cancels."""
    from yamlgen.api import execute  # noqa: PLC0415 - loads the engine

    halt, task, loop = Halt(), asyncio.current_task(), asyncio.get_running_loop()
    received: list[signal.Signals] = []

    def interrupt(number: signal.Signals) -> None:
        received.append(number)
        if len(received) > 1 and task is not None:
            task.cancel()
            return
        halt.request("Ctrl-C" if number is signal.SIGINT else "the process was asked to end")
        display.say("stopping: what is in flight comes home first; Ctrl-C again cancels it")

    def observe(event: Event) -> None:
        if isinstance(event, RunStarted):
            for number in _CODES:
                loop.add_signal_handler(number, interrupt, number)
        display.observe(event)

    with display:
        try:
            return await execute(pipeline, params=params, options=options, emit=observe, halt=halt)
        except asyncio.CancelledError:
            number = received[0] if received else signal.SIGINT
            raise _interrupted(f"cancelled: {halt.reason}", display.kept(), number) from None
        except YamlgenError as error:
            if received:
                error.exit_code = _CODES[received[0]]
            raise


def _interrupted(message: str, hint: str, number: signal.Signals) -> YamlgenError:
    error = YamlgenError(message, code=Code.STOPPED, hint=hint)
    error.exit_code = _CODES[number]
    return error


def _tell(error: YamlgenError, *, json_out: bool) -> int:
    if not json_out:
        show_error(error)
    elif isinstance(error, InvalidPipeline):
        put(as_json(error.diagnostics))
    else:
        told = {"code": str(error.code), "message": error.message, "hint": error.hint}
        put(json_line({"error": told}))
    return int(error.exit_code)
