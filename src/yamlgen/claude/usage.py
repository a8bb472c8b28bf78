"""The usage in a response, and the part of it that is charged.

Owns the reading of `usage` in the body of a response. Gateways may send anything there: a value that is not a count
counts as 0, and does not fail the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from yamlgen.value_objects import JSON, Charge, Usage

_MOST: Final = 2**53
"""Greater than any count, and the largest integer that a database and JSON store exactly."""

_NOTHING: Final[Mapping[str, JSON]] = {}


def usage_of(response: Mapping[str, JSON]) -> Usage:
    """Return the tokens of an answer from the body of its response, which may be partial."""
    used = _within(response, "usage")
    return Usage(
        _count(used, "input_tokens"),
        _count(used, "output_tokens"),
        _count(used, "cache_creation_input_tokens"),
        _count(used, "cache_read_input_tokens"),
    )


def charge_of(response: Mapping[str, JSON], usage: Usage) -> Charge:
    """Return what is charged for an answer: nothing for a refusal before any output."""
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
    """Return an object in an object; empty if there is none."""
    inner = outer.get(name)
    return inner if isinstance(inner, dict) else _NOTHING


def _count(used: Mapping[str, JSON], name: str) -> int:
    """Return a count; 0 if the value is not one."""
    count = used.get(name)
    return count if type(count) is int and 0 <= count < _MOST else 0
