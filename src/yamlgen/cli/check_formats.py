"""What a check has found, for other programs: lines for editors, and the reports of GitHub, GitLab and JUnit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from yamlgen.api.check_report import described
from yamlgen.cli.messages import json_line, safe
from yamlgen.cli.report_syntax import MOST, JunitCase, junit_xml, workflow_commands
from yamlgen.cli.sarif import sarif

if TYPE_CHECKING:
    from yamlgen.api.check_report import CheckedFile, CheckReport
    from yamlgen.diagnostics import Diagnostic

_SEVERITIES: Final = {"error": "major", "warning": "minor"}
"""The severities of GitLab."""

_SUITE: Final = "yamlgen validate"


def concise(report: CheckReport) -> str:
    """Return a line for each diagnostic: `path:line:column: severity CODE message (hint)`."""
    return "".join(f"{_line(each)}\n" for each, _ in report.diagnostics)


def github(report: CheckReport) -> str:
    """Return workflow commands of GitHub: errors first, each kind in the order of the files."""
    lines: list[str] = []
    for severity in ("error", "warning"):
        found = [each for each, _ in report.diagnostics if each.severity == severity]
        others = severity if len(found) == 1 + MOST else f"{severity}s"
        lines += workflow_commands(severity, [(each.mark, str(each.code), described(each)) for each in found], others)
    return "".join(f"{line}\n" for line in lines)


def gitlab(report: CheckReport) -> str:
    """Return a Code Quality report of GitLab."""
    return json_line([_issue(each, fingerprint) for each, fingerprint in report.diagnostics], indent=2)


def junit(report: CheckReport) -> str:
    """Return JUnit XML with a test case for each file, which fails if the file has errors."""
    return junit_xml([(_SUITE, [_case(each) for each in report.files])])


FORMATS: Final[Mapping[str, Callable[[CheckReport], str]]] = {
    "concise": concise,
    "github": github,
    "gitlab": gitlab,
    "sarif": sarif,
    "junit": junit,
}
"""How each format is written."""


def _line(diagnostic: Diagnostic) -> str:
    return safe(f"{diagnostic.place}: {diagnostic.severity} {diagnostic.code} {described(diagnostic)}")


def _issue(diagnostic: Diagnostic, fingerprint: str) -> dict[str, object]:
    mark = diagnostic.mark
    return {
        "description": described(diagnostic),
        "check_name": str(diagnostic.code),
        "fingerprint": fingerprint,
        "severity": _SEVERITIES[diagnostic.severity],
        "location": {"path": mark.file, "lines": {"begin": mark.line, "end": mark.end_line}},
    }


def _case(file: CheckedFile) -> JunitCase:
    errors = [each for each in file.diagnostics if each.severity == "error"]
    warnings = "\n".join(_line(each) for each in file.diagnostics if each.severity == "warning")
    if not errors:
        return JunitCase(file.path, _SUITE, output=warnings)
    details = "\n".join(map(_line, errors))
    return JunitCase(file.path, _SUITE, "failure", str(errors[0].code), details, warnings)
