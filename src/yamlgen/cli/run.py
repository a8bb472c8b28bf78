"""`yamlgen run`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yamlgen.cli.options import (
    display_options,
    fault_options,
    input_option,
    limit_options,
    output_format,
    pipeline_options,
    store_option,
)

if TYPE_CHECKING:
    from yamlgen.api.loading import Pipeline
    from yamlgen.api.run_options import RunOptions


@click.command("run")
@click.argument("pipeline", type=click.Path(path_type=Path))
@pipeline_options
@input_option
@click.option("-o", "--output", metavar="PATH|-", help="Write the rows here instead; - is stdout.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N rows; the output is named after it.")
@click.option("--dry-run", is_flag=True, help="Send nothing: show what would be asked and cost, as `plan` does.")
@click.option("--fresh", is_flag=True, help="Take no answer out of the store: ask, and pay, again.")
@click.option("--offline", is_flag=True, help="Send nothing: finish what the store answers, tell what is missing.")
@limit_options
@store_option
@click.option("--simulate", is_flag=True, help="Talk to the simulator: no key, no network, no cost.")
@display_options
@output_format
@fault_options
def command(  # noqa: PLR0913 - click passes its options by name
    *,
    pipeline: Path,
    params: dict[str, str],
    overrides: dict[str, str],
    input_path: str | None,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    progress: str,
    output_format: str,
    **chosen: Any,
) -> int:
    """Send every row through every step, and write the rows.

    What was answered before is taken out of the store and not sent again; what changed is. Ctrl-C once stops sending
    and keeps what is in flight; twice cancels. Exit codes: 0 all good, 1 rows failed, or a step lost every item of
    every row, 2 the pipeline or the call is wrong, 3 the environment is (no key, no input, no network, no disk), 4
    stopped by a limit. An --offline run that lacks answers leaves the output as it was, and ends with 1.
    """
    from yamlgen.api.argument_parsing import load_with  # noqa: PLC0415 - loads the language
    from yamlgen.api.run_options import RunOptions  # noqa: PLC0415
    from yamlgen.cli.foreground import DisplayOptions, run_shown  # noqa: PLC0415 - loads asyncio

    def prepare() -> tuple[Pipeline, dict[str, Any], RunOptions]:
        loaded, given = load_with(pipeline, params, overrides, input_path)
        return loaded, given, RunOptions(**chosen)

    if dry_run:
        from yamlgen.cli.plan import show_plan  # noqa: PLC0415 - loads the engine

        return show_plan(prepare, json_out=output_format == "json")
    return run_shown(prepare, DisplayOptions(quiet, verbose, progress, output_format == "json"))
