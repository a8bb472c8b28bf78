"""What an answer of the simulator shows of its thinking, and what it does not depend on."""

import pytest

from yamlgen.simulator.answers import answer, digest_of
from yamlgen.simulator.plausible_values import PlausibleValues

BODY = {"max_tokens": 4096, "messages": [{"role": "user", "content": "Hi"}]}


def thought(model, **thinking):
    """The thinking in the answer of a model."""
    body = {**BODY, "model": model, "thinking": thinking}
    return answer(body, digest_of(body, 0), PlausibleValues())["content"][0]["thinking"]


@pytest.mark.parametrize(
    ("model", "thinking", "is_shown"),
    [
        ("claude-opus-5-5", {"type": "adaptive"}, False),
        ("claude-opus-5-5", {"type": "adaptive", "display": "summarized"}, True),
        ("claude-opus-4-7", {"type": "adaptive"}, False),
        ("claude-mythos-preview", {"type": "adaptive"}, False),
        ("claude-sonnet-4-6", {"type": "adaptive"}, True),
        ("claude-haiku-4-5", {"type": "enabled", "budget_tokens": 1024}, True),
        ("claude-haiku-4-5", {"type": "enabled", "budget_tokens": 1024, "display": "omitted"}, False),
    ],
)
def test_newer_models_show_it_only_if_it_is_asked_for(model, thinking, is_shown):
    """As the API does: by `display`, or by the default of the model."""
    assert bool(thought(model, **thinking)) is is_shown


def test_what_does_not_change_an_answer_does_not_change_it_here():
    """The fields that are not a part of the key: a simulated run finds its answers again, and so does a fresh one."""
    body = {**BODY, "model": "claude-opus-5-5"}
    served = {"service_tier": "auto", "speed": "fast", "metadata": {"user_id": "u"}, "stream": True}
    assert digest_of(body, 0) == digest_of({**body, **served}, 0)
    assert digest_of(body, 0) != digest_of({**body, "inference_geo": "us"}, 0)
