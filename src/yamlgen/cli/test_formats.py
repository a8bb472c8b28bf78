"""The report of tests for other programs: JUnit XML, the annotations of GitHub, and a table in Markdown.

In JUnit, a case that is not recorded is an `error` of the type `not recorded`, so that it is apart from failures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from yamlgen.api.tests import details
from yamlgen.cli.test_text import FAILED, MISSED, counts
from yamlgen.redaction import redact

if TYPE_CHECKING:
    from yamlgen.api.tests import CaseVerdict, TestReport

MOST: Final = 10
"""The number of annotations of each kind that GitHub shows for a step."""

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = {**_DATA, **str.maketrans({":": "%3A", ",": "%2C"})}
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]<>|~#])")


def junit(report: TestReport) -> str:
    """Return a report as JUnit XML, with a test suite for each file."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for file, cases in groupby(report.cases, key=lambda case: case.file):
        lines += _suite(file, list(cases))
    return "\n".join([*lines, "</testsuites>", ""])


def github(report: TestReport) -> str:
    """Return a report as workflow commands of GitHub: errors for failures, warnings for what is not recorded."""
    lines: list[str] = []
    for verdict, command in ((FAILED, "error"), (MISSED, "warning")):
        found = [case for case in report.cases if case.verdict == verdict]
        for case in found[:MOST]:
            mark = case.flaws[0].mark if case.flaws else case.mark
            place = {"file": mark.file, "line": mark.line, "col": mark.column, "title": f"{case.case}: {verdict}"}
            given = ",".join(f"{name}={_one(str(value)).translate(_PROPERTY)}" for name, value in place.items())
            lines.append(f"::{command} {given}::{redact(_details(case)).translate(_DATA)}")
        if len(found) > MOST:
            lines.append(f"and {len(found) - MOST} more {verdict}")
    return "\n".join([*map(_shown, lines), counts(report), ""])


def markdown(report: TestReport) -> str:
    """Return a report as a table in Markdown, for a summary or a comment: cases that did not pass, and the counts."""
    lines = [f"**{counts(report)}**", ""]
    rows = [case for case in report.cases if case.verdict in (FAILED, MISSED)]
    if rows:
        lines += ["| case | verdict | details | place |", "| --- | --- | --- | --- |"]
    for case in rows:
        place = f"{case.mark.file}:{case.mark.line}"
        lines.append("| " + " | ".join(map(_cell, (case.case, case.verdict, _details(case), place))) + " |")
    golds = [(case.case, name, numbers) for case in report.cases for name, numbers in case.gold.items()]
    if golds:
        lines += ["", "| case | field | accuracy | values | missing |", "| --- | --- | --- | --- | --- |"]
    for name, field, numbers in golds:
        cells = name, field, f"{numbers['accuracy']:.3g}", str(numbers["n"]), str(numbers["missing"])
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join([*lines, *(["", *(f"- {_cell(note)}" for note in report.notes)] if report.notes else []), ""])


def _suite(file: str, cases: list[CaseVerdict]) -> Iterator[str]:
    numbers: dict[str, str | int] = {
        "name": file,
        "tests": len(cases),
        "failures": sum(case.verdict == FAILED for case in cases),
        "errors": sum(case.verdict == MISSED for case in cases),
        "skipped": 0,
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }
    yield f"  <testsuite{_attributes(numbers)}>"
    for case in cases:
        about = _attributes({"name": case.case, "classname": file, "time": f"{case.seconds:.3f}"})
        if case.verdict not in (FAILED, MISSED):
            yield f"    <testcase{about}/>"
            continue
        element = "failure" if case.verdict == FAILED else "error"
        details = _details(case)
        message = _attributes({"message": details.partition("\n")[0], "type": case.verdict})
        yield f"    <testcase{about}>"
        yield f"      <{element}{message}>{escape(_xml(details))}</{element}>"
        yield "    </testcase>"
    yield "  </testsuite>"


def _details(case: CaseVerdict) -> str:
    """Return why a case did not pass, as lines."""
    return "\n".join(details(case))


def _attributes(values: Mapping[str, str | int]) -> str:
    return "".join(f" {name}={quoteattr(_one(_xml(str(value))))}" for name, value in values.items())


def _xml(text: str) -> str:
    """Return a text with the characters that XML cannot contain as JSON escapes, and without API keys."""
    return _NOT_XML.sub(lambda found: json.dumps(found[0])[1:-1], redact(text))


def _one(text: str) -> str:
    """Return a text on one line."""
    return " ".join(redact(text).splitlines())


def _shown(line: str) -> str:
    """Return a line for the log of GitHub: an escape sequence or a line break in it could begin another command."""
    return _NOT_XML.sub(lambda found: json.dumps(found[0])[1:-1], " ".join(line.splitlines()))


def _cell(text: str) -> str:
    lines = (_MARKDOWN.sub(r"\\\1", _xml(line)) for line in redact(text).splitlines())
    return "<br>".join(lines)
