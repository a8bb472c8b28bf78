"""The static types of the names in a template: row, params, steps and their members.

Owns the lookup of members in a JSON Schema: whether a value that the schema accepts can have a member, and its type. A
member is `Absent` only if no accepted value can have it; an unknown type is `ANYTHING`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from yamlgen.errors import Code
from yamlgen.schemas.author_schema import json_schema
from yamlgen.schemas.type_words import spoken
from yamlgen.schemas.types import Type, any_of, distinct, kind_of, referred, standing, with_integers
from yamlgen.value_objects import JSON

_MOST_REFS: Final = 32
_MOST_PARTS: Final = 2000
"""Maximum number of subschemas visited in one lookup: nested unions by reference double at each level."""

_UNIONS: Final = ("anyOf", "oneOf")
_LOOPED: Final = frozenset({"array", "object", "string"})
_UNKNOWN: Final[frozenset[str]] = frozenset()
_TEXT: Final = Type({"type": "string"})

METHODS: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "array": (list,),
    "integer": (int,),
    "number": (float, int),
    "boolean": (bool,),
}
"""The Python classes with the methods of a value, by its type; objects are not included."""


def has_method(kinds: Collection[str], name: str) -> bool:
    """Whether a value of one of these types, objects excluded, has a method of this name."""
    return not name.startswith("_") and any(hasattr(each, name) for kind in kinds for each in METHODS.get(kind, ()))


class Absent(Exception):  # noqa: N818 - not an error: no value can have this member
    """No value can have this member; `known` lists the members that exist, and `hint` is its own, if it has one."""

    def __init__(self, code: Code, message: str, known: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.known = known
        self.hint = hint


class TypeView(Protocol):
    """The static type of a value, known before any row runs."""

    @property
    def null(self) -> str | None:
        """Why yamlgen may make the value null; `None` if it may not. A null in the author's schema has no reason."""
        ...

    def solid(self) -> TypeView:
        """Return the type without the null that has a reason."""
        ...

    def member(self, key: str | int) -> TypeView:
        """Return the type of the member under `key` of the solid value.

        Raises:
            Absent: no value of this type has the member.
        """
        ...

    def element(self) -> TypeView:
        """Return the type of the items in a loop over the solid value.

        Raises:
            Absent: the value is not iterable.
        """
        ...

    def types(self) -> frozenset[str]:
        """Return the JSON Schema types that the value may have; empty if they are unknown."""
        ...

    def type(self) -> Type:
        """Return the type as a self-contained `Type`."""
        ...


class _Anything:
    null: str | None = None

    def solid(self) -> TypeView:
        return ANYTHING

    def member(self, key: str | int) -> TypeView:  # noqa: ARG002 - any key
        return ANYTHING

    def element(self) -> TypeView:
        return ANYTHING

    def types(self) -> frozenset[str]:
        return _UNKNOWN

    def type(self) -> Type:
        return Type({})


ANYTHING: Final[TypeView] = _Anything()


@dataclass(frozen=True, slots=True)
class NamespaceView:
    """A closed set of names: `params`, `steps`, or the columns of a CSV file.

    Attributes:
        complete: whether each name exists in every row.
        hints: names that are known not to exist, each with a message and a hint.
    """

    code: Code
    what: str
    members: Mapping[str, TypeView]
    complete: bool = False
    hints: Mapping[str, tuple[str, str]] | None = None

    @property
    def null(self) -> str | None:
        """Always `None`: a namespace is never null."""
        return None

    def solid(self) -> TypeView:
        """Return the view itself."""
        return self

    def member(self, key: str | int) -> TypeView:
        """Return the type of a name."""
        if key in self.members:
            return self.members[str(key)]
        if self.hints is not None and str(key) in self.hints:
            raise Absent(self.code, self.hints[str(key)][0], tuple(self.members), self.hints[str(key)][1])
        raise Absent(self.code, f"unknown {self.what} `{key}`", tuple(self.members))

    def element(self) -> TypeView:
        """Return the type of the names, which a loop yields."""
        return text_view(f"the {self.what}'s name")

    def types(self) -> frozenset[str]:
        """Return `object`."""
        return frozenset({"object"})

    def type(self) -> Type:
        """Return the type of any object."""
        return Type({"type": "object"})


@dataclass(frozen=True, slots=True)
class SchemaView:
    """The static type of a value with a JSON Schema.

    Attributes:
        part: the type, as a part of `root`.
        root: the schema in which references are resolved.
        name: the value's name in messages.
    """

    part: Type
    root: JSON
    name: str

    @classmethod
    def of(cls, known: Type, name: str) -> SchemaView:
        """Return the view of a self-contained type, with a name for messages."""
        return cls(known, known.schema, name)

    @property
    def null(self) -> str | None:
        """Why the value may be null, from its type."""
        return self.part.why_null

    def solid(self) -> SchemaView:
        """Return the view without the null that has a reason."""
        return SchemaView(self.part.solid(), self.root, self.name)

    def types(self) -> frozenset[str]:
        """Return the types that the schema allows, including null if the value may be null."""
        return _Kinds(self.root).of(self.part.schema, _MOST_REFS)

    def type(self) -> Type:
        """Return the type, with the definitions that its schema refers to."""
        return standing(self.part, self.root)

    def member(self, key: str | int) -> TypeView:
        """Return the type of the member that an accepted value may have under `key`."""
        if isinstance(key, int):
            return self._found(lambda part, kinds: self._item(part, kinds, key))
        return self._found(lambda part, kinds: self._own(part, kinds, key))

    def element(self) -> TypeView:
        """Return the type of a list's items, an object's keys, or a string's characters."""
        return self._found(self._looped)

    @property
    def _shown(self) -> str:
        """The value as messages show it; the result of an expression is described instead of named."""
        if not self.name.startswith("the "):
            is_item = self.name.endswith("[]")
            return f"an item of `{self.name.removesuffix('[]')}`" if is_item else f"`{self.name}`"
        made, item, rest = self.name.partition("[]")
        return made if not item else f"an item of {made}" if not rest else f"`{rest.lstrip('.')}` of {made}"

    def _found(self, look: _Look) -> TypeView:
        return _MemberSearch(look, _Kinds(self.root)).of(self.part.solid(), _UNKNOWN, _MOST_REFS)

    def _below(self, part: Type, name: str) -> SchemaView:
        return SchemaView(part, self.root, f"{self.name}{name}")

    def _own(self, part: Type, kinds: frozenset[str], key: str) -> TypeView:
        if kinds and "object" not in kinds:
            if has_method(kinds, key):
                return ANYTHING
            raise Absent(Code.UNKNOWN_FIELD, f"{self._shown} has no `{key}`: it is {spoken(kinds)}")
        properties = part.schema.get("properties", {})
        if key in properties:
            return self._below(part.part("properties", key), f".{key}")
        for pattern in part.schema.get("patternProperties", {}):
            if _may_match(pattern, key):
                return self._below(part.part("patternProperties", pattern), f".{key}")
        rest = part.schema.get("additionalProperties")
        if rest is False:
            raise Absent(Code.UNKNOWN_FIELD, f"{self._shown} has no `{key}` in its schema", tuple(properties))
        return self._below(part.part("additionalProperties"), f".{key}") if isinstance(rest, dict) else ANYTHING

    def _item(self, part: Type, kinds: frozenset[str], index: int) -> TypeView:
        if kinds and not kinds & _LOOPED:
            raise Absent(Code.UNKNOWN_FIELD, f"{self._shown} has no [{index}]: it is {spoken(kinds)}")
        if kinds == {"object"}:
            message = f"{self._shown} has no [{index}]: it is an object, and its keys are strings"
            raise Absent(Code.UNKNOWN_FIELD, message)
        if kinds & _LOOPED == {"string"}:
            return self._below(_TEXT, f"[{index}]")
        first = part.branches("prefixItems")
        if kinds == {"array"} and 0 <= index < len(first) and isinstance(first[index].schema, dict):
            return self._below(first[index], f"[{index}]")
        return ANYTHING if "string" in kinds else self._items(part, kinds, f"[{index}]")

    def _looped(self, part: Type, kinds: frozenset[str]) -> TypeView:
        if kinds and not kinds & _LOOPED:
            raise Absent(Code.UNKNOWN_FIELD, f"{self._shown} is not a list: it is {spoken(kinds)}")
        if kinds and "array" not in kinds:
            return self._below(_TEXT, "[]")
        return self._items(part, kinds, "[]") if kinds & _LOOPED == {"array"} else ANYTHING

    def _items(self, part: Type, kinds: frozenset[str], name: str) -> TypeView:
        """Return the type of each item of a list: that of `items`, unless `prefixItems` is used."""
        is_known = isinstance(part.schema.get("items"), dict) and "prefixItems" not in part.schema
        return self._below(part.part("items"), name) if is_known and "array" in kinds else ANYTHING


@dataclass(frozen=True, slots=True)
class ListLiteralView(SchemaView):
    """A list literal, with the type of each item."""

    items: tuple[TypeView, ...] = ()


_Look = Callable[[Type, frozenset[str]], TypeView]
"""A lookup in one part of a schema, for a value that has one of these types."""


class _Kinds:
    """The types that schemas under one root allow, up to a maximum number of visited parts."""

    def __init__(self, root: JSON) -> None:
        self.root = root
        self.left = iter(range(_MOST_PARTS))

    def of(self, schema: JSON, depth: int) -> frozenset[str]:
        """Return the types that `schema` allows; empty if they are unknown."""
        if not isinstance(schema, dict) or depth <= 0 or next(self.left, None) is None:
            return _UNKNOWN
        kinds = _own_kinds(schema)
        for part in self.also(schema):
            kinds = _both(kinds, self.of(part, depth - 1))
        for word in _UNIONS:
            each = [self.of(branch, depth - 1) for branch in schema.get(word, ())]
            kinds = _both(kinds, frozenset().union(*each) if all(each) else _UNKNOWN)
        return kinds

    def also(self, schema: Mapping[str, Any]) -> Iterator[JSON]:
        """Yield the schemas that apply together with this one."""
        if isinstance(schema.get("$ref"), str):
            yield referred(self.root, schema["$ref"])
        yield from schema.get("allOf", ())


@dataclass(frozen=True, slots=True)
class _MemberSearch:
    """A lookup in every part of a combined schema."""

    look: _Look
    kinds: _Kinds
    left: Iterator[int] = field(default_factory=lambda: iter(range(_MOST_PARTS)))

    def of(self, part: Type, kinds: frozenset[str], depth: int) -> TypeView:
        """Return the first result in `part`, or in a schema that applies with it, for a value of one of these types.

        Raises:
            Absent: one of the schemas excludes the member.
        """
        if not isinstance(part.schema, dict) or depth <= 0 or next(self.left, None) is None:
            return ANYTHING
        kinds = _both(kinds, self.kinds.of(part.schema, depth))
        found = [self.look(part, kinds)]
        found.extend(self.of(Type(also), kinds, depth - 1) for also in self.kinds.also(part.schema))
        found.extend(self._any_of(each, kinds, depth - 1) for each in map(part.branches, _UNIONS) if each)
        return next((view for view in found if view is not ANYTHING), ANYTHING)

    def _any_of(self, branches: list[Type], kinds: frozenset[str], depth: int) -> TypeView:
        absent: Absent | None = None
        views: list[TypeView] = []
        for branch in branches:
            try:
                views.append(self.of(branch, kinds, depth))
            except Absent as error:
                absent = error if absent is None or len(error.known) > len(absent.known) else absent
        if not views and absent is not None:
            raise absent
        known = [view for view in views if isinstance(view, SchemaView)]
        if len(known) < len(views) or not known:
            return ANYTHING
        first, parts = known[0], distinct(view.part for view in known)
        return SchemaView(any_of(parts), first.root, first.name) if len(parts) > 1 else first


def text_view(name: str) -> TypeView:
    """Return the view of a step without an output schema, which is a string."""
    return SchemaView.of(_TEXT, name)


def _own_kinds(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the types that a schema's own keywords allow."""
    types = schema.get("type")
    kinds = frozenset([types] if isinstance(types, str) else types or ())
    for values in (schema.get("enum"), [schema["const"]] if "const" in schema else None):
        if values:
            kinds = _both(kinds, frozenset(kind for value in values if (kind := kind_of(value))))
    return kinds


def _both(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """Return the intersection of two sets of types; "number" includes "integer"."""
    if not one or not other:
        return one or other
    both = with_integers(one) & with_integers(other)
    return both - {"integer"} if "number" in both and "integer" not in one | other else both


def _may_match(pattern: str, key: str) -> bool:
    """Whether a name may match a pattern; the validator of outputs decides, which cannot hang."""
    return not json_schema({"pattern": pattern}).errors(key)
