"""The syntax of the reports that other programs read: JUnit XML, and the annotations of GitHub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from xml.sax.saxutils import escape, quoteattr

from yamlgen.diagnostics import Mark
from yamlgen.redaction import redact

MOST: Final = 10
"""The number of annotations of each kind that GitHub shows for a step."""

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = {**_DATA, **str.maketrans({":": "%3A", ",": "%2C"})}


@dataclass(frozen=True, slots=True)
class JunitCase:
    """A `testcase` of JUnit.

    Attributes:
        fault: the element that says why it did not pass, if it did not.
        kind: the type of the fault.
        details: the text of the fault; its first line is the message.
        output: what else it printed.
        seconds: how long it took, if that is known.
    """

    name: str
    classname: str
    fault: Literal["failure", "error"] | None = None
    kind: str = ""
    details: str = ""
    output: str = ""
    seconds: float | None = None


def junit_xml(suites: Iterable[tuple[str, Sequence[JunitCase]]]) -> str:
    """Return JUnit XML with these test suites, by their names."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for name, cases in suites:
        lines += _suite(name, cases)
    return "\n".join([*lines, "</testsuites>", ""])


def _suite(name: str, cases: Sequence[JunitCase]) -> Iterator[str]:
    times = [case.seconds for case in cases if case.seconds is not None]
    numbers = {
        "name": name,
        "tests": str(len(cases)),
        "failures": str(sum(case.fault == "failure" for case in cases)),
        "errors": str(sum(case.fault == "error" for case in cases)),
        "skipped": "0",
    }
    yield f"  <testsuite{_attributes(numbers | _time(sum(times) if times else None))}>"
    for case in cases:
        about = _attributes({"name": case.name, "classname": case.classname} | _time(case.seconds))
        if case.fault is None and not case.output:
            yield f"    <testcase{about}/>"
            continue
        yield f"    <testcase{about}>"
        if case.fault is not None:
            why = _attributes({"message": case.details.partition("\n")[0], "type": case.kind})
            yield f"      <{case.fault}{why}>{escape(printable(case.details))}</{case.fault}>"
        if case.output:
            yield f"      <system-out>{escape(printable(case.output))}</system-out>"
        yield "    </testcase>"
    yield "  </testsuite>"


def _time(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"time": f"{seconds:.3f}"}


def _attributes(values: Mapping[str, str]) -> str:
    return "".join(f" {name}={quoteattr(_one(printable(value)))}" for name, value in values.items())


def workflow_commands(command: str, found: Sequence[tuple[Mark, str, str]], others: str) -> Iterator[str]:
    """Yield annotations as workflow commands of GitHub: the first ten, and a line with the number of the others.

    Args:
        command: `error` or `warning`.
        found: the place, the title and the text of each.
        others: what they are, after a number, such as `errors`.
    """
    for mark, title, text in found[:MOST]:
        place = {"file": mark.file, "line": mark.line, "col": mark.column, "title": title}
        given = ",".join(f"{name}={_one(str(value)).translate(_PROPERTY)}" for name, value in place.items())
        yield _shown(f"::{command} {given}::{redact(text).translate(_DATA)}")
    if len(found) > MOST:
        yield _shown(f"and {len(found) - MOST} more {others}")


def printable(text: str) -> str:
    """Return a text with the characters that XML cannot contain as JSON escapes, and without API keys."""
    return _NOT_XML.sub(lambda found: json.dumps(found[0])[1:-1], redact(text))


def _one(text: str) -> str:
    """Return a text on one line."""
    return " ".join(redact(text).splitlines())


def _shown(line: str) -> str:
    """Return a line for the log of GitHub: an escape sequence or a line break in it could begin another command."""
    return printable(" ".join(line.splitlines()))
