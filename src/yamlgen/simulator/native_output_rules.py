"""The rules about schemas of native structured output, with the API's messages.

Native output compiles a schema into a grammar, which can express shapes but not ranges. A request with another keyword
gets a 400 that no retry fixes, so the simulator must refuse it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from yamlgen.schemas.json_pointer import follow
from yamlgen.simulator.api_errors import SimulatedAPIError

# The API reports keywords of numbers as those of an integer, even for a number.
_UNSUPPORTED = {
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength"),
    "array": ("maxItems", "uniqueItems", "contains", "minContains", "maxContains", "prefixItems", "unevaluatedItems"),
    "object": (
        *("patternProperties", "propertyNames", "minProperties", "maxProperties"),
        *("dependentRequired", "dependentSchemas", "unevaluatedProperties"),
    ),
}
_NEVER = ("oneOf", "not", "if", "then", "else", "$dynamicRef", "$anchor")
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}


def check_native(schema: Any, where: str) -> None:
    """Refuse a schema that native output cannot express.

    Args:
        schema: the schema; it must be valid JSON Schema.
        where: its place in the body, as the API writes it.

    Raises:
        SimulatedAPIError: 400, with the first problem.
    """
    if not isinstance(schema, dict):
        raise SimulatedAPIError(f"{where}: Input should be an object")
    if len(schema) == 0:
        raise SimulatedAPIError(f"{where}: Empty schema is not supported")
    for node in _nodes(schema):
        _check_node(node, schema, where)
    _check_recursion(schema, schema, (), set(), where)


def _check_node(node: dict[str, Any], root: dict[str, Any], where: str) -> None:
    _check_keywords(node, where)
    if node.get("minItems", 0) > 1:
        raise SimulatedAPIError(f"{where}: For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    if _is_object(node) and node.get("additionalProperties") is not False:
        raise SimulatedAPIError(f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    if "format" in node and node["format"] not in _FORMATS:
        raise SimulatedAPIError(f"{where}: For 'string' type, format '{node['format']}' is not supported")
    if any(isinstance(value, dict | list) for value in node.get("enum", ())):
        raise SimulatedAPIError(f"{where}: Complex types in 'enum' are not supported")
    if "$ref" in node and _target(node["$ref"], root) is None:
        raise SimulatedAPIError(f"{where}: External or unresolvable $ref '{node['$ref']}' is not supported")
    if any(isinstance(part, dict) and "$ref" in part for part in node.get("allOf", ())):
        raise SimulatedAPIError(f"{where}: '$ref' inside 'allOf' is not supported")


def _check_keywords(node: dict[str, Any], where: str) -> None:
    for keyword in _NEVER:
        if keyword in node:
            raise SimulatedAPIError(f"{where}: Schema keyword '{keyword}' is not supported")
    for kind, keywords in _UNSUPPORTED.items():
        found = sorted(set(keywords) & set(node))
        if found:
            raise SimulatedAPIError(f"{where}: For '{kind}' type, properties {', '.join(found)} are not supported")


def _is_object(node: dict[str, Any]) -> bool:
    kind = node.get("type")
    return "properties" in node or kind == "object" or (isinstance(kind, list) and "object" in kind)


def _children(node: dict[str, Any]) -> Iterator[Any]:
    for keyword in ("properties", "$defs", "definitions"):
        yield from node.get(keyword, {}).values()
    for keyword in ("anyOf", "allOf"):
        yield from node.get(keyword, ())
    for keyword in ("items", "additionalProperties"):
        if keyword in node:
            yield node[keyword]


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for child in _children(schema):
            yield from _nodes(child)


def _target(ref: str, root: dict[str, Any]) -> Any:
    if not ref.startswith("#"):
        return None
    try:
        return follow(root, ref[1:])
    except LookupError:
        return None


def _check_recursion(node: Any, root: dict[str, Any], trail: tuple[str, ...], finished: set[str], where: str) -> None:
    if not isinstance(node, dict):
        return
    ref = node.get("$ref")
    if ref is not None and ref not in finished:
        if ref in trail or ref == "#":
            raise SimulatedAPIError(f"{where}: Recursive schemas are not supported: $ref '{ref}'")
        _check_recursion(_target(ref, root), root, (*trail, ref), finished, where)
        finished.add(ref)
    for child in _children({key: value for key, value in node.items() if key not in {"$defs", "definitions"}}):
        _check_recursion(child, root, trail, finished, where)
