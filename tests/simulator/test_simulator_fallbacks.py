"""The simulator asks fallback models after a refusal, and says so as the SDK's types have it."""

import json

import pytest
from anthropic.types.beta import BetaMessage

from simulator_calls import HELLO, refusal, talk
from yamlgen.simulator.faults import Faults

BETA = "server-side-fallback-2026-07-01"
FIRST, SECOND, THIRD = "claude-fable-5-1", "claude-opus-4-8", "claude-opus-5"
BODY = {"model": FIRST, "max_tokens": 100, "messages": [HELLO]}


class Refusing(Faults):
    """Refuses the first requests, and answers the others."""

    def __init__(self, count):
        super().__init__({"refusal": 1.0})
        object.__setattr__(self, "left", [None] * count)

    def pick(self, *_):
        """Return the fault of the next request."""
        if self.left:
            self.left.pop()
            return "refusal"
        return None


def answer(fallbacks, refusals, *, stream=False):
    """The message after so many refusals."""

    async def conversation(client, _):
        create = client.beta.messages.create
        if not stream:
            return await create(**BODY, fallbacks=fallbacks, betas=[BETA])
        async with client.beta.messages.stream(**BODY, fallbacks=fallbacks, betas=[BETA]) as events:
            return await events.get_final_message()

    message = talk(conversation, faults=Refusing(refusals))
    return json.loads(BetaMessage.model_validate(message.model_dump(by_alias=True)).model_dump_json(by_alias=True))


CHAIN = [{"model": SECOND}, {"model": THIRD, "max_tokens": 50}]


def test_a_request_that_is_not_refused_is_answered_as_ever():
    """By the model that it names."""
    message = answer(CHAIN, 0)
    assert message["model"] == FIRST
    assert [block["type"] for block in message["content"]] == ["text"]


@pytest.mark.parametrize("stream", [False, True])
def test_the_next_model_answers(stream):
    """The boundary and the usage of each model are told, whole or as a stream."""
    message = answer(CHAIN, 2, stream=stream)
    assert message["model"] == THIRD
    first, second, text = message["content"]
    assert (first["from"]["model"], first["to"]["model"]) == (FIRST, SECOND)
    assert (second["from"]["model"], second["to"]["model"]) == (SECOND, THIRD)
    assert text["type"] == "text"
    hops = message["usage"]["iterations"]
    assert [(hop["type"], hop["model"]) for hop in hops] == [
        ("message", FIRST),
        ("message", SECOND),
        ("fallback_message", THIRD),
    ]
    assert message["usage"]["output_tokens"] == hops[-1]["output_tokens"]


def test_all_may_refuse():
    """The last refusal is the answer."""
    message = answer(CHAIN, 3)
    assert (message["stop_reason"], message["model"]) == ("refusal", THIRD)
    assert [hop["type"] for hop in message["usage"]["iterations"]] == ["message"] * 3


def test_the_api_has_a_choice_of_its_own():
    """Where it knows a model for it."""
    assert answer("default", 1)["model"] == SECOND


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"fallbacks": CHAIN}, ""),
        ({"fallbacks": [{"model": SECOND, "thinking": {"type": "disabled"}, "output_config": {"effort": None}}]}, ""),
        ({"fallbacks": [{"model": SECOND}, {"model": SECOND}]}, "fallbacks.1.model: each model must be distinct"),
        ({"fallbacks": [{"model": FIRST}]}, "fallbacks.0.model: each model must be distinct"),
        ({"fallbacks": [{"model": "claude-haiku-4-5"}]}, "fallbacks.0.model: not a permitted fallback model"),
        ({"fallbacks": [{"model": SECOND, "max_tokens": 10**6}]}, "max_tokens: 1000000 > 128000"),
        ({"fallbacks": [{"model": SECOND, "system": "x"}]}, "fallbacks.0.system: Extra inputs"),
        ({"model": "claude-haiku-5-5", "fallbacks": CHAIN}, "'claude-haiku-5-5' does not support the `fallbacks`"),
        ({"model": "claude-haiku-5-5", "fallbacks": "default"}, ""),
    ],
)
def test_an_entry_is_checked_like_a_request_to_its_model(body, told):
    """The rules are those of the API."""
    found = refusal({**BODY, **body}, betas=[BETA])
    assert found.startswith(told)
    assert bool(found) == bool(told)
