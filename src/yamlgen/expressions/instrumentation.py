"""Count the work of a template: its filters and tests, and the operations that are added to its syntax tree.

Owns the rewriting of the syntax tree, which counts loop iterations, macros, comparisons, slices and `~`: Jinja executes
these in plain Python. The sandbox counts methods and the other operators.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, Final, TypeVar

from jinja2 import Undefined, nodes
from jinja2.runtime import Context
from jinja2.utils import pass_context
from jinja2.visitor import NodeTransformer

from yamlgen.expressions.operation_costs import compared, filtered, joined, tested
from yamlgen.expressions.render_limits import STEP, VALUE, make, spend, weight

_TURN: Final = "a turn of a loop"
_JOINED: Final = "texts side by side"
_COMPARED: Final = "a comparison"
_SLICED: Final = "a slice"
_WEIGHED: Final = "a value that is looked through"
_NODE: Final = 16
"""The cost of a syntax node each time it is executed."""

OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": lambda left, right: left in right,
    "notin": lambda left, right: left not in right,
}
"""The comparison operators, by Jinja's names."""


def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter: count its work, and return lists instead of iterators, which are true even if they are empty."""
    at = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def filter_(*args: Any, **kwargs: Any) -> Any:
        value, given = args[at], args[at + 1 :]
        if name == "indent" and not isinstance(value, str | Undefined):
            spend(weight(value))
            value = str(value)  # Jinja would append a line break to a list, which belongs to the row
        if name == "join":
            value, cost = joined(kwargs.get("d", given[0] if given else ""), value)
            spend(cost)
        else:
            spend(filtered(name, value, given, kwargs))
        made = function(*args[:at], value, *given, **kwargs)
        return list(made) if isinstance(made, Iterator) else made

    return filter_


def counted_test(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a test to count its work."""
    at = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def test(*args: Any) -> Any:
        spend(tested(name, args[at], args[at + 1 :]))
        return function(*args)

    return test


@pass_context
def _turn(context: Context, value: Any, cost: int) -> Any:  # noqa: ARG001 - prevents constant folding
    spend(cost)
    return value


@pass_context
def _weighed(context: Context, value: Any) -> Any:  # noqa: ARG001 - prevents constant folding
    spend(weight(value))
    return value


@pass_context
def _side_by_side(context: Context, parts: list[Any]) -> str:  # noqa: ARG001 - prevents constant folding
    found, cost = joined("", parts)
    spend(cost)
    return "".join(map(str, found))


@pass_context
def _compare(context: Context, left: Any, how: str, right: Any) -> Any:  # noqa: ARG001 - prevents constant folding
    spend(compared(how, left, right))
    return OPERATORS[how](left, right)


@pass_context
def _slice(context: Context, value: Any, start: Any, stop: Any, step: Any) -> Any:  # noqa: ARG001 - prevents constant folding
    part = slice(start, stop, step)
    if isinstance(value, str | bytes | list | tuple):
        make(VALUE + len(range(*part.indices(len(value)))))
    return value[part]


COUNTERS: Final[Mapping[str, Callable[..., Any]]] = {
    _TURN: _turn,
    _JOINED: _side_by_side,
    _COMPARED: _compare,
    _SLICED: _slice,
    _WEIGHED: _weighed,
}
"""The filters of a rewritten tree, under names that are not valid in a template."""


_Repeated = TypeVar("_Repeated", nodes.For, nodes.Macro, nodes.CallBlock)


class InstrumentingTransformer(NodeTransformer):
    """Rewrites a syntax tree to count the operations that Jinja executes in plain Python."""

    def _turned(self, node: _Repeated) -> _Repeated:
        parts = sum(_NODE for _ in node.find_all(nodes.Node))
        cost = STEP + parts + sum(len(text.data) for text in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_filter(_TURN, nodes.Const(None), nodes.Const(cost)), lineno=node.lineno))
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja's name
        """Count each iteration of a loop, and each evaluation of its `if`."""
        parts = _NODE * sum(1 for _ in node.test.find_all(nodes.Node)) if node.test is not None else 0
        self._turned(node)
        if node.test is not None:
            node.test = _filter(_TURN, node.test, nodes.Const(STEP + parts))
        return node

    visit_Macro = visit_CallBlock = _turned  # noqa: N815 - Jinja's names

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - Jinja's name
        """Count `a ~ b`."""
        self.generic_visit(node)
        return _filter(_JOINED, nodes.List(node.nodes, lineno=node.lineno))

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802 - Jinja's name
        """Count `a < b`; in `a < b < c`, which may stop before `c`, each operand is counted separately."""
        self.generic_visit(node)
        if len(node.ops) == 1:
            return _filter(_COMPARED, node.expr, nodes.Const(node.ops[0].op), node.ops[0].expr)
        node.expr = _filter(_WEIGHED, node.expr)
        for operand in node.ops:
            operand.expr = _filter(_WEIGHED, operand.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802 - Jinja's name
        """Count `a[1:2]`; the sandbox counts other subscripts."""
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        bounds = (node.arg.start, node.arg.stop, node.arg.step)
        return _filter(_SLICED, node.node, *(nodes.Const(None) if bound is None else bound for bound in bounds))

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802 - Jinja's name
        """Count `{a: b}`, which hashes its keys."""
        self.generic_visit(node)
        for pair in node.items:
            if not isinstance(pair.key, nodes.Const):
                pair.key = _filter(_WEIGHED, pair.key)
        return node


def _filter(name: str, value: nodes.Node, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, name, list(args), [], None, None, lineno=value.lineno or 1)
