"""The models that the simulated API lists, and which model ids it accepts.

Ids and what each can do come from the language's table of capabilities, so
that the simulator and `validate` never disagree. Ids that look like a gateway's are accepted: a gateway has
names of its own.
"""

from __future__ import annotations

import re
from typing import Any, Final

from yamlgen.claude.simulator.problem import Problem
from yamlgen.language import capabilities

MODELS: Final = (*capabilities.MODELS, *capabilities.DATED)

_OLDER = re.compile(r"claude-(?:3(?:-[57])?-)?(?:opus|sonnet|haiku)(?:-4(?:-\d{1,2})?)?")
_VERSION = re.compile(r"-(?:\d{8}|latest)$")
_DATE = re.compile(r"-(\d{4})(\d{2})(\d{2})$")
_LINES = ("haiku", "sonnet", "opus", "fable", "mythos")


def check_model(model: str) -> None:
    """Refuse an id that the API would not know.

    Raises:
        Problem: 404, as the API says it.
    """
    if not _listed(model) and model.startswith("claude-") and not re.search(r"[/.]", model):
        raise Problem(f"model: {model}", "not_found_error")


def info(model: str) -> dict[str, Any]:
    """What `GET /v1/models/{id}` answers.

    Raises:
        Problem: 404 for an id that is not Anthropic's.
    """
    if not _listed(model):
        raise Problem(f"model: {model}", "not_found_error")
    known = capabilities.of(model)
    date = _DATE.search(model)
    retires = f"{known.retires}T00:00:00Z" if known.retires else None
    return {
        "type": "model",
        "id": model,
        "display_name": _display_name(model),
        # The API writes the epoch where a release date is unknown; an id without a date tells none.
        "created_at": "{}-{}-{}T00:00:00Z".format(*date.groups()) if date else "1970-01-01T00:00:00Z",
        "deprecated_at": None,
        "lifecycle": "deprecated" if retires else "active",
        "line": next((line for line in _LINES if f"-{line}" in model), None),
        "max_input_tokens": known.context,
        "max_tokens": known.max_output_tokens,
        "retires_at": retires,
        "capabilities": _capabilities(known),
    }


def page(query: dict[str, str]) -> dict[str, Any]:
    """What `GET /v1/models` answers: one page of the models, newest first.

    Raises:
        Problem: 400 for a `limit` outside 1 to 1000 or an id that is not in the list.
    """
    text = query.get("limit", "20")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1000:  # noqa: PLR2004 - the API's bound
        raise Problem("limit: Input should be an integer from 1 to 1000")
    limit = int(text)
    ids = list(MODELS)
    if "after_id" in query:
        ids = ids[_index(query["after_id"]) + 1 :]
        shown, more = ids[:limit], len(ids) > limit
    elif "before_id" in query:
        ids = ids[: _index(query["before_id"])]
        shown, more = ids[-limit:], len(ids) > limit
    else:
        shown, more = ids[:limit], len(ids) > limit
    return {
        "data": [info(model) for model in shown],
        "has_more": more,
        "first_id": shown[0] if shown else None,
        "last_id": shown[-1] if shown else None,
    }


def _index(model: str) -> int:
    if model not in MODELS:
        raise Problem(f"no model `{model}` to page from")
    return MODELS.index(model)


def _listed(model: str) -> bool:
    family = _VERSION.sub("", model)
    return model in MODELS or family in MODELS or _OLDER.fullmatch(family) is not None


def _display_name(model: str) -> str:
    words = _VERSION.sub("", model).split("-")
    names = [word.capitalize() for word in words if not word.isdigit()]
    return " ".join([*names, ".".join(word for word in words if word.isdigit())]).strip()


def _capabilities(known: capabilities.Capabilities) -> dict[str, Any]:
    yes, no = {"supported": True}, {"supported": False}
    native = yes if known.native_output else no
    adaptive = yes if known.thinks else no
    return {
        "batch": yes,
        "citations": yes,
        "code_execution": native,
        "context_management": {
            "supported": True,
            "clear_thinking_20251015": yes,
            "clear_tool_uses_20250919": yes,
            "compact_20260112": adaptive,
        },
        "effort": {**native, "low": native, "medium": native, "high": native, "max": adaptive, "xhigh": adaptive},
        "image_input": yes,
        "pdf_input": yes,
        "server_tools": {"supported": True, "code_execution": yes, "web_search": yes},
        "structured_outputs": native,
        "thinking": {
            "supported": True,
            "types": {"adaptive": adaptive, "between_tools": adaptive, "disabled": yes, "enabled": yes},
        },
    }
