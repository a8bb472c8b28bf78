"""Where a key stands that an author wrote in another place, or under the name that other tools have for it."""

from __future__ import annotations

import re
from typing import Any, Final

from yamlgen.language.document import DataPath

_PARTS: Final = ("runtime", "limits", "input", "output")
_CALLED: Final = {
    **dict.fromkeys(("retries", "retry", "num_retries", "max_attempts", "attempts"), "max_retries"),
    **dict.fromkeys(("parallel", "parallelism", "workers", "max_workers", "max_concurrency", "threads"), "concurrency"),
    **dict.fromkeys(("max_cost", "cost_limit", "budget", "max_budget"), "max_cost_usd"),
    **dict.fromkeys(("default_model", "model_name", "model_id", "llm"), "model"),
    **dict.fromkeys(("system_prompt", "instructions"), "system"),
    **dict.fromkeys(("api_base", "endpoint"), "base_url"),
}
"""What other tools call a key."""


def home(language: dict[str, Any], path: DataPath, key: str, known: tuple[str, ...]) -> str | None:
    """The hint that says where a key stands, or `None` where it stands nowhere, or where another hint says more.

    Args:
        language: the language's JSON Schema.
        path: the mapping that has the key.
        key: unknown there.
        known: the keys there.
    """
    meant = _CALLED.get(key, key)
    if meant in known:
        return f"did you mean `{meant}`?"
    is_step = path[:1] == ("steps",) and len(path) == 2  # noqa: PLR2004 - the part and a name
    keys = {part: _keys(language, language["properties"][part]) for part in _PARTS}
    places = [f"`{part}`" for part in _PARTS if meant in keys[part] and path != (part,)]
    settings = _keys(language, {"$ref": "#/$defs/ModelSettings"})
    step = _keys(language, {"$ref": "#/$defs/Generate"})
    if is_step:
        places = [place for place in places if place in ("`runtime`", "`limits`")]
        if meant in _keys(language, {"$ref": "#/$defs/StepOutput"}):
            places = ["the step's `output`"]
    elif path[:1] == ("steps",) and path[2:] == ("output",) and meant in step:
        return f"{_told(key, meant)} stands in the step itself"
    elif path == ("output",) and meant in _keys(language, {"$ref": "#/$defs/StepOutput"}):
        places = ["the `output` of a step"]
    elif meant in settings and path[:1] not in (("model",), ("models",), ("steps",)):
        places.append("`model`")
    elif meant in step and len(path) < 2:  # noqa: PLR2004 - the file, or one of its parts
        return f"{_told(key, meant)} stands in a step, as in `steps: {{draft: {{{meant}: ...}}}}`"
    return f"{_told(key, meant)} stands under {' or '.join(places)}" if places else None


def key_of(word: str) -> str | None:
    """The key that took in its value, for want of a `:` with a space behind it; `None` where none did."""
    joined = re.match(r"(\w+)[:;= ]", word)
    return joined[1] if joined else None


def _told(key: str, meant: str) -> str:
    return "it" if key == meant else f"`{meant}`"


def _keys(language: dict[str, Any], part: dict[str, Any]) -> set[str]:
    """The keys of a part of the language."""
    if "$ref" in part:
        part = language["$defs"][part["$ref"].rsplit("/", 1)[1]]
    return set(part.get("properties", ()))
