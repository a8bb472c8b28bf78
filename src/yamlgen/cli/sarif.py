"""What a check has found in SARIF 2.1.0, the format of code scanning.

Messages are not escaped for placeholders (`{0}`): consumers replace these only in messages with arguments.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from yamlgen.api.check_report import described
from yamlgen.cli.messages import json_line
from yamlgen.manual import explanation
from yamlgen.redaction import redact

if TYPE_CHECKING:
    from yamlgen.api.check_report import CheckReport
    from yamlgen.diagnostics import Diagnostic, Fix, Mark

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT: Final = "%SRCROOT%"
"""The name of the folder that paths are relative to, which code scanning knows."""

_LINK: Final = re.compile(r"\[([^\]]*)\]\((?!https?:)[^)]*\)")
"""A link to another page of the manual."""

_NO_BYTES: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Halves of surrogate pairs that stand for no byte of a path."""


def sarif(report: CheckReport) -> str:
    """Return a SARIF log with one run, whose rules are the codes that were found."""
    codes = sorted({str(each.code) for each, _ in report.diagnostics})
    run = {
        "tool": {"driver": {"name": "yamlgen", "version": version("yamlgen"), "rules": [*map(_rule, codes)]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"uri": f"file://{_encoded(str(report.root)).rstrip('/')}/"}},
        "results": [_result(each, codes, fingerprint) for each, fingerprint in report.diagnostics],
    }
    return json_line({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str) -> dict[str, Any]:
    """Return a code with its page of the manual."""
    page = _LINK.sub(r"\1", explanation(code))
    heading, _, rest = page.partition("\n")
    first = rest.strip().split("\n\n")[0]
    return {
        "id": code,
        "shortDescription": {"text": heading.partition(": ")[2]},
        "fullDescription": {"text": " ".join(first.split("\n"))},
        "help": {"text": page, "markdown": page},
    }


def _result(diagnostic: Diagnostic, codes: list[str], fingerprint: str) -> dict[str, Any]:
    code = str(diagnostic.code)
    result: dict[str, Any] = {
        "ruleId": code,
        "ruleIndex": codes.index(code),
        "level": diagnostic.severity,
        "message": {"text": described(diagnostic)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _artifact(diagnostic.mark.file),
                    "region": _region(diagnostic.mark),
                }
            }
        ],
        "partialFingerprints": {"yamlgenDiagnostic/v1": fingerprint},
    }
    if diagnostic.known:
        result["properties"] = {"known": list(diagnostic.known)}
    if diagnostic.fix is not None:
        result["fixes"] = [_fix(diagnostic.fix, diagnostic.hint)]
    return result


def _fix(fix: Fix, hint: str | None) -> dict[str, Any]:
    replacement = {"deletedRegion": _region(fix.mark), "insertedContent": {"text": fix.text}}
    change = {"artifactLocation": _artifact(fix.mark.file), "replacements": [replacement]}
    described = {} if hint is None else {"description": {"text": hint}}
    return {**described, "artifactChanges": [change]}


def _artifact(path: str) -> dict[str, str]:
    if path.startswith("/"):
        return {"uri": f"file://{_encoded(path)}"}
    return {"uri": _encoded(path), "uriBaseId": _ROOT}


def _encoded(path: str) -> str:
    return quote(_NO_BYTES.sub("\ufffd", redact(path)), errors="surrogateescape")


def _region(mark: Mark) -> dict[str, int]:
    return {
        "startLine": mark.line,
        "startColumn": mark.column,
        "endLine": mark.end_line,
        "endColumn": mark.end_column,
    }
