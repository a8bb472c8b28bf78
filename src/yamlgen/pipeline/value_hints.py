"""Hints for a wrong value: the form that the language has for what the author probably meant.

Each hint, followed literally, produces a valid file or reveals the next mistake.
"""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import PurePath
from typing import Final

from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.key_fixes import FIXES
from yamlgen.steps.batch_config import MOST_MINIMUM
from yamlgen.suggestions import Rewrite
from yamlgen.value_objects import JSON

_TABS: Final = r'for a tab, write `delimiter: "\t"`'
_NO_CACHE: Final = "remove it: nothing is cached without it"
_GENERATE: Final = "write `generate`, or remove `kind`"
_MEANT: Final = {
    "thinking": {"enabled": "write `adaptive`, or a budget: `{budget_tokens: 2048}`"},
    "role": {
        **dict.fromkeys(("human", "customer"), "did you mean `user`?"),
        **dict.fromkeys(("ai", "bot", "model"), "did you mean `assistant`?"),
        "developer": "write `system: ...` in the step, next to `messages`",
    },
    "python_workers": dict.fromkeys(("all", "max", "cores"), "did you mean `auto`?"),
    "kind": dict.fromkeys(("llm", "prompt", "chat", "text", "completion", "model", "agent", "task"), _GENERATE)
    | dict.fromkeys(("map", "transform", "expression", "jinja"), "did you mean `compute`?")
    | dict.fromkeys(("filter", "condition"), "use `when` in a step: it skips the step if its expression is false")
    | dict.fromkeys(("function", "script", "code"), "did you mean `python`?")
    | dict.fromkeys(("random", "sample", "choice"), "did you mean `draw`?"),
    "cache": dict.fromkeys(("5min", "5 min", "5 minutes", "300", "300s"), "write `5m`")
    | dict.fromkeys(("60m", "1 hour", "1 h", "3600", "3600s"), "write `1h`")
    | dict.fromkeys(("false", "no", "off", "none", "0"), _NO_CACHE),
    "auth": dict.fromkeys(("api_key", "apikey", "x-api-key"), "write `key`")
    | dict.fromkeys(("bearer", "auth_token", "access_token", "oauth", "oauth2"), "write `token`")
    | dict.fromkeys(("login", "sso", "cli"), "write `profile`")
    | dict.fromkeys(("wif", "oidc", "workload_identity"), "write `federation`"),
    "format": {"ndjson": "did you mean `jsonl`?"},
    "delimiter": {"tab": _TABS, "\\t": _TABS, "comma": "remove it: a comma is the default", "semicolon": 'write `";"`'},
}
"""The hint for a word that is not allowed, by key and word."""

NAMED: Final = {
    "steps": "write each step under its name, as in `draft: {prompt: ...}`",
    "models": "write each model under its name, as in `writer: {id: ...}`",
    "params": "write each parameter under its name, as in `language: {type: string}`",
    "columns": "write each column under its name, as in `text: row.text`",
    "outputs": "write each output under its name, as in `train: {path: out/train.jsonl}`",
}
"""The hint for a list in place of a mapping, by key."""

_EXPRESSIONS: Final = ("for_each", "when", "value", "from")
_CONDITIONS: Final = ("when", "where")
_READS: Final = re.compile(r"(?:row|steps|params|item|matrix)[.\[].*|item|item_index|not .*", re.DOTALL)
"""Matches a string in a list or mapping that is an expression, not a text."""

_STEP: Final = 3
"""The length of the path of a step's key."""

_TEXTS: Final = frozenset({"name", "description", "system", "prompt", "content", "message", "when", "where"})
"""The keys whose value is any text, or an expression of any type."""

_WORDS: Final = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""The booleans of YAML 1.1."""

_LONGEST: Final = 60
_SAFE: Final = re.compile(r"\w[\w.+* ~|()/-]*")
_PATH: Final = re.compile(r"\S+\.\w{1,8}")
_SHARE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_UNIT: Final = re.compile(r"[$€]?\s*(\d+(?:\.\d+)?)\s*(?:s|sec|seconds?|usd|dollars?|\$|€|tokens?)?", re.IGNORECASE)
_VARIABLE: Final = re.compile(r"(?:\$\{?|(?:\{\{ *)?env[.:])([A-Z][A-Z0-9_]*)[ }]*")
"""Matches an environment variable as other tools write it."""
_NUMBER: Final = re.compile(r"[1-9]\d{0,5}")
_DURATION: Final = re.compile(r"([1-9]\d{0,5})\s*(?:([smhd])(?:ec(?:ond)?s?|in(?:ute)?s?|r?s?|ours?|ays?)?)")


def meant(path: DataPath, value: JSON) -> str | None:
    """Return the hint for a word of other tools or of everyday English, under a key that accepts certain words."""
    if _is_batch(path[:-1]):
        return _of_batch(str(path[-1]), value)
    if path[-2:-1] == ("betas",) and isinstance(value, str):
        parts = [part for part in re.split(r"[,\s]+", value) if part]
        return f"write each feature as a string of its own: `betas: [{', '.join(parts)}]`" if parts else None
    if path[-1:] == ("cache",) and isinstance(value, dict):
        return f"write `{'1h' if value.get('ttl') == '1h' else '5m'}`"
    return _MEANT.get(str(path[-1]), {}).get(str(value).lower()) if path else None


def of_secret(key: str) -> str:
    """Return the hint for a key of the file that contains an API key or a token."""
    if "token" in key.lower():
        return "set `auth: token`, and the name of its environment variable: `api_key_env: ANTHROPIC_AUTH_TOKEN`"
    return "set the name of its environment variable: `api_key_env: ANTHROPIC_API_KEY`"


def lacking(path: DataPath, key: str) -> str | None:
    """Return the hint for a missing key of an output, or `None`."""
    if key != "path" or path[:1] not in (("output",), ("outputs",)):
        return None
    return f"add `path: out/{path[1] if len(path) > 1 else 'rows'}.jsonl`"


def parts_below(split: dict[str, JSON]) -> str | None:
    """Return the hint for the parts of a split that are beside `by`, or `None` if there are none."""
    parts = ", ".join(f"{name}: {json.dumps(part)}" for name, part in split.items() if name != "by")
    return f"write the parts under it: `into: {{{parts}}}`" if parts else None


def share(path: DataPath, value: JSON) -> str | None:
    """Return the hint for a share, of a split or of the rate limits, that is a percentage, or `None`."""
    is_share = "split" in path[1:3] or path == ("runtime", "quota_share")
    if not is_share or not isinstance(value, int | float) or not 1 < value <= 100:  # noqa: PLR2004
        return None
    return f"write a part of 1: `{value / 100:g}` for {value}%"


def mended_name(path: DataPath, text: str) -> str:
    """Return the valid name nearest to a string: `my_step` for `My step`, `step_2` for `2`, `x-team` for a header."""
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    if path[-2:] == ("runtime", "headers"):
        return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "x-header"
    what = str(path[-1]).removesuffix("s")
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return name if name[:1].isalpha() else f"{what}_{name}".rstrip("_")


def retyped(path: DataPath, wanted: str, value: JSON) -> str | None:  # noqa: PLR0911 - a table
    """Return the hint for a value of the wrong type, or `None` if it is unclear what was meant.

    Args:
        path: the path of the value.
        wanted: the required type, as JSON Schema names it; empty if several are allowed.
        value: the value.
    """
    is_column = path[:2] == ("output", "columns") or (path[:1] == ("outputs",) and path[2:3] == ("columns",))
    if is_column and isinstance(value, int | float | None):
        written: str = "none" if value is None else json.dumps(value)
        way = f'each column is an expression: write "{written}" in quotes'
        return way if value is None else Rewrite(way, written, f'"{written}"', is_value=True)
    if value is None:
        return "write a value, or remove the key"
    if _is_batch(path):
        return _as_batch(value)
    if _is_batch(path[:-1]) and (hint := _of_batch(str(path[-1]), value)):
        return hint
    if _is_expression(path) and wanted == "string":
        return _as_expression(str(path[-1]), value) if isinstance(value, list | dict) else _quoted(path, value)
    in_step = _of_step(path, wanted, value) if path[:1] == ("steps",) and len(path) >= _STEP else None
    if in_step is not None:
        return in_step
    if wanted == "object":
        return _as_mapping(path, value)
    if wanted == "array":
        return _as_list(path, value)
    if wanted == "number" and isinstance(value, str) and (share := _SHARE.fullmatch(value)):
        return f"write `{float(share[1]) / 100:g}`"
    if wanted in ("integer", "number") and isinstance(value, str):
        number = _UNIT.fullmatch(value.strip())
        is_bare = value.replace(".", "", 1).isdigit()
        bare = Rewrite(f"write {value} without quotes", value, value, is_value=True)
        return bare if is_bare else f"write `{number[1]}`" if number else None
    if wanted == "boolean":
        is_word = isinstance(value, str) and value.lower() in _WORDS
        return _boolean(str(value)) if is_word else "write `true` or `false`"
    if not wanted and "columns" in path[1:3] and isinstance(value, int | float):
        return _quoted(path, value)
    is_path = path in (("input", "path"), ("output", "path")) or path[0::2] == ("outputs", "path")
    if isinstance(value, list) and (is_path or path in (("input", "id"), ("model",))):
        return _one_of(path, value)
    if wanted == "string" and isinstance(value, int | float):
        return FIXES["memory"] if path == ("input", "memory") else _quoted(path, value)
    return None


def _quoted(path: DataPath, value: JSON) -> str:
    """Return the hint for a number or a boolean where a string is needed; it is certain if any string is valid."""
    written = json.dumps(value)
    hint = f'put it in quotes: "{written}"'
    is_text = path[-1] in _TEXTS or path[2:-1] in (("values",), ("args",)) or "columns" in path[1:3]
    return Rewrite(hint, written, f'"{written}"', is_value=True) if is_text else hint


def _boolean(value: str) -> str:
    """Return the hint for a word of YAML 1.1 in place of a boolean."""
    hint = f'write `true` or `false`: YAML 1.2 reads "{value}" as a string'
    return Rewrite(hint, value, _WORDS[value.lower()], is_value=True)


def _is_expression(path: DataPath) -> bool:
    """Check whether a path is that of an expression of the input or an output, which is no column."""
    if path == ("input", "where"):
        return True
    part = {"output": 1, "outputs": 2}.get(str(path[0]), len(path)) if path else 0
    return path[part:] in (("for_each",), ("where",), ("unique",), ("split", "by"))


def _is_batch(path: DataPath) -> bool:
    """Check whether a path is that of `batch`, at the top or in a step."""
    return path == ("batch",) or (path[:1] == ("steps",) and path[2:] == ("batch",))


def _as_batch(value: JSON) -> str:
    """Return the hint for a value that `batch` does not accept."""
    word = str(value).lower()
    if isinstance(value, str) and word in ("true", "false"):
        return Rewrite(f"write {word} without quotes", value, word, is_value=True)
    if isinstance(value, str) and word in _WORDS:
        return _boolean(value)
    if isinstance(value, str) and (said := _DURATION.fullmatch(word)):
        return f"write `{{wait: {said[1]}{said[2]}}}`"
    if isinstance(value, int) and 1 <= value <= MOST_MINIMUM:
        return f"write `{{minimum: {value}}}`"
    return "write `true`, `false`, or settings such as `{minimum: 100, wait: 2h}`"


def _of_batch(key: str, value: JSON) -> str | None:
    """Return the hint for a value of a key of `batch`, or `None`."""
    if key == "minimum" and isinstance(value, int | float):
        if value < 1:
            return "write 1 or more; to send all requests one by one, write `batch: false`"
        return f"write a whole number up to {MOST_MINIMUM}, the maximum size of a batch"
    if key != "wait":
        return None
    word = str(value).strip().lower()
    if _NUMBER.fullmatch(word):
        return f"add the unit: `{word}s`, `{word}m` or `{word}h`"
    if said := _DURATION.fullmatch(word):
        return f"write `{said[1]}{said[2]}`"
    return "write a whole number and `s`, `m`, `h` or `d`, such as `90m` or `2h`"


def _as_expression(key: str, value: JSON) -> str:
    """Return the hint for a list or a mapping that must be an expression."""
    parts = [_source(part) for part in value] if isinstance(value, list) else []
    conditions = [f"({part})" if " or " in part and parts[1:] else part for part in parts]
    source = " and ".join(conditions) if parts and key in _CONDITIONS else _source(value)
    quote = "'" if '"' in source else '"'
    if len(source) > _LONGEST or quote in source:
        return "write it as an expression, in quotes"
    return f"write it as an expression, in quotes: `{key}: {quote}{source}{quote}`"


def _source(value: JSON) -> str:
    """Return the expression that was probably meant by a value of YAML: a string in it may be an expression."""
    if isinstance(value, list):
        return f"[{', '.join(map(_source, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(name)}: {_source(part)}' for name, part in value.items())}}}"
    if value is None or (isinstance(value, str) and _READS.fullmatch(value)):
        return str(value or "none")
    return json.dumps(value, ensure_ascii=False)


def _one_of(path: DataPath, value: list[JSON]) -> str | None:
    """Return the hint for a list where one string is allowed."""
    if not value or not isinstance(value[0], str):
        return None
    if path == ("input", "path") and len(value) > 1:
        pattern = _pattern([str(each) for each in value])
        return f'for several files, write a pattern that matches them, as in `path: "{pattern}"`'
    what = "the name of one column" if path[-1] == "id" else "one id" if path[-1] == "model" else "the path of one file"
    return f"write {what}: `{path[-1]}: {value[0]}`"


def _pattern(paths: list[str]) -> str:
    """Return a pattern for files with the same folder or extension."""
    folders, endings = ({PurePath(path).parent for path in paths}, {PurePath(path).suffix for path in paths})
    name = f"*{endings.pop() if len(endings) == 1 else '.jsonl'}"
    return (folders.pop() / name if len(folders) == 1 else PurePath("data", "**", name)).as_posix()


def _of_step(path: DataPath, wanted: str, value: JSON) -> str | None:  # noqa: PLR0911 - a table
    """Return the hint for a value in a step."""
    key = str(path[-1])
    if len(path) == _STEP:
        match key, value:
            case "system", [{"text": str()}, *_]:
                return "write one string, or `{text: ..., cache: 5m}`"
            case "prompt" | "system", [*_]:
                return "for several messages, use `messages: [{role: user, content: ...}]`"
            case "messages", str():
                is_read = re.match(r"(?:row|steps|item)[.\[]", value)
                return f"write `messages: {{from: {_plainly(value)}}}`" if is_read else "for one string, use `prompt`"
            case "check", dict():
                return "write it as a list: `check: [{expression: ..., message: ...}]`"
            case "matrix", [*_]:
                return f"name the list, as in `{{tone: {_shown(value)}}}`; templates read it as `matrix.tone`"
            case "values", str():
                return f"for one expression, write `value: {_plainly(value)}`"
            case "value", dict():
                return "for several expressions, write them under `values`, each with its name"
    if path[2:3] == ("on_refusal",) and len(path) > _STEP:
        return "write an alias of `models`, or the id of a model"
    if key == "content" and isinstance(value, list):
        return "write one string; for a breakpoint of the prompt cache, write `cache: 5m` next to `content`"
    if wanted == "string" and (key in _EXPRESSIONS or path[2:-1] in (("values",), ("args",))):
        return _as_expression(key, value) if isinstance(value, list | dict) else None
    if key == "choices" and isinstance(value, dict):
        return "write it as a list; to set how often each is drawn, add a list `weights`"
    if path[2:-1] == ("draws",) and isinstance(value, list):
        return f"write `{key}: {{choices: {_shown(value)}}}`"
    return None


def _as_mapping(path: DataPath, value: JSON) -> str | None:  # noqa: PLR0911 - a table
    key = str(path[-1]) if path else ""
    if key == "runtime" and isinstance(value, str) and "://" in value:
        return f"write `runtime: {{base_url: {value}}}`"
    if key == "input" and isinstance(value, list):
        is_rows = bool(value) and all(isinstance(row, dict) for row in value)
        pattern = _pattern([str(each) for each in value])
        way = f'write `path: ...` below it, or for several files a pattern, as in `path: "{pattern}"`'
        return "write the list under `rows`: `rows: [...]`" if is_rows else way
    if isinstance(value, list) and (len(path) == 1 or key == "columns"):
        return NAMED.get(key)
    if path[:1] == ("outputs",) and len(path) == 2 and isinstance(value, str):  # noqa: PLR2004 - an output by name
        path, key = ("output",), "output"
    if key in ("input", "output") and isinstance(value, str):
        if len(path) == 1:
            named = value if _PATH.fullmatch(value) or key == "input" else f"out/{value}.jsonl"
            return f"write `path: {named}` below it"
        if _PATH.fullmatch(value):
            return f"write `schema: {value}` below it"
        return "for a string, remove it; for JSON, write `output: {schema: {...}}`"
    if "headers" in path[-2:]:
        variable = _VARIABLE.fullmatch(value) if isinstance(value, str) else None
        if variable is not None:
            return f"write `{{env: {variable[1]}}}`"
        return "write the value into an environment variable, and its name here: `{env: VARIABLE}`"
    if path[:2] == ("input", "rows"):
        return f"write each row as a mapping, as in `{{text: {_shown(value)}}}`"
    if path[:1] == ("steps",) and len(path) == _STEP - 1 and isinstance(value, str):
        return f"write `{key}: {{prompt: ...}}`"
    return None


def _as_list(path: DataPath, value: JSON) -> str | None:
    if path[-1] in ("integer", "number", "date"):
        return "write both bounds as a list: [minimum, maximum]"
    if path == ("input", "rows"):
        is_path = isinstance(value, str)
        return f"for a file, write `path: {value}`" if is_path else "write it as a list: `rows: [{...}]`"
    if isinstance(value, dict) and path[-1] == "messages":
        return "write it as a list: `messages: [{role: user, content: ...}]`, or `{from: ...}` for those of a column"
    if not isinstance(value, str) or not value or "\n" in value:
        return None
    listed = f"[{json.dumps(value, ensure_ascii=False)}]"
    hint = f"write it as a list: {listed}"
    return hint if "," in value else Rewrite(hint, value, listed, is_value=True)  # with commas, it may be several


def _plainly(text: str) -> str:
    """Return an expression as YAML, in quotes if it needs them."""
    return text if _SAFE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _shown(value: JSON) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST else "..."
