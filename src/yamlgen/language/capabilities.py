"""What each family of models can do: one dated table, from the provider's documentation and the SDK's model list.

Owns the only knowledge about models in the package. A name that matches no family is unknown: it is used with
safe defaults and never refused, because gateways and fine-tunes have names of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeVar

SAMPLING: Final = ("temperature", "top_p", "top_k")
"""The settings that newer models, and the newer version of the API, refuse."""

_Row = TypeVar("_Row")

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


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """How a model counts. Of one that nobody knows, like the newest, so that no estimate is too low.

    Attributes:
        characters: how many characters of English, code and markup make a token.
        tool_offered: the tokens that the API adds to a request that offers a tool.
        tool_forced: the tokens that it adds to one that forces a tool.
    """

    characters: float = 2.5
    tool_offered: int = 497
    tool_forced: int = 589


_NEWEST: Final = Tokenizer()


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
# What the documentation says of single models holds for their whole families, where it does not say it of each.
_TOKENIZERS: Final = tuple(
    (re.compile(pattern), Tokenizer(characters, offered, forced))
    for pattern, characters, offered, forced in (
        (r"claude-opus-5(-\d)?", 2.5, 286, 406),
        (r"claude-[a-z]+-5(-\d)?", 2.5, 354, 474),
        (r"claude-[a-z]+-4-[89]", 2.5, 290, 410),
        (r"claude-[a-z]+-4-7", 2.5, 675, 804),
        (r"claude-[a-z]+-4-[56]", 3.4, 497, 589),
        (r"claude-(opus|sonnet)-4(-[01])?", 3.4, 313, 315),
        (r"claude-3-5-haiku", 3.4, 264, 355),
        (r"claude-(3-[a-z0-9-]+|2(\.[01])?|instant-1(\.[0-9])?)", 3.4, 346, 313),
    )
)
_DATE: Final = re.compile(r"-(20\d{6}|latest)$")


def of(model: str) -> Capabilities:
    """What the model `model` can do, by its family."""
    return _found(_TABLE, model, UNKNOWN)


def tokenizer_of(model: str) -> Tokenizer:
    """How the model `model` counts tokens, by its family."""
    return _found(_TOKENIZERS, model, _NEWEST)


def _found(table: tuple[tuple[re.Pattern[str], _Row], ...], model: str, unknown: _Row) -> _Row:
    name = _DATE.sub("", model)
    return next((row for pattern, row in table if pattern.fullmatch(name)), unknown)
