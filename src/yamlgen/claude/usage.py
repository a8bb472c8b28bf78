"""The usage in a response, and the part of it that is charged.

Owns the reading of `usage` in the body of a response. Gateways may send anything there: a value that is not a count
counts as 0, and does not fail the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from yamlgen.model_capabilities import undated
from yamlgen.value_objects import JSON, Charge, Usage

_MOST: Final = 2**53
"""Greater than any count, and the largest integer that a database and JSON store exactly."""

_NOTHING: Final[Mapping[str, JSON]] = {}
_OF_THE_LAST: Final[Mapping[str, JSON]] = {"server_tool_use": None, "cache_creation": None}
"""The parts of `usage` that belong to the last model alone."""

_OWN_USAGE: Final = ("message", "advisor_message")
"""The kinds of iterations whose tokens are not in `usage` if they are those of another model."""


def usage_of(response: Mapping[str, JSON]) -> Usage:
    """Return the tokens of an answer from the body of its response, which may be partial."""
    return _tokens(_within(response, "usage"))


def _tokens(used: Mapping[str, JSON]) -> Usage:
    return Usage(
        _count(used, "input_tokens"),
        _count(used, "output_tokens"),
        _count(used, "cache_creation_input_tokens"),
        _count(used, "cache_read_input_tokens"),
    )


def charge_of(response: Mapping[str, JSON], usage: Usage) -> Charge:
    """Return what is charged for an answer: nothing for a refusal before any output."""
    if response.get("stop_reason") == "refusal" and not _has_output(response):
        return Charge()
    return _charge(_within(response, "usage"), usage)


def charges_of(response: Mapping[str, JSON], model: str) -> tuple[tuple[str, Charge], ...]:
    """Return what is charged for an answer, each part with the id of the model at whose price it is charged.

    If the API has asked fallback models after a refusal, `usage` is that of the last model alone. The other models are
    in `usage.iterations`. One that refused before any output is free.

    Args:
        response: the body of the response.
        model: the id of the requested model.
    """
    answering, used = answering_model(response, model), _within(response, "usage")
    charges = [(answering, charge_of(response, usage_of(response)))]
    for each in _iterations(response):
        name = each.get("model") or model
        if each.get("type") in _OWN_USAGE and name != answering and _count(each, "output_tokens"):
            charges.append((str(name), _charge({**used, **_OF_THE_LAST, **each}, _tokens(each))))
    return tuple(charges)


def answering_model(response: Mapping[str, JSON], model: str) -> str:
    """Return the id of the model that answered: the requested one, or a fallback model that the API has asked."""
    name = response.get("model")
    hops = _iterations(response)
    is_fallback = isinstance(name, str) and undated(name) != undated(model)
    return str(name) if is_fallback and any(each.get("model") == name for each in hops) else model


def models_asked(response: Mapping[str, JSON]) -> frozenset[str]:
    """Return the ids of the models that the API has asked for an answer, without dates; empty if it names none."""
    return frozenset(undated(each["model"]) for each in _iterations(response) if isinstance(each.get("model"), str))


def _iterations(response: Mapping[str, JSON]) -> list[dict[str, JSON]]:
    found = _within(response, "usage").get("iterations")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _has_output(response: Mapping[str, JSON]) -> bool:
    """Return whether the last model that was asked has written anything."""
    content = response.get("content")
    if not isinstance(content, list):
        return bool(content)
    return bool(content) and not (isinstance(content[-1], dict) and content[-1].get("type") == "fallback")


def _charge(used: Mapping[str, JSON], usage: Usage) -> Charge:
    return Charge(
        usage,
        min(_count(_within(used, "cache_creation"), "ephemeral_1h_input_tokens"), usage.cache_creation_input_tokens),
        _count(_within(used, "server_tool_use"), "web_search_requests"),
        used.get("speed") == "fast",
        used.get("service_tier") == "batch",
        used.get("inference_geo") == "us",
    )


def _within(outer: Mapping[str, JSON], name: str) -> Mapping[str, JSON]:
    """Return an object in an object; empty if there is none."""
    inner = outer.get(name)
    return inner if isinstance(inner, dict) else _NOTHING


def _count(used: Mapping[str, JSON], name: str) -> int:
    """Return a count; 0 if the value is not one."""
    count = used.get(name)
    return count if type(count) is int and 0 <= count < _MOST else 0
