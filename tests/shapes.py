"""Schemas and modes that several tests of structured output ask for."""

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
"""A schema that native output cannot express: keys of any name."""
