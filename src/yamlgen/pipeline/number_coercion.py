"""The warning about data that YAML changes by reading it as a number: postcodes, telephone numbers, versions.

Only data is checked (rows, choices, the values of a matrix or a parameter), because settings are numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.parsing.source_map import Document, Node

_CHANGED: Final = re.compile(r"[-+]?0[0-9]+(\.[0-9]*)?|\+[0-9].*|0[ox].+|-?[0-9]+\.[0-9]+0|[0-9]+[eE][0-9]+")
"""A leading zero or plus, another base, a trailing zero after a decimal point, or an `e` between digits."""

_Place = tuple[Node, str]


def changed_numbers(document: Document) -> list[Diagnostic]:
    """Return one warning for all numbers that differ from their text, at the first of them."""
    found = list(_changed(document.root))
    if not found:
        return []
    node, text = found[0]
    more = f" ({len(found) - 1:,} more like it)" if len(found) > 1 else ""
    message = f"`{text[:40]}` is read as the number {node.value}{more}"
    hint = f'for a string, write "{text[:40]}" in quotes; for a number, write `{node.value}`'
    return [Diagnostic(Code.BAD_NUMBER, message, node.mark, hint, "warning")]


def _changed(root: Node) -> Iterator[_Place]:
    for node in _data(root):
        start, end = node.origin or (node.start, node.end)
        text = node.source.text[start:end]
        is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        if is_number and not node.style and _CHANGED.fullmatch(text):
            yield node, text


def _data(root: Node) -> Iterator[Node]:
    """Yield the scalars of a pipeline's data."""
    yield from _scalars(root.get("input", "rows"))
    for step in _values(root.get("steps")):
        yield from _scalars(step.get("matrix"))
        for rule in _values(step.get("draws")):
            yield from _choices(rule)
    for declaration in _values(root.get("params")):
        for word in ("default", "enum"):
            yield from _scalars(declaration.get(word))


def _choices(rule: Node) -> Iterator[Node]:
    yield from _scalars(rule.get("choices"))
    for inner in (*_values(rule.get("cases")), rule.get("otherwise")):
        if inner is not None:
            yield from _choices(inner)


def _values(node: Node | None) -> Iterator[Node]:
    if node is not None and node.kind == "mapping":
        for _, value in node.value.values():
            yield value


def _scalars(node: Node | None) -> Iterator[Node]:
    if node is None:
        return
    if node.kind == "scalar":
        yield node
    for child in node.value if node.kind == "sequence" else _values(node):
        yield from _scalars(child)
