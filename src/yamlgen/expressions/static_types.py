"""What a template may find where it looks: the static types of row, params, steps and of outputs.

Owns the walk down into a JSON Schema by keys: whether a value that the schema accepts can have such a member, and
what is known of it. It answers "no" only when no accepted value can have it; what cannot be known is `ANYTHING`.
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
"""How many parts of a schema are looked at for one answer: unions of unions by reference double at each turn."""

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
"""What has the methods of a value that is no mapping, by its type."""


def has_method(kinds: Collection[str], name: str) -> bool:
    """Whether a value of one of these types, which are not those of mappings, has a method of this name."""
    return not name.startswith("_") and any(hasattr(each, name) for kind in kinds for each in METHODS.get(kind, ()))


class Absent(Exception):  # noqa: N818 - an answer: no value can have this member
    """No such member: the sentence's subject, and the members that there are."""

    def __init__(self, code: Code, message: str, known: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.known = known


class TypeView(Protocol):
    """What is known about a value before any row is run."""

    @property
    def null(self) -> str | None:
        """Why the value may be null, where yamlgen makes it so; a null that the author's schema allows has no why."""
        ...

    def solid(self) -> TypeView:
        """The same value, if it is not null for that reason."""
        ...

    def member(self, key: str | int) -> TypeView:
        """The member under `key`, of the solid value.

        Raises:
            Absent: no value seen through this view has it.
        """
        ...

    def element(self) -> TypeView:
        """What a loop over the solid value yields.

        Raises:
            Absent: the value cannot be looped over.
        """
        ...

    def types(self) -> frozenset[str]:
        """The types that the value may have, as JSON Schema calls them; empty when they are not known."""
        ...

    def type(self) -> Type:
        """The type of the value, which stands alone."""
        ...


class _Anything:
    null: str | None = None

    def solid(self) -> TypeView:
        return ANYTHING

    def member(self, key: str | int) -> TypeView:  # noqa: ARG002 - whatever the key
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
    """A closed set of names: `params`, `steps`, or the columns of a CSV.

    Attributes:
        complete: whether each of them is there in every row.
    """

    code: Code
    what: str
    members: Mapping[str, TypeView]
    complete: bool = False

    @property
    def null(self) -> str | None:
        """It is never null."""
        return None

    def solid(self) -> TypeView:
        """The view itself."""
        return self

    def member(self, key: str | int) -> TypeView:
        """The view under a name."""
        if key in self.members:
            return self.members[str(key)]
        raise Absent(self.code, f"unknown {self.what} `{key}`", tuple(self.members))

    def element(self) -> TypeView:
        """A loop over the mapping yields its keys."""
        return text_view(f"the {self.what}'s name")

    def types(self) -> frozenset[str]:
        """It is an object."""
        return frozenset({"object"})

    def type(self) -> Type:
        """It is an object, of which more is not said."""
        return Type({"type": "object"})


@dataclass(frozen=True, slots=True)
class SchemaView:
    """A value of which a JSON Schema is known.

    Attributes:
        part: its type, as a part of `root`.
        root: where references start.
        name: as messages name it.
    """

    part: Type
    root: JSON
    name: str

    @classmethod
    def of(cls, known: Type, name: str) -> SchemaView:
        """A value of this type, as messages name it."""
        return cls(known, known.schema, name)

    @property
    def null(self) -> str | None:
        """The reason that its type knows."""
        return self.part.why_null

    def solid(self) -> SchemaView:
        """The value without the null that has a reason."""
        return SchemaView(self.part.solid(), self.root, self.name)

    def types(self) -> frozenset[str]:
        """The types that the schema allows, null among them where it may be null."""
        return _Kinds(self.root).of(self.part.schema, _MOST_REFS)

    def type(self) -> Type:
        """The type, with what its schema refers to."""
        return standing(self.part, self.root)

    def member(self, key: str | int) -> TypeView:
        """The member that an accepted value may have under `key`."""
        if isinstance(key, int):
            return self._found(lambda part, kinds: self._item(part, kinds, key))
        return self._found(lambda part, kinds: self._own(part, kinds, key))

    def element(self) -> TypeView:
        """An item of the list; the keys of an object, the characters of a text."""
        return self._found(self._looped)

    @property
    def _shown(self) -> str:
        """The value as messages name it; one that an expression makes has no name of its own."""
        if not self.name.startswith("the "):
            return f"`{self.name}`"
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
            raise Absent(Code.UNKNOWN_FIELD, f"{self._shown} has no `{key}` by its schema", tuple(properties))
        return self._below(part.part("additionalProperties"), f".{key}") if isinstance(rest, dict) else ANYTHING

    def _item(self, part: Type, kinds: frozenset[str], index: int) -> TypeView:
        if kinds and not kinds & _LOOPED:
            raise Absent(Code.UNKNOWN_FIELD, f"{self._shown} has no [{index}]: it is {spoken(kinds)}")
        if kinds == {"object"}:
            raise Absent(Code.UNKNOWN_FIELD, f"{self._shown} has no [{index}]: it is an object, its keys are text")
        if kinds & _LOOPED == {"string"}:
            return self._below(_TEXT, f"[{index}]")
        first = part.branches("prefixItems")
        if kinds == {"array"} and 0 <= index < len(first) and isinstance(first[index].schema, dict):
            return self._below(first[index], f"[{index}]")
        return ANYTHING if "string" in kinds else self._items(part, kinds, f"[{index}]")

    def _looped(self, part: Type, kinds: frozenset[str]) -> TypeView:
        if kinds and not kinds & _LOOPED:
            raise Absent(Code.UNKNOWN_FIELD, f"{self._shown} is no list: it is {spoken(kinds)}")
        if kinds and "array" not in kinds:
            return self._below(_TEXT, "[]")
        return self._items(part, kinds, "[]") if kinds & _LOOPED == {"array"} else ANYTHING

    def _items(self, part: Type, kinds: frozenset[str], name: str) -> TypeView:
        """What each item of a list is: what `items` says, as long as none of them has a schema of its own."""
        is_known = isinstance(part.schema.get("items"), dict) and "prefixItems" not in part.schema
        return self._below(part.part("items"), name) if is_known and "array" in kinds else ANYTHING


@dataclass(frozen=True, slots=True)
class ListLiteralView(SchemaView):
    """A list that is written out, each item with what is known of it."""

    items: tuple[TypeView, ...] = ()


_Look = Callable[[Type, frozenset[str]], TypeView]
"""What one part of a schema says by itself, of a value that has one of these types."""


class _Kinds:
    """The types that schemas under one root allow, for as long as there are parts left to look at."""

    def __init__(self, root: JSON) -> None:
        self.root = root
        self.left = iter(range(_MOST_PARTS))

    def of(self, schema: JSON, depth: int) -> frozenset[str]:
        """The types that `schema` allows; empty when they are not known."""
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
        """The schemas that hold together with this one."""
        if isinstance(schema.get("$ref"), str):
            yield referred(self.root, schema["$ref"])
        yield from schema.get("allOf", ())


@dataclass(frozen=True, slots=True)
class _MemberSearch:
    """A look at every part that a schema is put together of."""

    look: _Look
    kinds: _Kinds
    left: Iterator[int] = field(default_factory=lambda: iter(range(_MOST_PARTS)))

    def of(self, part: Type, kinds: frozenset[str], depth: int) -> TypeView:
        """What is found first in `part`, or in a schema that holds with it, of a value of one of these types.

        Raises:
            Absent: one of them says that there is no such thing.
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
    """The view of a step without an output schema: text."""
    return SchemaView.of(_TEXT, name)


def _own_kinds(schema: Mapping[str, Any]) -> frozenset[str]:
    """What a schema's own keywords say about the type."""
    types = schema.get("type")
    kinds = frozenset([types] if isinstance(types, str) else types or ())
    for values in (schema.get("enum"), [schema["const"]] if "const" in schema else None):
        if values:
            kinds = _both(kinds, frozenset(kind for value in values if (kind := kind_of(value))))
    return kinds


def _both(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """The types of values that have one of each; an integer is a number too."""
    if not one or not other:
        return one or other
    both = with_integers(one) & with_integers(other)
    return both - {"integer"} if "number" in both and "integer" not in one | other else both


def _may_match(pattern: str, key: str) -> bool:
    """Whether a property of this name falls under a pattern, by the engine that checks outputs, which cannot hang."""
    return not json_schema({"pattern": pattern}).errors(key)
