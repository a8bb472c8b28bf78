"""`yamlgen status`: whether pipelines are up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from yamlgen.cli.completed_values import complete_pipeline
from yamlgen.cli.messages import codes_in, json_object, put, safe, show, show_explanation
from yamlgen.cli.options import output_format, pipeline_options, store_option
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.errors import YamlgenError, near
from yamlgen.exit_codes import ExitCode

if TYPE_CHECKING:
    from yamlgen.api.pipeline_status import PipelineStatus


@click.command("status")
@click.argument(
    "paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...", shell_complete=complete_pipeline
)
@pipeline_options
@store_option
@click.option("--check", is_flag=True, help="Exit with code 1 if a pipeline is not up to date.")
@output_format
def command(
    *,
    paths: tuple[Path, ...],
    params: dict[str, str],
    overrides: dict[str, str],
    store: Path | None,
    check: bool,
    output_format: str,
) -> int:
    """Show whether pipelines are up to date.

    A pipeline is up to date if a run would send nothing and would write the output that is there. Each PATH is a
    pipeline, or a folder. Default: the current folder, and those below. It is compared with the last whole run in its
    store; in a clone without a store, with its lock (`yamlgen lock`). Nothing is sent, no API key is needed, and no
    Python function is called.

    \b
    Exit codes:
      0  the status is shown
      1  with --check: a pipeline is not up to date
      2  a pipeline or the command is wrong
    """  # noqa: D301 - `\b` is the character by which click keeps the lines of a paragraph
    from yamlgen.api.argument_parsing import read_params  # noqa: PLC0415 - loads the language
    from yamlgen.api.pipeline_status import status  # noqa: PLC0415
    from yamlgen.cli.foreground import tell  # noqa: PLC0415

    json_out = output_format == "json"
    try:
        given, unread = read_params(params)
        if unread:
            raise InvalidPipeline(tuple(unread))
        found = status(*paths, params=given, overrides=overrides, store=store)
    except YamlgenError as error:
        return tell(error, json_out=json_out)
    if json_out:
        put(json_object({"pipelines": [each.as_json() for each in found]}))
    for each in () if json_out else found:
        show(each.diagnostics)
        lines = [f"{safe(each.file)}: {_told(each)}", *(f"  {safe(line)}" for line in _details(each))]
        put("".join(f"{line}\n" for line in lines))
    if not json_out:
        show_explanation(code for each in found if each.error is not None for code in codes_in(each.error))
    if any(each.state == "invalid" for each in found):
        return ExitCode.USAGE
    return ExitCode.FAILED_ROWS if check and not all(each.is_current for each in found) else ExitCode.OK


def _told(each: PipelineStatus) -> str:
    """Return the state, with what a run would send and cost."""
    words = each.state.replace("_", " ")
    by = ", by the lock" if each.by == "lock" else ""
    if each.state in ("behind", "never_run"):
        return f"{words} ({_sent(each)}){by}" if each.forecast is not None else f"{words}{by}"
    if each.state == "unknown" and each.error is not None:
        return f"unknown: {each.error.message}"
    return f"{words}{by}"


def _sent(each: PipelineStatus) -> str:
    """Return the rows, the requests and the cost of a run now."""
    from yamlgen.api.results import counted  # noqa: PLC0415 - only for text
    from yamlgen.cli.summary import span_told  # noqa: PLC0415 - only for text

    forecast = each.forecast
    if forecast is None:
        return ""
    if not forecast.requests:
        waits = f"; {counted(forecast.waiting, 'request')} in a batch" if forecast.waiting else ""
        return f"0 requests{waits}{'; the output may change' if each.state == 'behind' else ''}"
    cost = "unknown cost" if forecast.cost is None else span_told(forecast.cost)
    most = "at most " if each.at_most else ""
    return f"{most}{counted(forecast.unanswered, 'row')}, {counted(forecast.requests, 'request')}, {cost}"


def _details(each: PipelineStatus) -> list[str]:
    """Return what differs, one thing a line."""
    files = [f"output {how}: {near(path)}" for path, how in each.outputs]
    hint = [each.error.hint] if each.state == "unknown" and each.error is not None and each.error.hint else []
    changed = [f"changed: {what}" for what in each.changes]
    return [*changed, *files, *hint]
