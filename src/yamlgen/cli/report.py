"""`yamlgen report`: one page that shows whether the rows of a run are good."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from yamlgen.cli.completed_values import (
    complete_file,
    complete_output_name,
    complete_pipeline_or_run,
    complete_run,
    words_of,
)
from yamlgen.cli.messages import echo, json_object, put, safe
from yamlgen.cli.named_run import named_run
from yamlgen.cli.options import output_format, store_option
from yamlgen.errors import YamlgenError, near
from yamlgen.exit_codes import ExitCode

if TYPE_CHECKING:
    from yamlgen.api.run_reports import RunProfile

_MOST: Final = 5
"""The maximum number of suspicions that are printed; the page shows all."""


def _rows(_: click.Context, __: click.Parameter, text: str) -> int | str:
    """Parse a number of rows, or `all`."""
    if text == "all":
        return text
    if not text.isdecimal():
        raise click.BadParameter(f"`{text}` is not a number of rows; write one such as 200, or all")
    return int(text[:18])


@click.command("report")
@click.argument("which", nargs=-1, metavar="[PIPELINE] [RUN]", shell_complete=complete_pipeline_or_run)
@click.option(
    "--output",
    metavar="NAME",
    shell_complete=complete_output_name,
    help="Show the rows of this output. Default: the only one.",
)
@click.option(
    "--against", metavar="RUN", shell_complete=complete_run, help="Compare with this run of the same pipeline."
)
@click.option(
    "--rows",
    default="200",
    show_default=True,
    metavar="N|all",
    callback=_rows,
    shell_complete=words_of("200", "all"),
    help="Show at most N rows, as many as fit, or all.",
)
@click.option(
    "--no-text", "text", flag_value=False, default=True, help="Leave out the rows, and all text that comes from them."
)
@click.option(
    "-o",
    "path",
    type=click.Path(path_type=Path),
    metavar="PATH",
    shell_complete=complete_file,
    help="Write the page here; it replaces an earlier report, and no other file.",
)
@store_option
@output_format
def command(  # noqa: PLR0913 - click passes its options by name
    *,
    which: tuple[str, ...],
    output: str | None,
    against: str | None,
    rows: int | str,
    text: bool,
    path: Path | None,
    store: Path | None,
    output_format: str,
) -> int:
    """Show on one page whether the rows are any good.

    The page is one HTML file that loads nothing: what came of the run, what looks suspicious, why rows failed, how each
    field is spread, what each step did, and a choice of rows. It also works during a run, and after a run was stopped
    or killed. By default, it is written beside the record of the run: out/NAME.report.html.

    RUN is the name of a run, or its beginning. Default: the latest run that is not simulated; if there is none, the
    latest simulated one.

    With --output-format json, the numbers are printed, and the page is written only with -o. The exit code is 0 if the
    report was made, also if rows failed.
    """
    from yamlgen.api.run_reports import (  # noqa: PLC0415 - loads the store
        ReportOptions,
        most_rows,
        profiled,
        report_file,
        report_numbers,
        written,
    )
    from yamlgen.cli.foreground import tell  # noqa: PLC0415 - loads asyncio
    from yamlgen.cli.summary import size_told  # noqa: PLC0415 - loads the reports

    as_json = output_format == "json"
    try:
        run = named_run(which, store)
        options = ReportOptions(output, against, most_rows(rows), text)
        if as_json and path is None:
            put(json_object(report_numbers(profiled(run, options), text=text)))
            return ExitCode.OK
        file = report_file(run, path)
        made, size = written(run, options, file)
    except YamlgenError as error:
        return tell(error, json_out=as_json)
    if as_json:
        put(json_object(report_numbers(made, text=text)))
        return ExitCode.OK
    put("".join(f"{safe(line)}\n" for line in _told(made)))
    echo(
        f"wrote the report of {'simulated run' if run.simulated else 'run'} {run.name} to "
        f"{safe(near(file.path))} ({size_told(size)})"
    )
    return ExitCode.OK


def _told(made: RunProfile) -> list[str]:
    """Return what came of a run, and what looks suspicious, as lines."""
    from yamlgen.api.results import counted  # noqa: PLC0415 - loads the reports
    from yamlgen.api.run_reports import comparison_verdict, verdict  # noqa: PLC0415

    found = made.suspicions
    lines = [f"{made.headline.pipeline}: {verdict(made.headline)}"]
    lines += [f"  {each}" for each in made.headline.banners]
    lines += [f"  {comparison_verdict(made.against)}"] if made.against else []
    lines.append(f"  {counted(len(found), 'suspicion')}:" if found else "  nothing looks suspicious")
    lines += [f"    {each.place}: {each.message}" for each in found[:_MOST]]
    return lines + ([f"    and {len(found) - _MOST:,} more on the page"] if len(found) > _MOST else [])
