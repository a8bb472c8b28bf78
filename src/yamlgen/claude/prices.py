"""What an answer costs in US dollars: by the author's own price, or by the list prices of `genai-prices`.

Owns the step from tokens to money, and the caution about which model a listed price belongs to. The list is the one
that came with the package: nothing is fetched. It is Anthropic's, so a gateway that charges otherwise needs a `price`
under its model. Cache writes are taken to last five minutes, since `Usage` does not tell them from those of an hour.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from yamlgen.language.parts import Price
from yamlgen.ports import Tariff, Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, PriceCalculation

_CACHE_READ: Final = 0.1
_CACHE_WRITE: Final = 1.25
_DIGITS: Final = 12
"""Decimals of a cost: a token of the cheapest model shows, the noise of binary fractions does not."""

_SUFFIX: Final = re.compile(r"(-0)?(-20\d{6}|-latest)?\Z")


def tariff_of(model: str, price: Price | None) -> Tariff | None:
    """How the answers of a model are charged, picklable; `None` where its price is not known.

    The author's price wins. The list itself matches by prefix: it would give `claude-haiku-4-5-mine` the price of
    Haiku 4.5, and `claude-opus-4-10` that of Opus 4.1. So a listed price is taken only for an id that is the listed
    model's, a date, `-latest` or the `-0` of a first version aside. Whatever else a gateway calls its models has no
    price here, a cloud's ids (`us.anthropic.claude-...`, `claude-...@20251001`) included: clouds have other prices.
    """
    if price is not None:
        return partial(_own, price)
    try:
        nothing = _calculation(model, Usage())
    except LookupError:
        return None
    if _SUFFIX.sub("", nothing.model.id) != _SUFFIX.sub("", model):
        return None
    one_of_each = (Usage(1), Usage(0, 1), Usage(0, 0, 1), Usage(0, 0, 0, 1))
    each = [_calculation(model, one).total_price.scaleb(_DIGITS) for one in one_of_each]
    if nothing.total_price or any(price % 1 for price in each):
        return partial(_listed, model)
    return partial(_summed, model, tuple(map(int, each)), _longest(nothing.model))


def _longest(model: ModelInfo) -> float:
    """The longest prompt for which each token costs what one alone costs, in every answer from now on."""
    from genai_prices.types import StartDateConstraint, TieredPrices  # noqa: PLC0415 - as below

    prices = model.prices
    if isinstance(prices, list):  # the last one that holds is taken, and what has begun goes on
        start = prices[-1].constraint
        if not isinstance(start, StartDateConstraint) or not start.active(datetime.now(UTC)):
            return -1
        prices = prices[-1].prices
    tiered = [price for price in vars(prices).values() if isinstance(price, TieredPrices)]
    return min((tier.start for price in tiered for tier in price.tiers), default=math.inf)


def _own(price: Price, usage: Usage) -> float:
    read = price.input * _CACHE_READ if price.cache_read is None else price.cache_read
    write = price.input * _CACHE_WRITE if price.cache_write is None else price.cache_write
    millionths = (
        usage.input_tokens * price.input
        + usage.output_tokens * price.output
        + usage.cache_read_input_tokens * read
        + usage.cache_creation_input_tokens * write
    )
    return round(millionths / 1e6, _DIGITS)


def _summed(model: str, each: tuple[int, ...], longest: float, usage: Usage) -> float:
    """What `_listed` says, much quicker where the prompt is not longer than `longest`.

    Each token's price is in units of the last of `_DIGITS`, so that the sum is exact.
    """
    fresh, read, write = usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    if fresh + read + write > longest:
        return _listed(model, usage)
    of_fresh, of_output, of_write, of_read = each
    cost = fresh * of_fresh + usage.output_tokens * of_output + write * of_write + read * of_read
    return cost / 10**_DIGITS


def _listed(model: str, usage: Usage) -> float:
    return round(float(_calculation(model, usage).total_price), _DIGITS)


def _calculation(model: str, usage: Usage) -> PriceCalculation:
    from genai_prices import Usage as Tokens  # noqa: PLC0415 - it brings an HTTP client along, which takes 0.3 s
    from genai_prices import calc_price  # noqa: PLC0415

    read, write = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    # Here the input is the whole prompt, as the thresholds of long prompts are, and what was cached is a part of it.
    tokens = Tokens(
        input_tokens=usage.input_tokens + read + write,
        output_tokens=usage.output_tokens,
        cache_read_tokens=read,
        cache_write_tokens=write,
    )
    return calc_price(tokens, model, provider_id="anthropic")
