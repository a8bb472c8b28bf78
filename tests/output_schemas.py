"""Schemas and modes of structured output, and lines of an output, for several tests."""

import json

from yamlgen.canonical_json import encoded

MODES = ("native", "tools", "json")
USER = {
    "title": "User",
    "description": "A person.",
    "type": "object",
    "properties": {
        "zip": {"type": "string", "description": "Postal code."},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
    },
    "required": ["zip", "age"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "additionalProperties": {"type": "integer"}}
"""A schema that native output does not support: an object with any keys."""


def json_line(record):
    """Return a record as a line of an output."""
    return encoded(json.dumps(record, ensure_ascii=False) + "\n")
