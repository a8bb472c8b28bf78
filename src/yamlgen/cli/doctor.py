"""`yamlgen doctor`: whether a run would work here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from yamlgen.cli.completed_values import complete_pipeline
from yamlgen.cli.messages import json_object, put, safe, show, show_explanation
from yamlgen.cli.options import output_format, pipeline_options, store_option
from yamlgen.cli.terminal import style
from yamlgen.errors import Code, YamlgenError
from yamlgen.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yamlgen.api.doctor_report import DoctorReport, HealthCheck

_COLOURS: Final = {"ok": "green", "warning": "yellow", "problem": "red"}
_WIDEST: Final = max(map(len, _COLOURS))


@click.command("doctor")
@click.argument("pipeline", required=False, type=click.Path(path_type=Path), shell_complete=complete_pipeline)
@pipeline_options
@store_option
@click.option("--simulate", is_flag=True, help="Check a run with the simulator.")
@output_format
def command(
    *,
    pipeline: Path | None,
    params: dict[str, str],
    overrides: dict[str, str],
    store: Path | None,
    simulate: bool,
    output_format: str,
) -> int:
    """Check whether a run would work: key, API, models, quota, disk.

    Only requests that cost nothing are sent, each for 10 seconds at most. With a PIPELINE, what the API says about its
    models is compared with what this version knows, and with the settings of its steps.

    \b
    Exit codes:
      0  a run would work; there may be warnings
      2  the pipeline or the command is wrong
      3  a run would not work
    """  # noqa: D301 - `\b` is the character by which click keeps the lines of a paragraph
    if pipeline is None and (params or overrides):
        raise click.UsageError("-p and --set need a PIPELINE")
    from yamlgen.api.argument_parsing import load_with  # noqa: PLC0415 - loads the language
    from yamlgen.api.doctor import adoctor  # noqa: PLC0415 - loads the SDK
    from yamlgen.cli.foreground import tell  # noqa: PLC0415
    from yamlgen.cli.signal_handling import SignalHandler  # noqa: PLC0415

    json_out = output_format == "json"
    try:
        loaded, given = (None, None) if pipeline is None else load_with(pipeline, params, overrides, None)
        if loaded is not None:
            show(each for each in loaded.warnings if each.code not in (Code.MISSING_INPUT, Code.BAD_INPUT))
        with SignalHandler() as interruptions:
            report = interruptions.wait(adoctor(loaded, params=given, store=store, simulate=simulate))
    except YamlgenError as error:
        return tell(error, json_out=json_out)
    put(json_object(report.as_json()) if json_out else "".join(f"{line}\n" for line in _lines(report)))
    if not json_out:
        show_explanation(check.code for check in report.problems if check.code is not None)
    return ExitCode.OK if report.is_healthy else ExitCode.ENVIRONMENT


def _lines(report: DoctorReport) -> Iterator[str]:
    """Yield a line for each check, and one for each fix."""
    width = max(len(check.subject) for check in report.checks)
    for check in report.checks:
        yield from _check_lines(check, width)
    problems, warnings = len(report.problems), sum(check.state == "warning" for check in report.checks)
    counts = [
        f"{count} {what}{'' if count == 1 else 's'}" for count, what in ((problems, "problem"), (warnings, "warning"))
    ]
    is_sure = all(check.state == "ok" for check in report.checks if check.subject == "api")
    verdict = "would not work" if problems else "would work" if is_sure else "may work"
    yield f"{', '.join(counts)}: a run {verdict}"


def _check_lines(check: HealthCheck, width: int) -> Iterator[str]:
    state = style(f"{check.state:{_WIDEST}}", fg=_COLOURS[check.state])
    named = check.connection is not None and check.connection not in (check.place or "")
    places = [place for place in (check.place, f"`{check.connection}`" if named else None) if place]
    place = f" ({', '.join(places)})" if places else ""
    yield f"{state}  {check.subject:{width}}  {safe(check.fact)}{safe(place)}"
    if check.fix:
        yield f"{'':{_WIDEST}}  {'':{width}}  = {safe(check.fix)}"
