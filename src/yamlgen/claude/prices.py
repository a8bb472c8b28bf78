"""The cost of an answer in US dollars, by the author's price or the list prices of `genai-prices`.

Owns the step from usage to money, and the check that a listed price belongs to the model. The list comes with the
package; nothing is fetched. Its prices are Anthropic's: a gateway with other prices needs `price` under its model. The
list includes one-hour cache writes, web searches, fast mode and batches. It lacks the surcharge of 10% for answers
bound to the United States, which is added here.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from yamlgen.interfaces import PriceFunction
from yamlgen.steps.config_fields import Price
from yamlgen.value_objects import Charge, Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, PriceCalculation

_CACHE_READ: Final = 0.1
_CACHE_WRITE: Final = 1.25
_HOUR_WRITE: Final = 2.0
_BATCH_PART: Final = 0.5
"""The price of a token in a batch, as a part of the author's price."""

_IN_US: Final = Decimal("0.1")
"""The surcharge on the token price of an answer that is bound to the United States."""

_DIGITS: Final = 12
"""Decimals of a cost: enough for one token of the cheapest model, too few for floating-point noise."""

_SUFFIX: Final = re.compile(r"(-0)?(-20\d{6}|-latest)?\Z")


def price_function_of(model: str, price: Price | None) -> PriceFunction | None:
    """Return the picklable price function of a model; `None` if the price is unknown.

    The author's price takes precedence. The list matches by prefix: it would give `claude-haiku-4-5-mine` the price of
    Haiku 4.5, and `claude-opus-4-10` that of Opus 4.1. So a listed price is used only if the id is that of the listed
    model, apart from a date, `-latest` or `-0`. Other names of gateways have no price. Neither have the ids of clouds
    (`us.anthropic.claude-...`, `claude-...@20251001`), because clouds have other prices.
    """
    return _by_list(model) if price is None else partial(_own, price)


@lru_cache(maxsize=256)  # the list is the same for the whole process, and eight of its prices take two milliseconds
def _by_list(model: str) -> PriceFunction | None:
    try:
        nothing = _calculation(model, Charge())
    except LookupError:
        return None
    if _SUFFIX.sub("", nothing.model.id) != _SUFFIX.sub("", model):
        return None
    single, batched = _of_each(model, batch=False), _of_each(model, batch=True)
    if nothing.total_price or any(price % 1 for price in single + batched):
        return partial(_listed, model)
    return partial(_summed, model, tuple(map(int, single)), tuple(map(int, batched)), _longest(nothing.model))


def _of_each(model: str, *, batch: bool) -> list[Decimal]:
    """Return the price of one token of each kind, in units of the last of `_DIGITS`."""
    one_of_each = (Usage(1), Usage(0, 1), Usage(0, 0, 1), Usage(0, 0, 0, 1))
    return [_calculation(model, Charge(one, batch=batch)).total_price.scaleb(_DIGITS) for one in one_of_each]


def _longest(model: ModelInfo) -> float:
    """Return the longest prompt for which the price per token is constant, now and later."""
    from genai_prices.types import StartDateConstraint, TieredPrices  # noqa: PLC0415 - as below

    prices = model.prices
    if isinstance(prices, list):  # the last matching one is used, and a started one stays
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
    return round(millionths / 1e6 * (_BATCH_PART if charge.batch else 1), _DIGITS)


def _summed(model: str, single: tuple[int, ...], batched: tuple[int, ...], longest: float, charge: Charge) -> float:
    """Return the same as `_listed`, but faster if only tokens are charged and the prompt is at most `longest`.

    Prices per token are integers in units of the last of `_DIGITS`, so that the sum is exact.
    """
    usage = charge.usage
    fresh, read, write = usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    is_special = charge.hour_writes or charge.searches or charge.fast or charge.in_us
    if is_special or fresh + read + write > longest:
        return _listed(model, charge)
    of_fresh, of_output, of_write, of_read = batched if charge.batch else single
    cost = fresh * of_fresh + usage.output_tokens * of_output + write * of_write + read * of_read
    return cost / 10**_DIGITS


def _listed(model: str, charge: Charge) -> float:
    priced = _calculation(model, charge)
    total = priced.total_price
    if charge.in_us:  # searches are not part of either price
        total += (priced.input_price + priced.output_price) * _IN_US
    return round(float(total), _DIGITS)


def _calculation(model: str, charge: Charge) -> PriceCalculation:
    from genai_prices import Usage as AccessTokens  # noqa: PLC0415 - it brings an HTTP client along, which takes 0.3 s
    from genai_prices import calc_price  # noqa: PLC0415

    usage = charge.usage
    read, write = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    # In genai-prices `input_tokens` is the whole prompt, cached tokens included.
    tokens = AccessTokens(
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
