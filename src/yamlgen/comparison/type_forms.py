"""A JSON Schema in a form that can be compared: its alternatives, each of one kind of value.

References are resolved, `allOf` is merged, and what has no effect on the values is left out: annotations, keywords of
other kinds, bounds that every value is within. Two spellings of one type give the same forms. Keywords whose values
cannot be ordered (`pattern`, `not`, `if`) are kept as text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final

import jsonschema_rs

from yamlgen.schemas.constraints import KINDS, listed, mapped
from yamlgen.schemas.keywords import FORMATS, KEYWORDS, subschemas, validator_of
from yamlgen.schemas.types import kind_of, referred
from yamlgen.simulator.schema_intersection import join_keywords, types_of
from yamlgen.value_objects import JSON

Keywords = dict[str, Any]

_ASIDE: Final = {
    "pattern": ("string", ("pattern",)),
    "contains": ("array", ("contains", "minContains", "maxContains")),
    "propertyNames": ("object", ("propertyNames",)),
    "patternProperties": ("object", ("patternProperties",)),
    "dependentRequired": ("object", ("dependentRequired",)),
    "dependentSchemas": ("object", ("dependentSchemas",)),
    "dependencies": ("object", ("dependencies",)),
    "not": (None, ("not",)),
    "if": (None, ("if", "then", "else")),
    "$dynamicRef": (None, ("$dynamicRef",)),
}
"""Keywords that are compared as text: the kind of value that they limit, and the keywords of their group."""

_OF_KIND: Final = {
    "string": ("minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("minItems", "maxItems", "uniqueItems", "items", "prefixItems"),
    "object": ("minProperties", "maxProperties", "required", "properties", "additionalProperties"),
}
_NOTES: Final = frozenset(
    {"title", "description", "$comment", "examples", "default", "deprecated", "readOnly", "writeOnly", "$id", "$schema"}
    | {"$defs", "definitions", "$anchor", "$dynamicAnchor", "contentEncoding", "contentMediaType", "contentSchema"}
)
_PARTS: Final = ("items", "prefixItems", "properties", "additionalProperties")
_IDLE: Final[Keywords] = {"minLength": 0, "minItems": 0, "minProperties": 0, "uniqueItems": False, "required": []}
"""Keywords that every value satisfies."""

_ASIDES: Final = "x-aside"
_MOST: Final = 64
"""Maximum number of alternatives at one place; a schema that multiplies to more is compared as text."""

_DEEPEST: Final = 8
"""Maximum number of references in references that are replaced in texts."""


@dataclass(frozen=True, slots=True)
class TypeForm:
    """One alternative of a type: values of one kind.

    Attributes:
        kind: one of `constraints.KINDS`; integers are numbers.
        keywords: the keywords that limit the values, with "integer" if a number must be one. Parts are schemas of the
            same root.
        values: the only values, as canonical JSON; `None` if they are not listed.
        texts: the keywords that are compared as text, each with its text.
    """

    kind: str
    keywords: Mapping[str, Any]
    values: tuple[str, ...] | None = None
    texts: frozenset[tuple[str, str]] = frozenset()

    @property
    def is_open(self) -> bool:
        """Whether every value of the kind has this form."""
        return self.values is None and not self.keywords and not self.texts


def forms_of(schema: JSON, root: JSON) -> list[TypeForm]:
    """Return the alternatives of a schema, whose references start at `root`; empty if it allows no value."""
    found: list[TypeForm] = []
    for keywords in _alternatives(schema, root, ()):
        found += [form for kind in KINDS for form in _form(kind, keywords, root)]
    return _simplified(found)


def is_anything(forms: list[TypeForm]) -> bool:
    """Whether the forms allow every value."""
    return len(forms) == len(KINDS) and all(form.is_open for form in forms)


def is_free(schema: JSON, root: JSON, trail: tuple[str, ...] = ()) -> bool:
    """Whether a schema allows every value, as far as its own level shows."""
    if not isinstance(schema, dict):
        return schema is True
    for word, value in schema.items():
        match word:
            case "type":
                is_idle = {*KINDS} <= set(value)
            case "$ref":
                target = referred(root, value) if value not in trail and len(trail) < _DEEPEST else None
                is_idle = target is not None and is_free(target, root, (*trail, value))
            case "allOf":
                is_idle = all(is_free(part, root, trail) for part in value)
            case "anyOf":
                is_idle = any(is_free(part, root, trail) for part in value)
            case "items" | "additionalProperties":
                is_idle = is_free(value, root, trail)
            case _:
                is_idle = word not in KEYWORDS or word in _NOTES or (word in _IDLE and value == _IDLE[word])
        if not is_idle:
            return False
    return True


def is_never(schema: JSON) -> bool:
    """Whether a schema is one of the spellings of "no value"."""
    return schema is False or (isinstance(schema, dict) and schema.get("not") in (True, {}))


def _alternatives(schema: JSON, root: JSON, trail: tuple[str, ...]) -> list[Keywords]:
    """Return sets of keywords, of which a value must satisfy one, without references and unions."""
    if not isinstance(schema, dict) or is_never(schema):
        return [{}] if schema is True else []
    every = [[_own(schema, root)]]
    if "$ref" in schema:
        ref = schema["$ref"]
        target = None if ref in trail else referred(root, ref)
        every.append(_as_text("$ref", ref) if target is None else _alternatives(target, root, (*trail, ref)))
    every += [_alternatives(part, root, trail) for part in listed(schema, "allOf")]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            every.append([one for part in schema[word] for one in _alternatives(part, root, trail)])
    if math.prod(len(each) for each in every) > _MOST:
        return _as_text("allOf", _text(schema, root, ()))
    return [_joined(parts) for parts in product(*every)]


def _as_text(word: str, text: str) -> list[Keywords]:
    return [{_ASIDES: {(None, word, text)}}]


def _own(schema: Keywords, root: JSON) -> Keywords:
    """Return the keywords of a schema that are neither references nor unions, in the spelling of `join_keywords`."""
    left = {"$ref", "allOf", "anyOf", "oneOf", *_NOTES}
    own = {word: value for word, value in schema.items() if word not in left}
    if "const" in own:
        value = own.pop("const")
        own["enum"] = [each for each in own.get("enum", [value]) if _canonical(each) == _canonical(value)]
    if "type" in own:
        own["type"] = types_of(own["type"])
    if own.get("format", FORMATS[0]) not in FORMATS:
        del own["format"]
    aside = set()
    for word, (kind, group) in _ASIDE.items():
        taken = {each: own[each] for each in group if each in own}
        if word in taken and (word != "if" or len(taken) > 1):
            aside.add((kind, word, _text(taken, root, ())))
    return {**own, **({_ASIDES: aside} if aside else {})}


def _joined(parts: tuple[Keywords, ...]) -> Keywords:
    joined: Keywords = {}
    for part in parts:
        aside = joined.get(_ASIDES, set()) | part.get(_ASIDES, set())
        formats = {each["format"] for each in (joined, part) if "format" in each}
        if len(formats) > 1:
            aside |= {("string", "format", each) for each in formats}
        joined = {**join_keywords(joined, part), **({_ASIDES: aside} if aside else {})}
    return joined


def _form(kind: str, keywords: Keywords, root: JSON) -> list[TypeForm]:
    """Return the form of the values of one kind; no form if there are no such values."""
    types = keywords.get("type", (*KINDS, "integer"))
    is_integer = kind == "number" and "number" not in types
    if kind not in types and not (is_integer and "integer" in types):
        return []
    texts = {(word, text) for of, word, text in keywords.get(_ASIDES, ()) if of in (None, kind)}
    own = {word: keywords[word] for word in _OF_KIND.get(kind, ()) if word in keywords}
    if kind == "object" and "unevaluatedProperties" in keywords:
        own.setdefault("additionalProperties", keywords["unevaluatedProperties"])
    if kind == "array" and "unevaluatedItems" in keywords:
        own.setdefault("items", keywords["unevaluatedItems"])
    if is_integer:
        own["type"] = "integer"
    values = None
    if "enum" in keywords:
        plain = {word: value for word, value in own.items() if word not in _PARTS}
        values = _listed_values(kind, keywords["enum"], plain)
        parts = {word: value for word, value in own.items() if word in _PARTS}
        texts |= {("enum", _text(parts, root, ()))} if parts else set()
        own = {}
        if not values:
            return []
    if kind == "null" or (kind == "boolean" and values is not None and len(values) > 1):
        values = None
    return [TypeForm(kind, _trimmed(kind, own, root), values, frozenset(texts))]


def _listed_values(kind: str, values: list[JSON], plain: Keywords) -> tuple[str, ...]:
    """Return the values of one kind that the other keywords allow."""
    of_kind = [value for value in values if _kind(value) == kind]
    try:
        validator = validator_of(plain) if plain else None
    except (jsonschema_rs.ValidationError, ValueError):
        validator = None
    allowed = [value for value in of_kind if validator is None or validator.is_valid(value)]
    return tuple(dict.fromkeys(map(_canonical, allowed)))


def _trimmed(kind: str, own: Keywords, root: JSON) -> Keywords:
    """Return the keywords without those that every value satisfies, and with bounds in one spelling."""
    if kind == "number":
        own = _numeric(own)
    if kind == "array":
        first = own.get("prefixItems", [])
        if is_never(own.get("items")):
            own = {**own, "maxItems": min(own.get("maxItems", math.inf), len(first))}
        if not first:
            own = {word: value for word, value in own.items() if word != "prefixItems"}
    if kind == "object":
        own = _members(own, root)
    own = {word: value for word, value in own.items() if word not in _IDLE or value != _IDLE[word]}
    for word in ("items", "additionalProperties"):
        if word in own and is_free(own[word], root):
            del own[word]
    return own


def _numeric(own: Keywords) -> Keywords:
    """Return the keywords of a number; the bounds of integers are integers that the value may have."""
    made = dict(own)
    is_integer = made.pop("type", None) == "integer" or made.get("multipleOf") == 1
    if made.get("multipleOf") == 1:
        del made["multipleOf"]
    for word, over, toward, sign in (
        ("minimum", "exclusiveMinimum", math.ceil, 1),
        ("maximum", "exclusiveMaximum", math.floor, -1),
    ):
        bound, beyond = made.get(word), made.get(over)
        if is_integer:
            made.pop(over, None)
            limits = [toward(bound)] if bound is not None else []
            if beyond is not None:
                limits.append(toward(beyond) + (sign if toward(beyond) == beyond else 0))
            if limits:
                made[word] = max(limits) if sign > 0 else min(limits)
        elif bound is not None and beyond is not None:
            del made[word if (beyond - bound) * sign >= 0 else over]
    return {**made, "integer": True} if is_integer else made


def _members(own: Keywords, root: JSON) -> Keywords:
    """Return the keywords of an object; a member that is as free as undeclared ones is not declared."""
    rest = own.get("additionalProperties", True)
    required = sorted(set(own.get("required", ())))
    declared = mapped(own, "properties")
    properties = {**declared, **{name: rest for name in required if name not in declared}}
    is_open = is_free(rest, root)
    kept = {
        name: part
        for name, part in properties.items()
        if name in required or not (is_never(part) if is_never(rest) else is_open and is_free(part, root))
    }
    members = {"properties": kept} if kept else {}
    return {**own, **members, "required": required, "additionalProperties": rest}


def _simplified(forms: list[TypeForm]) -> list[TypeForm]:
    """Return the forms, in the order of their kinds: listed values together, and nothing beside what allows all."""
    kept: list[TypeForm] = []
    for kind in KINDS:
        of_kind = [form for form in forms if form.kind == kind]
        free = next((form for form in of_kind if form.is_open), None)
        valued = [form for form in of_kind if form.values is not None and not form.texts]
        if free is not None:
            kept.append(free)
            continue
        if valued:
            values = tuple(dict.fromkeys(value for form in valued for value in form.values or ()))
            joined = replace(valued[0], values=None if kind == "boolean" and len(values) > 1 else values)
            of_kind = [joined, *(form for form in of_kind if form not in valued)]
        kept += [joined] if valued and joined.is_open else of_kind
    return kept


def _kind(value: JSON) -> str | None:
    kind = kind_of(value)
    return "number" if kind == "integer" else kind


def _canonical(value: JSON) -> str:
    """Return a value as text, equal for equal values: 1 and 1.0 are."""
    return json.dumps(_whole(value), sort_keys=True, ensure_ascii=False)


def _whole(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(schema: JSON, root: JSON, trail: tuple[str, ...]) -> str:
    """Return a schema as text, with the targets of its references in their places, and without annotations."""
    copy = json.loads(json.dumps(schema))
    for _, part in list(subschemas(copy)):
        for word in _NOTES & part.keys():
            del part[word]
        ref = part.get("$ref")
        if not isinstance(ref, str) or ref in trail or len(trail) == _DEEPEST:
            continue
        if (target := referred(root, ref)) is not None:
            part["$ref"] = _text(target, root, (*trail, ref))
    return _canonical(copy)
