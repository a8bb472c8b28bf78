"""What the simulator refuses by model, from the one table of models, with the API's sentences."""

import pytest

from simulator_calls import HELLO, refusal
from yamlgen import model_capabilities
from yamlgen.model_capabilities import FAST_BETA
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.request_checks import check_count

OLD = "2023-06-01"
SAID = {"role": "assistant", "content": "So"}
SYSTEM = {"role": "system", "content": "Answer in French."}
TOOL = {"name": "user", "input_schema": {"type": "object", "properties": {"name": {"type": "string"}}}}
ROWS = [(model, model_capabilities.of(model)) for model in (*model_capabilities.MODELS, *model_capabilities.DATED)]
NAMES = [model for model, _ in ROWS]


def asked(model="claude-haiku-5-5", **more):
    """A body for a model."""
    return {"model": model, "max_tokens": 2000, "messages": [HELLO], **more}


@pytest.mark.parametrize(("model", "known"), ROWS, ids=NAMES)
def test_every_setting_is_taken_or_refused_as_the_table_says(model, known):
    """Each type of thinking, effort, forced tool, prefill, system turn, sampling, speed, region, and answer length."""
    budget = {"budget_tokens": 1024}
    for kind in model_capabilities.THINKING:
        thinking = {"type": kind, **(budget if kind == "enabled" else {})}
        assert (refusal(asked(model, thinking=thinking)) == "") == (kind in known.thinking), kind
    for effort in model_capabilities.EFFORTS:
        assert (refusal(asked(model, output_config={"effort": effort})) == "") == (effort in known.efforts), effort
    for choice in ({"type": "any"}, {"type": "tool", "name": "user"}):
        assert (refusal(asked(model, tools=[TOOL], tool_choice=choice)) == "") == bool(known.forced_tools)
    assert (refusal(asked(model, messages=[HELLO, SAID])) == "") == bool(known.prefill)
    assert (refusal(asked(model, messages=[HELLO, SYSTEM])) == "") == (known.system_turns is not False)
    for name in model_capabilities.SAMPLING:
        assert (refusal(asked(model, **{name: 1}), OLD) == "") == bool(known.sampling)
    assert (refusal(asked(model, speed="fast"), betas=[FAST_BETA]) == "") == bool(known.fast)
    assert (refusal(asked(model, speed="standard")) == "") != known.fast_beta
    assert (refusal(asked(model, inference_geo="us")) == "") == bool(known.regions)
    assert refusal(asked(model, max_tokens=known.max_output_tokens)) == ""
    assert "maximum allowed number" in refusal(asked(model, max_tokens=known.max_output_tokens + 1))


@pytest.mark.parametrize(("model", "known"), ROWS, ids=NAMES)
def test_effort_is_bounded_while_a_model_does_not_think(model, known):
    """The highest efforts need thinking where the table says so."""
    for kind in model_capabilities.OFF & set(known.thinking):
        for effort in known.efforts:
            over = known.most_effort_off is not None and effort in {"xhigh", "max"}
            sentence = refusal(asked(model, thinking={"type": kind}, output_config={"effort": effort}))
            assert ("is not supported with" in sentence) == over, (kind, effort)


@pytest.mark.parametrize(("model", "known"), ROWS, ids=NAMES)
def test_a_prompt_longer_than_the_context_is_refused(model, known):
    """By an estimate that lets through what may just fit."""
    characters = int(known.context * known.tokenizer.characters)
    assert refusal(asked(model, messages=[{"role": "user", "content": "a" * (characters - 100)}])) == ""
    sentence = refusal(asked(model, messages=[{"role": "user", "content": "a" * (characters * 2)}]))
    assert sentence.startswith("prompt is too long: ")
    assert sentence.endswith(f" > {known.context} maximum")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            asked("claude-fable-5-2", thinking={"type": "disabled"}),
            '"thinking.type.disabled" is not supported for this model.',
        ),
        (
            asked("claude-opus-5-5", thinking={"type": "between_tools"}),
            '"thinking.type.between_tools" is not supported for this model.',
        ),
        (
            asked("claude-opus-5", thinking={"type": "enabled", "budget_tokens": 1024}),
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"',
        ),
        (asked("claude-haiku-4-5", thinking={"type": "adaptive"}), "adaptive thinking is not supported on this model"),
        (
            asked("claude-sonnet-4-5", output_config={"effort": "low"}),
            "This model does not support the effort parameter.",
        ),
        (
            asked("claude-opus-4-6", output_config={"effort": "xhigh"}),
            "This model does not support effort level 'xhigh'. Supported levels: low, medium, high, max.",
        ),
        (
            asked("claude-sonnet-5-5", thinking={"type": "between_tools"}, output_config={"effort": "max"}),
            '"thinking.type" value "between_tools" is not supported with "output_config.effort" value "max"',
        ),
        (
            asked("claude-sonnet-5-5", tools=[TOOL], tool_choice={"type": "any"}),
            'tool_choice: type "tool" and "any" are not supported for this model.',
        ),
        (
            asked("claude-opus-4-6", messages=[HELLO, SAID]),
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ),
        (
            asked("claude-opus-4-6", messages=[HELLO, {"role": "system", "content": "x"}]),
            "role 'system' is not supported on this model",
        ),
        (asked("claude-haiku-4-5", max_tokens=64_001), "max_tokens: 64001 > 64000, which is the maximum allowed"),
    ],
)
def test_a_refusal_says_what_the_api_says(body, sentence):
    """The sentences that clients look for."""
    assert refusal(body).startswith(sentence)


def test_counting_refuses_by_model_too():
    """A forced tool is refused there as well; what belongs to the answer alone is not asked for."""
    body = asked("claude-sonnet-5-5", tools=[TOOL], tool_choice={"type": "any"})
    del body["max_tokens"]
    with pytest.raises(SimulatedAPIError, match="tool_choice"):
        check_count(body)
    check_count({**body, "tool_choice": {"type": "auto"}, "thinking": {"type": "between_tools"}})


EFFORT = {"role": "system", "content": [], "output_config": {"effort": "low"}}
PER_TURN = ("mid-conversation-output-config-2026-07-01",)
SEARCHED = [
    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
    {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
]


@pytest.mark.parametrize(
    ("messages", "sentence", "betas"),
    [
        ([HELLO, SYSTEM], "", ()),
        ([HELLO, SYSTEM, SAID, HELLO], "", ()),
        ([HELLO, {"role": "assistant", "content": SEARCHED}, SYSTEM], "", ()),
        ([HELLO, {"role": "system", "content": [{"type": "text", "text": "x"}]}], "", ()),
        ([SYSTEM, HELLO], "messages.0: use the top-level 'system' parameter", ()),
        ([HELLO, SAID, SYSTEM], "messages.2: a 'system' message must follow a 'user' message", ()),
        ([HELLO, SYSTEM, HELLO], "messages.1: a 'system' message must be the last or be followed by", ()),
        ([HELLO, {"role": "system", "content": ""}], "messages.1: all messages must have non-empty content", ()),
        ([HELLO, {"role": "system", "content": [{"type": "image"}]}], "messages.1.content.0: `image` blocks", ()),
        ([EFFORT, HELLO], "messages.0.output_config: Extra inputs are not permitted", ()),
        ([EFFORT, HELLO], "", PER_TURN),
        ([EFFORT], 'messages: first message must use the "user" role', PER_TURN),
        ([HELLO, {**EFFORT, "output_config": {"effort": "huge"}}], "messages.1.output_config.effort: Input", PER_TURN),
        ([HELLO, {**SYSTEM, "clear_at": "never"}], "messages.1.clear_at: Extra inputs are not permitted", ()),
        ([HELLO, {**SYSTEM, "clear_at": "never"}], "", ("mid-conversation-system-clear-at-2026-08-21",)),
    ],
)
def test_system_turns_stand_where_they_may(messages, sentence, betas):
    """After a user's turn or a server's tool, last or before an answer; never first."""
    found = refusal(asked(messages=messages), betas=betas)
    assert found.startswith(sentence)
    assert bool(found) == bool(sentence)
