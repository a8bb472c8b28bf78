"""The names of JSON types in messages, one table for each place where a type is named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from yamlgen.schemas.types import kind_of
from yamlgen.value_objects import JSON

VALUES: Final = {
    "array": "a list",
    "boolean": "a boolean",
    "integer": "an integer",
    "number": "a number",
    "object": "an object",
    "string": "a string",
    "null": "null",
}
"""Types of values in templates and expressions."""

SCHEMAS: Final = {
    "object": "an object",
    "array": "an array",
    "string": "a string",
    "number": "a number",
    "integer": "an integer",
    "boolean": "a boolean",
    "null": "null",
}
"""Types that a JSON Schema requires."""

KEYS: Final = {**VALUES, "object": "a mapping"}
"""Types of values in the pipeline file."""

PLURALS: Final = {
    "array": "lists",
    "boolean": "booleans",
    "integer": "integers",
    "number": "numbers",
    "object": "objects",
    "string": "strings",
    "null": "nulls",
}
"""`VALUES` in the plural."""

KEY_PLURALS: Final = {**PLURALS, "object": "mappings"}
"""`KEYS` in the plural."""

BARE: Final = {"array": "list"} | {kind: kind for kind in ("boolean", "integer", "null", "number", "object", "string")}
"""Types without an article, for compact notations such as `list of {name: string}`."""


def spoken(types: Collection[str], words: Mapping[str, str] = VALUES) -> str:
    """Return the types for a sentence, in the order of the table: "a list", "a string or null"."""
    return " or ".join(word for kind, word in words.items() if kind in types)


def described(value: JSON, words: Mapping[str, str] = VALUES) -> str:
    """Return the type of a value in words; every number, integers included, is "a number"."""
    kind = kind_of(value)
    return words["number" if kind == "integer" else str(kind)]
