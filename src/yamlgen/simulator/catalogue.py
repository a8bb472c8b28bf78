"""The models that the simulated API lists, and the model ids that it accepts.

Ids and capabilities come from the same table that `validate` uses, so the two never disagree. Ids that look like those
of a gateway are accepted, because a gateway may use any names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from yamlgen import model_capabilities
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.paging import page_of

MODELS: Final = (*model_capabilities.MODELS, *model_capabilities.DATED)

_STAGES: Final[Mapping[str | None, str]] = {"deprecated": "deprecated", "retired": "retired"}
_DATE = re.compile(r"-(\d{4})(\d{2})(\d{2})$")
_FILTER: Final = ("lifecycle[]", "lifecycle")


def check_model(model: str) -> None:
    """Refuse the id of an unknown or retired model.

    Raises:
        SimulatedAPIError: 404.
    """
    known = model_capabilities.of(model)
    foreign = not model.startswith("claude-") or re.search(r"[/.]", model)
    if known.lifecycle == "retired" or not (known.known or foreign):
        raise SimulatedAPIError(f"model: {model}", "not_found_error")


def info(model: str) -> dict[str, Any]:
    """Return the response of `GET /v1/models/{id}`.

    Raises:
        SimulatedAPIError: 404 for an unknown id.
    """
    known = model_capabilities.of(model)
    if not known.known:
        raise SimulatedAPIError(f"model: {model}", "not_found_error")
    date = _DATE.search(model)
    return {
        "type": "model",
        "id": model,
        "allowed_fallback_models": None if known.fallbacks is None else list(known.fallbacks),
        "display_name": _display_name(model),
        # The API writes the epoch if a release date is unknown, as for an id without a date.
        "created_at": "{}-{}-{}T00:00:00Z".format(*date.groups()) if date else "1970-01-01T00:00:00Z",
        "deprecated_at": None,
        "lifecycle": _STAGES.get(known.lifecycle, "active"),
        "line": model_capabilities.line_of(model),
        "max_input_tokens": known.context,
        "max_tokens": known.max_output_tokens,
        "retires_at": f"{known.retires}T00:00:00Z" if known.retires else None,
        "capabilities": _capabilities(known),
    }


def page(query: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the response of `GET /v1/models`: one page of the models, newest first.

    Args:
        query: the names and values of the query string; `lifecycle[]` may occur several times.

    Raises:
        SimulatedAPIError: 400 for a `limit` outside 1 to 1000, an id that is not in the list, or an unknown lifecycle.
    """
    models = _in_stages([value for name, value in query if name in _FILTER])
    shown, more = page_of(models, dict(query), "model")
    return {
        "data": [info(model) for model in shown],
        "has_more": more,
        "first_id": shown[0] if shown else None,
        "last_id": shown[-1] if shown else None,
    }


def _in_stages(asked: list[str]) -> list[str]:
    for stage in asked:
        if stage not in {"active", "deprecated", "retired"}:
            raise SimulatedAPIError("lifecycle: Input should be 'active', 'deprecated' or 'retired'")
    stages = set(asked) or {"active", "deprecated"}
    every = (*MODELS, *model_capabilities.RETIRED)
    return [model for model in every if _STAGES.get(model_capabilities.of(model).lifecycle, "active") in stages]


def _display_name(model: str) -> str:
    words = re.split(r"[-.]", model_capabilities.undated(model))
    names = [word.capitalize() for word in words if not word.isdigit()]
    return " ".join([*names, ".".join(word for word in words if word.isdigit())]).strip()


def _capabilities(known: model_capabilities.Capabilities) -> dict[str, Any]:
    thinking, efforts, edits = known.thinking or (), known.efforts or (), known.context_edits or ()
    return _told(
        {
            "batch": True,
            "citations": True,
            "code_execution": bool(known.code_calls),
            "context_management": {
                "supported": bool(edits),
                **{edit: edit in edits for edit in model_capabilities.CONTEXT_EDITS},
            },
            "effort": {"supported": bool(efforts), **{level: level in efforts for level in model_capabilities.EFFORTS}},
            "image_input": True,
            "pdf_input": True,
            "server_tools": dict.fromkeys(("supported", "code_execution", "web_search"), bool(known.server_tools)),
            "structured_outputs": bool(known.native_output),
            "thinking": {
                "supported": any(kind not in model_capabilities.OFF for kind in thinking),
                "types": {kind: kind in thinking for kind in model_capabilities.THINKING},
            },
        }
    )


def _told(able: dict[str, Any]) -> dict[str, Any]:
    """Return the capabilities in the API's format: each is an object with `supported`."""
    return {
        name: _told(value) if isinstance(value, dict) else value if name == "supported" else {"supported": value}
        for name, value in able.items()
    }
