"""The steps that a template or an expression refers to, and those that it reads in every row.

A reference outside of all branches is read in every row; a reference inside a branch may not be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from jinja2 import nodes

from yamlgen.expressions.evaluation import parse_expression
from yamlgen.expressions.jinja_environment import parse
from yamlgen.expressions.narrowing import Path, path_of

OF_STEPS: Final = ("steps", "thinking")
"""The roots whose members are steps: their values, and what the models thought."""


@dataclass(frozen=True, slots=True)
class References:
    """The steps that a template or an expression refers to.

    Attributes:
        named: the names of the steps.
        always: the names of the steps that are read in every row, whichever branches are taken.
        paths: each reference, from its root to its last fixed member.
    """

    named: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()
    paths: frozenset[Path] = frozenset()


def references(source: str, *, is_expression: bool) -> References:
    """Return the steps that a source refers to.

    Raises:
        TemplateSyntaxError: the source is invalid.
    """
    tree = parse_expression(source) if is_expression else parse(source)
    found = (path_of(node) for node in (tree, *tree.find_all((nodes.Getattr, nodes.Getitem))))
    named = frozenset(str(path[1]) for path in found if len(path) > 1 and path[0] in OF_STEPS)
    return References(named, _always(tree), frozenset(_paths(tree)))


def _always(node: nodes.Node | None) -> frozenset[str]:  # noqa: PLR0911 - a table
    """Return the steps that a node reads whenever it is reached, whichever branches are taken in it."""
    match node:
        case None | nodes.Macro():
            return frozenset()
        case nodes.And() | nodes.Or():
            return _always(node.left)
        case nodes.CondExpr():
            return _always(node.test) | _always(node.expr1) & _always(node.expr2)
        case nodes.Compare():
            return _always(node.expr) | _always(node.ops[0])  # `a < b < c` reads `c` only if `a < b`
        case nodes.For():
            return _always(node.iter)
        case nodes.CallBlock():
            return _always(node.call)
        case nodes.If():
            rest = _each(node.else_)
            for other in reversed(node.elif_):
                rest = _always(other.test) | _each(other.body) & rest
            return _always(node.test) | _each(node.body) & rest
        case nodes.Getattr() | nodes.Getitem() if len(path := path_of(node)) > 1 and path[0] in OF_STEPS:
            return frozenset({str(path[1])})
        case _:
            return _each(list(node.iter_child_nodes()))


def _each(many: Sequence[nodes.Node]) -> frozenset[str]:
    return frozenset().union(*map(_always, many))


def _paths(node: nodes.Node) -> Iterator[Path]:
    """Yield the longest references to steps in a syntax tree, without the methods that are called on them."""
    path = path_of(node)
    if len(path) > 1 and path[0] in OF_STEPS:
        yield path
        return
    callee = node.node if isinstance(node, nodes.Call) else None
    for child in node.iter_child_nodes():
        yield from _paths(child.node if child is callee and isinstance(child, nodes.Getattr) else child)
