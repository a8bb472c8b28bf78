"""What an author has to write in the place of a value of the wrong type."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from yamlgen.language.document import DataPath
from yamlgen.ports import JSON

_NAMED: Final[Mapping[DataPath, str]] = {
    ("steps",): "write each step under its name, as in `draft: {prompt: ...}`",
    ("models",): "write each model under its name, as in `writer: {id: ...}`",
    ("params",): "write each parameter under its name, as in `language: {type: string}`",
}


def conversion(path: DataPath, wanted: str, value: JSON) -> str | None:  # noqa: PLR0911 - one for each way
    """The hint for a value of a wrong type; `None` where nothing tells what was meant.

    Args:
        path: of the value.
        wanted: the type that belongs there, as JSON Schema names it.
        value: what stands there.
    """
    if value is None:
        return "give it a value, or remove the key"
    if wanted == "object" and isinstance(value, list) and path[-1:] in _NAMED:
        return _NAMED[path[-1:]]
    if wanted == "object" and isinstance(value, list) and path == ("input",):
        return "rows in the pipeline itself stand under `rows`: `input: {rows: [...]}`"
    if wanted == "object" and isinstance(value, str) and path[-1:] in (("input",), ("output",)):
        if len(path) > 1 and not re.search(r"[./]", value):
            return "leave it out for text; for JSON, write `output: {schema: {...}}`"
        return f"write `{'path' if len(path) == 1 else 'schema'}: {value}` below it"
    if wanted == "array":
        return _as_list(path, value)
    if wanted in ("integer", "number") and isinstance(value, str) and value.replace(".", "", 1).isdigit():
        return f"write {value} without quotes"
    if wanted == "boolean" and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        return "YAML 1.2 writes `true` and `false`"
    if wanted == "string" and isinstance(value, int | float):
        return f'put it in quotes: "{json.dumps(value)}"'
    return None


def _as_list(path: DataPath, value: JSON) -> str | None:
    if path[-1] in ("integer", "number", "date"):
        return "write both ends as a list: [least, most]"
    plain = isinstance(value, str) and value and "\n" not in value
    return f"write it as a list: [{json.dumps(value, ensure_ascii=False)}]" if plain else None
