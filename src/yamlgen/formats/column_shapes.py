"""The shapes of columns in formats with typed columns: from a JSON Schema of the rows, and from the rows themselves.

Owns which columns have a type of their own (strings, integers of 64 bits, numbers, booleans, lists, objects of known
members) and which become JSON text: mixed, recursive and free-form values, and integers that are too large.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from yamlgen.value_objects import JSON

JSON_TEXT: Final = "json"
"""The kind of a column whose values are written as JSON."""

_LARGEST: Final = 2**63
_EXACT: Final = 2**53
"""The limits of integers of 64 bits, and of integers that a double represents exactly."""

_MOST_MEMBERS: Final = 200
"""An object with more members is free-form."""

_DEEPEST: Final = 20

_KINDS: Final[Mapping[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_FITTING: Final[Mapping[str, frozenset[type]]] = {
    "boolean": frozenset({bool}),
    "integer": frozenset({int, float}),
    "number": frozenset({int, float}),
    "string": frozenset({str}),
    "array": frozenset({list}),
    "object": frozenset({dict}),
}
_NULL: Final = type(None)


@dataclass
class ColumnShape:
    """What the values of a column, or a part of them, may be.

    Attributes:
        kinds: the JSON types that occur, without null; `JSON_TEXT` if they cannot be one column.
        items: the shape of the items of lists.
        members: the shapes of the members of objects, in order.
        is_open: whether the schema allows anything, so that only the rows show what occurs.
        is_large: whether integers occur that a double does not represent exactly.
    """

    kinds: set[str] = field(default_factory=set)
    items: ColumnShape | None = None
    members: dict[str, ColumnShape] = field(default_factory=dict)
    is_open: bool = False
    is_large: bool = False

    @property
    def kind(self) -> str | None:
        """The only kind of the values; `None` if all are null."""
        kinds = self.kinds - {"integer"} if "number" in self.kinds else self.kinds
        if len(kinds) > 1 or JSON_TEXT in kinds or ("number" in kinds and self.is_large):
            return JSON_TEXT
        parts = [*([] if self.items is None else [self.items]), *self.members.values()]
        is_empty = kinds == {"object"} and not 0 < len(self.members) <= _MOST_MEMBERS
        if is_empty or any(part.kind == JSON_TEXT for part in parts):
            return JSON_TEXT
        return next(iter(kinds), None)

    @property
    def is_mixed(self) -> bool:
        """Whether values of several types occur."""
        kinds = self.kinds - {JSON_TEXT, "integer" if "number" in self.kinds else JSON_TEXT}
        parts = [*([] if self.items is None else [self.items]), *self.members.values()]
        return len(kinds) > 1 or any(part.is_mixed for part in parts)

    @property
    def is_supposed(self) -> bool:
        """Whether only the rows show what the values are."""
        parts = [*([] if self.items is None else [self.items]), *self.members.values()]
        return self.kind != JSON_TEXT and (self.is_open or any(part.is_supposed for part in parts))

    def declare(self, schema: JSON, root: JSON, seen: frozenset[str] = frozenset()) -> None:
        """Add what a JSON Schema, a part of `root`, allows."""
        if not isinstance(schema, Mapping):
            self.is_open |= bool(schema)
            return
        if "$ref" in schema:
            ref = str(schema["$ref"])
            target = _target(root, ref)
            if ref in seen:
                self.kinds.add(JSON_TEXT)
            elif target is None:
                self.is_open = True
            else:
                self.declare(target, root, seen | {ref})
            return
        branches = schema.get("anyOf") or schema.get("oneOf")
        if branches and "type" not in schema:
            for branch in branches:
                self.declare(branch, root, seen)
        elif "type" in schema:
            kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
            self.kinds.update(kind for kind in kinds if kind != "null")
            if "array" in kinds:
                self._declare_items(schema, root, seen)
            if "object" in kinds:
                self._declare_members(schema, root, seen)
        elif "const" in schema or "enum" in schema:
            self.observe(schema["enum"] if "enum" in schema else [schema["const"]])
        else:
            self.is_open = True

    def _declare_items(self, schema: Mapping[str, Any], root: JSON, seen: frozenset[str]) -> None:
        self.items = self.items or ColumnShape()
        first = schema.get("prefixItems", [])
        for part in first:
            self.items.declare(part, root, seen)
        rest = schema.get("items", not first)
        if rest is not False:
            self.items.declare(rest, root, seen)

    def _declare_members(self, schema: Mapping[str, Any], root: JSON, seen: frozenset[str]) -> None:
        members = schema.get("properties") or {}
        others = [schema.get("additionalProperties", False), schema.get("patternProperties", False)]
        if not members or any(other is not False for other in others):
            self.kinds.add(JSON_TEXT)
        for name, part in members.items():
            self.members.setdefault(name, ColumnShape()).declare(part, root, seen)

    def observe(self, values: Iterable[JSON], depth: int = 0) -> None:
        """Add what values are."""
        each = [value for value in values if value is not None]
        kinds = {_KINDS[kind] for kind in set(map(type, each))}
        self.kinds |= kinds
        if depth > _DEEPEST or len(self.members) > _MOST_MEMBERS:
            self.kinds.add(JSON_TEXT)
        if JSON_TEXT in self.kinds:
            return
        if "integer" in kinds:
            least, most = _range(each)
            self.is_large |= not -_EXACT <= least <= most <= _EXACT
            if not -_LARGEST <= least <= most < _LARGEST:
                self.kinds.add(JSON_TEXT)
        if "array" in kinds:
            self.items = self.items or ColumnShape()
            self.items.observe(_items(each), depth + 1)
        if "object" in kinds:
            for name, members in _members(each).items():
                self.members.setdefault(name, ColumnShape()).observe(members, depth + 1)

    def fits(self, values: Iterable[JSON]) -> bool:
        """Whether values can be written with this shape unchanged, apart from the sizes of integers."""
        kind = self.kind
        if kind == JSON_TEXT:
            return True
        each = values if isinstance(values, list) else list(values)
        found = set(map(type, each)) - {_NULL}
        if not found <= _FITTING.get(kind or "", frozenset()):
            return False
        if kind == "integer":
            return float not in found or all(type(value) is not float or value.is_integer() for value in each)
        if kind == "array":
            return self.items is None or self.items.fits(_items(each))
        if kind == "object":
            members = _members(each)
            return all(name in self.members and self.members[name].fits(part) for name, part in members.items())
        return True


def shapes_of(schema: Mapping[str, Any]) -> tuple[dict[str, ColumnShape], bool]:
    """Return the shapes of the columns of rows, from their JSON Schema.

    Args:
        schema: the schema of a row, an object.

    Returns:
        The shapes, and whether the rows may have other columns.
    """
    shapes: dict[str, ColumnShape] = {}
    for name, part in (schema.get("properties") or {}).items():
        shapes[name] = ColumnShape()
        shapes[name].declare(part, schema)
    return shapes, schema.get("additionalProperties") is not False


def text_columns(schema: Mapping[str, Any]) -> list[str]:
    """Return the columns that are known to become JSON text."""
    return [name for name, shape in shapes_of(schema)[0].items() if shape.kind == JSON_TEXT]


def mixed_columns(types: Mapping[str, JSON]) -> list[str]:
    """Return the columns that become JSON text whatever further rows contain."""
    shapes, _ = shapes_of({"type": "object", "properties": types})
    return [name for name, shape in shapes.items() if shape.is_mixed]


def observed_shapes(
    shapes: Mapping[str, ColumnShape], chunks: Iterable[list[dict[str, JSON]]]
) -> dict[str, ColumnShape]:
    """Return the shapes of the columns of rows, which are read once, in the order in which they appear.

    Args:
        shapes: what is known before; columns that no row has follow at the end.
        chunks: the rows, in lists.
    """
    made: dict[str, ColumnShape] = {}
    for chunk in chunks:
        for name, values in _members(chunk).items():
            if name not in made:
                made[name] = shapes.get(name) or ColumnShape()
            made[name].observe(values)
    return made | {name: shape for name, shape in shapes.items() if name not in made}


def as_text(value: JSON) -> str | None:
    """Return a value of a column of JSON text."""
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _range(values: Iterable[JSON]) -> tuple[int, int]:
    integers = [value for value in values if type(value) is int]
    return min(integers), max(integers)


def _items(values: Iterable[JSON]) -> Iterator[JSON]:
    return chain.from_iterable(value for value in values if type(value) is list)


def _members(values: Iterable[JSON]) -> dict[str, list[JSON]]:
    made: dict[str, list[JSON]] = {}
    for value in values:
        if type(value) is dict:
            for name, member in value.items():
                if name in made:
                    made[name].append(member)
                else:
                    made[name] = [member]
    return made


def _target(root: JSON, ref: str) -> JSON | None:
    """Return the part of a schema that a reference within it leads to; `None` for another kind of reference."""
    part = root
    for key in ref.removeprefix("#").split("/")[1:] if ref.startswith("#") else [""]:
        name = key.replace("~1", "/").replace("~0", "~")
        part = part.get(name) if isinstance(part, Mapping) else None
    return part
