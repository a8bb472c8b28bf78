"""`yamlgen run`: run a pipeline."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yamlgen.cli.completed_values import complete_output, complete_pipeline
from yamlgen.cli.options import (
    batch_option,
    detach_option,
    display_options,
    fault_options,
    input_option,
    limit_options,
    output_format,
    pipeline_options,
    report_option,
    store_option,
)

if TYPE_CHECKING:
    from yamlgen.api.loaded_pipeline import Pipeline
    from yamlgen.api.run_options import RunOptions


@click.command("run")
@click.argument("pipeline", type=click.Path(path_type=Path), shell_complete=complete_pipeline)
@pipeline_options
@input_option
@click.option(
    "-o",
    "--output",
    multiple=True,
    metavar="[NAME=]PATH|-",
    shell_complete=complete_output,
    help="Write the rows to this file; - is stdout. NAME is needed if the pipeline has several outputs.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Run only the first N rows, into a separate file."
)
@click.option("--dry-run", is_flag=True, help="Send nothing; estimate the run, as `plan` does.")
@click.option("--fresh", is_flag=True, help="Use no stored answers: send, and pay for, every request again.")
@click.option("--recheck", is_flag=True, help="Take over no finished rows: render and validate every row again.")
@click.option("--lock", is_flag=True, help="After a whole run, write its lock next to the pipeline.")
@click.option("--locked", is_flag=True, help="Do not run if steps, Python, output type or models differ from the lock.")
@click.option("--offline", is_flag=True, help="Send nothing; use stored answers only, and report what is missing.")
@limit_options
@store_option
@batch_option
@detach_option
@report_option
@click.option("--simulate", is_flag=True, help="Use the simulated API: no key, no network, no cost.")
@display_options
@output_format
@fault_options
def command(  # noqa: PLR0913 - click passes its options by name
    *,
    pipeline: Path,
    params: dict[str, str],
    overrides: dict[str, str],
    input_path: str | None,
    output: tuple[str, ...],
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    progress: str,
    output_format: str,
    **chosen: Any,
) -> int:
    """Run a pipeline, and write the rows.

    Requests that the store has an answer for are not sent again. Press Ctrl-C once to stop: requests in flight
    complete, and their answers are stored. Press it twice to end at once. Run again to continue.

    \b
    Exit codes:
      0  every row finished
      1  rows failed, or a step failed or lost every item in every row, or
         --offline lacked answers (the output is then unchanged)
      2  the pipeline or the command is wrong
      3  no key, no input, an unreachable API, a full disk
      4  a limit stopped the run, or it was not confirmed
      5  batches are in progress (--detach, or `batch.wait` has elapsed):
         run again to continue
    """  # noqa: D301 - `\b` is the character by which click keeps the lines of a paragraph
    from yamlgen.api.argument_parsing import load_with  # noqa: PLC0415 - loads the language
    from yamlgen.api.run_options import RunOptions  # noqa: PLC0415
    from yamlgen.cli.foreground import DisplayOptions, run_shown  # noqa: PLC0415 - loads asyncio

    def prepare() -> tuple[Pipeline, dict[str, Any], RunOptions]:
        loaded, given = load_with(pipeline, params, overrides, input_path)
        return loaded, given, RunOptions(output=output or None, **chosen)

    if dry_run:
        from yamlgen.cli.plan import show_plan  # noqa: PLC0415 - loads the engine

        gc.enable()
        return show_plan(prepare, json_out=output_format == "json")
    return run_shown(prepare, DisplayOptions(quiet, verbose, progress, output_format == "json"))
