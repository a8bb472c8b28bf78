"""What a response says that it used, and what of it is charged, whatever a server makes of `usage`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.claude.prices import price_function_of
from yamlgen.claude.usage import charge_of, usage_of
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


ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
ODD |= st.lists(ODD, max_size=2) | st.dictionaries(st.text(max_size=3), ODD, max_size=2)
WAYS = ("speed", "service_tier", "inference_geo")
PARTS = ("cache_creation", "server_tool_use", "ephemeral_1h_input_tokens", "web_search_requests")
NAMES = st.sampled_from([*TOKENS, *WAYS, *PARTS])
NESTED = st.dictionaries(NAMES, ODD | st.dictionaries(NAMES, ODD, max_size=3), max_size=6)


@given(ODD | NESTED, ODD, ODD)
def test_no_usage_is_too_odd(usage, stop, content):
    """Whatever stands there, it is read, and has a cost."""
    response = {"usage": usage, "stop_reason": stop, "content": content}
    charge = charge_of(response, usage_of(response))
    assert price_function_of("claude-sonnet-5-5", None)(charge) >= 0
    assert usage_of({}) == Usage()
