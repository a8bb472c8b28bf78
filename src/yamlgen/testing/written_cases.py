"""Test cases as text: new ones are added to a test file without changing the rest of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from yamlgen.errors import Code, UsageError
from yamlgen.parsing.source_map import Document, Node
from yamlgen.value_objects import JSON

_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_UNFIT: Final = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029]")
_MEMBER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN: Final = re.compile(r"[A-Za-z](?:[\x20-\x7e](?<![:#]))*(?<![\s])")
"""Strings that can be written without quotes in a block: they contain neither `:` nor `#`."""

_INDENT: Final = "  "

_OUTPUT: Final = "output"
"""The member of a combination of a `matrix` with its value."""


@dataclass(frozen=True, slots=True)
class NewCase:
    """A case of one row that is to be written.

    Attributes:
        name: its name.
        row: its row.
        params: its parameters, in addition to those of the file.
        expect: its conditions.
    """

    name: str
    row: Mapping[str, JSON]
    params: Mapping[str, JSON]
    expect: tuple[str, ...]


def with_cases(document: Document | None, pipeline: str, params: Mapping[str, JSON], cases: Sequence[NewCase]) -> str:
    """Return the text of a test file with more cases at its end.

    Args:
        document: the file; `None` for a new one.
        pipeline: the name of the pipeline, for a new file.
        params: its parameters, for a new file.
        cases: the new cases.

    Raises:
        UsageError: the cases of the file are not a block list, to which lines can be added.
    """
    if document is None:
        lines = ["version: 1", f"pipeline: {_block(pipeline)}", *([f"params: {flow(dict(params))}"] if params else [])]
        return "\n".join([*lines, "cases:", *_lines(cases, _INDENT), ""])
    text, node = document.source.text, document.root.get("cases")
    newline = "\r\n" if "\r\n" in text else "\n"
    if node is None and document.root.kind == "mapping":
        return text.rstrip() + newline + newline.join(["cases:", *_lines(cases, _INDENT), ""])
    if node is None or node.kind != "sequence" or not node.value or text[node.start] == "[" or node.alias:
        message = f"{document.file} has no list of cases to which lines can be added"
        raise UsageError(message, code=Code.WRONG_TYPE, hint="write each case in lines of its own, beginning with `- `")
    last: Node = node.value[-1]
    dash = text.rindex("-", 0, node.value[0].start + 1)
    indent = text[document.source.line_start(dash) : dash]
    end = _with_comments(text, len(text[: _end(last)].rstrip()), len(indent))
    return text[:end] + newline + newline.join(_lines(cases, indent)) + (text[end:] or newline)


def expectations(values: Mapping[str, JSON], schemas: Mapping[str, Any]) -> Iterator[str]:
    """Yield conditions that are true for the values of the steps of a row.

    Only values that a change of words does not change: booleans, numbers, and strings out of a list of values.
    """
    for step, value in values.items():
        yield from _equal(f"steps.{step}", value, schemas.get(step))


def null_condition(step: str, value: JSON) -> str | None:
    """Return the condition that a step lost all that it made for a row, such as `steps.label[0] is none`.

    Args:
        step: the step.
        value: its value: null, or a list of items, combinations or samples.

    Returns:
        The condition, which tests the first value for null; `None` if not all values are null.
    """
    at, inner = f"steps.{step}", value
    if not _is_lost(value):
        return None
    while inner is not None:
        is_list = isinstance(inner, list)
        at, inner = (f"{at}[0]", inner[0]) if is_list else (f"{at}.{_OUTPUT}", inner[_OUTPUT])
    return f"{at} is none"


def _is_lost(value: JSON) -> bool:
    if isinstance(value, list) and value:
        return all(map(_is_lost, value))
    return value is None or (isinstance(value, dict) and _OUTPUT in value and _is_lost(value[_OUTPUT]))


def flow(value: JSON) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(name)}: {flow(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return _UNFIT.sub(lambda found: json.dumps(found[0])[1:-1], json.dumps(value, ensure_ascii=False))


def _end(node: Node) -> int:
    """Return the offset at which a node ends: that of its last part."""
    parts: list[Node] = []
    if node.kind != "scalar":
        parts = node.value if node.kind == "sequence" else [each for _, each in node.value.values()]
    if node.kind == "scalar" or not parts or node.alias:
        return node.end
    return (
        max(node.start + 1, *(_end(each) for each in parts)) if node.source.text[node.start] not in "{[" else node.end
    )


def _with_comments(text: str, end: int, indent: int) -> int:
    """Return the offset after the comments that belong to the last case: on its last line, or indented like a case.

    A comment without indentation belongs to the next key, if one follows.
    """
    is_last = all(not line.strip() or line.lstrip().startswith("#") for line in text[end:].splitlines()[1:])
    found = position = end
    for number, line in enumerate(text[end:].splitlines(keepends=True)):
        position += len(line)
        depth = len(line) - len(line.lstrip())
        if line.strip() and not line.lstrip().startswith("#"):
            break
        if line.strip() and (not number or is_last or (depth >= indent and depth > 0)):
            found = position - len(line) + len(line.rstrip())
        elif line.strip():
            break
    return found


def _equal(at: str, value: JSON, schema: Any) -> Iterator[str]:
    known = schema if isinstance(schema, dict) else {}
    if isinstance(value, bool):
        yield at if value else f"not {at}"
    elif isinstance(value, int) or (isinstance(value, str) and "enum" in known):
        yield f"{at} == {json.dumps(value, ensure_ascii=False)}"
    elif isinstance(value, dict):
        for name, each in value.items():
            if _MEMBER.fullmatch(name):
                yield from _equal(f"{at}.{name}", each, (known.get("properties") or {}).get(name))


def _lines(cases: Sequence[NewCase], indent: str) -> Iterator[str]:
    for case in cases:
        yield f"{indent}- name: {_block(case.name)}"
        yield f"{indent}  row: {flow(dict(case.row))}"
        if case.params:
            yield f"{indent}  params: {flow(dict(case.params))}"
        if case.expect:
            yield f"{indent}  expect:"
            yield from (f"{indent}    - {_block(each)}" for each in case.expect)


def _block(text: str) -> str:
    """Return a string as YAML in a line of its own."""
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if is_plain else flow(text)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) and name.lower() not in _WORDS else flow(name)
