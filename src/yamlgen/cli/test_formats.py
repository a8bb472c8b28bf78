"""The report of tests for other programs: JUnit XML, the annotations of GitHub, and a table in Markdown.

In JUnit, a case that is not recorded is an `error` of the type `not recorded`, so that it is apart from failures.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal

from yamlgen.api.tests import details
from yamlgen.cli.report_syntax import JunitCase, junit_xml, printable, workflow_commands
from yamlgen.cli.test_text import FAILED, MISSED, counts
from yamlgen.redaction import redact

if TYPE_CHECKING:
    from yamlgen.api.tests import CaseVerdict, TestReport
    from yamlgen.diagnostics import Mark

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]<>|~#])")


def junit(report: TestReport) -> str:
    """Return a report as JUnit XML, with a test suite for each file."""
    return junit_xml((file, [_case(each) for each in cases]) for file, cases in groupby(report.cases, _file))


def github(report: TestReport) -> str:
    """Return a report as workflow commands of GitHub: errors for failures, warnings for what is not recorded."""
    lines: list[str] = []
    for verdict, command in ((FAILED, "error"), (MISSED, "warning")):
        found = [_annotation(case) for case in report.cases if case.verdict == verdict]
        lines += workflow_commands(command, found, verdict)
    return "\n".join([*lines, counts(report), ""])


def markdown(report: TestReport) -> str:
    """Return a report as a table in Markdown, for a summary or a comment: cases that did not pass, and the counts."""
    lines = [f"**{counts(report)}**", ""]
    rows = [case for case in report.cases if case.verdict in (FAILED, MISSED)]
    if rows:
        lines += ["| case | verdict | details | place |", "| --- | --- | --- | --- |"]
    for case in rows:
        place = f"{case.mark.file}:{case.mark.line}"
        lines.append("| " + " | ".join(map(cell, (case.case, case.verdict, _details(case), place))) + " |")
    golds = [(case.case, name, numbers) for case in report.cases for name, numbers in case.gold.items()]
    if golds:
        lines += ["", "| case | field | accuracy | values | missing |", "| --- | --- | --- | --- | --- |"]
    for name, field, numbers in golds:
        cells = name, field, f"{numbers['accuracy']:.3g}", str(numbers["n"]), str(numbers["missing"])
        lines.append("| " + " | ".join(map(cell, cells)) + " |")
    return "\n".join([*lines, *(["", *(f"- {cell(note)}" for note in report.notes)] if report.notes else []), ""])


def _file(case: CaseVerdict) -> str:
    return case.file


def _case(case: CaseVerdict) -> JunitCase:
    if case.verdict not in (FAILED, MISSED):
        return JunitCase(case.case, case.file, seconds=case.seconds)
    fault: Literal["failure", "error"] = "failure" if case.verdict == FAILED else "error"
    return JunitCase(case.case, case.file, fault, case.verdict, _details(case), seconds=case.seconds)


def _annotation(case: CaseVerdict) -> tuple[Mark, str, str]:
    mark = case.flaws[0].mark if case.flaws else case.mark
    return mark, f"{case.case}: {case.verdict}", _details(case)


def _details(case: CaseVerdict) -> str:
    """Return why a case did not pass, as lines."""
    return "\n".join(details(case))


def cell(text: str) -> str:
    """Return a text as it is shown in a cell of a table."""
    lines = (_MARKDOWN.sub(r"\\\1", printable(line)) for line in redact(text).splitlines())
    return "<br>".join(lines)
