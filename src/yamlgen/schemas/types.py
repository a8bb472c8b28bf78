"""Static types: JSON Schemas with the reasons why yamlgen may make parts of the value null, and how to combine them.

Owns how a schema becomes a part of another schema and keeps its meaning: the targets of its references move along,
under the `$defs` of the new root. If that is impossible (`$dynamicRef`, a nested `$id`, an unresolved reference), the
part becomes `ANYTHING`: a type may be less precise than possible, but never wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from yamlgen.parsing.source_map import DataPath, PathKey
from yamlgen.schemas.json_pointer import follow, within
from yamlgen.schemas.keywords import subschemas
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class Type:
    """The static type of a value.

    Attributes:
        schema: a JSON Schema that accepts the value. It is self-contained, unless it is a part of another schema.
        nulls: why parts of the value may be null, by the place of that null in the schema, as in
            `{("items", "anyOf", 1): "it has a `when`"}`. A null that the author's schema allows is not included.
    """

    schema: JSON
    nulls: Mapping[DataPath, str] = field(default_factory=dict)

    def part(self, *path: PathKey) -> Type:
        """Return the type at an existing path of the schema."""
        size = len(path)
        nulls = {at[size:]: why for at, why in self.nulls.items() if at[:size] == path}
        return Type(within(self.schema, path), nulls)

    @property
    def why_null(self) -> str | None:
        """Why the value itself may be null, also in nested unions; `None` if no reason is known."""
        return next((why for at, why in self.nulls.items() if self.is_own_null(at)), None)

    @staticmethod
    def is_own_null(at: DataPath) -> bool:
        """Return whether a null at this place of the schema is the value itself, not a part of it."""
        return set(at[::2]) == {"anyOf"} and len(at) % 2 == 0

    def branches(self, word: str = "anyOf") -> list[Type]:
        """Return the parts of a union."""
        return [self.part(word, number) for number in range(len(self.schema.get(word, ())))]

    def solid(self) -> Type:
        """Return the type without the nulls that have a reason, as a part of the same root; the author's nulls stay."""
        if self.why_null is None:
            return self
        kept = [each.solid() for number, each in enumerate(self.branches()) if ("anyOf", number) not in self.nulls]
        return kept[0] if len(kept) == 1 else any_of(kept)


ANYTHING: Final = Type({})
"""The type of an unknown value."""

_NULL: Final = {"type": "null"}

_LEFT: Final = ("$id", "$schema", "$anchor", "$dynamicAnchor", "$defs", "definitions")
"""Keywords that a moved part loses: names of places, which change, and definitions, which move to the new root."""

_UNMOVABLE: Final = frozenset({"$dynamicRef", "dependencies"})
"""Keywords of parts that cannot move: one changes its meaning elsewhere, the other is not analysed here."""

_LARGEST: Final = 1 << 18
"""Maximum size of a type, in characters of JSON: a mapping that contains the last step twice doubles at every step."""

_DEEPEST: Final = 6
_MOST: Final = 200


def list_of(item: Type, least: int = 0, most: int | None = None) -> Type:
    """Return the type of lists of `least` to `most` items of one type; `most` is `None` if it is unknown."""
    definitions = _LocalDefinitions()
    made = {"type": "array", "items": definitions.take(item, "items")}
    if least:
        made["minItems"] = least
    if most is not None:
        made["maxItems"] = most
    return definitions.under(made, instead=Type({"type": "array"}))


def tuple_of(items: Sequence[Type]) -> Type:
    """Return the type of lists with exactly these items, in this order."""
    definitions = _LocalDefinitions()
    taken = [definitions.take(item, "prefixItems", number) for number, item in enumerate(items)]
    made = {"type": "array", "items": False, "minItems": len(items), "maxItems": len(items)}
    made |= {"prefixItems": taken} if items else {}
    return definitions.under(made, instead=Type({"type": "array"}))


def object_of(members: Mapping[str, Type]) -> Type:
    """Return the type of objects with exactly these members."""
    definitions = _LocalDefinitions()
    made = {
        "type": "object",
        "properties": {name: definitions.take(member, "properties", name) for name, member in members.items()},
        "required": list(members),
        "additionalProperties": False,
    }
    return definitions.under(made, instead=Type({"type": "object"}))


def nullable(inner: Type, why: str) -> Type:
    """Return the union of a type and null, for a reason; an earlier reason stays."""
    if inner.why_null is not None:
        return inner
    definitions = _LocalDefinitions()
    made = {"anyOf": [definitions.take(inner, "anyOf", 0), _NULL]}
    definitions.nulls["anyOf", 1] = why
    return definitions.under(made, instead=Type({"anyOf": [{}, _NULL]}, {("anyOf", 1): why}))


def without_null(inner: Type) -> Type:
    """Return a type without the nulls that have a reason; the author's nulls stay."""
    return inner if inner.why_null is None else standing(inner.solid(), inner.schema)


def union(types: Iterable[Type]) -> Type:
    """Return the union of the types; `ANYTHING` if there are none."""
    each = list(types)
    why = next((made.why_null for made in each if made.why_null is not None), None)
    branches = distinct(map(without_null, each))
    if not branches or ANYTHING in branches:
        made = ANYTHING
    elif len(branches) == 1:
        made = branches[0]
    else:
        definitions = _LocalDefinitions()
        taken = [definitions.take(branch, "anyOf", number) for number, branch in enumerate(branches)]
        made = definitions.under({"anyOf": taken}, instead=ANYTHING)
    return made if why is None else nullable(made, why)


def any_of(branches: Sequence[Type], beside: Mapping[str, JSON] | None = None) -> Type:
    """Return the union of parts of one root, as a part of that root, next to the keywords of `beside`."""
    nulls = {("anyOf", at, *path): why for at, branch in enumerate(branches) for path, why in branch.nulls.items()}
    return Type({**(beside or {}), "anyOf": [branch.schema for branch in branches]}, nulls)


def distinct(types: Iterable[Type]) -> list[Type]:
    """Return the types without duplicates; 1 and true, which are equal in Python, stay distinct."""
    return list({json.dumps([each.schema, list(each.nulls.items())], sort_keys=True): each for each in types}.values())


def standing(part: Type, root: JSON) -> Type:
    """Return a part of a schema as a self-contained type.

    Args:
        part: a type whose references start at `root`; it need not be a part of `root` itself.
        root: the schema in which its references are resolved.
    """
    definitions = _LocalDefinitions()
    taken = definitions.take(part, root=root)
    if isinstance(taken, bool):
        return ANYTHING if taken else Type({"not": {}})
    return definitions.under(taken, instead=ANYTHING)


def observed(values: Iterable[JSON]) -> dict[str, Any]:
    """Return the tightest simple schema of all these values: their types, list items and object members.

    Objects stay open. Values below 6 levels and members beyond 200 are left out.
    """
    return _observed(list(values), _DEEPEST)


def kind_of(value: JSON) -> str | None:
    """Return the JSON Schema type of a value (1.0 is an integer); `None` if it is not a JSON value."""
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    kinds = {bool: "boolean", int: "integer", str: "string", list: "array", tuple: "array", Mapping: "object"}
    return "null" if value is None else next((kind for of, kind in kinds.items() if isinstance(value, of)), None)


def with_integers(types: Iterable[str]) -> frozenset[str]:
    """Return the types, with "integer" added if "number" is among them."""
    each = frozenset(types)
    return each | {"integer"} if "number" in each else each


def redirected(schema: JSON, to: Callable[[str], str]) -> JSON:
    """Return a copy of a schema with each `$ref` rewritten by `to`; data (`const`, `enum`) stays unchanged."""
    copy = json.loads(json.dumps(schema))
    for _, part in subschemas(copy):
        if isinstance(part.get("$ref"), str):
            part["$ref"] = to(part["$ref"])
    return copy


def referred(root: JSON, ref: str) -> JSON | None:
    """Return the target of a reference in a schema; `None` if it is uncertain."""
    parts = list(subschemas(root))
    if any("$id" in part for path, part in parts if path):
        return None
    if ref != "#" and not ref.startswith("#/"):
        found = [part for _, part in parts if ref in _anchors(part)]
        return found[0] if len(found) == 1 else None
    try:
        target = follow(root, ref[1:])
    except (LookupError, ValueError):
        return None
    if isinstance(target, dict) and (target is root or "$id" not in target):
        return target
    return target if isinstance(target, bool) else None


class _Unmovable(Exception):  # noqa: N818 - not an error: this part cannot be moved
    """The schema may have another meaning at another place."""


class _LocalDefinitions:
    """The `$defs` of a new root and its reasons for null, collected from the types that become its parts."""

    def __init__(self) -> None:
        self.parts: dict[str, JSON] = {}
        self.nulls: dict[DataPath, str] = {}

    def take(self, part: Type, *at: PathKey, root: JSON | None = None) -> JSON:
        """Return the schema of a part for use under the new root; its definitions move along.

        Args:
            part: a self-contained type, or a part of `root`.
            at: the path of the part in the new root.
            root: the schema in which its references are resolved.
        """
        names: dict[str, str] = {}
        waiting: list[str] = []

        def to(ref: str) -> str:
            if ref not in names:
                names[ref] = str(len(self.parts) + len(names) + 1)
                waiting.append(ref)
            return f"#/$defs/{names[ref]}"

        found: dict[str, JSON] = {}
        try:
            taken = redirected(_bare(part.schema), to)
            while waiting:
                ref = waiting.pop()
                found[names[ref]] = redirected(_bare(referred(part.schema if root is None else root, ref)), to)
        except _Unmovable:
            return {}
        self.parts |= found
        self.nulls |= {(*at, *path): why for path, why in part.nulls.items()}
        return taken

    def under(self, root: JSON, *, instead: Type) -> Type:
        """Return the new root with its definitions, or the less precise `instead` if the root is too large."""
        whole = {**root, "$defs": self.parts} if self.parts else root
        return Type(whole, self.nulls) if len(json.dumps(whole)) <= _LARGEST else instead


def _bare(schema: JSON | None) -> JSON:
    """Return a copy without the keywords that a moved part loses."""
    if schema is None:
        raise _Unmovable
    copy = json.loads(json.dumps(schema))
    for path, part in subschemas(copy):
        if not _UNMOVABLE.isdisjoint(part) or (path and "$id" in part):
            raise _Unmovable
        for word in _LEFT:
            part.pop(word, None)
    return copy


def _anchors(part: Mapping[str, Any]) -> set[str]:
    return {f"#{part[word]}" for word in ("$anchor", "$dynamicAnchor") if word in part}


def _observed(values: list[JSON], depth: int) -> dict[str, Any]:
    found = {kind_of(value) for value in values}
    if not found or None in found or depth == 0:
        return {}
    kinds = sorted(str(kind) for kind in found if kind != "integer" or "number" not in found)
    made: dict[str, Any] = {"type": kinds if len(kinds) > 1 else kinds[0]}
    items = [item for value in values if isinstance(value, list | tuple) for item in value]
    if inner := _observed(items, depth - 1):
        made["items"] = inner
    objects = [value for value in values if isinstance(value, Mapping)]
    return {**made, **_members(objects, depth)} if objects else made


def _members(objects: list[Mapping[str, JSON]], depth: int) -> dict[str, Any]:
    """Return what objects have in common: the types of their members, and the members that all of them have."""
    named: dict[str, list[JSON]] = {}
    for value in objects:
        for name, member in value.items():
            named.setdefault(name, []).append(member)
    names = [name for name in named if _is_text(name)][:_MOST]
    required = [name for name in names if len(named[name]) == len(objects)]
    made = {"properties": {name: _observed(named[name], depth - 1) for name in names}} if names else {}
    return {**made, "required": required} if required else made


def _is_text(name: JSON) -> bool:
    """Whether a schema can contain a name: a string without half of a surrogate pair."""
    return isinstance(name, str) and not any("\ud800" <= character <= "\udfff" for character in name)
