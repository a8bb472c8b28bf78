"""`yamlgen retry`: run the failed rows of a run again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yamlgen.cli.completed_values import complete_pipeline, complete_run
from yamlgen.cli.messages import echo, json_object, put
from yamlgen.cli.options import (
    batch_option,
    detach_option,
    display_options,
    environment_option,
    input_option,
    limit_options,
    output_format,
    report_option,
    store_option,
)
from yamlgen.errors import YamlgenError
from yamlgen.exit_codes import ExitCode

if TYPE_CHECKING:
    from yamlgen.api.loaded_pipeline import Pipeline
    from yamlgen.api.run_options import RunOptions


@click.command("retry")
@click.argument("pipeline", type=click.Path(path_type=Path), shell_complete=complete_pipeline)
@click.argument("run", required=False, shell_complete=complete_run)
@environment_option
@input_option
@limit_options
@store_option
@batch_option
@detach_option
@report_option
@click.option("--simulate", is_flag=True, help="Retry a simulated run, with its seed and faults.")
@display_options
@output_format
def command(  # noqa: PLR0913 - click passes its options by name
    *,
    pipeline: Path,
    run: str | None,
    input_path: str | None,
    simulate: bool,
    batch: bool | None,
    quiet: bool,
    verbose: bool,
    progress: str,
    output_format: str,
    store: Path | None,
    **chosen: Any,
) -> int:
    """Retry the failed rows of a run, and no others.

    Steps and items that failed and are null (`on_error: null`, `on_item_error: null`) are retried, too.

    RUN is the name of a run, or its beginning. Default: the latest run that is not simulated; with --simulate, the
    latest simulated run. The retry uses the parameters, overrides, input and output of the run. The answers of the
    other rows come from the store. The output is written if no row lacks an answer.
    """
    from yamlgen.api.failed_rows import failed_rows  # noqa: PLC0415 - loads the store
    from yamlgen.api.run_options import RunOptions  # noqa: PLC0415
    from yamlgen.cli.foreground import DisplayOptions, run_shown, tell  # noqa: PLC0415

    json_out = output_format == "json"
    try:
        failed = failed_rows(pipeline, run, input=input_path, store=store, simulate=simulate)
    except YamlgenError as error:
        return tell(error, json_out=json_out)
    if run is None and failed.others and not (simulate or quiet):
        echo(f"retrying run {failed.run}; to retry a simulated run, add `--simulate`")
    if not failed.any:
        if not quiet:
            echo(f"run {failed.run} has no failed rows or items; there is nothing to retry")
            if failed.is_detached:
                echo("  = it left batches in progress: `yamlgen run` with the same arguments collects their results")
        if json_out:
            put(json_object({"run": failed.run, "rows": {"failed": 0}}))
        return ExitCode.OK
    again = failed.repeat

    def prepare() -> tuple[Pipeline, dict[str, Any], RunOptions]:
        return again.load(pipeline), again.params, RunOptions(store=store, **again.repeated(batch), **chosen)

    return run_shown(prepare, DisplayOptions(quiet, verbose, progress, json_out))
