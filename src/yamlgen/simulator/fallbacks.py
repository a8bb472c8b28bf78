"""The fallback models of the simulated API: which a request may name, and what it answers when they are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from yamlgen import model_capabilities
from yamlgen.model_capabilities import DEFAULT_FALLBACK, undated
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.body_fields import present

_OUTPUT: Final = "output_config"


def handed_on(
    body: Mapping[str, Any], refusal: dict[str, Any], ask: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """Return the answer of the first fallback model that does not refuse; if all refuse, the last refusal.

    Args:
        body: a request with `fallbacks`.
        refusal: the refusal of the requested model.
        ask: answers the request of one model.
    """
    message, hops = refusal, [_iteration("message", refusal)]
    blocks: list[dict[str, Any]] = []
    for hop in hop_bodies(body):
        said = ask(hop)
        ends = {"from": {"model": message["model"]}, "to": {"model": hop["model"]}}
        blocks += [{"type": "fallback", **ends, "trigger": {"type": "refusal", "category": None}}]
        message = said
        if said["stop_reason"] != "refusal":
            hops.append(_iteration("fallback_message", said))
            break
        hops.append(_iteration("message", said))
    return {**message, "content": [*blocks, *message["content"]], "usage": {**message["usage"], "iterations": hops}}


def hop_bodies(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the request of each fallback model: that of the first model, with the settings of its entry."""
    given = body.get("fallbacks")
    if given == "default":
        known = model_capabilities.of(body["model"]).fallbacks
        given = [{"model": model} for model in ((DEFAULT_FALLBACK,) if known is None else known[:1])]
    bare = {name: value for name, value in body.items() if name != "fallbacks"}
    return [_hop(bare, entry) for entry in given or ()]


def _hop(body: dict[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request of a fallback model. It inherits the thinking and the effort that its model supports."""
    known = model_capabilities.of(entry["model"])
    made = {**body, "model": entry["model"], **_given(entry, "max_tokens")}
    kind = (body.get("thinking") or {}).get("type")
    if "thinking" in entry:
        made["thinking"] = entry["thinking"]
    elif known.thinking is not None and kind is not None and kind not in known.thinking:
        made["thinking"] = {"type": "disabled"} if kind == "between_tools" and "disabled" in known.thinking else None
    made[_OUTPUT] = _output(body.get(_OUTPUT) or {}, entry.get(_OUTPUT, {}), known)
    made["speed"] = entry.get("speed") if "speed" in entry or known.fast is False else body.get("speed")
    return {name: value for name, value in made.items() if value not in (None, {})}


def _given(entry: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {} if entry.get(name) is None else {name: entry[name]}


def _output(own: Mapping[str, Any], its: Any, known: model_capabilities.Capabilities) -> Any:
    """Return the `output_config` of a fallback model, which is combined field by field."""
    if not isinstance(its, dict):
        return its  # null, or wrong
    effort = own.get("effort")
    inherited = {**own, "effort": effort if known.efforts is None or effort in known.efforts else None}
    return {name: value for name, value in {**inherited, **its}.items() if value is not None}


def check_fallbacks(body: Mapping[str, Any], check: Callable[[dict[str, Any]], None]) -> None:
    """Refuse fallback models that the API would refuse.

    Args:
        body: the request.
        check: refuses the request of one model if the API would refuse it.

    Raises:
        SimulatedAPIError: 400, or 404 for an unknown model.
    """
    given = body.get("fallbacks")
    if not present(body, "fallbacks") or given == "default":
        return
    for index, entry in enumerate(given or ()):
        if not isinstance(entry["model"], str):
            raise SimulatedAPIError(f"fallbacks.{index}.model: Input should be a valid string")
    allowed, named = model_capabilities.of(body["model"]).fallbacks, [undated(body["model"])]
    if allowed == ():
        raise SimulatedAPIError(f"'{body['model']}' does not support the `fallbacks` parameter")
    for index, (entry, hop) in enumerate(zip(given or (), hop_bodies(body), strict=True)):
        model = undated(entry["model"])
        if model in named:
            raise SimulatedAPIError(f"fallbacks.{index}.model: each model must be distinct")
        if allowed is not None and model not in allowed:
            raise SimulatedAPIError(f"fallbacks.{index}.model: not a permitted fallback model for '{body['model']}'")
        named.append(model)
        check(hop)


def _iteration(kind: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usage of one model."""
    names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return {"type": kind, "model": message["model"], **{name: message["usage"][name] for name in names}}
