"""A part of a JSON Schema as a report reads it: its alternatives without null, references resolved, parts combined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from yamlgen.canonical_json import canonical
from yamlgen.schemas.types import referred
from yamlgen.value_objects import JSON

_MOST: Final = 16
"""How many alternatives are told apart: of more, nothing is known."""

_KINDS: Final = {
    "string": "text",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "array": "list",
    "object": "object",
}
_PARTS: Final = frozenset({"properties", "items", "prefixItems", "$defs", "definitions", "$schema", "$id", "required"})
_LIMITS: Final = (
    ("number", "minimum", "maximum"),
    ("text", "minLength", "maxLength"),
    ("list", "minItems", "maxItems"),
)


@dataclass(frozen=True, slots=True)
class SchemaPart:
    """A part of a schema.

    Attributes:
        root: the schema in which references are resolved.
        alternatives: schemas without references, of which a value that is not null matches at least one; empty
            schemas accept any value.
    """

    root: Mapping[str, JSON]
    alternatives: tuple[Mapping[str, JSON], ...] = ({},)

    @classmethod
    def of(cls, schema: JSON, root: Mapping[str, JSON] | None = None) -> SchemaPart:
        """Return a schema as a part of a root; as a root, if none is given."""
        root = root if root is not None else schema if isinstance(schema, dict) else {}
        found = [_without_null(each) for each in _flat(schema, root, ()) if not _is_null(each)]
        return cls(root, tuple(found) if len(found) <= _MOST else ({},))

    def names(self) -> list[str]:
        """Return the names of the members that are known, in order."""
        return list({name: None for each in self.alternatives for name in _mapping(each.get("properties"))})

    def member(self, name: str) -> SchemaPart:
        """Return the part that a member of an object matches."""
        known = [props[name] for each in self.alternatives if name in (props := _mapping(each.get("properties")))]
        more = [each["additionalProperties"] for each in self.alternatives if each.get("additionalProperties")]
        return SchemaPart.of(_any(known or more), self.root)

    def item(self) -> SchemaPart:
        """Return the part that the items of a list match."""
        found: list[JSON] = []
        for each in self.alternatives:
            found += each.get("prefixItems") or []
            if each.get("items"):
                found.append(each["items"])
        return SchemaPart.of(_any(found), self.root)

    def own(self) -> dict[str, JSON]:
        """Return the schema without those of its parts; several alternatives are under `anyOf`."""
        each = [{key: value for key, value in one.items() if key not in _PARTS} for one in self.alternatives]
        if len(each) == 1:
            return each[0]
        return {"anyOf": each} if any(each) else {}

    def choices(self) -> list[JSON] | None:
        """Return the values that can come, if they are listed and none is a list or an object; else `None`."""
        listed = [each["enum"] if "enum" in each else [each["const"]] for each in self.alternatives if _is_listed(each)]
        if not listed or len(listed) < len(self.alternatives):
            return None
        values = list({canonical(one): one for each in listed for one in each}.values())
        return None if any(isinstance(one, dict | list) for one in values) else values

    def kind(self) -> str | None:
        """Return the kind of its values: text, number, boolean, list, object; `None` if it may have several."""
        kinds = {_KINDS.get(str(each.get("type"))) for each in self.alternatives}
        return kinds.pop() if len(kinds) == 1 else None

    def limits(self, kind: str) -> dict[str, float]:
        """Return the bounds of numbers, lengths of texts or lengths of lists; empty if they leave only one value."""
        if len(self.alternatives) != 1:
            return {}
        schema = self.alternatives[0]
        found: dict[str, float] = {}
        for of, *keywords in _LIMITS:
            found |= {word: schema[word] for word in keywords if of == kind and _is_number(schema.get(word))}
        if schema.get("type") == "integer" and kind == "number":
            ends = (("exclusiveMinimum", 1), ("exclusiveMaximum", -1))
            found |= {word: schema[word] + by for word, by in ends if isinstance(schema.get(word), int)}
        return found if len(set(found.values())) == len(found) else {}


def _flat(schema: JSON, root: Mapping[str, JSON], seen: tuple[str, ...]) -> Iterator[dict[str, JSON]]:
    """Yield the alternatives of a schema: without references, unions and conjunctions."""
    if not isinstance(schema, dict):
        if schema is not False:
            yield {}
        return
    rest = {key: value for key, value in schema.items() if key not in {"$ref", "allOf", "anyOf", "oneOf"}}
    made = [rest]
    if isinstance(ref := schema.get("$ref"), str):
        target = None if ref in seen else referred(root, ref)
        made = _combined(made, [{}] if target is None else list(_flat(target, root, (*seen, ref))))
    for each in schema.get("allOf") or ():
        made = _combined(made, list(_flat(each, root, seen)))
    for word in ("anyOf", "oneOf"):
        if word in schema:
            made = _combined(made, [one for each in schema[word] for one in _flat(each, root, seen)])
    yield from made


def _combined(some: list[dict[str, JSON]], others: list[dict[str, JSON]]) -> list[dict[str, JSON]]:
    return [_both(one, other) for one in some for other in others][: _MOST + 1]


def _both(one: dict[str, JSON], other: dict[str, JSON]) -> dict[str, JSON]:
    """Return the schema of values that match two schemas, nearly: the other one decides where both say something."""
    made = {**one, **other}
    members = (_mapping(one.get("properties")), _mapping(other.get("properties")))
    if all(members):
        made["properties"] = {**members[0], **members[1]}
    return made


def _any(schemas: list[JSON]) -> JSON:
    if not schemas:
        return {}
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _is_null(schema: Mapping[str, JSON]) -> bool:
    if _is_listed(schema):
        return all(each is None for each in (schema["enum"] if "enum" in schema else [schema["const"]]))
    return schema.get("type") in ("null", ["null"])


def _without_null(schema: dict[str, JSON]) -> dict[str, JSON]:
    made = dict(schema)
    if isinstance(schema.get("enum"), list):
        made["enum"] = [each for each in schema["enum"] if each is not None]
    if isinstance(schema.get("type"), list):
        kinds = [each for each in schema["type"] if each != "null"]
        made["type"] = kinds[0] if len(kinds) == 1 else kinds
    return made


def _is_listed(schema: Mapping[str, JSON]) -> bool:
    return isinstance(schema.get("enum"), list) or "const" in schema


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _mapping(value: JSON) -> Mapping[str, JSON]:
    return value if isinstance(value, dict) else {}
