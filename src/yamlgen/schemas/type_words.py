"""The types of JSON in words, one table for each kind of reader; where they differ, one author reads both."""

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
    "string": "text",
    "null": "null",
}
"""Of a value that a template or an expression meets."""

SCHEMAS: Final = {
    "object": "an object",
    "array": "an array",
    "string": "text",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "null": "null",
}
"""Of what a schema asks for."""

KEYS: Final = {**VALUES, "object": "a mapping", "boolean": "`true` or `false`", "null": "nothing"}
"""Of what stands under a key of the pipeline."""

ANSWERS: Final = {**VALUES, "string": "a text"}
"""Of what an answer of the API holds."""

PLURALS: Final = {
    "array": "lists",
    "boolean": "booleans",
    "integer": "integers",
    "number": "numbers",
    "object": "objects",
    "string": "texts",
    "null": "nulls",
}
"""Of many values."""

KEY_PLURALS: Final = {**PLURALS, "object": "mappings", "boolean": KEYS["boolean"]}
"""Of many values that stand under a key of the pipeline."""

BARE: Final = {"array": "list", "string": "text"} | {
    kind: kind for kind in ("boolean", "integer", "null", "number", "object")
}
"""Of a type that is written as a formula, such as `list of {name: text}`."""


def spoken(types: Collection[str], words: Mapping[str, str] = VALUES) -> str:
    """Types as a sentence names them, in the order of the words: "a list", "text or null"."""
    return " or ".join(word for kind, word in words.items() if kind in types)


def described(value: JSON, words: Mapping[str, str] = VALUES) -> str:
    """What a value is; of every number that it is one."""
    kind = kind_of(value)
    return words["number" if kind == "integer" else str(kind)]
