"""What an author has to write in the place of a value of the wrong type."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from yamlgen.language.document import DataPath
from yamlgen.ports import JSON

_NAMED: Final[Mapping[str, str]] = {
    "steps": "write each step under its name, as in `draft: {prompt: ...}`",
    "models": "write each model under its name, as in `writer: {id: ...}`",
    "params": "write each parameter under its name, as in `language: {type: string}`",
    "matrix": "write each axis with its values, as in `tone: [dry, warm]`",
    "input": "rows in the pipeline itself stand under `rows`: `input: {rows: [...]}`",
}
_STEP_LISTS: Final[Mapping[str, str]] = {
    "messages": "write `prompt: ...`, or a list: `messages: [{role: user, content: ...}]`",
    "choices": "write it as a list; `weights` beside it lists how often each is drawn",
}
_EXPRESSIONS: Final = ("for_each", "when")
_STEP: Final = 3
"""How long the path of a step's key is."""


def conversion(path: DataPath, wanted: str, value: JSON) -> str | None:
    """The hint for a value of a wrong type; `None` where nothing tells what was meant.

    Args:
        path: of the value.
        wanted: the type that belongs there, as JSON Schema names it.
        value: what stands there.
    """
    if value is None:
        return "give it a value, or remove the key"
    in_step = _of_step(path, wanted, value) if path[:1] == ("steps",) and len(path) >= _STEP else None
    if in_step is not None:
        return in_step
    if wanted == "object":
        return _as_mapping(path, value)
    if wanted == "array":
        return _as_list(path, value)
    if wanted in ("integer", "number") and isinstance(value, str) and value.replace(".", "", 1).isdigit():
        return f"write {value} without quotes"
    if wanted == "boolean" and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        return "YAML 1.2 writes `true` and `false`"
    if wanted == "string" and isinstance(value, int | float):
        return f'put it in quotes: "{json.dumps(value)}"'
    return None


def _of_step(path: DataPath, wanted: str, value: JSON) -> str | None:
    """What stands in a step in another form."""
    key = str(path[-1])
    is_key = len(path) == _STEP
    if is_key and key in ("prompt", "system") and isinstance(value, list):
        return "several messages stand under `messages`: `messages: [{role: user, content: ...}]`"
    if is_key and key == "check" and isinstance(value, dict):
        return "write it as a list: `check: [{expression: ..., message: ...}]`"
    if is_key and key == "values" and isinstance(value, str):
        return f"write each value under its name: `values: {{result: {value}}}`"
    if is_key and key in _EXPRESSIONS and wanted == "string" and isinstance(value, list):
        return f"it is an expression, in quotes: `{key}: '{json.dumps(value, ensure_ascii=False)}'`"
    if wanted == "array" and key in _STEP_LISTS and (key == "messages" or isinstance(value, dict)):
        return _STEP_LISTS[key]
    if path[2] == "draws" and len(path) == _STEP + 1 and isinstance(value, list):
        return f"write `{key}: {{choices: [...]}}`"
    return None


def _as_mapping(path: DataPath, value: JSON) -> str | None:
    key = str(path[-1]) if path else ""
    if isinstance(value, list):
        return _NAMED.get(key)
    if path[:2] == ("input", "rows"):
        return f"a row is a mapping, as in `{{name: {json.dumps(value, ensure_ascii=False)}}}`"
    if key not in ("input", "output") or not isinstance(value, str):
        return None
    if len(path) > 1 and not re.search(r"[./]", value):
        return "leave it out for text; for JSON, write `output: {schema: {...}}`"
    return f"write `{'path' if len(path) == 1 else 'schema'}: {value}` below it"


def _as_list(path: DataPath, value: JSON) -> str | None:
    if path[-1] in ("integer", "number", "date"):
        return "write both ends as a list: [least, most]"
    if path == ("input", "rows"):
        is_path = isinstance(value, str)
        return f"a file stands under `path`: `path: {value}`" if is_path else "write it as a list: `rows: [{...}]`"
    is_plain = isinstance(value, str) and value and "\n" not in value
    return f"write it as a list: [{json.dumps(value, ensure_ascii=False)}]" if is_plain else None
