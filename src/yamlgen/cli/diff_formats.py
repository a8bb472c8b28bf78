"""A comparison of two sides for other programs: a table in Markdown, and annotations of GitHub."""

from __future__ import annotations

import re
from os.path import normpath
from typing import TYPE_CHECKING, Final

from yamlgen.cli.diff_text import change_rows, total
from yamlgen.cli.report_syntax import printable, workflow_commands
from yamlgen.cli.test_formats import cell
from yamlgen.diagnostics import Mark

if TYPE_CHECKING:
    from yamlgen.api.differences import DiffReport

_PLACE: Final = re.compile(r"(.+):(\d+)")


def markdown(report: DiffReport) -> str:
    """Return a report as Markdown, for a summary or a comment: a table for each pipeline, and the total."""
    lines = [f"**{cell(total(report))}**", "", cell(report.headline), ""]
    for change in report.pipelines:
        lines += [f"#### {cell(change.file)}", "", "| step | verdict | details |", "| --- | --- | --- |"]
        for name, verdict, told in change_rows(change, with_ids=False):
            lines.append(f"| {cell(name)} | {cell(verdict)} | {cell(chr(10).join(told))} |")
        lines += ["", *(f"- {cell(note)}" for note in change.notes)]
    if report.same:
        lines.append(f"{report.same:,} pipeline{'' if report.same == 1 else 's'} the same")
    for error in report.invalid:
        lines += ["", f"**invalid: {cell(error.message)}**"]
    return "\n".join([*lines, ""])


def github(report: DiffReport) -> str:
    """Return a report as workflow commands of GitHub: a warning for what breaks readers, a notice for what asks."""
    notices: list[tuple[Mark, str, str]] = []
    warnings: list[tuple[Mark, str, str]] = []
    for change in report.pipelines:
        nowhere = Mark(change.file, 1, 1, 1, 1)
        told = {name: "\n".join(lines) for name, _, lines in change_rows(change, with_ids=False)}
        for step in change.steps:
            if step.asks:
                place = None if step.first is None else _PLACE.fullmatch(step.first.place)
                mark = nowhere if place is None else Mark(normpath(place[1]), int(place[2]), 1, int(place[2]), 1)
                notices.append((mark, f"{step.step} {step.verdict}", told[step.step]))
        for output in change.outputs:
            if output.breaks:
                name = output.output or "output"
                message = (
                    f"it was {output.move}"
                    if output.change is None
                    else f"{output.change.path} {output.change.message}"
                )
                warnings.append((nowhere, f"{name} breaks readers", message))
    errors = [
        (each.mark, str(each.code), each.message)
        for error in report.invalid
        for each in error.diagnostics
        if each.severity == "error"
    ]
    lines = [
        *workflow_commands("error", errors, "errors"),
        *workflow_commands("warning", warnings, "that break readers"),
        *workflow_commands("notice", notices, "steps"),
    ]
    return "\n".join([*lines, printable(" ".join(total(report).splitlines())), ""])
