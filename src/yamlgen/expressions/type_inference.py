"""Infer the type of the result of an operator, a filter or a method from the types of its operands.

Owns the tables of the result types of Jinja's operations. Soundness comes before precision: a result that depends on
values, or is not listed here, is `ANYTHING`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from jinja2 import nodes

from yamlgen.expressions.narrowing import PRESENT
from yamlgen.expressions.static_types import (
    ANYTHING,
    METHODS,
    Absent,
    ListLiteralView,
    NamespaceView,
    SchemaView,
    TypeView,
)
from yamlgen.schemas.types import Type, any_of, list_of, object_of, observed, union

TEXT: Final = SchemaView.of(Type({"type": "string"}), "the string")
INTEGER: Final = SchemaView.of(Type({"type": "integer"}), "the number")
BOOLEAN: Final = SchemaView.of(Type({"type": "boolean"}), "the condition")
INTEGERS: Final = SchemaView.of(Type({"type": "array", "items": {"type": "integer"}}), "the list")
_NUMBER: Final = SchemaView.of(Type({"type": "number"}), "the number")
_TEXTS: Final = SchemaView.of(Type({"type": "array", "items": {"type": "string"}}), "the list")

DATA: Final = SchemaView.of(Type({"type": [*METHODS, "object", "null"]}), "the value")
"""The type of any JSON value."""

LOOP: Final = SchemaView.of(Type({}), "loop")
"""The type of the variable `loop`; for its members see `of_loop`."""

_EMPTY: Final = {"type": "array", "maxItems": 0}
"""The type of an empty list."""

_A_LIST: Final = SchemaView.of(Type({"type": "array"}), "the list")

_NUMBERS: Final = frozenset({"integer", "number"})
_LIST: Final = frozenset({"array"})
_STRING: Final = frozenset({"string"})

NULL_SAFE: Final = frozenset({"default", "d", "tojson"})
"""Filters that accept null."""

TO_TEXT: Final = (
    *("upper", "lower", "title", "capitalize", "trim", "striptags", "string", "replace", "indent", "join"),
    *("wordwrap", "center", "tojson", "format", "urlencode", "escape", "e", "forceescape", "filesizeformat"),
)
_MAKE: Final = {**dict.fromkeys(TO_TEXT, TEXT), **dict.fromkeys(("length", "count", "wordcount"), INTEGER)}
_KEEP_LIST: Final = frozenset({"sort", "unique", "reverse", "list", "select", "reject", "selectattr", "rejectattr"})
_KEEP_ALL: Final = frozenset({"sort", "reverse", "list"})
_ONE_ITEM: Final = frozenset({"first", "last", "min", "max"})
_FROM_LIST: Final = _KEEP_LIST | _ONE_ITEM | {"map", "sum"}


def is_null_safe(node: nodes.Filter) -> bool:
    """Whether a filter accepts null."""
    return node.name in NULL_SAFE or (node.name in ("int", "float") and bool(node.args or node.kwargs))


def constant(value: Any) -> TypeView:
    """Return the type of a constant in an expression."""
    return SchemaView.of(Type(observed([value])), "the value") if value is None or _is_plain(value) else ANYTHING


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bool | int) or (isinstance(value, float) and abs(value) < float("inf"))


def values_of(view: TypeView) -> list[Any] | None:
    """Return all possible values, if the schema lists them."""
    known = view.solid().type().schema
    return [known["const"]] if "const" in known else known.get("enum")


def sequence(items: Sequence[TypeView]) -> TypeView:
    """Return the type of a list literal."""
    if not items:
        return SchemaView.of(Type(_EMPTY), "the list")
    made = list_of(union(item.type() for item in items), len(items), len(items))
    return ListLiteralView(made, made.schema, "the list", tuple(items))


def mapping(node: nodes.Dict, values: Sequence[TypeView]) -> TypeView:
    """Return the type of a mapping literal."""
    keys = [pair.key.value if isinstance(pair.key, nodes.Const) else None for pair in node.items]
    if not all(isinstance(key, str) for key in keys):
        return ANYTHING
    members = {str(key): value.type() for key, value in zip(keys, values, strict=True)}
    return SchemaView.of(object_of(members), "the mapping")


def either(left: TypeView, right: TypeView) -> TypeView:
    """Return the type of one of two values."""
    known = left.type()
    if right.type().schema == _EMPTY and known.schema.get("type") == "array":  # as in `steps.x or []`
        bare = {key: value for key, value in known.schema.items() if key != "minItems"}
        return SchemaView.of(Type(bare, known.nulls), "the list")
    return SchemaView.of(union([left.type(), right.type()]), "the value")


def truthy(view: TypeView) -> TypeView:
    """Return the type of a value that is known to be true, and so not null."""
    made = view.solid().type()
    kinds, branches = made.schema.get("type"), made.branches()
    if isinstance(kinds, list) and "null" in kinds:
        made = replace(made, schema={**made.schema, "type": [kind for kind in kinds if kind != "null"]})
    elif branches and kinds != "null":
        made = any_of([each for each in branches if each.schema != {"type": "null"}] or branches, made.schema)
    else:
        return view.solid()
    return SchemaView.of(made, getattr(view, "name", "the value"))


_CLASS: Final = {"integer": "n", "number": "n", "boolean": "n"}


def may_equal(left: frozenset[str], right: frozenset[str]) -> bool:
    """Whether values of these types can be equal; unknown types can."""
    lefts, rights = ({_CLASS.get(kind, kind) for kind in kinds} for kinds in (left, right))
    return not lefts or not rights or not lefts.isdisjoint(rights)


def negated(view: TypeView) -> TypeView:
    """Return the type of `-value`."""
    kinds = view.types()
    return INTEGER if kinds == {"integer"} else _NUMBER if kinds and kinds <= _NUMBERS else ANYTHING


def member_of(view: TypeView, key: str) -> TypeView:
    """Return the type of the member that hides a mapping's method of this name; `ANYTHING` if none is certain."""
    view = view.solid()
    if isinstance(view, NamespaceView):
        return view.members.get(key, ANYTHING)
    required = view.type().schema.get("required", ())
    try:
        return view.member(key) if key in required else ANYTHING
    except Absent:
        return ANYTHING


def arithmetic(operator: str, left: TypeView, right: TypeView) -> TypeView:
    """Return the type of `left operator right`."""
    kinds = (left.types(), right.types())
    if all(kind and kind <= _NUMBERS for kind in kinds):
        whole = operator in ("add", "sub", "mul") and all(kind == {"integer"} for kind in kinds)
        return INTEGER if whole else _NUMBER if operator != "pow" else ANYTHING
    if operator == "add" and kinds == (_STRING, _STRING):
        return TEXT
    if operator == "mul" and set(kinds) == {_STRING, frozenset({"integer"})}:
        return TEXT
    if operator == "mul" and _LIST in kinds and kinds[0] != kinds[1]:
        listed = left if kinds[0] == _LIST else right
        other = kinds[1] if kinds[0] == _LIST else kinds[0]
        return _list_of(item_of(listed).type()) if other == {"integer"} else ANYTHING
    if operator == "add" and kinds == (_LIST, _LIST):
        return _list_of(union([item_of(left).type(), item_of(right).type()]))
    return ANYTHING


def _list_of(item: Type, least: int = 0, most: int | None = None) -> TypeView:
    return SchemaView.of(list_of(item, least, most), "the list")


def item_of(view: TypeView) -> TypeView:
    """Return the type of a list's items; `ANYTHING` if it is unknown."""
    try:
        return view.element()
    except Absent:
        return ANYTHING


def sliced(owner: TypeView) -> TypeView:
    """Return the type of a slice of a list or a string, as in `steps.a[:3]`."""
    if owner.types() == _LIST:
        return _list_of(item_of(owner).type())
    return TEXT if owner.types() == _STRING else ANYTHING


def indexed(owner: TypeView) -> TypeView:
    """Return the type of a list's item at a computed index, as in `steps.a[item_index]`."""
    return item_of(owner) if owner.types() == _LIST else ANYTHING


def filtered(node: nodes.Filter, view: TypeView, args: Sequence[TypeView]) -> TypeView:
    """Return the type of a filter's result."""
    name, kinds = node.name, view.types()
    if name in _MAKE:
        return _MAKE[name]
    if name in ("default", "d"):
        return _defaulted(node, view, args)
    if name in ("int", "float"):
        return ANYTHING if node.args or node.kwargs else INTEGER if name == "int" else _NUMBER
    if name in ("round", "abs") and kinds and kinds <= _NUMBERS:
        return _NUMBER if name == "round" else SchemaView.of(Type({"type": sorted(kinds)}), "the number")
    if kinds == _LIST and name in _FROM_LIST:
        return _from_list(node, view)
    return _sequenced(name, kinds)


def _sequenced(name: str, kinds: frozenset[str]) -> TypeView:
    """Return the result type of a filter that iterates over any value."""
    if name in ("items", "dictsort", "batch", "slice", "groupby"):
        return _A_LIST
    if name == "list" and kinds and kinds <= {"string", "object"}:
        return _TEXTS
    return TEXT if kinds == _STRING and name in ("reverse", "first", "last") else ANYTHING


def _defaulted(node: nodes.Filter, view: TypeView, args: Sequence[TypeView]) -> TypeView:
    given = args[0] if args else TEXT
    if node.kwargs and not args:
        return ANYTHING
    return either(truthy(view) if replaces_null(node) else view, given)


def replaces_null(node: nodes.Filter) -> bool:
    """Whether a `default` also replaces null, which its second argument determines."""
    boolean = node.args[1] if len(node.args) > 1 else next((k.value for k in node.kwargs if k.key == "boolean"), None)
    return isinstance(boolean, nodes.Const) and bool(boolean.value)


def _from_list(node: nodes.Filter, view: TypeView) -> TypeView:
    item, name, known = item_of(view), node.name, view.type().schema
    least, most = known.get("minItems", 0), known.get("maxItems")
    if name in _KEEP_LIST:
        asks_null = name == "select" and (not node.args or _value(node.args[0]) in PRESENT)
        asks_null |= name == "reject" and [_value(arg) for arg in node.args] == ["none"]
        return _list_of((item.solid() if asks_null else item).type(), least if name in _KEEP_ALL else 0, most)
    if name in _ONE_ITEM:
        return item
    if name == "map":
        return _list_of(_mapped(node, item).type(), least, most)
    if name == "sum" and not node.args and all(pair.key == "attribute" for pair in node.kwargs):
        summed = mapped_attribute(node, item)
        kinds = summed.types()
        return INTEGER if kinds == {"integer"} else _NUMBER if kinds and kinds <= _NUMBERS else ANYTHING
    return _joined(node, view) if name == "sum" else ANYTHING


def _joined(node: nodes.Filter, view: TypeView) -> TypeView:
    """Return the type of a list of lists as one list, as `sum(start=[])` makes it."""
    start = next((pair.value for pair in node.kwargs if pair.key == "start"), None)
    if node.args or not isinstance(start, nodes.List) or start.items:
        return ANYTHING
    attributes = [pair for pair in node.kwargs if pair.key == "attribute"]
    inner = mapped_attribute(node, item_of(view)) if attributes else item_of(view)
    if inner.types() != _LIST:
        return ANYTHING
    lists, items = view.type().schema, inner.type().schema
    most = lists.get("maxItems"), items.get("maxItems")
    least = lists.get("minItems", 0) * items.get("minItems", 0)
    return _list_of(item_of(inner).type(), least, None if None in most else math.prod(most))


def _mapped(node: nodes.Filter, item: TypeView) -> TypeView:
    names = {pair.key for pair in node.kwargs}
    if names == {"attribute"} and not node.args:
        return mapped_attribute(node, item)
    if not names and len(node.args) == 1:
        return _MAKE.get(str(_value(node.args[0])), ANYTHING)
    return ANYTHING


def attribute_of(node: nodes.Filter) -> str | None:
    """Return the attribute of the items that a filter reads, if it is a constant."""
    if node.name in ("selectattr", "rejectattr"):
        asks = [_value(arg) for arg in node.args]
        return None if {"defined", "undefined"} & set(asks[1:]) else next(map(str, asks), None)
    if node.name == "map" and node.args:  # it names a filter, which has the attribute
        return None
    given = next((pair.value for pair in node.kwargs if pair.key == "attribute"), None)
    value = _value(node.args[0] if node.name == "groupby" and node.args else given)
    return value if isinstance(value, str) and "," not in value else None


def mapped_attribute(node: nodes.Filter, item: TypeView) -> TypeView:
    """Return the type of the `attribute` of an item that a filter reads.

    Raises:
        Absent: no item can have the attribute.
    """
    attribute = attribute_of(node)
    if attribute is None:
        return item if not node.kwargs else ANYTHING
    for key in attribute.split("."):
        item = item.solid().member(int(key) if key.isdigit() else key)
    return item


def _value(node: nodes.Node | None) -> Any:
    return node.value if isinstance(node, nodes.Const) else None


def called(method: str, owner: TypeView) -> TypeView:
    """Return the result type of a method of a string or a mapping."""
    if owner.types() == _STRING:
        if method in ("split", "rsplit", "splitlines"):
            return _TEXTS
        if method in ("upper", "lower", "strip", "lstrip", "rstrip", "title", "capitalize", "replace", "join"):
            return TEXT
        if method in ("startswith", "endswith", "isdigit", "isalpha", "islower", "isupper"):
            return BOOLEAN
    if method == "keys":
        return _TEXTS
    members = owner.members.values() if isinstance(owner, NamespaceView) and owner.complete else ()
    made = union(member.type() for member in members)
    items = {"values": made, "items": list_of(union([TEXT.type(), made]), 2, 2)}
    return _list_of(items[method]) if method in items else ANYTHING


def of_loop(member: str) -> TypeView:
    """Return the type of a member of `loop`."""
    counts = ("index", "index0", "revindex", "revindex0", "length", "depth", "depth0")
    return INTEGER if member in counts else BOOLEAN if member in ("first", "last") else ANYTHING


def parts(view: TypeView, count: int) -> Sequence[TypeView]:
    """Return the types of the names that a value is unpacked into."""
    if isinstance(view, ListLiteralView) and len(view.items) == count:
        return view.items
    return [item_of(view) if view.types() == _LIST else ANYTHING] * count
