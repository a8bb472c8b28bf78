"""Merges two sets of JSON Schema keywords into one that requires what both require.

If no single keyword can express both (two patterns, two `not`), the first is used. Draws are validated against the
original schema, so a merge that requires too little only costs another draw.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from yamlgen.schemas.types import with_integers
from yamlgen.simulator.patterns import compiled

TYPES = ("string", "number", "integer", "boolean", "null", "array", "object")

_PROPERTY_KEYWORDS = frozenset({"properties", "patternProperties", "additionalProperties"})
_ITEM_KEYWORDS = frozenset({"prefixItems", "items"})


def types_of(kind: Any) -> tuple[str, ...]:
    """Return the value of `type` as a tuple."""
    return (kind,) if isinstance(kind, str) else tuple(kind)


def intersection(one: Any, other: Any) -> Any:
    """Return a schema that requires both schemas."""
    if one is False or other is False:
        return False
    if one is True or one is other:
        return other
    return one if other is True else {"allOf": [one, other]}


def join_keywords(one: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """Merge two sets of keywords, in which `type` is a tuple and `const` is an `enum` with one value."""
    if not one or not other:
        return one or other
    joined = {**other, **one}
    for keyword, join in _JOINS.items():
        if keyword in one and keyword in other:
            joined[keyword] = join(one[keyword], other[keyword])
    if _PROPERTY_KEYWORDS & one.keys() and _PROPERTY_KEYWORDS & other.keys():
        joined.update(_properties(one, other))
    if _ITEM_KEYWORDS & one.keys() and _ITEM_KEYWORDS & other.keys():
        joined.update(_items(one, other))
    return joined


def _types(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    shared = with_integers(one) & with_integers(other)
    if "number" in shared:
        shared -= {"integer"}
    return tuple(kind for kind in TYPES if kind in shared)


def _values(one: list[Any], other: list[Any]) -> list[Any]:
    texts = {json.dumps(value, sort_keys=True) for value in other}
    return [value for value in one if json.dumps(value, sort_keys=True) in texts]


def _multiple(one: float, other: float) -> float:
    first, second = Fraction(str(one)), Fraction(str(other))
    joined = Fraction(math.lcm(first.numerator, second.numerator), math.gcd(first.denominator, second.denominator))
    return int(joined) if joined.denominator == 1 else float(joined)


_JOINS: dict[str, Callable[[Any, Any], Any]] = {
    "type": _types,
    "enum": _values,
    "multipleOf": _multiple,
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    "uniqueItems": lambda one, other: one or other,
    **dict.fromkeys(("propertyNames", "unevaluatedProperties", "unevaluatedItems"), intersection),
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"), min),
}


def _properties(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    names = dict.fromkeys([*one.get("properties", {}), *other.get("properties", {})])
    joined: dict[str, Any] = {
        "properties": {name: intersection(_property(one, name), _property(other, name)) for name in names},
        "additionalProperties": intersection(
            one.get("additionalProperties", True), other.get("additionalProperties", True)
        ),
    }
    patterns = dict(one.get("patternProperties", {}))
    for pattern, schema in other.get("patternProperties", {}).items():
        patterns[pattern] = intersection(patterns.get(pattern, True), schema)
    if patterns:
        joined["patternProperties"] = patterns
    return joined


def _property(keywords: Mapping[str, Any], name: str) -> Any:
    """Return one side's schema of a property; its patterns are merged when the property is drawn."""
    if name in keywords.get("properties", {}):
        return keywords["properties"][name]
    if any(compiled(pattern).search(name) for pattern in keywords.get("patternProperties", {})):
        return True
    return keywords.get("additionalProperties", True)


def _items(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    def item(keywords: Mapping[str, Any], index: int) -> Any:
        first = keywords.get("prefixItems", ())
        return first[index] if index < len(first) else keywords.get("items", True)

    length = max(len(one.get("prefixItems", ())), len(other.get("prefixItems", ())))
    joined: dict[str, Any] = {"items": intersection(one.get("items", True), other.get("items", True))}
    if length:
        joined["prefixItems"] = [intersection(item(one, index), item(other, index)) for index in range(length)]
    return joined
