"""What a response says that it used, and what of it is charged.

Owns the reading of `usage` in the body of a response. Gateways put anything there: what is not a count counts nothing,
and costs no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from yamlgen.value_objects import JSON, Charge, Usage

_MOST: Final = 2**53
"""More than any count is, and as much as a database and JSON hold exactly."""

_NOTHING: Final[Mapping[str, JSON]] = {}


def usage_of(response: Mapping[str, JSON]) -> Usage:
    """The tokens of an answer, by the body of its response, or by what there is of it."""
    used = _within(response, "usage")
    return Usage(
        _count(used, "input_tokens"),
        _count(used, "output_tokens"),
        _count(used, "cache_creation_input_tokens"),
        _count(used, "cache_read_input_tokens"),
    )


def charge_of(response: Mapping[str, JSON], usage: Usage) -> Charge:
    """What an answer of these tokens is charged for: nothing, if it is a refusal before any output."""
    if response.get("stop_reason") == "refusal" and not response.get("content"):
        return Charge()
    used = _within(response, "usage")
    return Charge(
        usage,
        min(_count(_within(used, "cache_creation"), "ephemeral_1h_input_tokens"), usage.cache_creation_input_tokens),
        _count(_within(used, "server_tool_use"), "web_search_requests"),
        used.get("speed") == "fast",
        used.get("service_tier") == "batch",
        used.get("inference_geo") == "us",
    )


def _within(outer: Mapping[str, JSON], name: str) -> Mapping[str, JSON]:
    """An object inside an object, empty where there is none."""
    inner = outer.get(name)
    return inner if isinstance(inner, dict) else _NOTHING


def _count(used: Mapping[str, JSON], name: str) -> int:
    """A count, 0 where something else stands."""
    count = used.get(name)
    return count if type(count) is int and 0 <= count < _MOST else 0
