"""What a Python user may pass as the schema of an output: a pydantic model, a JSON Schema, or the text of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from yamlgen.claude.structured import Checked
from yamlgen.errors import Code, UsageError
from yamlgen.language.schemas import JSONSchema, json_schema
from yamlgen.ports import JSON


@dataclass(frozen=True)
class ModelSchema:
    """A pydantic model as an output: its JSON Schema, then its own validators."""

    model: type[BaseModel]
    schema: JSONSchema

    @property
    def value(self) -> dict[str, Any]:
        """The model's JSON Schema."""
        return self.schema.value

    def errors(self, value: JSON) -> tuple[str, ...]:
        """What the schema has against a value, else what the model's validators have."""
        found = self.schema.errors(value)
        if found:
            return found
        try:
            self.model.model_validate_json(json.dumps(value))
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False)
            return tuple(f"${''.join(f'.{part}' for part in detail['loc'])}: {detail['msg']}" for detail in details)
        return ()


def schema_of(given: Any) -> Checked:
    """The schema that a user means.

    Raises:
        UsageError: it is none.
    """
    if isinstance(given, type) and issubclass(given, BaseModel):
        return ModelSchema(given, json_schema(given.model_json_schema()))
    hint = "pass a pydantic model or a JSON Schema"
    try:
        value = json.loads(given) if isinstance(given, str) else given
        if isinstance(value, Mapping):
            schema = json_schema(value)
            schema.errors(None)  # compiles it
            return schema
    except ValueError as error:  # no JSON, or no JSON Schema
        said = str(getattr(error, "message", error)).split("\n")[0]
        raise UsageError(f"the schema cannot be used: {said}", code=Code.BAD_SCHEMA, hint=hint) from None
    raise UsageError(f"the schema is a {type(value).__name__}", code=Code.BAD_SCHEMA, hint=hint)
