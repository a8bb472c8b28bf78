"""Where each part of a rendered text comes from: the own text of the template, or the value of an expression in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from yamlgen.expressions.jinja_environment import reader, render
from yamlgen.expressions.render_limits import RenderBudget

Path: TypeAlias = tuple[str, ...]
"""A name, with the first member of it that is read: `("row", "text")`."""

_OPEN, _CLOSE = "\ue0f0", "\ue0f1"
_MARKER: Final = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_NO_VALUES: Final = frozenset({"loop", "range", "dict", "namespace", "cycler", "joiner"})
"""The names of Jinja, which contain no value of a row."""


@dataclass(frozen=True, slots=True)
class RenderedPart:
    """A part of a rendered text.

    Attributes:
        text: the part.
        offset: the offset in the template of its first character, or of the expression.
        reads: what the expression reads; `None` for the own text of the template.
        is_conditional: whether a condition or a loop decides if and how often the part is rendered.
    """

    text: str
    offset: int
    reads: frozenset[Path] | None
    is_conditional: bool


def rendered_parts(source: str, scope: Mapping[str, Any]) -> list[RenderedPart] | None:
    """Return the parts of a rendered template in their order.

    Returns:
        The parts; `None` if the template cannot be rendered, or processes its own text, as `{% filter %}` does.
    """
    try:
        text = render(source, scope)
        tree = reader().parse(source)
        marking = _Marking(_bound(tree))
        with RenderBudget():
            marked = "".join(reader().from_string(marking.visit(tree)).generate(scope))
    except Exception:  # noqa: BLE001 - with markers, an expression may fail in any way
        return None
    if _OPEN in text:
        return None
    first, *pieces = _MARKER.split(marked)
    found = [
        RenderedPart(piece, *marking.parts[int(number)])
        for number, piece in zip(pieces[::2], pieces[1::2], strict=True)
        if piece
    ]
    return found if not first and "".join(part.text for part in found) == text else None


def paths_of(node: nodes.Node) -> Iterator[Path]:
    """Yield what an expression reads."""
    if isinstance(node, nodes.Getattr | nodes.Getitem) and isinstance(node.node, nodes.Name):
        name = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
        if isinstance(name, str):
            yield node.node.name, name
            return
    if isinstance(node, nodes.Name):
        yield (node.name,)
    for child in node.iter_child_nodes():
        yield from paths_of(child)


def _bound(tree: nodes.Template) -> dict[str, frozenset[Path]]:
    """Return what the names that a template binds by `for` and `set` read."""
    bound: dict[str, set[Path]] = {}
    pairs = [(each.target, each.iter) for each in tree.find_all(nodes.For)]
    pairs += [(each.target, each.node) for each in tree.find_all(nodes.Assign)]
    for target, value in pairs:
        for name in (target, *target.find_all(nodes.Name)):
            if isinstance(name, nodes.Name):
                bound.setdefault(name.name, set()).update(paths_of(value))
    return {name: frozenset(read) for name, read in bound.items()}


class _Marking(NodeTransformer):
    """Adds a marker before each part of the output."""

    def __init__(self, bound: Mapping[str, frozenset[Path]]) -> None:
        self.parts: list[tuple[int, frozenset[Path] | None, bool]] = []
        self._bound = bound
        self._depth = 0

    def visit_If(self, node: nodes.If) -> nodes.Node:  # noqa: N802 - Jinja's name
        """Visit a condition."""
        return self._inside(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        """Visit a loop."""
        return self._inside(node)

    def _inside(self, node: nodes.Node) -> nodes.Node:
        self._depth += 1
        try:
            return self.generic_visit(node)
        finally:
            self._depth -= 1

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802
        """Add the markers."""
        made: list[nodes.Expr] = []
        for each in node.nodes:
            is_own = isinstance(each, nodes.TemplateData)
            places = [inner.lineno for inner in (each, *each.find_all(nodes.Node)) if inner.lineno is not None]
            reads = None if is_own else frozenset(self._resolved(paths_of(each)))
            made += [nodes.TemplateData(f"{_OPEN}{len(self.parts)}{_CLOSE}", lineno=each.lineno), each]
            self.parts.append((min(places, default=0), reads, self._depth > 0))
        return nodes.Output(made, lineno=node.lineno)

    def _resolved(self, paths: Iterator[Path]) -> Iterator[Path]:
        seen: set[str] = set()
        waiting = list(paths)
        while waiting:
            path = waiting.pop()
            if path[0] in self._bound:
                if path[0] not in seen:
                    seen.add(path[0])
                    waiting += self._bound[path[0]]
            elif path[0] not in _NO_VALUES:
                yield path
