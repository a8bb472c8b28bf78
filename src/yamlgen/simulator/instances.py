"""Draws random instances of a JSON Schema, and validates them.

No library was suitable in November 2026. jsf uses the global random state, so answers would not be reproducible; it
supports no draft after 7, and ignores `if`, `not`, `contains` and merged `allOf`. hypothesis-jsonschema also stops at
draft 7, and needs Hypothesis at run time, whose examples are extreme rather than plausible. polyfactory needs model
classes, not schemas.

A draw follows the keywords that describe how to build a value. Keywords that only forbid values are checked after the
draw, at their own place if possible, so that a miss repeats one small draw and not the whole instance. jsonschema-rs
validates, as when a pipeline runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs

from yamlgen.schemas.types import kind_of, with_integers
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.numbers import draw_number, is_within
from yamlgen.simulator.patterns import PatternError, compiled
from yamlgen.simulator.patterns import draw as draw_pattern
from yamlgen.simulator.plain_schema import PlainSchema, SchemaContradiction, SchemaNode
from yamlgen.simulator.plausible_values import PlausibleValues
from yamlgen.simulator.schema_intersection import TYPES

_WHOLE_DRAWS = 8
_DRAWS = 24
_MISSES = 2_000
_DEEP = 2
_TOO_DEEP = 6
_OPTIONAL = 0.9
_EMPTY = 0.15

_INFERRED = (
    ("object", {"properties", "required", "additionalProperties", "patternProperties", "minProperties"}),
    ("array", {"items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"}),
    ("string", {"minLength", "maxLength", "pattern", "format"}),
    ("number", {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
)

Trail = tuple[str, ...]
"""The references followed to a place; one that occurs twice is a recursion."""


class Instances:
    """The instances of one valid schema.

    Args:
        schema: the schema.
        values: the source of plain values; its seed determines each draw.
    """

    def __init__(self, schema: Any, values: PlausibleValues) -> None:
        self._schemas = PlainSchema(schema)
        self._validator = _validator(schema)
        self._local = _defined(schema)
        self._checks: dict[int, tuple[SchemaNode, Any]] = {}
        self._members: dict[tuple[int, str], Any] = {}
        self._misses = 0
        self._values = values

    def draw(self) -> Any:
        """Draw one instance.

        Raises:
            SimulatedAPIError: 400, with the keyword that no draw satisfied.
        """
        self._misses = 0
        missed = SchemaContradiction("false", "#")
        for _ in range(_WHOLE_DRAWS):
            try:
                value = self._value(self._schemas.root, "", (), "#")
            except SchemaContradiction as contradiction:
                missed = contradiction
                continue
            except RecursionError:
                missed = SchemaContradiction("$ref", "#")
                continue
            error = next(self._validator.iter_errors(value), None)
            if error is None:
                return value
            *place, keyword = map(str, error.schema_path)
            missed = SchemaContradiction(keyword, "/".join(["#", *place]))
        raise SimulatedAPIError(f"the simulator {missed}")

    def accepts(self, value: Any) -> bool:
        """Check whether `value` is an instance."""
        return bool(self._validator.is_valid(value))

    def _value(self, schema: Any, field: str, trail: Trail, where: str) -> Any:
        node = self._schemas.node(schema, where)
        trail = _extended(trail, node.refs, where)
        if not node.hard:
            return self._once(node, field, trail, 0)
        missed = SchemaContradiction("false", where)
        check = self._check(node)
        for attempt in range(_DRAWS):
            try:
                value = self._once(node, field, trail, attempt)
            except SchemaContradiction as contradiction:
                missed = contradiction
            else:
                if check is None or check.is_valid(value):
                    return value
                error = next(check.iter_errors(value))
                # The validator has this schema at `allOf/0`.
                *place, keyword = map(str, error.schema_path[2:])
                missed = SchemaContradiction(keyword, "/".join([where, *place]))
            self._misses += 1
            if self._misses > _MISSES:
                break
        raise missed

    def _check(self, node: SchemaNode) -> Any:
        """Return a validator of one node, or `None` if its references need the whole schema."""
        if self._local is None:
            return None
        if id(node) not in self._checks:
            self._checks[id(node)] = node, _validator({**self._local, "allOf": [node.source]})
        return self._checks[id(node)][1]

    def _once(self, node: SchemaNode, field: str, trail: Trail, attempt: int) -> Any:
        deep = any(trail.count(ref) > _DEEP for ref in trail)
        before = node.refs
        while node.choices:
            node = self._chosen(node, attempt, deep=deep)
        trail = _extended(trail, node.refs - before, node.where)
        keywords = node.keywords
        if "enum" in keywords:
            return self._listed(node)
        kind = self._kind(keywords, attempt)
        if kind == "object":
            return self._object(node, trail, deep=deep)
        if kind == "array":
            return self._array(node, field, trail, deep=deep)
        if kind == "string":
            return self._string(keywords, field, node.where)
        if kind in {"integer", "number"}:
            whole = kind == "integer"
            return draw_number(keywords, self._values, field, node.where, whole=whole)
        return self._values.rng.choice((False, True)) if kind == "boolean" else None

    def _chosen(self, node: SchemaNode, attempt: int, *, deep: bool) -> SchemaNode:
        """Return the node with a random branch of its first choice; in a deep recursion, the simplest branch first."""
        branches = node.choices[0]
        order = list(range(len(branches)))
        if deep:
            order.sort(key=lambda index: _weight(branches[index]))
            order = order[attempt % len(order) :] + order[: attempt % len(order)]
        else:
            self._values.rng.shuffle(order)
            if branches[order[0]] == {"type": "null"} and self._values.rng.random() > _EMPTY:
                order.append(order.pop(0))
        missed: SchemaContradiction | None = None
        for branch in order:
            try:
                return self._schemas.choose(node, branch)
            except SchemaContradiction as contradiction:
                missed = contradiction
        raise missed or SchemaContradiction("anyOf", node.where)

    def _kind(self, keywords: Mapping[str, Any], attempt: int) -> str:
        rng = self._values.rng
        kinds = keywords.get("type")
        if kinds is None and attempt:
            # The type that the keywords suggest has failed, and the schema requires none.
            return rng.choice(TYPES)
        if kinds is None:
            return next((kind for kind, words in _INFERRED if words & keywords.keys()), "string")
        if len(kinds) == 1:
            return str(kinds[0])
        if "null" in kinds and rng.random() < _EMPTY:
            return "null"
        return str(rng.choice([kind for kind in kinds if kind != "null"]))

    def _listed(self, node: SchemaNode) -> Any:
        kinds = node.keywords.get("type")
        fitting = [value for value in node.keywords["enum"] if kinds is None or kind_of(value) in with_integers(kinds)]
        fitting = [value for value in fitting if type(value) not in (int, float) or is_within(value, node.keywords)]
        if not fitting:
            raise SchemaContradiction("enum", node.where)
        value = self._values.rng.choice(fitting)
        # A copy, because the value may be made invalid later.
        return json.loads(json.dumps(value)) if isinstance(value, dict | list) else value

    def _string(self, keywords: Mapping[str, Any], field: str, where: str) -> str:
        least, most = keywords.get("minLength", 0), keywords.get("maxLength")
        formatted = self._values.formatted(keywords.get("format", ""))
        if "pattern" in keywords and (formatted is None or self._values.rng.choice((False, True))):
            try:
                return draw_pattern(keywords["pattern"], self._values.rng, int(least))
            except PatternError:
                raise SchemaContradiction("pattern", where) from None
        if formatted is not None:
            return formatted
        return self._values.string(field, int(least), None if most is None else int(most))

    def _array(self, node: SchemaNode, field: str, trail: Trail, *, deep: bool) -> list[Any]:
        keywords = node.keywords
        first = keywords.get("prefixItems", [])
        rest = keywords.get("items", keywords.get("unevaluatedItems", True))
        least, most = int(keywords.get("minItems", 0)), keywords.get("maxItems")
        wanted = max(least, len(first))
        if not deep and rest is not False and (rest is not True or not first):
            wanted = max(wanted, least + self._values.rng.randint(0 if least else 1, 2))
        wanted = wanted if most is None else min(wanted, int(most))
        if rest is False:
            wanted = min(wanted, len(first))
        array: list[Any] = []
        seen: set[str] = set()
        for index in range(wanted):
            schema = first[index] if index < len(first) else rest
            where = f"{node.where}/prefixItems/{index}" if index < len(first) else f"{node.where}/items"
            try:
                item = (
                    self._unlike(seen, schema, field, trail, where)
                    if keywords.get("uniqueItems")
                    else self._value(schema, field, trail, where)
                )
            except SchemaContradiction:
                if index < least:
                    raise
                break
            array.append(item)
        for contained in node.contains:
            self._put(contained, array, node, field, trail)
        return array

    def _unlike(self, seen: set[str], schema: Any, field: str, trail: Trail, where: str) -> Any:
        """Draw an item that differs from all items so far."""
        for _ in range(_DRAWS):
            item = self._value(schema, field, trail, where)
            text = json.dumps(item, sort_keys=True)
            if text not in seen:
                seen.add(text)
                return item
        raise SchemaContradiction("uniqueItems", where)

    def _put(self, contained: Mapping[str, Any], array: list[Any], node: SchemaNode, field: str, trail: Trail) -> None:
        """Add the members that `contains` requires; they replace others if the array may not grow."""
        first = len(node.keywords.get("prefixItems", []))
        rest, most = node.keywords.get("items", True), node.keywords.get("maxItems")
        for index in range(int(contained["least"])):
            place = first + index
            key = id(contained["schema"]), "contains"
            if key not in self._members:
                self._members[key] = {"allOf": [contained["schema"], rest]}
            item = self._value(self._members[key], field, trail, f"{node.where}/contains")
            if place < len(array):
                array[place] = item
            elif rest is not False and (most is None or len(array) < most):
                array.append(item)
            elif array:
                array[index % len(array)] = self._value(contained["schema"], field, trail, f"{node.where}/contains")

    def _object(self, node: SchemaNode, trail: Trail, *, deep: bool) -> dict[str, Any]:
        keywords, rng = node.keywords, self._values.rng
        properties, required = keywords.get("properties", {}), keywords.get("required", [])
        most = keywords.get("maxProperties")
        room = math.inf if most is None else int(most) - len(required)
        least = int(keywords.get("minProperties", 0))
        built: dict[str, Any] = {}
        for name in dict.fromkeys([*properties, *required]):
            if name in required:
                built[name] = self._member(node, name, trail)
                continue
            open_ = len(properties) > least and rng.random() > _OPTIONAL
            if deep or open_ or room <= 0 or self._property(node, name) is False:
                continue
            try:
                built[name] = self._member(node, name, trail)
                room -= 1
            except SchemaContradiction:
                continue
        if not deep or len(built) < least:
            self._extend(built, node, trail, least)
        return built

    def _extend(self, built: dict[str, Any], node: SchemaNode, trail: Trail, least: int) -> None:
        """Add more properties, if more are required or the schema describes a map."""
        keywords = node.keywords
        patterns = list(keywords.get("patternProperties", {}))
        extra = keywords.get("additionalProperties", keywords.get("unevaluatedProperties"))
        is_map = not keywords.get("properties") and (bool(patterns) or isinstance(extra, dict))
        wanted = max(least, len(built) + self._values.rng.randint(1, 3) if is_map else 0)
        if "maxProperties" in keywords:
            wanted = min(wanted, int(keywords["maxProperties"]))
        for _ in range(_DRAWS):
            if len(built) >= wanted:
                return
            try:
                name = self._name(node, patterns, closed=extra is False)
                if name is not None and name not in built:
                    built[name] = self._member(node, name, trail)
            except (SchemaContradiction, PatternError):
                continue
        if len(built) < least:
            raise SchemaContradiction("minProperties", node.where)

    def _name(self, node: SchemaNode, patterns: list[str], *, closed: bool) -> str | None:
        unused = [name for name in node.keywords.get("properties", {}) if self._property(node, name) is not False]
        if "propertyNames" in node.keywords and not (closed and patterns):
            name = self._value(node.keywords["propertyNames"], "word", (), f"{node.where}/propertyNames")
            return name if isinstance(name, str) else None
        if patterns:
            return draw_pattern(self._values.rng.choice(patterns), self._values.rng)
        if closed:
            return str(self._values.rng.choice(unused)) if unused else None
        return self._values.word()

    def _member(self, node: SchemaNode, name: str, trail: Trail) -> Any:
        schema = self._property(node, name)
        if schema is False:
            raise SchemaContradiction(
                "required" if name in node.keywords.get("required", ()) else "properties", node.where
            )
        key = name.replace("~", "~0").replace("/", "~1")
        return self._value(schema, name, trail, f"{node.where}/properties/{key}")

    def _property(self, node: SchemaNode, name: str) -> Any:
        """Return the schema of a property: its own and those of matching patterns, else that for other properties."""
        known = node.keywords.get("properties", {})
        patterns = node.keywords.get("patternProperties")
        if name in known and not patterns:
            return known[name]
        key = id(node), name
        if key not in self._members:
            parts = [known[name]] if name in known else []
            parts += [schema for pattern, schema in (patterns or {}).items() if compiled(pattern).search(name)]
            if not parts:
                rest = node.keywords.get("unevaluatedProperties", True)
                parts = [node.keywords.get("additionalProperties", rest)]
            schema = False if False in parts else parts[0] if len(parts) == 1 else {"allOf": parts}
            if len(self._members) > 10_000:  # noqa: PLR2004 - names drawn for maps are unlimited
                return schema
            self._members[key] = schema
        return self._members[key]


@lru_cache(maxsize=128)
def instances_of(text: str, values: PlausibleValues) -> Instances:
    """Return the instances of a schema, given as a JSON string so that the cache can hash it."""
    return Instances(json.loads(text), values)


def _validator(schema: Any) -> Any:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True)


def _defined(schema: Any) -> dict[str, Any] | None:
    """Return the definitions that parts of the schema need; `None` if there are references to anything else."""
    text = json.dumps(schema)
    if '"$anchor"' in text or '"$id"' in text:
        return None
    references = [part.split('"', 1)[0] for part in text.split('"$ref": "')[1:]]
    if not all(ref.startswith(("#/$defs/", "#/definitions/")) for ref in references):
        return None
    return {keyword: schema[keyword] for keyword in ("$defs", "definitions") if references and keyword in schema}


def _extended(trail: Trail, refs: frozenset[str], where: str) -> Trail:
    if any(trail.count(ref) >= _TOO_DEEP for ref in refs):
        raise SchemaContradiction("$ref", where)
    return (*trail, *sorted(refs)) if refs else trail


def _weight(schema: Any) -> tuple[bool, int]:
    text = json.dumps(schema)
    return '"$ref"' in text, len(text)
