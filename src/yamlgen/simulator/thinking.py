"""The rules about thinking: its types, budget and display, and the effort."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from yamlgen.model_capabilities import EFFORTS, LEAST_BUDGET, OFF, THINKING, Capabilities
from yamlgen.simulator.allowed_arguments import Betas, has_beta
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.body_fields import check_integer, check_object, check_one_of, check_tag, present
from yamlgen.simulator.turns import blocks_of

_SHOWN: Final = ("summarized", "omitted")
_INSTEAD: Final = ' Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'


def check_thinking(body: dict[str, Any], known: Capabilities, betas: Betas) -> None:
    """Refuse a value of `thinking` that the API or the model does not accept."""
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = check_tag(thinking, "thinking", THINKING)
    _check_fields(thinking, kind, betas)
    if kind == "enabled":
        _check_budget(thinking, body, betas)
    if known.thinking is None or kind in known.thinking:
        return
    if kind == "adaptive":
        raise SimulatedAPIError("adaptive thinking is not supported on this model")
    raise SimulatedAPIError(f'"thinking.type.{kind}" is not supported for this model.{_INSTEAD}')


def _check_fields(thinking: dict[str, Any], kind: str, betas: Betas) -> None:
    fields = "type budget_tokens" if kind == "enabled" else "type"
    if kind not in OFF:
        fields += " display block_binding" if has_beta(betas, "thinking-binding-controls-") else " display"
    check_object(thinking, f"thinking.{kind}", fields)
    if present(thinking, "display"):
        updates = ("updates",) if has_beta(betas, "thinking-display-updates-") else ()
        check_one_of(thinking["display"], f"thinking.{kind}.display", (*_SHOWN, *updates))


def _check_budget(thinking: dict[str, Any], body: dict[str, Any], betas: Betas) -> None:
    where = "thinking.enabled.budget_tokens"
    if "budget_tokens" not in thinking:
        raise SimulatedAPIError(f"{where}: Field required")
    budget = check_integer(thinking["budget_tokens"], where, least=LEAST_BUDGET)
    interleaved = body.get("tools") and has_beta(betas, "interleaved-thinking-")
    if "max_tokens" in body and budget >= body["max_tokens"] and not interleaved:
        raise SimulatedAPIError("`max_tokens` must be greater than `thinking.budget_tokens`")


def check_begun(body: Mapping[str, Any], known: Capabilities) -> None:
    """Refuse a prefill that starts with text if the model thinks first, with a budget."""
    last = len(body["messages"]) - 1
    final = body["messages"][last]
    kinds = [block["type"] for block in blocks_of(final.get("content"))]
    thinks_first = known.prefill and (body.get("thinking") or {}).get("type") == "enabled"
    if final["role"] == "assistant" and thinks_first and kinds[:1] == ["text"] and "server_tool_use" not in kinds:
        raise SimulatedAPIError(
            f"messages.{last}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. When "
            "`thinking` is enabled, a final `assistant` message must start with a thinking block."
        )


def check_effort(effort: Any, body: Mapping[str, Any], known: Capabilities, where: str = "output_config") -> None:
    """Refuse an effort that is unknown, that the model does not support, or that requires thinking."""
    if effort is None:
        return
    check_one_of(effort, f"{where}.effort", EFFORTS)
    if known.efforts is not None and not known.efforts:
        raise SimulatedAPIError("This model does not support the effort parameter.")
    if known.efforts is not None and effort not in known.efforts:
        raise SimulatedAPIError(
            f"This model does not support effort level '{effort}'. Supported levels: {', '.join(known.efforts)}."
        )
    kind = (body.get("thinking") or {}).get("type")
    most = known.most_effort_off
    if kind in OFF and most is not None and EFFORTS.index(effort) > EFFORTS.index(most):
        raise SimulatedAPIError(
            f'"thinking.type" value "{kind}" is not supported with "output_config.effort" value "{effort}" '
            "for this model"
        )


def thinks(body: Mapping[str, Any]) -> bool:
    """Check whether the request explicitly turns thinking on."""
    thinking = body.get("thinking") or {}
    return thinking.get("type") in ("enabled", "adaptive")
