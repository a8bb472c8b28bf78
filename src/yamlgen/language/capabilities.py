"""What each family of models can do: one dated table, from the provider's documentation and the SDK's model list.

Owns the only knowledge about models in the package. A name that matches no family is unknown: it is used with
safe defaults and never refused, because gateways and fine-tunes have names of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

SAMPLING: Final = ("temperature", "top_p", "top_k")
"""The settings that newer models, and the newer version of the API, refuse."""

CHECKED: Final = "2026-11"
"""When the table was last held against the documentation."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can do; `None` where nobody knows.

    Attributes:
        known: whether the model's family is in the table.
        native_output: takes `output_config.format` with a JSON Schema.
        forced_tools: takes a forced `tool_choice` while it does not think.
        tools: takes tools at all.
        sampling: takes `temperature`, `top_p`, `top_k` under the API version 2023-06-01.
        thinking_default: thinks unless told not to.
        max_output_tokens: the most that `max_tokens` may be.
    """

    known: bool = False
    native_output: bool | None = None
    forced_tools: bool | None = None
    tools: bool | None = None
    sampling: bool | None = None
    thinking_default: bool | None = None
    max_output_tokens: int | None = None


UNKNOWN: Final = Capabilities()


def _family(
    *, native: bool, forced: bool, sampling: bool, thinks: bool, most: int | None, tools: bool = True
) -> Capabilities:
    return Capabilities(
        known=True,
        native_output=native,
        forced_tools=forced,
        tools=tools,
        sampling=sampling,
        thinking_default=thinks,
        max_output_tokens=most,
    )


# The first pattern that matches the id, without a provider's prefix and a date's suffix, wins.
_TABLE: Final = tuple(
    (re.compile(pattern), capabilities)
    for pattern, capabilities in (
        (r"claude-opus-5-[5-9]", _family(native=True, forced=False, sampling=False, thinks=True, most=None)),
        (r"claude-(fable|mythos)-5-[1-9]", _family(native=True, forced=False, sampling=False, thinks=True, most=None)),
        (r"claude-mythos-preview", _family(native=True, forced=False, sampling=False, thinks=True, most=None)),
        (r"claude-[a-z]+-5(-\d)?", _family(native=True, forced=True, sampling=False, thinks=True, most=None)),
        (r"claude-[a-z]+-4-[789]", _family(native=True, forced=True, sampling=False, thinks=False, most=None)),
        (r"claude-[a-z]+-4-[56]", _family(native=True, forced=True, sampling=True, thinks=False, most=None)),
        (r"claude-sonnet-4(-0)?", _family(native=False, forced=True, sampling=True, thinks=False, most=64_000)),
        (r"claude-opus-4(-[01])?", _family(native=False, forced=True, sampling=True, thinks=False, most=32_000)),
        (r"claude-3-7-sonnet", _family(native=False, forced=True, sampling=True, thinks=False, most=64_000)),
        (r"claude-3-5-[a-z]+", _family(native=False, forced=True, sampling=True, thinks=False, most=8_192)),
        (r"claude-3-[a-z]+", _family(native=False, forced=True, sampling=True, thinks=False, most=4_096)),
        (
            r"claude-(2(\.[01])?|instant-1(\.[0-9])?)",
            _family(native=False, forced=False, sampling=True, thinks=False, most=4_096, tools=False),
        ),
    )
)
_DATE: Final = re.compile(r"-(20\d{6}|latest)$")


def of(model: str) -> Capabilities:
    """What the model `model` can do, by its family."""
    name = _DATE.sub("", model)
    for pattern, capabilities in _TABLE:
        if pattern.fullmatch(name):
            return capabilities
    return UNKNOWN
