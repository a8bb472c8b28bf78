"""What a response says that it used, and what of it is charged, whatever a server makes of `usage`."""

from itertools import pairwise

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.claude.answer_recording import Accounting
from yamlgen.claude.prices import price_function_of
from yamlgen.claude.usage import charge_of, charges_of, usage_of
from yamlgen.value_objects import Charge, Usage

TOKENS = {
    "input_tokens": 1,
    "output_tokens": 2,
    "cache_creation_input_tokens": 3,
    "cache_read_input_tokens": 4,
}


def charged(usage, **others):
    """What a response with this usage is charged for."""
    response = {"stop_reason": "end_turn", "content": [{"type": "text", "text": "x"}], "usage": usage, **others}
    return charge_of(response, usage_of(response))


def test_tokens_alone():
    """The usual answer is charged for its tokens."""
    assert charged(TOKENS) == Charge(Usage(1, 2, 3, 4))


def test_all_that_the_api_says():
    """The API says of each answer how long its cache writes last, what its tools did, how and where it was made."""
    usage = {
        **TOKENS,
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
        "server_tool_use": {"web_search_requests": 5, "web_fetch_requests": 6},
        "speed": "fast",
        "service_tier": "batch",
        "inference_geo": "us",
    }
    assert charged(usage) == Charge(Usage(1, 2, 3, 4), 2, 5, fast=True, batch=True, in_us=True)


def test_what_is_as_usual_changes_nothing():
    """The words for the usual way leave an answer charged for its tokens alone."""
    usual = {"cache_creation": None, "server_tool_use": None, "speed": "standard", "service_tier": "standard"}
    assert charged({**TOKENS, **usual, "inference_geo": "not_available"}) == Charge(Usage(1, 2, 3, 4))
    assert charged({**TOKENS, "inference_geo": "global", "service_tier": "priority"}) == Charge(Usage(1, 2, 3, 4))


@pytest.mark.parametrize("content", [[], None], ids=str)
def test_a_refusal_before_any_output_is_charged_for_nothing(content):
    """Its tokens are shown all the same."""
    response = {"stop_reason": "refusal", "content": content, "usage": TOKENS}
    assert usage_of(response) == Usage(1, 2, 3, 4)
    assert charge_of(response, usage_of(response)) == Charge()


@pytest.mark.parametrize("stop", ["refusal", "end_turn"])
def test_other_answers_are_charged(stop):
    """A refusal in the middle of an answer is, and so is an answer that is empty for another reason."""
    content = [{"type": "text", "text": "I"}] if stop == "refusal" else []
    assert charged(TOKENS, stop_reason=stop, content=content) == Charge(Usage(1, 2, 3, 4))


def test_no_more_is_written_for_an_hour_than_is_written():
    """A gateway that says otherwise breaks no price."""
    charge = charged({**TOKENS, "cache_creation": {"ephemeral_1h_input_tokens": 10}})
    assert charge.hour_writes == 3
    assert price_function_of("claude-haiku-5-5", None)(charge) > 0


HOPS = ("claude-opus-5", "claude-opus-4-8", "claude-haiku-4-5", "claude-sonnet-4-6")
COUNTS = st.integers(0, 100_000)
TOKEN_COUNTS = st.fixed_dictionaries(dict.fromkeys(TOKENS, COUNTS))


@given(st.lists(TOKEN_COUNTS, min_size=1, max_size=len(HOPS)), st.booleans())
def test_every_model_that_the_api_has_asked_is_charged_at_its_own_price(hops, is_answered):
    """One that wrote nothing before it refused is free; the sum is that of `genai-prices`."""
    models = HOPS[: len(hops)]
    named = [{"type": "message", "model": model, **hop} for model, hop in zip(models, hops, strict=True)]
    if is_answered and len(hops) > 1:
        named[-1]["type"] = "fallback_message"
    bounds = [{"type": "fallback", "from": {"model": a}, "to": {"model": b}} for a, b in pairwise(models)]
    wrote = [{"type": "text", "text": "So"}] if is_answered or hops[-1]["output_tokens"] else []
    usage = {**hops[-1], "iterations": named}
    stop = "end_turn" if is_answered else "refusal"
    response = {"model": models[-1], "content": [*bounds, *wrote], "stop_reason": stop, "usage": usage}
    billed = [(model, hop) for model, hop in zip(models, hops, strict=True) if hop["output_tokens"]]
    if is_answered and not hops[-1]["output_tokens"]:
        billed.append((models[-1], hops[-1]))
    parts = (genai_prices.extract_usage({"model": m, "usage": u}, provider_id="anthropic") for m, u in billed)
    expected = sum(float(part.calc_price().total_price) for part in parts)
    accounting = Accounting(HOPS[0], price_function_of(HOPS[0], None))
    assert accounting.cost_of(response) == pytest.approx(expected, abs=1e-9)


def test_a_price_of_the_author_applies_to_a_fallback_model_too():
    """The API may name the model with the date of its version."""
    own = {"claude-haiku-4-5": lambda _: 7.0}
    named = [{"type": "message", "model": "m", **TOKENS, "output_tokens": 0}]
    named.append({"type": "fallback_message", "model": "claude-haiku-4-5-20251001", **TOKENS})
    response = {"model": "claude-haiku-4-5-20251001", "content": [{"type": "text"}], "stop_reason": "end_turn"}
    response["usage"] = {**TOKENS, "iterations": named}
    assert Accounting("m", lambda _: 1.0, own).cost_of(response) == 7.0
    assert Accounting("m", lambda _: 1.0, {"claude-haiku-4-5": None}).cost_of(response) is None


def test_an_answer_of_the_requested_model_is_charged_as_a_whole():
    """Whatever name a gateway gives it, and however many iterations it took."""
    iterations = [{"type": "message", **TOKENS}, {"type": "message", "model": "claude-opus-5", **TOKENS}]
    response = {"model": "opus-on-our-cloud", "content": [{"type": "text"}], "stop_reason": "end_turn"}
    response["usage"] = {**TOKENS, "iterations": iterations}
    assert charges_of(response, "claude-opus-5") == (("claude-opus-5", Charge(Usage(1, 2, 3, 4))),)


ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
ODD |= st.lists(ODD, max_size=2) | st.dictionaries(st.text(max_size=3), ODD, max_size=2)
WAYS = ("speed", "service_tier", "inference_geo")
PARTS = ("cache_creation", "server_tool_use", "ephemeral_1h_input_tokens", "web_search_requests")
PARTS += ("iterations", "model", "type")
NAMES = st.sampled_from([*TOKENS, *WAYS, *PARTS])
NESTED = st.dictionaries(NAMES, ODD | st.dictionaries(NAMES, ODD, max_size=3), max_size=6)


@given(ODD | NESTED, ODD, ODD)
def test_no_usage_is_too_odd(usage, stop, content):
    """Whatever stands there, it is read, and has a cost."""
    response = {"usage": usage, "stop_reason": stop, "content": content, "model": stop}
    charge = charge_of(response, usage_of(response))
    assert price_function_of("claude-sonnet-5-5", None)(charge) >= 0
    assert Accounting("claude-sonnet-5-5", price_function_of("claude-sonnet-5-5", None)).cost_of(response) != -1
    assert usage_of({}) == Usage()
