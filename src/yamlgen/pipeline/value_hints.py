"""What would mend a value that is wrong where it stands: the form that the language has for what was probably meant.

Owns the hints about values. Each of them, followed to the letter, leads to a right file or to the next mistake.
"""

from __future__ import annotations

import json
import re
from typing import Final

from yamlgen.parsing.source_map import DataPath
from yamlgen.value_objects import JSON

_TABS: Final = r'a tab is written `delimiter: "\t"`'
FIXES: Final = {
    "base_url": "write `https://host` or `https://host/path`, without a user, a password, a query or a fragment",
    "api_key_env": "write the name of an environment variable, such as `ANTHROPIC_API_KEY`",
    "max_unusable": "write a percentage up to 100, such as `90%`, or `none`",
    "max_failures": "write a number of rows, or a percentage up to 100, such as `5%`",
    "thinking": "write `adaptive`, `disabled`, `between_tools`, or `{budget_tokens: 2048}`",
    "delimiter": r'write one character, as in `delimiter: ";"`; a tab is `"\t"`',
    "call": "write `module:function`, for a function in the file `module.py` beside the pipeline",
}
_GENERATE: Final = "write `generate`, or leave `kind` out"
_MEANT: Final = {
    "thinking": {"enabled": "write `adaptive`, or a budget: `{budget_tokens: 2048}`"},
    "role": {
        **dict.fromkeys(("human", "customer"), "did you mean `user`?"),
        **dict.fromkeys(("ai", "bot", "model"), "did you mean `assistant`?"),
        **dict.fromkeys(("system", "developer"), "write `system: ...` beside `messages`"),
    },
    "kind": dict.fromkeys(("llm", "prompt", "chat", "text", "completion", "model", "agent", "task"), _GENERATE)
    | dict.fromkeys(("map", "transform", "expression", "jinja"), "did you mean `compute`?")
    | dict.fromkeys(("filter", "condition"), "`when` in a step skips it for the rows in which it is false")
    | dict.fromkeys(("function", "script", "code"), "did you mean `python`?")
    | dict.fromkeys(("random", "sample", "choice"), "did you mean `draw`?"),
    "format": {"tsv": f"write `csv`; {_TABS}", "ndjson": "did you mean `jsonl`?"},
    "delimiter": {"tab": _TABS, "\\t": _TABS, "comma": "leave it out: it is a comma", "semicolon": 'write `";"`'},
}
"""What a word was meant to be that is none of those that may stand there, by key."""

_NAMED: Final = {
    "steps": "write each step under its name, as in `draft: {prompt: ...}`",
    "models": "write each model under its name, as in `writer: {id: ...}`",
    "params": "write each parameter under its name, as in `language: {type: string}`",
}
_EXPRESSIONS: Final = ("for_each", "when")
_STEP: Final = 3
"""How long the path of a step's key is."""

_LONGEST: Final = 60
_SAFE: Final = re.compile(r"\w[\w.+* ~|()/-]*")
_PATH: Final = re.compile(r"\S+\.\w{1,8}")
_UNIT: Final = re.compile(r"[$€]?\s*(\d+(?:\.\d+)?)\s*(?:s|sec|seconds?|usd|dollars?|\$|€|tokens?)?", re.IGNORECASE)


def meant(path: DataPath, value: JSON) -> str | None:
    """The hint for a word of other tools, or of everyday English, at a key that takes certain words."""
    return _MEANT.get(str(path[-1]), {}).get(str(value).lower()) if path else None


def retyped(path: DataPath, wanted: str, value: JSON) -> str | None:
    """The hint for a value of another type than may stand at a path; `None` where nothing tells what was meant.

    Args:
        path: where it stands.
        wanted: the type that it has to have, as JSON Schema names it; empty where it may have several.
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
    if wanted in ("integer", "number") and isinstance(value, str):
        number = _UNIT.fullmatch(value.strip())
        is_bare = value.replace(".", "", 1).isdigit()
        return f"write {value} without quotes" if is_bare else f"write `{number[1]}`" if number else None
    if wanted == "boolean" and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        return "YAML 1.2 writes `true` and `false`"
    if wanted == "string" and isinstance(value, int | float):
        return f'put it in quotes: "{json.dumps(value)}"'
    return None


def _of_step(path: DataPath, wanted: str, value: JSON) -> str | None:  # noqa: PLR0911 - a table
    """What stands in a step in another form."""
    key = str(path[-1])
    if len(path) == _STEP:
        match key, value:
            case "prompt" | "system", [*_]:
                return "several messages stand under `messages`: `messages: [{role: user, content: ...}]`"
            case "messages", str():
                return "one text stands under `prompt`"
            case "check", dict():
                return "write it as a list: `check: [{expression: ..., message: ...}]`"
            case "matrix", [*_]:
                return f"give the list a name, as in `{{tone: {_shown(value)}}}`: templates see `matrix.tone`"
            case "values", str():
                return f"write each value under its name: `values: {{result: {_plainly(value)}}}`"
    if wanted == "string" and (key in _EXPRESSIONS or path[2:-1] in (("values",), ("args",))):
        is_short = isinstance(value, list | dict) and "'" not in _shown(value) and _shown(value) != "..."
        return f"write it as an expression, in quotes: `{key}: '{_shown(value)}'`" if is_short else None
    if key == "choices" and isinstance(value, dict):
        return "write it as a list; `weights` beside it lists how often each is drawn"
    if path[2:-1] == ("draws",) and isinstance(value, list):
        return f"write `{key}: {{choices: {_shown(value)}}}`"
    return None


def _as_mapping(path: DataPath, value: JSON) -> str | None:
    key = str(path[-1]) if path else ""
    if key == "input" and isinstance(value, list):
        is_rows = bool(value) and all(isinstance(row, dict) for row in value)
        return "write it as `rows: [...]` below it" if is_rows else "write `path: ...` below it, for one file"
    if isinstance(value, list) and len(path) == 1:
        return _NAMED.get(key)
    if key in ("input", "output") and isinstance(value, str):
        if len(path) == 1:
            named = value if _PATH.fullmatch(value) or key == "input" else f"out/{value}.jsonl"
            return f"write `path: {named}` below it"
        if _PATH.fullmatch(value):
            return f"write `schema: {value}` below it"
        return "leave it out for text; for JSON, write `output: {schema: {...}}`"
    if path[:2] == ("input", "rows"):
        return f"a row is a mapping, as in `{{text: {_shown(value)}}}`"
    if path[:1] == ("steps",) and len(path) == _STEP - 1 and isinstance(value, str):
        return f"write `{key}: {{prompt: ...}}`"
    return None


def _as_list(path: DataPath, value: JSON) -> str | None:
    if path[-1] in ("integer", "number", "date"):
        return "write both ends as a list: [least, most]"
    if path == ("input", "rows"):
        is_path = isinstance(value, str)
        return f"a file stands under `path`: `path: {value}`" if is_path else "write it as a list: `rows: [{...}]`"
    if isinstance(value, dict) and path[-1] == "messages":
        return "write it as a list: `messages: [{role: user, content: ...}]`"
    is_plain = isinstance(value, str) and value and "\n" not in value
    return f"write it as a list: [{json.dumps(value, ensure_ascii=False)}]" if is_plain else None


def _plainly(text: str) -> str:
    """An expression as YAML, with quotes where it needs them."""
    return text if _SAFE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _shown(value: JSON) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST else "..."
