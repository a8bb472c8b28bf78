"""What of an author's schema native structured output can express (checked against the documentation in 2026-11).

Owns the reduction of a JSON Schema to the subset that `output_config.format` takes. A constraint outside it is
left out of what is sent and told to the model in the description; the answer is still checked with the author's
whole schema. A schema whose *structure* lies outside it does not fit, and goes out as a tool instead: reducing it
would forbid answers that the author allows, or allow what the model cannot know to be wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from yamlgen.model_capabilities import Capabilities
from yamlgen.schemas.keywords import subschemas
from yamlgen.value_objects import JSON

TOLD: Final = "It must also satisfy "
"""What stands in a description before the constraints, as JSON, that native output cannot express."""

_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_STRUCTURE: Final = ("type", "properties", "required", "items", "additionalProperties", "enum", "const", "format")
_NOTES: Final = ("title", "description", "$comment", "examples", "deprecated", "readOnly", "writeOnly", "default")
_DEFS: Final = ("$defs", "definitions")

MOST_OPTIONAL: Final = 24
"""How many properties of a schema need not be there, over all of its objects and definitions."""

MOST_UNIONS: Final = 16
"""How many places of a schema may be a union: `anyOf`, or a list of types."""


def choose_mode(schema: Mapping[str, Any], able: Capabilities) -> Literal["native", "tools", "json"]:
    """How a model is best asked for a schema: natively where it fits, else by a tool, else as JSON in text."""
    if able.native_output:
        try:
            reduce(schema)
        except NotExpressible:
            pass
        else:
            return "native"
    return other_mode(able)


def other_mode(able: Capabilities) -> Literal["tools", "json"]:
    """How a model is asked for a schema that native output does not take."""
    return "json" if able.tools is False else "tools"


class NotExpressible(Exception):  # noqa: N818 - an answer: this schema needs another way
    """The schema's structure is outside of native output; the message says why, and where."""


def reduce(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema to send as `output_config.format`, its properties in the author's order.

    Raises:
        Unfit: it needs a tool.
    """
    made = _reduced(schema, "#", _NativeDefinitions(schema))
    optional, unions = count(made)
    if optional > MOST_OPTIONAL:
        raise NotExpressible(f"it has {optional} optional properties, and native output takes {MOST_OPTIONAL}")
    if unions > MOST_UNIONS:
        raise NotExpressible(f"it has {unions} unions of types, and native output takes {MOST_UNIONS}")
    return made


def count(schema: Mapping[str, Any]) -> tuple[int, int]:
    """The optional properties and the unions of a schema, its definitions included, each as often as it is written."""
    optional = unions = 0
    for _, part in subschemas(schema):
        properties = part.get("properties", {})
        optional += len(properties.keys() - set(part.get("required", ())))
        unions += "anyOf" in part or "oneOf" in part or isinstance(part.get("type"), list)
    return optional, unions


class _NativeDefinitions:
    """The schema's definitions, to tell a recursion, which native output does not have."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.open: list[str] = []
        self.checked: set[str] = set()

    def check(self, ref: str, at: str) -> None:
        parts = ref.split("/")
        if len(parts) != 3 or parts[0] != "#" or parts[1] not in _DEFS:  # noqa: PLR2004 - `#/$defs/name`
            raise NotExpressible(f"the reference `{ref}` at {at} is not one to `$defs`")
        if ref in self.open:
            raise NotExpressible(f"the schema is recursive through `{ref}`")
        if ref in self.checked:
            return
        target = self.root.get(parts[1], {}).get(parts[2])
        if not isinstance(target, dict):
            raise NotExpressible(f"`{ref}` at {at} is no object schema")
        self.open.append(ref)
        _reduced(target, ref, self)
        self.open.pop()
        self.checked.add(ref)


def _reduced(schema: JSON, at: str, definitions: _NativeDefinitions) -> dict[str, Any]:
    if not isinstance(schema, dict):
        raise NotExpressible(f"{at} accepts anything")
    made = {key: schema[key] for key in ("title", "description") if key in schema}
    if "$ref" in schema:
        if extra := set(schema) - {"$ref", *_NOTES, *_DEFS, "$schema", "$id"}:
            raise NotExpressible(f"`{min(extra)}` stands beside a `$ref` at {at}")
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
    """Fill `made` with what native output takes, and return the keywords that it does not."""
    left = set(schema) - {*_STRUCTURE, *_NOTES, *_DEFS, "$schema", "$id", "$anchor"}
    union = next((word for word in ("anyOf", "oneOf", "allOf") if word in schema), None)
    if union:
        if extra := {"properties", "items", "enum", "const", "anyOf", "oneOf", "allOf"} & set(schema) - {union}:
            raise NotExpressible(f"`{min(extra)}` stands beside `{union}` at {at}")
        if union == "allOf":
            raise NotExpressible(f"`allOf` stands at {at}")
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
            raise NotExpressible(f"the items of the list at {at} are of no one kind")
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
        raise NotExpressible(f"the object at {at} may have keys of any name")
    if not properties and "additionalProperties" not in schema:
        raise NotExpressible(f"the object at {at} names no properties")
    if missing := [name for name in schema.get("required", ()) if name not in properties]:
        raise NotExpressible(f"`{missing[0]}` is required at {at} but is no property")
    made["properties"] = {
        name: _reduced(part, f"{at}/properties/{name}", definitions) for name, part in properties.items()
    }
    made["additionalProperties"] = False
    if "required" in schema:
        made["required"] = list(schema["required"])


def _describe(made: dict[str, Any], left: Mapping[str, Any]) -> None:
    """Tell the model in words what the request cannot say in schema."""
    if left:
        before = f"{made['description']}\n\n" if made.get("description") else ""
        made["description"] = f"{before}{TOLD}{json.dumps(left, ensure_ascii=False)}"
