"""The algebra of types: a JSON Schema, and beside it why yamlgen makes parts of the value null; both made of others.

Owns how a schema becomes a part of another and accepts there what it accepted before: whatever its references lead
to goes along, under the `$defs` of the new root. Where that cannot be done (`$dynamicRef`, an `$id` inside, a
reference to nowhere) the part becomes `ANYTHING`: a type may say less than is true, never more.
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
    """What is known of a value.

    Attributes:
        schema: a JSON Schema that accepts it. It stands alone, each reference in it leads to a part of it, unless it
            is itself a part of another.
        nulls: why parts of the value may be null, by the place of that null in the schema, as in
            `{("items", "anyOf", 1): "it has a `when`"}`. A null that the author's schema allows is not among them.
    """

    schema: JSON
    nulls: Mapping[DataPath, str] = field(default_factory=dict)

    def part(self, *path: PathKey) -> Type:
        """What the schema says at a path that it has."""
        size = len(path)
        nulls = {at[size:]: why for at, why in self.nulls.items() if at[:size] == path}
        return Type(within(self.schema, path), nulls)

    @property
    def why_null(self) -> str | None:
        """Why the value itself may be null, wherever unions of unions say so; `None` when it may not for a reason."""
        return next((why for at, why in self.nulls.items() if set(at[::2]) == {"anyOf"} and len(at) % 2 == 0), None)

    def branches(self, word: str = "anyOf") -> list[Type]:
        """The parts of a union."""
        return [self.part(word, number) for number in range(len(self.schema.get(word, ())))]

    def solid(self) -> Type:
        """The same without the nulls that have a reason, as a part of the same root; one of the author's stays."""
        if self.why_null is None:
            return self
        kept = [each.solid() for number, each in enumerate(self.branches()) if ("anyOf", number) not in self.nulls]
        return kept[0] if len(kept) == 1 else any_of(kept)


ANYTHING: Final = Type({})
"""The type of what cannot be known."""

_NULL: Final = {"type": "null"}

_LEFT: Final = ("$id", "$schema", "$anchor", "$dynamicAnchor", "$defs", "definitions")
"""What a part leaves behind: names of places, which change, and definitions, which go to the new root."""

_UNMOVABLE: Final = frozenset({"$dynamicRef", "dependencies"})
"""What means something else elsewhere, and an older keyword that validators obey and nobody here looks into."""

_LARGEST: Final = 1 << 18
"""The largest type, in characters of JSON: a mapping that holds the step before twice doubles at every step."""

_DEEPEST: Final = 6
_MOST: Final = 200


def list_of(item: Type, least: int = 0, most: int | None = None) -> Type:
    """Lists of items of one type, of `least` to `most` of them, as far as that is known."""
    definitions = _LocalDefinitions()
    made = {"type": "array", "items": definitions.take(item, "items")}
    if least:
        made["minItems"] = least
    if most is not None:
        made["maxItems"] = most
    return definitions.under(made, instead=Type({"type": "array"}))


def object_of(members: Mapping[str, Type]) -> Type:
    """Objects that have each of these members, and no other."""
    definitions = _LocalDefinitions()
    made = {
        "type": "object",
        "properties": {name: definitions.take(member, "properties", name) for name, member in members.items()},
        "required": list(members),
        "additionalProperties": False,
    }
    return definitions.under(made, instead=Type({"type": "object"}))


def nullable(inner: Type, why: str) -> Type:
    """A type, or null for a reason; of two reasons the first stays."""
    if inner.why_null is not None:
        return inner
    definitions = _LocalDefinitions()
    made = {"anyOf": [definitions.take(inner, "anyOf", 0), _NULL]}
    definitions.nulls["anyOf", 1] = why
    return definitions.under(made, instead=Type({"anyOf": [{}, _NULL]}, {("anyOf", 1): why}))


def without_null(inner: Type) -> Type:
    """A type without the nulls that have a reason; a null of the author's own stays."""
    return inner if inner.why_null is None else standing(inner.solid(), inner.schema)


def union(types: Iterable[Type]) -> Type:
    """What any of these types accepts; of no types at all, `ANYTHING`."""
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
    """The union of parts of one root, as a part of it, with the other keywords that stand beside it."""
    nulls = {("anyOf", at, *path): why for at, branch in enumerate(branches) for path, why in branch.nulls.items()}
    return Type({**(beside or {}), "anyOf": [branch.schema for branch in branches]}, nulls)


def distinct(types: Iterable[Type]) -> list[Type]:
    """Each of several types once; 1 and true, which are equal, are two."""
    return list({json.dumps([each.schema, list(each.nulls.items())], sort_keys=True): each for each in types}.values())


def standing(part: Type, root: JSON) -> Type:
    """A part of a schema as a type of its own.

    Args:
        part: its references start from `root`; it need not be in there itself.
        root: where they start.
    """
    definitions = _LocalDefinitions()
    taken = definitions.take(part, root=root)
    if isinstance(taken, bool):
        return ANYTHING if taken else Type({"not": {}})
    return definitions.under(taken, instead=ANYTHING)


def observed(values: Iterable[JSON]) -> dict[str, Any]:
    """The tightest simple schema of all these values: their types, of lists the items, of objects the members.

    Objects stay open, and what is deep in them (6 levels) or is one member too many (200) is left unsaid.
    """
    return _observed(list(values), _DEEPEST)


def kind_of(value: JSON) -> str | None:
    """The type of a value as JSON Schema calls it, for which 1.0 is an integer; `None` if it is no JSON value."""
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    kinds = {bool: "boolean", int: "integer", str: "string", list: "array", tuple: "array", Mapping: "object"}
    return "null" if value is None else next((kind for of, kind in kinds.items() if isinstance(value, of)), None)


def with_integers(types: Iterable[str]) -> frozenset[str]:
    """Types, and that of integers with that of numbers: an integer is a number."""
    each = frozenset(types)
    return each | {"integer"} if "number" in each else each


def redirected(schema: JSON, to: Callable[[str], str]) -> JSON:
    """A copy of a schema with each `$ref` as `to` rewrites it; what is data (`const`, `enum`) is left alone."""
    copy = json.loads(json.dumps(schema))
    for _, part in subschemas(copy):
        if isinstance(part.get("$ref"), str):
            part["$ref"] = to(part["$ref"])
    return copy


def referred(root: JSON, ref: str) -> JSON | None:
    """The part of a schema that one of its references leads to; `None` where that is not sure."""
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


class _Unmovable(Exception):  # noqa: N818 - an answer: this part cannot stand elsewhere
    """A schema of which it is not sure that it means the same elsewhere."""


class _LocalDefinitions:
    """The `$defs` of a new root, and the reasons for null in it, gathered from the types that become its parts."""

    def __init__(self) -> None:
        self.parts: dict[str, JSON] = {}
        self.nulls: dict[DataPath, str] = {}

    def take(self, part: Type, *at: PathKey, root: JSON | None = None) -> JSON:
        """The schema of a part as it can stand under the new root; what it refers to is taken along.

        Args:
            part: a type of its own, or a part of `root`.
            at: its path in the new root.
            root: where its references start.
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
        """The new root with its definitions, or `instead`, which says less, where that is too large."""
        whole = {**root, "$defs": self.parts} if self.parts else root
        return Type(whole, self.nulls) if len(json.dumps(whole)) <= _LARGEST else instead


def _bare(schema: JSON | None) -> JSON:
    """A copy without what a part leaves behind."""
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
    """What objects have in common: the types of their members, and which of them each one has."""
    named: dict[str, list[JSON]] = {}
    for value in objects:
        for name, member in value.items():
            named.setdefault(name, []).append(member)
    names = [name for name in named if _is_text(name)][:_MOST]
    required = [name for name in names if len(named[name]) == len(objects)]
    made = {"properties": {name: _observed(named[name], depth - 1) for name in names}} if names else {}
    return {**made, "required": required} if required else made


def _is_text(name: JSON) -> bool:
    """Whether a schema can name it: no half of a surrogate pair, which is no character."""
    return isinstance(name, str) and not any("\ud800" <= character <= "\udfff" for character in name)
