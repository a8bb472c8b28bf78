"""A JSON Schema in a normal form: references resolved, `allOf` merged, alternatives listed as choices.

Drawing an instance then needs only one node at a time. A `SchemaNode` combines a schema with all schemas that it refers
to. Two nodes merge into one that requires what both require. A merge that nothing can satisfy raises a
`SchemaContradiction`, and another alternative is tried. Nodes are cached, so a schema is merged once, not once per row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from yamlgen.schemas.json_pointer import follow
from yamlgen.simulator.described_constraints import described_constraints
from yamlgen.simulator.schema_intersection import TYPES, join_keywords, types_of

_HARD = frozenset(
    {"not", "if", "anyOf", "oneOf", "enum", "contains", "uniqueItems", "unevaluatedItems", "unevaluatedProperties"}
    | {"pattern", "format", "multipleOf", "minLength", "maxLength", "patternProperties", "propertyNames"}
    | {"minProperties", "dependentRequired", "dependentSchemas"}
)
_APART = frozenset({"$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentRequired", "dependentSchemas"})
_UNKNOWN = ("$dynamicRef", "$recursiveRef")


class SchemaContradiction(Exception):  # noqa: N818 - an intermediate result, not an error
    """Nothing satisfies `keyword` at `where`."""

    def __init__(self, keyword: str, where: str) -> None:
        super().__init__(f"cannot satisfy `{keyword}` at {where}")
        self.keyword = keyword
        self.where = where


@dataclass(frozen=True, slots=True, eq=False)
class SchemaNode:
    """The requirements at one place of a schema.

    Attributes:
        keywords: the keywords that always apply.
        choices: alternatives; one schema of each tuple must also be satisfied.
        contains: the `contains` requirements, each with a schema and a minimum number of members.
        refs: the references that led here, to detect recursion.
        hard: whether a draw may be invalid, so that it is checked at once.
        source: the original schema.
        where: its place, as a JSON pointer.
    """

    keywords: Mapping[str, Any]
    choices: tuple[tuple[Any, ...], ...]
    contains: tuple[Mapping[str, Any], ...]
    refs: frozenset[str]
    hard: bool
    source: Any
    where: str


class PlainSchema:
    """The nodes of one schema."""

    def __init__(self, root: Any) -> None:
        self.root = root
        # The key is an `id()`, which Python reuses for new objects: storing the object keeps it alive.
        self._nodes: dict[int, tuple[Any, SchemaNode]] = {}
        self._chosen: dict[tuple[int, int], tuple[SchemaNode, SchemaNode | SchemaContradiction]] = {}

    def node(self, schema: Any, where: str, trail: tuple[str, ...] = ()) -> SchemaNode:
        """Return the node of a schema.

        Raises:
            SchemaContradiction: nothing satisfies the schema, or a reference cannot be resolved.
        """
        found = self._nodes.get(id(schema))
        if found is None or isinstance(schema, bool):
            found = schema, self._plain(schema, where, trail)
            self._nodes[id(schema)] = found
        return found[1]

    def choose(self, node: SchemaNode, branch: int) -> SchemaNode:
        """Return the node with a branch of its first choice merged in.

        Raises:
            SchemaContradiction: the branch contradicts the rest of the node.
        """
        key = id(node), branch
        if key not in self._chosen:
            outcome: SchemaNode | SchemaContradiction
            try:
                rest = replace(node, choices=node.choices[1:])
                outcome = _joined(rest, self.node(node.choices[0][branch], node.where))
            except SchemaContradiction as contradiction:
                outcome = contradiction
            self._chosen[key] = node, outcome
        outcome = self._chosen[key][1]
        if isinstance(outcome, SchemaContradiction):
            raise SchemaContradiction(outcome.keyword, outcome.where)
        return outcome

    def _plain(self, schema: Any, where: str, trail: tuple[str, ...]) -> SchemaNode:
        if schema is False:
            raise SchemaContradiction("false", where)
        if schema is True:
            schema = {}
        for keyword in _UNKNOWN:
            if keyword in schema:
                raise SchemaContradiction(keyword, where)
        node = SchemaNode(
            {key: value for key, value in schema.items() if key not in _APART},
            _choices(schema),
            ({"schema": schema["contains"], "least": schema.get("minContains", 1)},) if "contains" in schema else (),
            frozenset(),
            bool(_HARD & schema.keys()),
            schema,
            where,
        )
        node = _settled(replace(node, keywords=_normal(node.keywords)))
        if "$ref" in schema:
            node = _joined(node, self._referred(schema["$ref"], where, trail))
        for index, part in enumerate(schema.get("allOf", ())):
            node = _joined(node, self.node(part, f"{where}/allOf/{index}", trail))
        return replace(node, source=schema, where=where)

    def _referred(self, ref: str, where: str, trail: tuple[str, ...]) -> SchemaNode:
        if ref in trail:
            raise SchemaContradiction("$ref", where)
        node = self.node(self._target(ref, where), ref, (*trail, ref))
        return replace(node, refs=node.refs | {ref})

    def _target(self, ref: str, where: str) -> Any:
        if not ref.startswith("#"):
            raise SchemaContradiction("$ref", where)
        if ref != "#" and not ref.startswith("#/"):
            return _anchored(self.root, ref[1:], where)
        try:
            return follow(self.root, ref[1:])
        except LookupError:
            raise SchemaContradiction("$ref", where) from None


def _anchored(schema: Any, anchor: str, where: str) -> Any:
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if part.get("$anchor") == anchor:
                return part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    raise SchemaContradiction("$ref", where)


def _choices(schema: Mapping[str, Any]) -> tuple[tuple[Any, ...], ...]:
    """Return the alternatives of a schema. `if` is one: true with `then`, or false with `else`."""
    choices = [tuple(schema[keyword]) for keyword in ("anyOf", "oneOf") if keyword in schema]
    if "if" in schema and ("then" in schema or "else" in schema):
        condition = schema["if"]
        choices.append(
            (
                {"allOf": [condition, schema.get("then", True)]},
                {"allOf": [{"not": condition}, schema.get("else", True)]},
            )
        )
    for name, needed in schema.get("dependentRequired", {}).items():
        choices.append(({"required": [name, *needed]}, {"properties": {name: False}}))
    for name, needed in schema.get("dependentSchemas", {}).items():
        choices.append(({"required": [name], "allOf": [needed]}, {"properties": {name: False}}))
    refused = schema.get("not")
    if isinstance(refused, dict) and refused.keys() == {"required"} and refused["required"]:
        choices.append(tuple({"properties": {name: False}} for name in refused["required"]))
    return tuple(choices)


def _normal(keywords: Mapping[str, Any]) -> dict[str, Any]:
    normal = {**described_constraints(str(keywords.get("description", ""))), **keywords}
    if "const" in normal:
        value = normal.pop("const")
        normal["enum"] = [v for v in normal.get("enum", [value]) if json.dumps(v) == json.dumps(value)]
    if "type" in normal:
        normal["type"] = types_of(normal["type"])
    refused = normal.get("not")
    if isinstance(refused, dict) and refused.keys() == {"type"}:
        out = types_of(refused["type"])
        kept = normal.get("type", TYPES)
        normal["type"] = tuple(kind for kind in kept if kind not in out and not (kind == "integer" and "number" in out))
    return dict(join_keywords(normal, _turned(refused)))


_TURNED = {
    "minimum": "exclusiveMaximum",
    "maximum": "exclusiveMinimum",
    "exclusiveMinimum": "maximum",
    "exclusiveMaximum": "minimum",
}


def _turned(refused: Any) -> dict[str, Any]:
    """Return the bound that a negated bound implies: a number that is not at least 5 is below 5."""
    bounds = refused.keys() - {"type"} if isinstance(refused, dict) else ()
    if len(bounds) != 1 or not _TURNED.keys() >= bounds or refused.get("type", "number") != "number":
        return {}
    (bound,) = bounds
    return {_TURNED[bound]: refused[bound]}


def _joined(one: SchemaNode, other: SchemaNode) -> SchemaNode:
    joined = replace(
        one,
        keywords=join_keywords(one.keywords, other.keywords),
        choices=one.choices + other.choices,
        contains=one.contains + other.contains,
        refs=one.refs | other.refs,
        hard=one.hard or other.hard,
    )
    return _settled(joined)


_BOUNDS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)
_BOUND_TYPES = {"Length": "string", "Items": "array", "Properties": "object"}


def _settled(node: SchemaNode) -> SchemaNode:
    """Return the node, or raise `SchemaContradiction` if obviously nothing satisfies it."""
    keywords = node.keywords
    for keyword in ("type", "enum"):
        if keyword in keywords and not keywords[keyword]:
            raise SchemaContradiction(keyword, node.where)
    kinds = keywords.get("type", ())
    for low, high in _BOUNDS:
        typed = _BOUND_TYPES.get(low.removeprefix("min"))
        only = {typed} if typed else {"integer", "number"}
        if kinds and only.issuperset(kinds) and keywords.get(low, -math.inf) > keywords.get(high, math.inf):
            raise SchemaContradiction(low, node.where)
    if kinds == ("object",):
        for name in keywords.get("required", ()):
            if keywords.get("properties", {}).get(name) is False:
                raise SchemaContradiction("required", node.where)
    return node
