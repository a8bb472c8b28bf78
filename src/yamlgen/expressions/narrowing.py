"""What an expression proves about null: the references that are not null if it is true, and if it is false.

Owns the analysis of null tests: `steps.a`, `steps.a is not none`, `not steps.a`, combined with `and` and `or`. Only
certain conclusions are drawn; an unknown kind of test proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from jinja2 import nodes

Path: TypeAlias = tuple[str | int, ...]
"""A fixed reference such as `steps.profile["age"]`, from its root."""

Forks: TypeAlias = frozenset[tuple[frozenset[Path], bool]]
"""Sets of references of which at least one is not null, each with whether that one is also known not to be empty."""

_NOTHING: Final[frozenset[Path]] = frozenset()
PRESENT: Final = frozenset(
    {"string", "mapping", "sequence", "iterable", "number", "integer", "float", "boolean", "true", "false"}
)
"""Tests that are false for null."""


def path_of(node: nodes.Node | None) -> Path:
    """Return a reference as a path; empty if the node is not a fixed reference."""
    match node:
        case nodes.Name(name=name):
            return (name,)
        case (
            nodes.Getattr(node=owner, attr=key) | nodes.Getitem(node=owner, arg=nodes.Const(value=str() | int() as key))
        ):
            path = path_of(owner)
            return (*path, key) if path else ()
        case _:
            return ()


def not_null(node: nodes.Node | None, *, holds: bool) -> frozenset[Path]:
    """Return the references that are not null if an expression is true, or false."""
    return _proven(_not_null, node, holds=holds)


def null(node: nodes.Node | None, *, holds: bool) -> frozenset[Path]:
    """Return the references that are null if an expression is true, or false."""
    return _proven(_null, node, holds=holds)


def empty(node: nodes.Node | None, *, holds: bool) -> frozenset[Path]:
    """Return the references that are null or empty if an expression is true, or false."""
    return _proven(_empty, node, holds=holds)


def _proven(by_one: Callable[..., frozenset[Path]], node: nodes.Node | None, *, holds: bool) -> frozenset[Path]:
    """Return what an expression proves, combined from the tests in it.

    If it is only known that one of two sides is true (or false), the result is what both sides prove.
    """
    match node:
        case nodes.Not():
            return _proven(by_one, node.node, holds=not holds)
        case nodes.And() | nodes.Or():
            left, right = (_proven(by_one, side, holds=holds) for side in (node.left, node.right))
            return left | right if isinstance(node, nodes.And) == holds else left & right
        case _:
            return by_one(node, holds=holds)


def _not_null(node: nodes.Node | None, *, holds: bool) -> frozenset[Path]:  # noqa: PLR0911 - a table
    match node:
        case nodes.Test(name="none") if not holds:
            return _itself(node.node)  # a member of null is undefined, which is not none
        case nodes.Compare(ops=[nodes.Operand(op="eq", expr=nodes.Const(value=None))]) if not holds:
            return _only(node.expr)
        case _ if not holds:
            return _NOTHING
        case nodes.Test(name=name) if name in PRESENT:
            return _only(node.node)
        case nodes.Test(name="defined"):
            path = path_of(node.node)
            return _prefixes(path[:-1]) if len(path) > 2 else _NOTHING  # noqa: PLR2004 - a root and its member
        case nodes.Compare(ops=[nodes.Operand(op="ne", expr=nodes.Const(value=None))]):
            return _only(node.expr)
        case nodes.Compare(ops=[nodes.Operand(op="eq", expr=nodes.Const() as other)]) if other.value is not None:
            return _only(node.expr)
        case nodes.Compare(expr=nodes.Const(value=None), ops=[nodes.Operand(op="ne", expr=other)]):
            return _only(other)
        case nodes.Compare(expr=nodes.Const() as known, ops=[nodes.Operand(op="eq", expr=other)]) if known.value:
            return _only(other)
        case _:
            return _only(node)


def _null(node: nodes.Node | None, *, holds: bool) -> frozenset[Path]:
    return _itself(node.node) if holds and isinstance(node, nodes.Test) and node.name == "none" else _NOTHING


def _empty(node: nodes.Node | None, *, holds: bool) -> frozenset[Path]:
    return _null(node, holds=holds) if holds or isinstance(node, nodes.Test) else _itself(node)


def forks(node: nodes.Node | None) -> Forks:
    """Return the sets of references of which at least one is not null if an expression is true."""
    if isinstance(node, nodes.And):
        return forks(node.left) | forks(node.right)
    found: Forks = frozenset()
    for paths, is_full in ((alternatives(node), True), (_some(node), False)):
        if len(paths) > 1 and all(paths):
            found |= {(frozenset(paths), is_full)}
    return found


def _some(node: nodes.Node | None) -> list[Path]:
    """Return the references of `a is not none or b`; an empty one for any other node."""
    match node:
        case nodes.Or():
            return [*_some(node.left), *_some(node.right)]
        case nodes.Not(node=nodes.Test(name="none", node=asked_of)):
            return [path_of(asked_of)]
        case _:
            return [path_of(node)]


def alternatives(node: nodes.Node | None) -> list[Path]:
    """Return the references of `a or b or c`; an empty one for any other node."""
    if isinstance(node, nodes.Or):
        return [*alternatives(node.left), *alternatives(node.right)]
    return [path_of(node)]


def asked(node: nodes.Node | None) -> frozenset[Path]:
    """Return the references that an expression tests for null or for existence."""
    match node:
        case nodes.And() | nodes.Or():
            return asked(node.left) | asked(node.right)
        case nodes.Not():
            return asked(node.node)
        case nodes.Test(name="none" | "defined" | "undefined"):
            return _itself(node.node)
        case nodes.Compare(ops=[nodes.Operand(expr=nodes.Const(value=None))]):
            return _itself(node.expr)
        case nodes.Filter(name="select", args=[]) | nodes.Filter(name="reject", args=[nodes.Const(value="none")]):
            items = node.node.items if isinstance(node.node, nodes.List | nodes.Tuple) else []
            return frozenset(path for item in items for path in _only(item) if len(path) > 1)
        case _:
            return _itself(node)


def _itself(node: nodes.Node | None) -> frozenset[Path]:
    path = path_of(node)
    return frozenset({path}) if path else _NOTHING


def _only(node: nodes.Node | None) -> frozenset[Path]:
    """Return a reference and its prefixes, which are not null either because null has no members."""
    return _prefixes(path_of(node))


def _prefixes(path: Path) -> frozenset[Path]:
    return frozenset(path[:length] for length in range(1, len(path) + 1))
