"""Determine whether an operation can work on values of some types, by trying it on samples in the sandbox.

Owns the samples, and the decision which failures mean that the types do not fit. Failures that other values of the same
types may avoid (a missing key, a division by zero, too large a result) do not count. Empty strings and lists are never
samples, because many operations do nothing on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import islice, product
from typing import Any, Final, TypeAlias

from jinja2 import Undefined, nodes
from jinja2.exceptions import FilterArgumentError, SecurityError, UndefinedError
from jinja2.runtime import Context

from yamlgen.expressions import type_inference
from yamlgen.expressions.jinja_environment import sandbox
from yamlgen.expressions.narrowing import path_of
from yamlgen.expressions.render_limits import RenderBudget
from yamlgen.expressions.static_types import Absent, ListLiteralView, NamespaceView, SchemaView, TypeView

Operation: TypeAlias = Callable[..., Any]
"""A function of the operands' values."""

Operand: TypeAlias = tuple[nodes.Node, TypeView]
"""A syntax node and its type."""

_MOST: Final = 400
"""Maximum number of combinations of samples; if there are more, the operation is assumed to work."""
_DEPTH: Final = 3
_MEMBERS: Final = 6
"""Maximum number of members of an object in a sample."""
_LISTED: Final = 20
"""Maximum number of listed values, or of combinations of items, that are used as samples."""

_SCALARS: Final[Mapping[str, Sequence[Any]]] = {
    "integer": (3, 4),
    "number": (2.5, 2),
    "string": ("ab", "12"),
    "boolean": (True, False),
    "null": (None,),
}
_KINDS: Final = ("integer", "number", "string", "array", "object", "boolean", "null")
_UNFIT: Final = (TypeError, AttributeError, UndefinedError, SecurityError, FilterArgumentError)

_WANTED: Final[Mapping[str, Sequence[Any]]] = {
    "number": (2.5,),
    "integer": (3,),
    "array": ([2, 1], ["a", "b"], [["a", 1], ["b", 2]], [{"a": 1}, {"a": 2}]),
    "string": ("a", "12"),
    "object": ({"a": 1, "b": 2},),
}
"""Samples of the types that may have been meant instead of a wrong one, the likeliest first."""


def failure(operation: Operation, operands: Sequence[Operand]) -> Exception | None:
    """Return the error of an operation that fails for all values of these types; `None` if it may work for some."""
    is_all = all(_is_written(node) or _listed(view) for node, view in operands)
    unfit = (Exception,) if is_all else _UNFIT
    last: Exception | None = None
    with RenderBudget():
        for number, values in enumerate(islice(product(*(samples(*operand) for operand in operands)), _MOST + 1)):
            if number == _MOST:
                return None
            try:
                made = operation(*values)
            except unfit as error:
                last = error
            except Exception:  # noqa: BLE001 - another value of the type may avoid it
                return None
            else:
                if not _is_missing(made):
                    return None
                last = last or UndefinedError("there is no such member")
    return last


def blamed(operation: Operation, operands: Sequence[Operand], first: int = 0) -> tuple[int, str] | None:
    """Return the index of the operand whose type is wrong, and the type with which the operation works.

    `None` if no change of one type helps, or if only the items of a list have the wrong type.

    Args:
        operation: the operation, which fails for all values of the operands.
        operands: the operands.
        first: the index of the first operand that can be wrong.
    """
    values = [samples(node, view) for node, view in operands]
    places = sorted(
        range(first, len(operands)), key=lambda at: (_is_written(operands[at][0]), not path_of(operands[at][0]))
    )
    for together in (False, True):
        for at in places:
            if "array" in operands[at][1].types() and not _is_written(operands[at][0]):
                others = [_WANTED["array"] if other == at else each for other, each in enumerate(values)]
                if _succeeds(operation, others):
                    return None
            for kind, wanted in _WANTED.items():
                if kind in operands[at][1].types():
                    continue
                changed = [
                    wanted if other == at or (together and other in places and each == values[at]) else each
                    for other, each in enumerate(values)
                ]
                if _succeeds(operation, changed):
                    return at, kind
    return None


def _succeeds(operation: Operation, operands: Sequence[Sequence[Any]]) -> bool:
    with RenderBudget():
        for values in islice(product(*operands), _MOST):
            try:
                made = operation(*values)
            except Exception:  # noqa: BLE001, S112 - the next values may work
                continue
            if not _is_missing(made):
                return True
    return False


def _is_missing(made: Any) -> bool:
    """Whether a result is undefined, or a list of undefined values."""
    if isinstance(made, list) and made:
        return all(isinstance(each, Undefined) for each in made)
    return isinstance(made, Undefined)


def _is_written(node: nodes.Node) -> bool:
    """Whether a node is a literal."""
    return isinstance(node, nodes.Literal)


def samples(node: nodes.Node, view: TypeView) -> Sequence[Any]:
    """Return sample values of an operand: its value if it is a literal, else some values of each possible type."""
    if isinstance(node, nodes.Literal):
        try:
            return [node.as_const(nodes.EvalContext(sandbox()))]
        except nodes.Impossible:
            pass
    found = _samples(view, _DEPTH)
    return list(map(tuple, found)) if isinstance(node, nodes.Tuple) else found


def _samples(view: TypeView, depth: int) -> list[Any]:
    listed = _listed(view)
    if listed:
        return listed
    if isinstance(view, ListLiteralView):
        each = product(*(_samples(item, depth - 1) for item in view.items))
        return [list(items) for items in islice(each, _LISTED)]
    kinds = view.types()
    return [value for kind in _KINDS if not kinds or kind in kinds for value in _of_kind(kind, view, depth)]


def _schema(view: TypeView) -> Mapping[str, Any]:
    """Return the schema of a type; references are not followed."""
    view = view.solid()
    schema = view.part.schema if isinstance(view, SchemaView) else None
    return schema if isinstance(schema, dict) else {}


def _listed(view: TypeView) -> list[Any]:
    """Return all possible values, if they are listed and few."""
    schema = _schema(view)
    listed = [schema["const"]] if "const" in schema else schema.get("enum", ())
    return list(listed) if len(listed) <= _LISTED else []


def _of_kind(kind: str, view: TypeView, depth: int) -> Sequence[Any]:
    if kind in _SCALARS:
        return _SCALARS[kind]
    return _lists(view, depth) if kind == "array" else _objects(view, depth)


def _lists(view: TypeView, depth: int) -> list[list[Any]]:
    """Return lists of two items of one type, for each type that items may have."""
    item = type_inference.item_of(view)
    if depth <= 0:
        return (
            [["ab", "12"]] if item.types() else [["ab", "12"], [2, 1], [_PartialObject({}, 2), _PartialObject({}, 1)]]
        )
    kinds, listed = item.types(), _listed(item)
    pairs = [listed[:2]] if listed else []
    for kind in _KINDS:
        if not listed and (not kinds or kind in kinds):
            each = list(_of_kind(kind, item, depth - 1))
            pairs += [each[at : at + 2] for at in range(0, len(each), 2)]
            pairs += [[one, one] for one in each] if kind == "object" and len(each) > 2 else []  # noqa: PLR2004 - a pair
    if not kinds:
        pairs += [[["a", 1], ["b", 2]], [1, "a"]]
    most = _schema(view).get("maxItems", 2)
    return [(items if len(items) > 1 else items * 2)[:most] for items in pairs]


def _objects(view: TypeView, depth: int) -> list[dict[str, Any]]:
    """Return objects with the known members, with two values of each type that a member may have."""
    schema = _schema(view)
    names = list(view.members if isinstance(view, NamespaceView) else schema.get("properties", ()))
    is_closed = depth > 0 and len(names) <= _MEMBERS and (isinstance(view, NamespaceView) or _is_closed(schema))
    members: dict[str, list[Any]] = {}
    for name in names[: _MEMBERS if depth > 0 else 0]:
        with suppress(Absent):
            members[name] = _samples(view.member(name), depth - 1)
    rests = [2, 1, "ab", "12", [2, 1], [1, 2], _PartialObject({}, "ab"), _PartialObject({}, "12")]
    most = max([2, *map(len, members.values())]) if is_closed else len(rests)
    made = [{name: each[turn % len(each)] for name, each in members.items()} for turn in range(most)]
    return made if is_closed else [_PartialObject(each, rests[turn % len(rests)]) for turn, each in enumerate(made)]


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether only the members that a schema declares itself are allowed."""
    return schema.get("additionalProperties") is False and schema.keys().isdisjoint(
        ("patternProperties", "$ref", "allOf", "anyOf", "oneOf")
    )


class _PartialObject(dict[str, Any]):
    """An object with unknown members, which all have the same value."""

    def __init__(self, known: Mapping[str, Any], rest: Any) -> None:
        super().__init__({"a": rest, "b": rest, **known})
        self.rest = rest

    def __contains__(self, key: object) -> bool:
        return hash(key) is not None and isinstance(key, str)

    def __missing__(self, key: object) -> Any:
        if isinstance(key, str):
            return self.rest
        raise KeyError(key)


def flat(operation: Operation, operands: Sequence[Operand], first: int = 0) -> tuple[Operation, list[Operand]]:
    """Return the same operation as a function of the items of its list literals.

    Args:
        operation: the operation.
        operands: the operands.
        first: the index of the first operand that is split into items.
    """
    parts: list[Operand] = []
    shapes: list[tuple[type, int] | None] = []
    for at, (node, view) in enumerate(operands):
        if at >= first and isinstance(node, nodes.List | nodes.Tuple) and isinstance(view, ListLiteralView):
            parts += zip(node.items, view.items, strict=True)
            shapes.append((tuple if isinstance(node, nodes.Tuple) else list, len(node.items)))
        else:
            parts.append((node, view))
            shapes.append(None)

    def work(*values: Any) -> Any:
        left = iter(values)
        return operation(*(next(left) if shape is None else shape[0](islice(left, shape[1])) for shape in shapes))

    return work, parts


@lru_cache(maxsize=1)
def _context() -> Context:
    return sandbox().from_string("").new_context()


def a_filter(name: str, positional: int, names: Sequence[str]) -> Operation:
    """Return the operation of a filter, with a number of positional arguments after the value, and named arguments."""

    def work(value: Any, *given: Any) -> Any:
        named = dict(zip(names, given[positional:], strict=True))
        return sandbox().call_filter(name, value, given[:positional], named, _context())

    return work


def a_test(name: str) -> Operation:
    """Return the operation of a test."""
    return lambda value, *given: sandbox().call_test(name, value, given, None, _context())


def a_method(name: str, positional: int, names: Sequence[str]) -> Operation:
    """Return the operation of calling a method of the first operand."""

    def work(owner: Any, *given: Any) -> Any:
        method = getattr(owner, name) if isinstance(owner, Mapping) else sandbox().getattr(owner, name)
        try:
            return a_call(positional, names)(method, *given)
        except ValueError as error:
            if name != "format":
                raise
            raise TypeError(str(error)) from None  # such as for `{:.2f}`, which fails for every string

    return work


def a_call(positional: int, names: Sequence[str]) -> Operation:
    """Return the operation of calling the first operand."""

    def work(function: Any, *given: Any) -> Any:
        named = dict(zip(names, given[positional:], strict=True))
        return sandbox().call(_context(), function, *given[:positional], **named)

    return work


def a_function(name: str, positional: int, names: Sequence[str]) -> Operation:
    """Return the operation of calling a global function, such as `range`."""

    def work(*given: Any) -> Any:
        if positional and name in ("dict", "namespace") and isinstance(given[0], str):
            raise TypeError("a string is not a list of pairs")
        return a_call(positional, names)(sandbox().globals[name], *given)

    return work


def an_operator(node: nodes.BinExpr | nodes.UnaryExpr) -> Operation:
    """Return the operation of a binary operator such as `left + right`, or of `-number`."""
    if isinstance(node, nodes.BinExpr):
        return lambda left, right: sandbox().call_binop(_context(), node.operator, left, right)
    return lambda value: sandbox().call_unop(_context(), node.operator, value)


def item(owner: Any, key: Any) -> Any:
    """Compute `owner[key]`; every integer index and every string key may exist."""
    if isinstance(owner, Mapping) and not isinstance(key, str):
        return sandbox().undefined(obj=owner, name=key)
    if isinstance(owner, Mapping) or (isinstance(owner, str | list) and isinstance(key, int)):
        return None
    return sandbox().getitem(owner, key)


def part(owner: Any, *bounds: Any) -> Any:
    """Compute `owner[start:stop:step]`."""
    if isinstance(owner, Mapping):
        raise TypeError("a mapping has no order to slice")
    return owner[slice(*bounds)]


def apart(value: Any) -> None:
    """Try `a, b = value`; the number of items depends on the value."""
    iter(value)


def each_apart(value: Any) -> None:
    """Try `for a, b in value`; unpacking the characters of a string or the keys of a mapping is an error."""
    if isinstance(value, str | Mapping):
        raise TypeError("its items are strings")
    for each in value:
        apart(each)


def key(value: Any) -> Any:
    """Try a value as the key of a mapping."""
    return {value: None}
