"""The capabilities of each model: one dated table, from the provider's documentation and the SDK's list of models.

All knowledge about models is here: the warnings of `validate`, the form of requests, shared rate limits, what the
simulator refuses and lists, and the table of the reference page are based on it. A model that is not in the table gets
safe defaults and is never refused, because gateways and fine-tunes have their own names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

SAMPLING: Final = ("temperature", "top_p", "top_k")
"""The settings that newer models, and the newer version of the API, reject."""

OLD_VERSION: Final = "2023-06-01"
"""The version of the API under which older models accept them."""

THINKING: Final = ("adaptive", "enabled", "disabled", "between_tools")
"""The types of `thinking` in the API. `enabled` has a token budget."""

OFF: Final = frozenset({"disabled", "between_tools"})
"""The types of `thinking` with which a model does not think before it answers."""

LEAST_BUDGET: Final = 1024
"""The minimum token budget for thinking."""

LEAST_TOP_P: Final = 0.95
"""The minimum `top_p` while a model thinks."""

EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
"""The levels of `effort`, lowest first."""

LONG_BATCH_BETA: Final = "output-300k-2026-03-24"
"""The beta with which a request of a batch may have up to `max_batch_tokens`."""

FAST_BETA: Final = "fast-mode-2026-02-01"
"""The beta that some models require for any value of `speed`."""

REGIONS: Final = ("us", "global")
"""The values of `inference_geo`."""

CONTEXT_EDITS: Final = ("clear_tool_uses_20250919", "clear_thinking_20251015", "compact_20260112")
"""The kinds of edits in `context_management`."""

LINES: Final = ("haiku", "sonnet", "opus", "fable", "mythos")
"""The lines of models."""

FALLBACK_BETA: Final = "server-side-fallback-2026-07-01"
"""The beta with which a request may name models that the API asks after a refusal."""

DEFAULT_FALLBACK: Final = "claude-opus-4-8"
"""The fallback of models for which the documentation names none."""

CHECKED: Final = "2026-11"
"""The month in which the table was last compared with the documentation."""


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """How a model counts tokens. Default: the newest models, so that estimates for unknown models are not too low.

    Attributes:
        characters: characters per token, for English, code and markup.
        tool_offered: the tokens that the API adds to a request with an optional tool.
        tool_forced: the tokens that the API adds to a request with a forced tool.
    """

    characters: float = 2.5
    tool_offered: int = 497
    tool_forced: int = 589


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model supports. `None` means unknown, unless described otherwise.

    Attributes:
        known: whether the model is in the table.
        native_output: accepts `output_config.format` with a JSON Schema.
        forced_tools: accepts a forced `tool_choice` while it does not think.
        tools: accepts tools.
        sampling: accepts `temperature`, `top_p`, `top_k` under the API version 2023-06-01.
        prefill: accepts a last turn of the role `assistant`, which its answer continues.
        system_turns: accepts turns of the role `system` among the messages.
        thinking: the types of `thinking` that it accepts.
        thinks: whether it thinks by default.
        efforts: the levels of `effort` that it accepts; empty if it accepts none.
        most_effort_off: the highest effort that it accepts while thinking is off; `None` for no such limit.
        default_effort: the default effort.
        fast: accepts `speed: fast`.
        fast_beta: requires `FAST_BETA` for any `speed`.
        regions: accepts `inference_geo`.
        fallbacks: the models that it accepts in `fallbacks`; empty if it does not support them.
        server_tools: accepts the tools that the API runs itself.
        code_calls: lets code that it runs call the other tools of a request.
        context_edits: the kinds of edits that it accepts in `context_management`.
        max_output_tokens: the maximum of `max_tokens`.
        max_batch_tokens: the maximum of `max_tokens` in a batch under `LONG_BATCH_BETA`; `None` if it is not higher.
        context: the maximum number of tokens of a request and its answer together.
        cache_minimum: the minimum number of tokens that the prompt cache stores.
        tokenizer: how it counts tokens.
        lifecycle: `active`, `legacy` (active, with a successor), `deprecated`, or `retired`.
        retires: the announced date of its retirement, `YYYY-MM-DD`; `None` if there is none.
        pool: the name of the rate limit that it shares with other models; `None` if it has its own.
    """

    known: bool = False
    native_output: bool | None = None
    forced_tools: bool | None = None
    tools: bool | None = None
    sampling: bool | None = None
    prefill: bool | None = None
    system_turns: bool | None = None
    thinking: tuple[str, ...] | None = None
    thinks: bool | None = None
    efforts: tuple[str, ...] | None = None
    most_effort_off: str | None = None
    default_effort: str | None = None
    fast: bool | None = None
    fast_beta: bool = False
    regions: bool | None = None
    fallbacks: tuple[str, ...] | None = None
    server_tools: bool | None = None
    code_calls: bool | None = None
    context_edits: tuple[str, ...] | None = None
    max_output_tokens: int | None = None
    max_batch_tokens: int | None = None
    context: int | None = None
    cache_minimum: int | None = None
    tokenizer: Tokenizer = field(default_factory=Tokenizer)
    lifecycle: str | None = None
    retires: str | None = None
    pool: str | None = None

    @property
    def shows_thinking(self) -> bool:
        """Whether an answer shows the thinking by default; from 4.7 on, and for an unknown model, it may not."""
        return self.thinking is not None and {"enabled", "disabled"} <= set(self.thinking)


UNKNOWN: Final = Capabilities()

_5: Final = Capabilities(
    known=True,
    native_output=True,
    forced_tools=True,
    tools=True,
    sampling=False,
    prefill=False,
    system_turns=True,
    thinking=("adaptive", "disabled"),
    thinks=True,
    efforts=EFFORTS,
    default_effort="high",
    fast=False,
    regions=True,
    server_tools=True,
    code_calls=True,
    context_edits=CONTEXT_EDITS,
    max_output_tokens=128_000,
    max_batch_tokens=300_000,
    context=1_000_000,
    cache_minimum=512,
    tokenizer=Tokenizer(2.5, 354, 474),
    lifecycle="active",
)
_FABLE: Final = replace(_5, forced_tools=False, thinking=("adaptive",), max_batch_tokens=None)
_OPUS_5: Final = replace(_5, fast=True, tokenizer=Tokenizer(2.5, 286, 406))
_4_8: Final = replace(_5, thinks=False, cache_minimum=1_024, tokenizer=Tokenizer(2.5, 290, 410), pool="opus-4")
_4_6: Final = replace(
    _4_8,
    sampling=True,
    system_turns=False,
    thinking=("adaptive", "enabled", "disabled"),
    efforts=("low", "medium", "high", "max"),
    tokenizer=Tokenizer(3.4, 497, 589),
)
_4_5: Final = replace(
    _4_6,
    prefill=True,
    thinking=("enabled", "disabled"),
    efforts=(),
    default_effort=None,
    regions=False,
    context_edits=CONTEXT_EDITS[:2],
    max_output_tokens=64_000,
    max_batch_tokens=None,
    context=200_000,
)

# If the documentation states a fact for one model only, it is assumed for the whole family. If it lists some models and
# leaves others out, the others have `None`.
MODELS: Final[Mapping[str, Capabilities]] = {
    "claude-fable-5-2": replace(_FABLE, fast=True, cache_minimum=None, pool="fable-5"),
    "claude-mythos-5-2": replace(_FABLE, cache_minimum=None, pool="mythos-5"),
    "claude-haiku-5-5": replace(_5, system_turns=None, most_effort_off="high", default_effort="medium", fallbacks=()),
    "claude-sonnet-5-5": replace(
        _5, forced_tools=False, thinking=("adaptive", "between_tools"), most_effort_off="high"
    ),
    "claude-fable-5-1": replace(_FABLE, pool="fable-5", fallbacks=(DEFAULT_FALLBACK, "claude-opus-5")),
    "claude-opus-5-5": replace(
        _OPUS_5, forced_tools=False, thinking=("adaptive",), default_effort="medium", cache_minimum=None
    ),
    "claude-mythos-5-1": replace(_FABLE, pool="mythos-5"),
    "claude-sonnet-5": replace(_5, cache_minimum=1_024, lifecycle="legacy", system_turns=None, fallbacks=()),
    "claude-fable-5": replace(
        _FABLE, forced_tools=True, lifecycle="legacy", pool="fable-5", fallbacks=(DEFAULT_FALLBACK,)
    ),
    "claude-mythos-5": replace(_FABLE, forced_tools=True, lifecycle="legacy", pool="mythos-5"),
    "claude-opus-5": replace(
        _OPUS_5, most_effort_off="high", lifecycle="legacy", fast_beta=True, fallbacks=(DEFAULT_FALLBACK,)
    ),
    "claude-opus-4-8": replace(_4_8, fast=True, fast_beta=True),
    "claude-opus-4-7": replace(_4_8, system_turns=False, cache_minimum=2_048, tokenizer=Tokenizer(2.5, 675, 804)),
    "claude-mythos-preview": replace(
        _FABLE,
        system_turns=False,
        thinking=("adaptive", "enabled"),
        efforts=("low", "medium", "high", "max"),
        cache_minimum=2_048,
        lifecycle="deprecated",
        retires="2026-06-30",
    ),
    "claude-opus-4-6": replace(_4_6, cache_minimum=4_096),
    "claude-sonnet-4-6": replace(_4_6, pool="sonnet-4"),
    "claude-haiku-4-5": replace(_4_5, code_calls=False, cache_minimum=4_096, pool=None),
    "claude-opus-4-5": replace(
        _4_5,
        efforts=("low", "medium", "high"),
        default_effort="high",
        cache_minimum=4_096,
        lifecycle="deprecated",
        retires="2027-01-22",
    ),
    "claude-sonnet-4-5": replace(_4_5, lifecycle="deprecated", retires="2026-11-30", pool="sonnet-4"),
}
"""The models that the API lists, newest first, by id without a date."""

DATED: Final = ("claude-haiku-4-5-20251001", "claude-opus-4-5-20251101", "claude-sonnet-4-5-20250929")
"""The ids with a date that the API also lists."""

_OLD: Final = replace(
    _4_5,
    native_output=False,
    server_tools=False,
    code_calls=False,
    context_edits=(),
    tokenizer=Tokenizer(3.4, 346, 313),
    cache_minimum=1_024,
    lifecycle="retired",
    pool=None,
)
_BEFORE_3_7: Final = replace(_OLD, thinking=("disabled",))

RETIRED: Final = (
    "claude-opus-4-1-20250805",
    "claude-opus-4-20250514",
    "claude-sonnet-4-20250514",
    "claude-3-7-sonnet-20250219",
    "claude-3-5-haiku-20241022",
    "claude-3-5-sonnet-20241022",
    "claude-3-5-sonnet-20240620",
    "claude-3-opus-20240229",
    "claude-3-sonnet-20240229",
    "claude-3-haiku-20240307",
    "claude-2.1",
    "claude-2.0",
)
"""The retired models, newest first; the API lists them on request."""

# Gateways may still serve them. The first pattern that matches the id without its date wins.
_RETIRED: Final = tuple(
    (re.compile(pattern), capabilities)
    for pattern, capabilities in (
        (r"claude-sonnet-4(-0)?", replace(_OLD, tokenizer=Tokenizer(3.4, 313, 315), pool="sonnet-4")),
        (
            r"claude-opus-4(-[01])?",
            replace(_OLD, max_output_tokens=32_000, tokenizer=Tokenizer(3.4, 313, 315), pool="opus-4"),
        ),
        (r"claude-3-7-sonnet", _OLD),
        (r"claude-3-5-haiku", replace(_BEFORE_3_7, max_output_tokens=8_192, tokenizer=Tokenizer(3.4, 264, 355))),
        (r"claude-3-5-[a-z]+", replace(_BEFORE_3_7, max_output_tokens=8_192)),
        (r"claude-3-[a-z]+", replace(_BEFORE_3_7, max_output_tokens=4_096)),
        (
            r"claude-(2(\.[01])?|instant-1(\.[0-9])?)",
            replace(_BEFORE_3_7, max_output_tokens=4_096, forced_tools=False, tools=False),
        ),
    )
)
_LIKE: Final = 0.87
"""The minimum similarity of a misspelled id: about two wrong letters out of twelve or more."""

_DATE: Final = re.compile(r"-(20\d{6}|latest)$")


@lru_cache(maxsize=256)
def undated(model: str) -> str:
    """Return the id without the date of its version."""
    return _DATE.sub("", model)


def of(model: str) -> Capabilities:
    """Return the capabilities of a model."""
    name = undated(model)
    if name in MODELS:
        return MODELS[name]
    return next((row for pattern, row in _RETIRED if pattern.fullmatch(name)), UNKNOWN)


def meant(model: str) -> str | None:
    """Return the known id that `model` probably misspells, or `None`.

    A name that may be valid elsewhere is not a misspelling: newer models have other digits, and the names of gateways
    and clouds have more words or other characters.
    """
    plain = undated(model).lower()
    words, digits = re.split(r"[._-]+", plain), re.sub(r"\D", "", plain)
    if not re.fullmatch(r"[a-z0-9._-]+", plain):
        return None
    if plain in ("haiku", "sonnet", "opus"):
        return successor_of(f"-{plain}")
    for name in MODELS:
        its = name.split("-")
        is_like = sorted(words) == sorted(its) or SequenceMatcher(None, plain, name).ratio() >= _LIKE
        if is_like and len(words) <= len(its) and digits == re.sub(r"\D", "", name):
            return name
    return successor_of(plain) if of(plain.replace(".", "-")).known else None


def successor_of(model: str) -> str:
    """Return the newest active model of the same line, such as Opus."""
    active = [name for name, row in MODELS.items() if row.lifecycle == "active"]
    line = line_of(model) or LINES[0]
    return next(name for name in active if line_of(name) == line)


def line_of(model: str) -> str | None:
    """Return the line of a model, such as `opus`; `None` if its id names none."""
    return next((line for line in LINES if f"-{line}" in model), None)


def betas_needed(model: str, max_tokens: int) -> tuple[str, ...]:
    """Return the betas without which a model rejects `max_tokens`. Only a request of a batch can have them."""
    able = of(model)
    is_longer = able.max_output_tokens is not None and max_tokens > able.max_output_tokens
    return (LONG_BATCH_BETA,) if is_longer and able.max_batch_tokens is not None else ()


def tokenizer_of(model: str) -> Tokenizer:
    """Return how a model counts tokens."""
    return of(model).tokenizer


def pool_of(model: str, *, fast: bool = False) -> str:
    """Return the name of the rate limit of a model, which other models may share; fast mode has a limit of its own."""
    name = of(model).pool or undated(model).removeprefix("claude-")
    return f"{name}-fast" if fast else name
