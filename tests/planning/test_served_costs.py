"""What a request costs that is fast or bound to a region: the estimate charges what the answer will."""

import pytest

from yamlgen.claude.prices import price_function_of
from yamlgen.planning.request_costs import costs_of
from yamlgen.value_objects import Charge, Usage

MODEL = "claude-opus-5-5"
LEAST, MOST = Usage(1_000, 1), Usage(1_000, 4_000)
PRICE = price_function_of(MODEL, None)


@pytest.mark.parametrize(
    ("request_", "charged", "in_batch"),
    [
        ({}, {}, {}),
        ({"speed": "standard", "inference_geo": "global"}, {}, {}),
        ({"speed": "fast"}, {"fast": True}, {}),
        ({"inference_geo": "us"}, {"in_us": True}, {"in_us": True}),
    ],
)
def test_the_estimate_has_the_price_of_the_answer(request_, charged, in_batch):
    """By itself and in a batch, where nothing is fast."""
    costs = costs_of(PRICE, LEAST, MOST, request=request_)
    assert costs.single == tuple(PRICE(Charge(usage, **charged)) for usage in (LEAST, MOST))
    assert costs.batch == tuple(PRICE(Charge(usage, batch=True, **in_batch)) for usage in (LEAST, MOST))


def test_fast_costs_twice_as_much_and_the_region_a_tenth_more():
    """By the list prices of Opus 5.5."""
    plain, fast, bound = (
        costs_of(PRICE, LEAST, MOST, request=each).single[1]
        for each in ({}, {"speed": "fast"}, {"inference_geo": "us"})
    )
    assert (fast, bound) == (pytest.approx(2 * plain), pytest.approx(1.1 * plain))
