"""The algebra of types: JSON Schemas that stand alone, made of others that do.

Owns how a schema becomes a part of another and accepts there what it accepted before: whatever its references lead
to goes along, under the `$defs` of the new root. Where that cannot be done (`$dynamicRef`, an `$id` inside, a
reference to nowhere) the part becomes `ANYTHING`: a type may say less than is true, never more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from yamlgen.schemas.json_pointer import follow
from yamlgen.schemas.keywords import subschemas
from yamlgen.values import JSON

Type: TypeAlias = dict[str, Any]
"""A JSON Schema that stands alone: each of its references leads to a part of it."""

ANYTHING: Final[Type] = {}
"""The type of what cannot be known."""

_MARK: Final = "yamlgen: "
"""Begins the comment of a null that `nullable` put there, which no author's comment on a null begins with."""

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
    made: Type = {"type": "array", "items": definitions.take(item, item)}
    if least:
        made["minItems"] = least
    if most is not None:
        made["maxItems"] = most
    return definitions.under(made, instead={"type": "array"})


def object_of(members: Mapping[str, Type]) -> Type:
    """Objects that have each of these members, and no other."""
    definitions = _LocalDefinitions()
    made: Type = {
        "type": "object",
        "properties": {name: definitions.take(member, member) for name, member in members.items()},
        "required": list(members),
        "additionalProperties": False,
    }
    return definitions.under(made, instead={"type": "object"})


def nullable(inner: Type, why: str) -> Type:
    """A type, or null for a reason that `why_null` tells; of two reasons the first stays."""
    if why_null(inner) is not None:
        return inner
    definitions = _LocalDefinitions()
    null = {"type": "null", "$comment": _MARK + why}
    made = {"anyOf": [definitions.take(inner, inner), null]}
    return definitions.under(made, instead={"anyOf": [ANYTHING, null]})


def why_null(schema: JSON) -> str | None:
    """The reason that `nullable` was given, wherever unions of unions hold it; `None` when there is none."""
    if not isinstance(schema, dict) or not schema.keys() <= {"anyOf", "$defs"}:
        return None
    found = (_reason(branch) or why_null(branch) for branch in schema.get("anyOf", ()))
    why = next((reason for reason in found if reason is not None), None)
    return None if why is None else why.removeprefix(_MARK)


def without_null(inner: Type) -> Type:
    """A type without what `nullable` added; a null of the author's own stays."""
    return inner if why_null(inner) is None else standing(solid(inner), inner)


def solid(schema: JSON) -> JSON:
    """A part of a schema without what `nullable` added; its references lead where they led."""
    if why_null(schema) is None:
        return schema
    branches = [solid(branch) for branch in schema["anyOf"] if _reason(branch) is None]
    return branches[0] if len(branches) == 1 else {"anyOf": branches}


def union(types: Iterable[Type]) -> Type:
    """What any of these types accepts; of no types at all, `ANYTHING`."""
    each = list(types)
    why = next((reason for reason in map(why_null, each) if reason is not None), None)
    branches = list({json.dumps(branch, sort_keys=True): branch for branch in map(without_null, each)}.values())
    if not branches or ANYTHING in branches:
        made = ANYTHING
    elif len(branches) == 1:
        made = branches[0]
    else:
        definitions = _LocalDefinitions()
        made = definitions.under({"anyOf": [definitions.take(branch, branch) for branch in branches]}, instead=ANYTHING)
    return made if why is None else nullable(made, why)


def standing(part: JSON, root: JSON) -> Type:
    """A part of a schema as a type of its own.

    Args:
        part: a schema whose references start from `root`; it need not be in there itself.
        root: where they start.
    """
    definitions = _LocalDefinitions()
    taken = definitions.take(part, root)
    if isinstance(taken, bool):
        return ANYTHING if taken else {"not": {}}
    return definitions.under(taken, instead=ANYTHING)


def observed(values: Iterable[JSON]) -> Type:
    """The tightest simple type of all these values: their types, of lists the items, of objects the members.

    Objects stay open, and what is deep in them (6 levels) or is one member too many (200) is left unsaid.
    """
    return _observed(list(values), _DEEPEST)


def kind_of(value: JSON) -> str | None:
    """The type of a value as JSON Schema calls it, for which 1.0 is an integer; `None` if it is no JSON value."""
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    kinds = {bool: "boolean", int: "integer", str: "string", list: "array", tuple: "array", Mapping: "object"}
    return "null" if value is None else next((kind for of, kind in kinds.items() if isinstance(value, of)), None)


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
    """The `$defs` of a new root, gathered from the schemas that become its parts."""

    def __init__(self) -> None:
        self.parts: dict[str, JSON] = {}

    def take(self, part: JSON, root: JSON) -> JSON:
        """A part of `root` as it can stand under the new root; what it refers to is taken along."""
        names: dict[str, str] = {}
        waiting: list[str] = []

        def to(ref: str) -> str:
            if ref not in names:
                names[ref] = str(len(self.parts) + len(names) + 1)
                waiting.append(ref)
            return f"#/$defs/{names[ref]}"

        found: dict[str, JSON] = {}
        try:
            taken = redirected(_bare(part), to)
            while waiting:
                ref = waiting.pop()
                found[names[ref]] = redirected(_bare(referred(root, ref)), to)
        except _Unmovable:
            return {}
        self.parts |= found
        return taken

    def under(self, root: Type, *, instead: Type) -> Type:
        """The new root with its definitions, or `instead`, which says less, where that is too large."""
        whole = {**root, "$defs": self.parts} if self.parts else root
        return whole if len(json.dumps(whole)) <= _LARGEST else instead


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


def _reason(branch: JSON) -> str | None:
    """The comment on a null that `nullable` put there, with its mark."""
    if not isinstance(branch, dict) or branch.keys() != {"type", "$comment"} or branch["type"] != "null":
        return None
    comment = branch["$comment"]
    return comment if isinstance(comment, str) and comment.startswith(_MARK) else None


def _observed(values: list[JSON], depth: int) -> Type:
    found = {kind_of(value) for value in values}
    if not found or None in found or depth == 0:
        return {}
    kinds = sorted(str(kind) for kind in found if kind != "integer" or "number" not in found)
    made: Type = {"type": kinds if len(kinds) > 1 else kinds[0]}
    items = [item for value in values if isinstance(value, list | tuple) for item in value]
    if inner := _observed(items, depth - 1):
        made["items"] = inner
    objects = [value for value in values if isinstance(value, Mapping)]
    return {**made, **_members(objects, depth)} if objects else made


def _members(objects: list[Mapping[str, JSON]], depth: int) -> Type:
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
