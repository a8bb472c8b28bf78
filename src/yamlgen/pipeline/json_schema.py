"""The JSON Schema of the language: generated from its models, shipped as `pipeline.schema.json`.

A test fails if the file differs from the models; `python -m yamlgen.pipeline.json_schema` rewrites it. The schema is
stricter and simpler than pydantic's: optional keys cannot be `null`, because an empty value in YAML is a mistake; and
there are no titles, because editors would show them instead of the descriptions. The kinds of a step become `if` and
`then` by `kind`, because for a union a validator only reports that no alternative matches.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yamlgen.value_objects import JSON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yamlgen.steps.config_fields import FrozenModel
    from yamlgen.steps.step_config import StepConfig

FILE_NAME = "pipeline.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def committed() -> str:
    """Return the committed text of the schema."""
    return Path(__file__).with_name(FILE_NAME).read_text(encoding="utf-8")


@cache
def language() -> dict[str, Any]:
    """Return the language's JSON Schema. The value is shared: do not modify it."""
    schema: dict[str, Any] = json.loads(committed())
    return schema


def generate() -> str:
    """Return the text of the schema, generated from the models."""
    from yamlgen.pipeline.pipeline_model import PipelineModel  # noqa: PLC0415 - pydantic loads only where the models are needed

    document = schema_of(PipelineModel)
    document["properties"]["steps"]["additionalProperties"] = {"$ref": "#/$defs/Step"}
    document["$defs"]["Step"] = _by_kind(document["$defs"])
    return as_text(document)


def schema_of(model: type[FrozenModel]) -> dict[str, Any]:
    """Return the JSON Schema of a file whose content is a model."""
    raw = model.model_json_schema(by_alias=True)
    definitions = {name: _plain(part) for name, part in raw["$defs"].items()}
    return {"$schema": DIALECT, "title": raw["title"], **_plain(raw), "$defs": definitions}


def as_text(document: Mapping[str, Any]) -> str:
    """Return the text of a schema, as it is written to a file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _by_kind(definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a step: one mapping, whose `kind` determines its keys."""
    from yamlgen.steps.step_kinds import DEFAULT_KIND, KINDS  # noqa: PLC0415

    kind = {
        "enum": list(KINDS),
        "default": DEFAULT_KIND,
        "description": "The kind of step. It determines the other keys.",
    }
    rules = []
    for name, model in KINDS.items():
        is_kind: dict[str, Any] = {"type": "object", "properties": {"kind": {"const": name}}}
        if name != kind["default"]:
            is_kind["required"] = ["kind"]
        rules.append({"if": is_kind, "then": {"$ref": f"#/$defs/{model.__name__}"}})
        known = definitions[model.__name__]["properties"]
        own = {key: known[key] for key in known if key in _aliases(model)}
        definitions[model.__name__]["properties"] = {**own, **known, "kind": kind}
    return {"type": "object", "properties": {"kind": kind}, "allOf": rules}


def _aliases(model: type[StepConfig]) -> set[str]:
    """Return the keys that a kind of step declares itself; editors and messages list them first."""
    return set(vars(model)["__annotations__"])


def _plain(part: JSON) -> JSON:
    """Return a part of pydantic's schema without titles, nulls, and defaults of required keys."""
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return part
    made: dict[str, Any] = {}
    for key, value in part.items():
        if key == "properties":
            made[key] = {name: _property(child, name in part.get("required", ())) for name, child in value.items()}
        elif key == "anyOf":
            branches = [_plain(branch) for branch in value if branch != {"type": "null"}]
            made.update({"anyOf": branches} if len(branches) > 1 else branches[0])
        elif key == "default" and value is None:
            continue
        elif key == "description":
            made[key] = " ".join(value.partition("\n\n")[0].split())
        elif key not in ("title", "$defs"):
            made[key] = value if key in ("required", "enum", "default", "const", "dependentRequired") else _plain(value)
    if "patternProperties" in made and list(made["patternProperties"]) != ["^x-"]:
        ((pattern, child),) = made.pop("patternProperties").items()
        made |= {"propertyNames": {"pattern": pattern}, "additionalProperties": child}
    return made


def _property(child: JSON, required: bool) -> JSON:  # noqa: FBT001 - one call, above
    plain = _plain(child)
    if required or plain.get("default") == {}:
        plain.pop("default", None)
    return plain


if __name__ == "__main__":
    Path(__file__).with_name(FILE_NAME).write_text(generate(), encoding="utf-8")
