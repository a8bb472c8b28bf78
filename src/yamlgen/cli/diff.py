"""`yamlgen diff`: what a change will ask again, and what that costs."""

from __future__ import annotations

import sys
from difflib import unified_diff
from typing import TYPE_CHECKING, Any

import click

from yamlgen.cli.completed_values import complete_pipeline, complete_step, words_of
from yamlgen.cli.messages import as_yaml, echo, json_object, put, rendered, safe
from yamlgen.cli.options import fault_options, pipeline_options, store_option
from yamlgen.errors import Code, UsageError, YamlgenError
from yamlgen.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yamlgen.api.differences import DiffReport
    from yamlgen.api.loaded_sides import InvalidSide
    from yamlgen.api.request_differences import RequestDifference
    from yamlgen.api.row_requests import Preview


@click.command("diff")
@click.argument("arguments", nargs=-1, metavar="[REV | REV..REV | REV...] [PATH...]", shell_complete=complete_pipeline)
@pipeline_options
@store_option
@click.option(
    "--why", metavar="STEP", shell_complete=complete_step, help="Print how the request of a row differs at this step."
)
@click.option(
    "--row", metavar="ID", help="With --why: the id of the row, or its number. Default: the first that differs."
)
@click.option("--exit-code", "exits", is_flag=True, help="Exit with 1 if anything differs.")
@click.option(
    "--fail-on",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    shell_complete=words_of("asks", "breaks", "cost:"),
    help="Exit with 1 if requests may be sent (asks), an output breaks readers (breaks), or the cost may exceed N US "
    "dollars (cost:N).",
)
@click.option("--simulate", is_flag=True, help="Compare with the answers of simulated runs.")
@click.option(
    "--output-format",
    type=click.Choice(["text", "json", "markdown", "github"]),
    default="text",
    show_default=True,
    help="Print text, one JSON object, a table in Markdown, or annotations for GitHub.",
)
@fault_options
def command(  # noqa: PLR0913 - its options
    *,
    arguments: tuple[str, ...],
    params: dict[str, str],
    overrides: dict[str, str],
    why: str | None,
    row: str | None,
    exits: bool,
    conditions: tuple[str, ...],
    output_format: str,
    **chosen: Any,
) -> int:
    """Show what a change will ask again, and what that costs.

    Compares pipelines of two sides: without REV, HEAD and the working tree; with REV, that commit and the working tree;
    with A..B, two commits; with A..., the merge base of A and HEAD, and the working tree. PATH is a pipeline or a
    folder of them; default: the whole repository. Nothing is sent, no API key is needed, and nothing is written.

    The exit code is 0 unless --exit-code or --fail-on says otherwise; 2 if a pipeline of a side is invalid; 3 if there
    is no such revision.
    """
    from yamlgen.api.argument_parsing import read_params  # noqa: PLC0415 - loads the language
    from yamlgen.api.differences import check_conditions, comparison  # noqa: PLC0415
    from yamlgen.api.loaded_sides import InvalidSide  # noqa: PLC0415
    from yamlgen.api.run_options import RunOptions  # noqa: PLC0415
    from yamlgen.cli.foreground import tell  # noqa: PLC0415
    from yamlgen.cli.signal_handling import SignalHandler  # noqa: PLC0415

    if row is not None and why is None:
        raise click.UsageError("--row requires --why")
    json_out = output_format == "json"
    try:
        check_conditions(conditions)
        given, unread = read_params(params)
        for problem in unread:
            raise UsageError(problem.message, code=Code.BAD_PARAM, hint=problem.hint)
        options = RunOptions(**chosen)
        with (
            SignalHandler() as interruptions,
            comparison(arguments, params=given, overrides=overrides, options=options) as compared,
        ):
            if why is not None:
                try:
                    return _explain(interruptions.wait(compared.why(why, row)), json_out=json_out)
                except InvalidSide as invalid:
                    if json_out:
                        return tell(invalid, json_out=True)
                    _show_invalid(invalid)
                    return ExitCode.USAGE
            report = interruptions.wait(compared.report())
            _show(report, output_format)
            for error in report.invalid:
                _show_invalid(error)
    except YamlgenError as error:
        return tell(error, json_out=json_out)
    if report.invalid:
        return ExitCode.USAGE
    failed = report.fails(conditions)
    if failed and not json_out:
        echo(f"failed on {', '.join(failed)}")
    differs = exits and bool(report.pipelines)
    return ExitCode.FAILED_ROWS if failed or differs else ExitCode.OK


def _show(report: DiffReport, output_format: str) -> None:
    from yamlgen.cli import diff_formats, diff_text  # noqa: PLC0415

    if output_format == "json":
        put(json_object(report.as_json()))
    elif output_format == "text":
        put(diff_text.text(report, sys.argv[1:]))
    else:
        put(diff_formats.markdown(report) if output_format == "markdown" else diff_formats.github(report))


def _show_invalid(error: InvalidSide) -> None:
    for diagnostic in error.found:
        echo(error.tree.told(rendered(diagnostic)))
        echo()


def _explain(why: RequestDifference, *, json_out: bool) -> int:
    if json_out:
        put(json_object(why.as_json()))
        return ExitCode.OK
    old, new = (_lines(side) for side in (why.before, why.after))
    name = f"{why.file} {why.step}, row {why.row}"
    told = list(unified_diff(old, new, f"before: {name}", f"after: {name}", lineterm=""))
    made_up = dict.fromkeys(step for each in (*why.before, *why.after) for step in each.made_up)
    same = f"the requests of {name} are the same"
    if made_up:
        same += f" with simulated outputs of {', '.join(made_up)}"
    put("".join(f"{safe(line)}\n" for line in told or [same]))
    return ExitCode.OK


def _lines(requests: Sequence[Preview]) -> list[str]:
    """Return the bodies of requests as YAML, line by line."""
    made: list[str] = []
    for each in requests:
        made += [f"# {each.case}"] if each.case else []
        made += [f"# with simulated outputs of {', '.join(each.made_up)}"] if each.made_up else []
        made += as_yaml(each.request).splitlines()
    return made
