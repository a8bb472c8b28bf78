"""How much one template may do and make: counted while it is filled in, and refused before it is built.

Owns the budget of a rendering, what an operation of Jinja would cost it, and the rewriting of a template's syntax
tree so that loops and macros are counted. Data nested many times into itself is counted as what it would print.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final

from jinja2 import Undefined, nodes
from jinja2.runtime import Context
from jinja2.utils import pass_context
from jinja2.visitor import NodeTransformer

MOST_MADE: Final = 1 << 23
"""The most characters and values that one operation may make."""
MOST_WORK: Final = 1 << 26
"""The most characters and values that one rendering may handle in all."""
STEP: Final = 64
"""What a turn of a loop, or a call, costs of it."""

_TURN: Final = "a turn of a loop"
_JOINED: Final = "texts side by side"
_DIGITS: Final = re.compile(r"\d+")
_PADDING: Final = frozenset({"ljust", "rjust", "center", "zfill", "to_bytes"})

_left: ContextVar[list[int] | None] = ContextVar("left", default=None)


@contextmanager
def budget() -> Iterator[None]:
    """One rendering, with the whole budget before it."""
    token = _left.set([MOST_WORK])
    try:
        yield
    finally:
        _left.reset(token)


def spend(cost: int) -> None:
    """Count an operation.

    Raises:
        OverflowError: it, or all until now, is more than a template may do.
    """
    if cost > MOST_MADE:
        raise OverflowError("an operation would make too much")
    left = _left.get()
    if left is not None:
        left[0] -= cost
        if left[0] < 0:
            raise OverflowError("the template does too much: its loops, calls or texts are too many")


def weight(value: Any) -> int:
    """About how many characters a value prints, at most a little more than `MOST_MADE`; lazy ones weigh nothing."""
    total, waiting = 0, [value]
    while waiting and total <= MOST_MADE:
        part = waiting.pop()
        total += 1
        if isinstance(part, str | bytes):
            total += len(part)
        elif isinstance(part, int):
            total += part.bit_length() // 3
        elif isinstance(part, Mapping):
            waiting.extend(part.keys())
            waiting.extend(part.values())
        elif isinstance(part, list | tuple | set | frozenset):
            waiting.extend(part)
    return total


def numbers(*values: Any) -> int:
    """The sum of what counts or widens among arguments."""
    return sum(abs(value) for value in values if isinstance(value, int))


def widths(template: str) -> int:
    """The sum of the numbers in a format."""
    return sum(int(run) if len(run) < len(str(MOST_MADE)) + 1 else MOST_MADE + 1 for run in _DIGITS.findall(template))


def formatted(template: str, values: Any) -> int:
    """What `template % values` would cost."""
    stars = numbers(*values) if "*" in template and isinstance(values, tuple) else 0
    return len(template) + widths(template) + stars + template.count("%") * weight(values)


def replaced(text: Any, args: tuple[Any, ...]) -> int:
    """What `text.replace(old, new)` would cost."""
    if len(args) < 2:  # noqa: PLR2004 - an old and a new text
        return 0
    old, new = args[:2]
    found = text.count(old) if old else len(text) + 1
    return len(text) + int(found) * len(new)


def joined(between: Any, parts: Iterable[Any]) -> list[Any]:
    """The parts of a join, all of them, when the join is allowed."""
    made, total, each = [], 0, weight(between)
    for part in parts:
        made.append(part)
        total += weight(part) + each
        if total > MOST_MADE:
            break
    spend(total)
    return made


def call_cost(called: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, tuple[Any, ...]]:
    """What a call would cost, with its arguments, which it may have had to look through."""
    owner, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
    if not isinstance(owner, str | bytes | int):
        return STEP, args
    cost = STEP + weight(owner) + weight(args)
    given = (*args, *kwargs.values())
    if name in _PADDING:
        cost += numbers(*given)
    elif name == "expandtabs":
        cost += len(owner) * max(8, numbers(*given))  # type: ignore[arg-type]  # a text's method
    elif name == "replace":
        cost += replaced(owner, given)
    elif name == "translate":
        cost *= max(1, weight(args))
    elif name == "join" and args:
        args = (joined(owner, args[0]), *args[1:])
    return cost, args


def binary_cost(operator: str, left: Any, right: Any) -> int:
    """What `left operator right` would cost."""
    if operator == "%" and isinstance(left, str | bytes):
        return formatted(left if isinstance(left, str) else left.decode("latin-1"), right)
    if operator == "+" and isinstance(left, str | bytes | list | tuple):
        return len(left) + len(right)
    if isinstance(left, int) and isinstance(right, int):
        return (weight(left) * max(1, right) if operator == "**" else weight(left) + weight(right)) ** 2 // STEP
    return 1


def _spend_on_filter(name: str, value: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Count a filter, and give back its value, which may have had to be looked through."""
    given = (*args, *kwargs.values())
    spend(STEP + weight(value) + weight(given))
    match name:
        case "center" | "batch" | "slice" | "round":
            spend(numbers(*given))
        case "indent":
            text = str(value)
            width = next((item for item in given if not isinstance(item, bool)), 4)
            spend((text.count("\n") + 1) * (width if isinstance(width, int) else len(width)))
        case "wordwrap":
            spend(weight(value) * max((len(item) for item in given if isinstance(item, str)), default=1))
        case "replace":
            spend(replaced(str(value), tuple(str(item) for item in given)))
        case "format":
            spend(formatted(str(value), kwargs or args))
        case "join":
            return joined(kwargs.get("d", args[0] if args else ""), value)
        case "tojson":
            spend(weight(value) * max(1, numbers(*given)))
    return value


def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that counts what it does, and gives lists: what is lazy holds whether or not there is anything in it."""
    at = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def filter_(*args: Any, **kwargs: Any) -> Any:
        value = _spend_on_filter(name, args[at], args[at + 1 :], kwargs)
        if name == "indent" and not isinstance(value, str | Undefined):
            value = str(value)  # Jinja would put a line break into a list, and the list is the row's own
        made = function(*args[:at], value, *args[at + 1 :], **kwargs)
        return list(made) if isinstance(made, Iterator) else made

    return filter_


@pass_context
def _turn(context: Context, value: Any, cost: int) -> Any:  # noqa: ARG001 - so that it is never folded
    spend(cost)
    return value


@pass_context
def _side_by_side(context: Context, parts: list[Any]) -> str:  # noqa: ARG001 - so that it is never folded
    return "".join(map(str, joined("", parts)))


COUNTERS: Final[Mapping[str, Callable[..., Any]]] = {_TURN: _turn, _JOINED: _side_by_side}
"""Filters that a rewritten tree uses, under names that no author can write."""


class Counting(NodeTransformer):
    """Rewrites a tree so that turns of loops, macros and `~` are counted."""

    def _turned(self, node: nodes.For | nodes.Macro | nodes.CallBlock) -> nodes.Node:
        self.generic_visit(node)
        cost = STEP + sum(len(text.data) for text in node.find_all(nodes.TemplateData))
        node.body.insert(0, nodes.ExprStmt(_filter(_TURN, nodes.Const(None), cost), lineno=node.lineno))
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja's name
        """A loop: each turn, and each look at an `if` beside it."""
        if node.test is not None:
            node.test = _filter(_TURN, node.test, STEP)
        return self._turned(node)

    visit_Macro = visit_CallBlock = _turned  # noqa: N815 - Jinja's names

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - Jinja's name
        """`a ~ b`."""
        self.generic_visit(node)
        return _filter(_JOINED, nodes.List(node.nodes, lineno=node.lineno))


def _filter(name: str, value: nodes.Node, *args: int) -> nodes.Filter:
    return nodes.Filter(value, name, [nodes.Const(arg) for arg in args], [], None, None, lineno=value.lineno or 1)
