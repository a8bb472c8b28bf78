"""What an answer costs in US dollars: by the author's own price, or by the list prices of `genai-prices`.

Owns the step from what is charged to money, and the caution about which model a listed price belongs to. The list is
the one that came with the package: nothing is fetched. It is Anthropic's, so a gateway that charges otherwise needs a
`price` under its model. It knows cache writes of an hour, web searches, fast mode and batches; that answers which are
bound to the United States cost a tenth more it does not know, and that is added here.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final

from yamlgen.interfaces import PriceFunction
from yamlgen.steps.config_fields import Price
from yamlgen.value_objects import Charge, Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, PriceCalculation

_CACHE_READ: Final = 0.1
_CACHE_WRITE: Final = 1.25
_HOUR_WRITE: Final = 2.0
_IN_US: Final = Decimal("0.1")
"""How much more of the price of its tokens an answer costs that is bound to the United States."""

_DIGITS: Final = 12
"""Decimals of a cost: a token of the cheapest model shows, the noise of binary fractions does not."""

_SUFFIX: Final = re.compile(r"(-0)?(-20\d{6}|-latest)?\Z")


def price_function_of(model: str, price: Price | None) -> PriceFunction | None:
    """How the answers of a model are charged, picklable; `None` where its price is not known.

    The author's price wins. The list itself matches by prefix: it would give `claude-haiku-4-5-mine` the price of
    Haiku 4.5, and `claude-opus-4-10` that of Opus 4.1. So a listed price is taken only for an id that is the listed
    model's, a date, `-latest` or the `-0` of a first version aside. Whatever else a gateway calls its models has no
    price here, a cloud's ids (`us.anthropic.claude-...`, `claude-...@20251001`) included: clouds have other prices.
    """
    if price is not None:
        return partial(_own, price)
    try:
        nothing = _calculation(model, Charge())
    except LookupError:
        return None
    if _SUFFIX.sub("", nothing.model.id) != _SUFFIX.sub("", model):
        return None
    one_of_each = (Usage(1), Usage(0, 1), Usage(0, 0, 1), Usage(0, 0, 0, 1))
    each = [_calculation(model, Charge(one)).total_price.scaleb(_DIGITS) for one in one_of_each]
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


def _own(price: Price, charge: Charge) -> float:
    usage, hour_writes = charge.usage, charge.hour_writes
    read = price.input * _CACHE_READ if price.cache_read is None else price.cache_read
    write = price.input * _CACHE_WRITE if price.cache_write is None else price.cache_write
    hour_write = price.input * _HOUR_WRITE if price.cache_write is None else price.cache_write
    millionths = (
        usage.input_tokens * price.input
        + usage.output_tokens * price.output
        + usage.cache_read_input_tokens * read
        + (usage.cache_creation_input_tokens - hour_writes) * write
        + hour_writes * hour_write
    )
    return round(millionths / 1e6, _DIGITS)


def _summed(model: str, each: tuple[int, ...], longest: float, charge: Charge) -> float:
    """What `_listed` says, much quicker where tokens alone are charged, and the prompt is not longer than `longest`.

    Each token's price is in units of the last of `_DIGITS`, so that the sum is exact.
    """
    usage = charge.usage
    fresh, read, write = usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    is_special = charge.hour_writes or charge.searches or charge.fast or charge.batch or charge.in_us
    if is_special or fresh + read + write > longest:
        return _listed(model, charge)
    of_fresh, of_output, of_write, of_read = each
    cost = fresh * of_fresh + usage.output_tokens * of_output + write * of_write + read * of_read
    return cost / 10**_DIGITS


def _listed(model: str, charge: Charge) -> float:
    priced = _calculation(model, charge)
    total = priced.total_price
    if charge.in_us:  # searches are neither input nor output
        total += (priced.input_price + priced.output_price) * _IN_US
    return round(float(total), _DIGITS)


def _calculation(model: str, charge: Charge) -> PriceCalculation:
    from genai_prices import Usage as Tokens  # noqa: PLC0415 - it brings an HTTP client along, which takes 0.3 s
    from genai_prices import calc_price  # noqa: PLC0415

    usage = charge.usage
    read, write = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    # Here the input is the whole prompt, as the thresholds of long prompts are, and what was cached is a part of it.
    tokens = Tokens(
        input_tokens=usage.input_tokens + read + write,
        output_tokens=usage.output_tokens,
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=charge.hour_writes,
        web_searches=charge.searches,
    )
    context = {"speed": "fast"} if charge.fast else {}
    context |= {"processing": "batch"} if charge.batch else {}
    return calc_price(tokens, model, provider_id="anthropic", price_context=context)
