"""The part of an author's schema that native structured output can express (checked against the docs in 2026-11).

Owns the reduction of a JSON Schema to the subset that `output_config.format` supports. A constraint outside the subset
is moved into the description that is sent; the answer is still validated against the author's whole schema. A schema
whose *structure* is outside the subset is sent as a tool instead: reducing it would forbid answers that the author
allows, or allow answers that the model cannot know to be invalid.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from yamlgen.model_capabilities import Capabilities
from yamlgen.schemas.keywords import subschemas
from yamlgen.value_objects import JSON

TOLD: Final = "It must also satisfy "
"""The prefix, in a description, of the constraints (as JSON) that native output cannot express."""

_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_STRUCTURE: Final = ("type", "properties", "required", "items", "additionalProperties", "enum", "const", "format")
NOTES: Final = ("title", "description", "$comment", "examples", "deprecated", "readOnly", "writeOnly", "default")
"""The keywords that only describe a value; of these, `title` and `description` are sent."""

_DEFS: Final = ("$defs", "definitions")

MOST_OPTIONAL: Final = 24
"""Maximum number of optional properties of a schema, over all of its objects and definitions."""

MOST_UNIONS: Final = 16
"""Maximum number of unions in a schema: `anyOf`, or a list of types."""


def choose_mode(schema: Mapping[str, Any], able: Capabilities) -> Literal["native", "tools", "json"]:
    """Return the best output mode for a schema: native if the schema fits, else a tool, else JSON in text."""
    if able.native_output:
        try:
            reduce(schema)
        except NotExpressible:
            pass
        else:
            return "native"
    return other_mode(able)


def other_mode(able: Capabilities) -> Literal["tools", "json"]:
    """Return the output mode for a schema that native output does not support."""
    return "json" if able.tools is False else "tools"


class NotExpressible(Exception):  # noqa: N818 - not an error: the schema needs another mode
    """Native output does not support the structure of the schema; the message explains why, and where."""


def reduce(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema to send as `output_config.format`, with its properties in the author's order.

    Raises:
        NotExpressible: native output does not support the schema.
    """
    made = _reduced(schema, "#", _NativeDefinitions(schema))
    optional, unions = count(made)
    if optional > MOST_OPTIONAL:
        raise NotExpressible(f"it has {optional} optional properties, and the maximum is {MOST_OPTIONAL}")
    if unions > MOST_UNIONS:
        raise NotExpressible(f"it has {unions} unions of types, and the maximum is {MOST_UNIONS}")
    return made


def count(schema: Mapping[str, Any]) -> tuple[int, int]:
    """Count the optional properties and the unions of a schema, its definitions included."""
    optional = unions = 0
    for _, part in subschemas(schema):
        properties = part.get("properties", {})
        optional += len(properties.keys() - set(part.get("required", ())))
        unions += "anyOf" in part or "oneOf" in part or isinstance(part.get("type"), list)
    return optional, unions


class _NativeDefinitions:
    """Checks the schema's definitions for recursion, which native output does not support."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.open: list[str] = []
        self.checked: set[str] = set()

    def check(self, ref: str, at: str) -> None:
        parts = ref.split("/")
        if len(parts) != 3 or parts[0] != "#" or parts[1] not in _DEFS:  # noqa: PLR2004 - `#/$defs/name`
            raise NotExpressible(f"the reference `{ref}` at {at} does not point to an entry of `$defs`")
        if ref in self.open:
            raise NotExpressible(f"the schema is recursive through `{ref}`")
        if ref in self.checked:
            return
        target = self.root.get(parts[1], {}).get(parts[2])
        if not isinstance(target, dict):
            raise NotExpressible(f"the target of `{ref}` at {at} is not an object schema")
        self.open.append(ref)
        _reduced(target, ref, self)
        self.open.pop()
        self.checked.add(ref)


def _reduced(schema: JSON, at: str, definitions: _NativeDefinitions) -> dict[str, Any]:
    if not isinstance(schema, dict):
        raise NotExpressible(f"{at} accepts any value")
    made = {key: schema[key] for key in ("title", "description") if key in schema}
    if "$ref" in schema:
        if extra := set(schema) - {"$ref", *NOTES, *_DEFS, "$schema", "$id"}:
            raise NotExpressible(f"`{min(extra)}` is next to a `$ref` at {at}")
        definitions.check(schema["$ref"], at)
        made["$ref"] = schema["$ref"]
        left: set[str] = set()
    else:
        left = _structure(schema, at, made, definitions)
    _describe(made, {key: schema[key] for key in schema if key in left})
    for word in _DEFS:
        if word in schema:
            made[word] = {
                name: _reduced(part, f"{at}/{word}/{name}", definitions) for name, part in schema[word].items()
            }
    return made


def _structure(schema: Mapping[str, Any], at: str, made: dict[str, Any], definitions: _NativeDefinitions) -> set[str]:
    """Fill `made` with the keywords that native output supports, and return the others."""
    left = set(schema) - {*_STRUCTURE, *NOTES, *_DEFS, "$schema", "$id", "$anchor"}
    union = next((word for word in ("anyOf", "oneOf", "allOf") if word in schema), None)
    if union:
        if extra := {"properties", "items", "enum", "const", "anyOf", "oneOf", "allOf"} & set(schema) - {union}:
            raise NotExpressible(f"`{min(extra)}` is next to `{union}` at {at}")
        if union == "allOf":
            raise NotExpressible(f"`allOf` is used at {at}")
        made["anyOf"] = [_reduced(part, f"{at}/{union}/{i}", definitions) for i, part in enumerate(schema[union])]
        return left - {union}
    if "enum" in schema or "const" in schema:
        values = schema["enum"] if "enum" in schema else [schema["const"]]
        if any(isinstance(value, dict | list) for value in values):
            raise NotExpressible(f"a value of the enum at {at} is a list or an object")
        word = "enum" if "enum" in schema else "const"
        made[word] = schema[word]
        return left
    kind = schema.get("type")
    if not isinstance(kind, str):
        raise NotExpressible(f"{at} has {'several types' if kind else 'no type'}")
    made["type"] = kind
    if kind == "object":
        _object(schema, at, made, definitions)
    elif kind == "array":
        if "items" not in schema or "prefixItems" in schema:
            raise NotExpressible(f"the items of the list at {at} do not share one schema")
        made["items"] = _reduced(schema["items"], f"{at}/items", definitions)
        if schema.get("minItems") in (0, 1):
            made["minItems"] = schema["minItems"]
            left.discard("minItems")
    elif kind == "string" and "format" in schema:
        if schema["format"] in _FORMATS:
            made["format"] = schema["format"]
        else:
            left.add("format")
    return left


def _object(schema: Mapping[str, Any], at: str, made: dict[str, Any], definitions: _NativeDefinitions) -> None:
    properties = schema.get("properties", {})
    if "patternProperties" in schema or schema.get("additionalProperties", False) is not False:
        raise NotExpressible(f"the object at {at} allows properties of any name")
    if not properties and "additionalProperties" not in schema:
        raise NotExpressible(f"the object at {at} declares no properties")
    if missing := [name for name in schema.get("required", ()) if name not in properties]:
        raise NotExpressible(f"`{missing[0]}` is required at {at} but not declared there")
    made["properties"] = {
        name: _reduced(part, f"{at}/properties/{name}", definitions) for name, part in properties.items()
    }
    made["additionalProperties"] = False
    if "required" in schema:
        made["required"] = list(schema["required"])


def _describe(made: dict[str, Any], left: Mapping[str, Any]) -> None:
    """Add the constraints that the sent schema cannot express to its description."""
    if left:
        before = f"{made['description']}\n\n" if made.get("description") else ""
        made["description"] = f"{before}{TOLD}{json.dumps(left, ensure_ascii=False)}"
