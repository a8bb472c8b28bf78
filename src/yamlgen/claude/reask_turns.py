"""The turns of a re-ask: they show the model its answer and the errors, unless instructor writes them.

Owns their words, and which parts of an answer the API accepts back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

from yamlgen.claude.parsed_answer import InvalidOutput
from yamlgen.schemas.root_wrapper import WRAP
from yamlgen.value_objects import JSON

_UNSAID: Final = frozenset({"thinking", "redacted_thinking"})
"""The blocks of an answer that do not count as content: a turn of only these is left out."""


def about_text(invalid: InvalidOutput, said: str | None) -> list[dict[str, Any]]:
    """Return the turns after an invalid text; `said` is `None` if it cannot be shown."""
    told = f"Your answer is not valid:\n{invalid}\nAnswer again, in full and without a comment."
    shown = [] if said is None else [{"role": "assistant", "content": said}]
    return [*shown, {"role": "user", "content": told}]


def about_unshown(invalid: InvalidOutput) -> list[dict[str, Any]]:
    """Return the turn after an output that cannot be shown."""
    return [{"role": "user", "content": f"Your answer was invalid:\n{invalid}\nAnswer again."}]


def sendable(turns: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the turns as the API accepts them: without blank text, turns of only thinking, and invalid values.

    Raises:
        RecursionError: they are nested too deeply.
    """
    return [_sendable(turn) for turn in _spoken(turns)]


def _spoken(turns: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for turn in turns:
        if isinstance(turn["content"], str):
            made.append(turn)
            continue
        content = [block for block in turn["content"] if block["type"] != "text" or block["text"].strip()]
        if any(block["type"] not in _UNSAID for block in content):
            made.append({**turn, "content": content})
    return made


def _sendable(part: JSON) -> JSON:
    """Return a part of a request without values that cannot be sent, and with tool inputs as objects."""
    if isinstance(part, str):
        return part.encode(errors="replace").decode()
    if isinstance(part, float) and not math.isfinite(part):
        return None
    if isinstance(part, list):
        return [_sendable(item) for item in part]
    if isinstance(part, dict):
        made = {_sendable(key): _sendable(value) for key, value in part.items()}
        if made.get("type") == "tool_use" and not isinstance(made.get("input"), dict):
            made["input"] = {WRAP: made.get("input")}
        return made
    return part
