"""What an answer costs, and that no model is given the price of another."""

import dataclasses
import datetime as dt
import pickle
import subprocess
import sys
from decimal import Decimal
from typing import get_args

import genai_prices
import pytest
from anthropic.types import Model as ModelParam
from genai_prices.data import providers
from hypothesis import example, given, settings
from hypothesis import strategies as st

from yamlgen.claude import prices
from yamlgen.claude.prices import price_function_of
from yamlgen.model_capabilities import DATED, MODELS
from yamlgen.steps.config_fields import Price
from yamlgen.value_objects import Charge, Usage

LISTED = ["claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-4-6", "claude-sonnet-4-5-20250929"]
UNLISTED = {"claude-mythos-5-1", "claude-mythos-5", "claude-mythos-preview"}
OPUS = "claude-opus-4-6"
"""Its price of long prompts ended on a day."""
THRESHOLD = 100_000
"""Haiku 5.5 costs more per token where the prompt is longer than this, whatever part of it was cached."""

USAGES = [
    Usage(),
    Usage(1_000, 200),
    Usage(1_000, 200, cache_creation_input_tokens=3_000),
    Usage(1_000, 200, cache_read_input_tokens=50_000),
    Usage(0, 1, 7, 11),
    Usage(THRESHOLD, 1),
    Usage(THRESHOLD + 1, 1),
    Usage(60_000, 1_000, 20_000, 20_001),
    Usage(250_000, 1_000, 20_000, 500_000),
]


def cost(model, usage, price=None, **more):
    """The cost of one answer."""
    return price_function_of(model, price)(Charge(usage, **more))


def read_by_the_list(model, usage):
    """The cost that `genai-prices` reads off the API's own response."""
    said = dataclasses.asdict(usage)
    extracted = genai_prices.extract_usage({"model": model, "usage": said}, provider_id="anthropic")
    return float(extracted.calc_price().total_price)


@pytest.mark.parametrize("model", LISTED)
@pytest.mark.parametrize("usage", USAGES, ids=str)
def test_the_tokens_of_the_api_are_charged_as_the_list_charges_them(model, usage):
    """Cached tokens are a part of the list's input and none of the API's: each is charged once, at its own price."""
    assert cost(model, usage) == pytest.approx(read_by_the_list(model, usage), abs=1e-12)


LISTED_MODELS = [model.id for provider in providers if provider.id == "anthropic" for model in provider.models]
PRICED_MODELS = sorted({*LISTED_MODELS, *MODELS, *DATED} - UNLISTED)
"""The models of the list, and those of the table of models."""

COUNTS = st.integers(0, 1_000_000) | st.integers(0, 100)
USAGE = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS)


@st.composite
def charges(draw):
    """Anything that may be charged: of the writes to the cache, any part for an hour."""
    usage = draw(USAGE)
    hour_writes = draw(st.integers(0, usage.cache_creation_input_tokens))
    return Charge(usage, hour_writes, draw(st.integers(0, 20)), *(draw(st.booleans()) for _ in range(3)))


def of_list(model, charge, searches):
    """The price of the tokens of an answer and of some searches, as `genai-prices` has it."""
    read, write = charge.usage.cache_read_input_tokens, charge.usage.cache_creation_input_tokens
    tokens = genai_prices.Usage(
        input_tokens=charge.usage.input_tokens + read + write,
        output_tokens=charge.usage.output_tokens,
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=charge.hour_writes,
        web_searches=searches,
    )
    asked = {"speed": "fast" if charge.fast else "standard", "processing": "batch" if charge.batch else "standard"}
    return genai_prices.calc_price(tokens, model, provider_id="anthropic", price_context=asked).total_price


def listed(model, charge):
    """The cost of one answer: that of the list, and in the United States a tenth more for its tokens."""
    tokens, whole = of_list(model, charge, 0), of_list(model, charge, charge.searches)
    return round(float(whole + tokens * (Decimal("0.1") if charge.in_us else 0)), 12)


@pytest.mark.parametrize("model", PRICED_MODELS)
@settings(deadline=None)
@given(charges())
def test_every_answer_is_charged_to_the_last_bit_as_the_list_charges_it(model, charge):
    """Fresh tokens, reads, writes of both kinds, output, searches, batches, fast mode, regions, and all together."""
    assert price_function_of(model, None)(charge) == listed(model, charge)


@pytest.mark.parametrize("model", PRICED_MODELS)
@settings(deadline=None)
@given(usage=USAGE, batch=st.booleans())
@example(usage=Usage(THRESHOLD), batch=False)
@example(usage=Usage(THRESHOLD, 0, 1), batch=False)
@example(usage=Usage(200_000, 1), batch=True)
@example(usage=Usage(199_999, 1, 1, 1), batch=False)
def test_the_sum_that_is_made_without_the_list_is_that_of_the_list(model, usage, batch):
    """An answer of tokens alone is charged by a shorter way, below and above a threshold."""
    charge = Charge(usage, batch=batch)
    assert price_function_of(model, None)(charge) == prices._listed(model, charge) == listed(model, charge)


def test_a_cache_write_of_an_hour_costs_more():
    """It costs twice what fresh input does, beside others that cost a quarter more."""
    fresh = cost("claude-sonnet-5-5", Usage(1_000))
    written = Usage(cache_creation_input_tokens=1_000)
    assert cost("claude-sonnet-5-5", written, hour_writes=1_000) == pytest.approx(2 * fresh)
    assert cost("claude-sonnet-5-5", written, hour_writes=400) == pytest.approx((0.6 * 1.25 + 0.4 * 2) * fresh)


def test_searches_cost_beside_the_tokens():
    """A thousand searches cost ten dollars, whatever the tokens cost."""
    assert cost("claude-haiku-5-5", Usage(), searches=3) == pytest.approx(0.03)
    tokens = cost("claude-haiku-5-5", Usage(1_000, 1_000))
    assert cost("claude-haiku-5-5", Usage(1_000, 1_000), searches=3) == pytest.approx(0.03 + tokens)


def test_a_batch_costs_half():
    """That holds for each kind of token."""
    usage = Usage(1_000, 1_000, 1_000, 1_000)
    assert cost("claude-opus-5-5", usage, batch=True) == pytest.approx(cost("claude-opus-5-5", usage) / 2)


@pytest.mark.parametrize("model", LISTED_MODELS)
def test_the_fast_mode_has_the_price_that_the_list_has_for_it(model):
    """Where the list knows one, an answer in fast mode costs that, and otherwise what any costs."""
    (known,) = [m for provider in providers if provider.id == "anthropic" for m in provider.models if m.id == model]
    is_known = any(variant.when == {"speed": "fast"} for variant in known.price_variants or ())
    usage = Usage(1_000, 1_000)
    assert (cost(model, usage, fast=True) > cost(model, usage)) == is_known


def test_an_answer_from_the_united_states_costs_a_tenth_more():
    """That holds for each kind of token, of which the list does not know it, and not for searches."""
    usage = Usage(1_000, 1_000, 1_000, 1_000)
    anywhere = cost("claude-opus-5-5", usage)
    assert cost("claude-opus-5-5", usage, in_us=True) == pytest.approx(1.1 * anywhere)
    assert cost("claude-opus-5-5", usage, in_us=True, searches=1) == pytest.approx(1.1 * anywhere + 0.01)
    assert cost("claude-opus-5-5", usage, in_us=True, batch=True) == pytest.approx(0.55 * anywhere)


@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-haiku-5-5"])
def test_the_list_is_not_asked_about_each_answer(model, monkeypatch):
    """An answer of a usual length is charged by what was read of the list once: the list takes longer than the rest."""
    price_function = price_function_of(model, None)
    monkeypatch.setattr(genai_prices, "calc_price", None)
    assert price_function(Charge(Usage(1_000, 200))) > 0


def test_a_price_that_is_announced_holds_from_its_day(monkeypatch):
    """A run that goes on past midnight pays what the list says of the new day."""
    (opus,) = [m for provider in providers if provider.id == "anthropic" for m in provider.models if m.id == OPUS]
    later = dataclasses.replace(opus.prices[-1].constraint, start_date=dt.date(9999, 1, 1))
    monkeypatch.setattr(opus.prices[-1], "constraint", later)
    monkeypatch.setattr(prices, "_by_list", prices._by_list.__wrapped__)  # it remembers the list as it is
    price_function = price_function_of(OPUS, None)
    long = Charge(Usage(1_000_000))
    assert price_function(long) == 10
    monkeypatch.setattr(later, "start_date", dt.date(2026, 1, 1))
    assert price_function(long) == 5


def test_cached_tokens_have_prices_of_their_own():
    """A token that is read from the cache costs a tenth of a fresh one, one that is written there a quarter more."""
    fresh = cost("claude-sonnet-5", Usage(input_tokens=1_000))
    assert cost("claude-sonnet-5", Usage(cache_read_input_tokens=1_000)) == pytest.approx(0.1 * fresh)
    assert cost("claude-sonnet-5", Usage(cache_creation_input_tokens=1_000)) == pytest.approx(1.25 * fresh)


@pytest.mark.parametrize(
    "usage",
    [Usage(THRESHOLD), Usage(1, 0, 0, THRESHOLD - 1), Usage(1, 0, THRESHOLD - 1, 0)],
    ids=str,
)
def test_a_long_prompt_is_charged_by_its_whole_length(usage):
    """One token more than the threshold, cached tokens counted, and each token of the request costs more."""
    one_more = usage + Usage(1)
    each = cost("claude-haiku-5-5", Usage(1))
    assert cost("claude-haiku-5-5", usage) <= THRESHOLD * 1.25 * each
    assert cost("claude-haiku-5-5", one_more) > 4 * cost("claude-haiku-5-5", usage)


def test_a_long_answer_makes_no_long_prompt():
    """The output does not count towards the threshold."""
    one = cost("claude-haiku-5-5", Usage(0, 1))
    assert cost("claude-haiku-5-5", Usage(0, 2 * THRESHOLD)) == pytest.approx(2 * THRESHOLD * one)


@pytest.mark.parametrize("model", get_args(get_args(ModelParam)[0]))
def test_the_models_of_the_sdk_have_a_price(model):
    """Only those that the list itself leaves out have none."""
    assert (price_function_of(model, None) is None) == (model in UNLISTED)


@pytest.mark.parametrize(
    "model",
    [
        "claude-3-haiku-20240307",
        "claude-3-5-haiku-latest",
        "claude-opus-4-0",
        "claude-opus-4-20250514",
        "claude-sonnet-4-20250514",
        "claude-haiku-5-5-20270101",
    ],
)
def test_a_date_changes_no_price(model):
    """Dated, latest and first versions are the listed model."""
    assert cost(model, Usage(1_000, 1_000)) > 0


@pytest.mark.parametrize(
    "model",
    [
        "my-claude-ft",
        "my-claude-haiku-5-5",
        "claude-haiku-4-5-mine",
        "claude-haiku-4-5-20251001-mine",
        "claude-haiku-4-50",
        "claude-opus-4-10",
        "claude-haiku-4-5@20251001",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "anthropic/claude-haiku-4-5",
        "CLAUDE-HAIKU-4-5",
        "claude-haiku-4-5\n",
        "claude-haiku-99",
        "claude",
        "gpt-5",
        "",
    ],
)
def test_a_name_that_only_looks_like_a_model_s_has_no_price(model):
    """No price is better than a wrong one."""
    assert price_function_of(model, None) is None


@pytest.mark.parametrize("model", ["my-claude-ft", "claude-haiku-5-5"])
def test_the_author_s_price_wins(model):
    """It holds for a model that nobody knows, and against the list."""
    assert cost(model, Usage(1_000_000, 100_000), Price(input=2, output=10)) == 3.0


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (Price(input=2, output=10), 0.2 + 2.5),
        (Price(input=2, output=10, cache_read=1), 1 + 2.5),
        (Price(input=2, output=10, cache_write=3), 0.2 + 3),
        (Price(input=2, output=10, cache_read=0, cache_write=0), 0.0),
    ],
)
def test_the_author_s_price_of_cached_tokens(price, expected):
    """What is not set follows from that of the input; 0 is a price."""
    usage = Usage(cache_read_input_tokens=1_000_000, cache_creation_input_tokens=1_000_000)
    assert cost("my-own", usage, price) == pytest.approx(expected)


@pytest.mark.parametrize(("price", "expected"), [(Price(input=2, output=10), 4), (Price(input=2, cache_write=3), 3)])
def test_the_author_s_price_of_a_cache_write_of_an_hour(price, expected):
    """It is twice that of the input, and the price of cache writes where one is set."""
    usage = Usage(cache_creation_input_tokens=1_000_000)
    assert cost("my-own", usage, price, hour_writes=1_000_000) == pytest.approx(expected)


def test_the_author_s_price_is_all():
    """What the public list charges besides is not charged by a price of the author's own."""
    own = Price(input=2, output=10)
    others = {"searches": 100, "fast": True, "in_us": True}
    assert cost("claude-opus-5-5", Usage(1_000_000), own, **others) == 2


def test_the_author_s_price_is_halved_in_a_batch():
    """A batch costs half of any price of a token."""
    own = Price(input=2, output=10)
    assert cost("claude-opus-5-5", Usage(1_000_000, 500_000), own, batch=True) == 3.5


def test_a_cost_has_no_noise():
    """Binary fractions do not show."""
    assert cost("my-own", Usage(100_000, 200_000), Price(input=1, output=1)) == 0.3
    assert str(cost("claude-haiku-5-5", Usage(3, 3))) == "1.8e-06"


def test_a_tariff_survives_pickling():
    """An engine may run in another process."""
    for price_function in (
        price_function_of("claude-haiku-5-5", None),
        price_function_of("my-own", Price(input=1, output=5)),
    ):
        there = pickle.loads(pickle.dumps(price_function))  # noqa: S301 - our own bytes
        charge = Charge(Usage(1_000, 1_000), searches=1)
        assert there(charge) == price_function(charge)


def test_the_list_is_loaded_where_it_is_needed():
    """Neither the module nor an author's own price brings the list and its HTTP client in."""
    code = (
        "import sys; from yamlgen.claude.prices import price_function_of; "
        "from yamlgen.steps.config_fields import Price; "
        "price_function_of('x', Price(input=1, output=1)); print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"genai_prices", "httpx2", "anthropic"} & set(ran.stdout.split())
