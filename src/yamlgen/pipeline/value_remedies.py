"""What would mend a value that is wrong where it stands: the form that the language has for what was probably meant.

Owns the hints about values. Each of them, followed to the letter, leads to a right file or to the next mistake.
"""

from __future__ import annotations

import json
import re
from typing import Final

from yamlgen.parsing.source_map import DataPath
from yamlgen.values import JSON

FIXES: Final = {
    "base_url": "write `https://host` or `https://host/path`, without a user, a password, a query or a fragment",
    "api_key_env": "write the name of an environment variable, such as `ANTHROPIC_API_KEY`",
    "max_unusable": "write a percentage up to 100, such as `90%`, or `none`",
    "max_failures": "write a number of rows, or a percentage up to 100, such as `5%`",
    "thinking": "write `adaptive`, `disabled`, `between_tools`, or `{budget_tokens: 2048}`",
    "call": "write `module:function`, for a function in the file `module.py` beside the pipeline",
}
_TABS: Final = r'a tab is written `delimiter: "\t"`'
_GENERATE: Final = "write `generate`, or leave `kind` out"
_MEANT: Final = {
    "thinking": {"enabled": "write `adaptive`, or a budget: `{budget_tokens: 2048}`"},
    "role": {
        **dict.fromkeys(("human", "customer"), "did you mean `user`?"),
        **dict.fromkeys(("ai", "bot", "model"), "did you mean `assistant`?"),
        **dict.fromkeys(("system", "developer"), "`system` stands in the step itself, beside `messages`"),
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

_PATH: Final = re.compile(r"\S+\.\w{1,8}")
_UNIT: Final = re.compile(r"[$€]?\s*(\d+(?:\.\d+)?)\s*(?:s|sec|seconds?|usd|dollars?|\$|€|tokens?)?", re.IGNORECASE)


def meant(path: DataPath, value: JSON) -> str | None:
    """The hint for a word of other tools, or of everyday English, at a key that takes certain words."""
    return _MEANT.get(str(path[-1]), {}).get(str(value).lower()) if path else None


def retyped(path: DataPath, wanted: str, value: JSON) -> str | None:
    """The hint for a value of another type than may stand at a path.

    Args:
        path: where it stands.
        wanted: the type that it has to have; empty where it may have several.
        value: what stands there.
    """
    if value is None:
        return "give it a value, or remove the key"
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
    if wanted == "string" and path[:1] == ("steps",) and isinstance(value, list | dict):
        return _as_expression(path, value)
    return None


def _as_mapping(path: DataPath, value: JSON) -> str | None:  # noqa: PLR0911 - a table
    if isinstance(value, list) and path[-1:] in (("steps",), ("models",), ("params",)):
        return f"write each {str(path[-1])[:-1]} under its name, as in `draft:`"
    if path[-1:] == ("input",) and isinstance(value, list):
        is_rows = bool(value) and all(isinstance(row, dict) for row in value)
        return "write it as `rows: [...]` below it" if is_rows else "write `path: ...` below it, for one file"
    if path[-1:] in (("input",), ("output",)) and isinstance(value, str):
        if len(path) == 1:
            named = value if _PATH.fullmatch(value) or path == ("input",) else f"out/{value}.jsonl"
            return f"write `path: {named}` below it"
        if _PATH.fullmatch(value):
            return f"write `schema: {value}` below it"
        return "a text needs no `output`; what an answer in JSON has to be stands below it, under `schema:`"
    if path[-1:] == ("matrix",) and isinstance(value, list):
        return f"give the list a name, as in `{{tone: {_shown(value)}}}`: templates see `matrix.tone`"
    if path[-1:] == ("values",) and isinstance(value, str):
        return "give it a name, as in `{result: ...}`"
    if path[:2] == ("input", "rows"):
        return f"give it a name, as in `{{text: {_shown(value)}}}`"
    if path[2:-1] == ("draws",) and isinstance(value, list):
        return f"write `{{choices: {_shown(value)}}}`"
    if path[:1] == ("steps",) and len(path) == 2 and isinstance(value, str):  # noqa: PLR2004 - the part and a name
        return f"write `{path[1]}: {{prompt: ...}}`"
    return None


def _as_list(path: DataPath, value: JSON) -> str | None:
    if path[-1] in ("integer", "number", "date"):
        return "write both ends as a list: [least, most]"
    if path[-1] == "messages" and isinstance(value, str):
        return "one text stands under `prompt`"
    if path == ("input", "rows") and isinstance(value, str):
        return f"a file stands under `path`: `input: {{path: {value}}}`"
    if isinstance(value, dict) and path[-1] in ("messages", "check", "rows"):
        return "begin it with `- `: it is a list of such"
    plain = isinstance(value, str) and value and "\n" not in value
    return f"write it as a list: [{json.dumps(value, ensure_ascii=False)}]" if plain else None


def _as_expression(path: DataPath, value: JSON) -> str | None:
    """A list or a mapping where an expression stands, which is a text."""
    if path[-1] != "for_each" and path[2:-1] not in (("values",), ("args",)):
        return None
    shown = json.dumps(value, ensure_ascii=False)
    return f"write it as an expression, in quotes: '{shown}'" if "'" not in shown and len(shown) <= _LONGEST else None


_LONGEST: Final = 60


def _shown(value: JSON) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST else "..."
