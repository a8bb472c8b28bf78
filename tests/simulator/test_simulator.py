"""What the simulator answers, asked over real HTTP as clients ask it."""

import json
import math
import subprocess
import sys

import anthropic
import pytest
from jsonschema import Draft202012Validator

from simulator_calls import ask, talk

MODEL = "claude-haiku-5-5"
USER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "email", "age"],
    "properties": {
        "name": {"type": "string"},
        "email": {"type": "string", "format": "email"},
        "age": {"type": "integer"},
    },
}
TOOL = {"name": "User", "input_schema": USER}
NATIVE = {"format": {"type": "json_schema", "schema": USER}}


def asked(prompt="Tell me about Oslo.", **more):
    """A request for `prompt`."""
    return {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": prompt}], **more}


def called(message):
    """The tool calls of a message."""
    return [block for block in message.content if block.type == "tool_use"]


def valid(value):
    """Whether a value is a user."""
    return Draft202012Validator(USER, format_checker=Draft202012Validator.FORMAT_CHECKER).is_valid(value)


def test_a_prompt_is_answered_with_text():
    """A plain prompt gets text that takes it up, a stop reason and usage."""
    message = ask(asked())
    assert "Tell me about Oslo" in message.content[0].text
    assert message.stop_reason == "end_turn"
    assert message.id.startswith("msg_sim_")
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens == math.ceil(len(message.content[0].text) / 2.5)
    assert message.usage.cache_read_input_tokens == 0


def test_the_system_prompt_and_tools_count_as_input():
    """Usage grows with all that is sent."""
    short = ask(asked()).usage.input_tokens
    assert ask(asked(system="Be brief. " * 20)).usage.input_tokens > short + 40
    assert ask(asked(tools=[TOOL])).usage.input_tokens > short + 40


@pytest.mark.parametrize("choice", [{"type": "tool", "name": "User"}, {"type": "any"}, {"type": "auto"}, None])
def test_a_tool_is_called_with_valid_input(choice):
    """Forced or not, the answer calls the tool, and its input satisfies the tool's schema."""
    message = ask(asked(tools=[TOOL], **({"tool_choice": choice} if choice else {})))
    assert message.stop_reason == "tool_use"
    (call,) = called(message)
    assert call.name == "User"
    assert valid(call.input)


def test_tool_choice_none_calls_nothing():
    """With `none`, the answer is text."""
    assert ask(asked(tools=[TOOL], tool_choice={"type": "none"})).content[0].type == "text"


def test_parallel_tool_use_can_be_disabled():
    """Several tools may be called at once, unless the request says no."""
    tools = [{**TOOL, "name": f"tool_{index}"} for index in range(4)]

    async def counts(client, _):
        made = []
        for choice in ({"type": "any"}, {"type": "any", "disable_parallel_tool_use": True}):
            answers = [await client.messages.create(**asked(f"{i}", tools=tools, tool_choice=choice)) for i in range(8)]
            made.append(max(len(called(answer)) for answer in answers))
        return made

    several, one = talk(counts)
    assert several > 1
    assert one == 1


def test_after_the_result_of_a_tool_comes_text_and_after_its_error_another_call():
    """A model talks about a result, and tries again after an error; so a re-ask gets another valid answer."""

    async def conversation(client, _):
        first = await client.messages.create(**asked(tools=[TOOL]))
        (call,) = called(first)
        answers = []
        for is_error in (False, True):
            result = {"type": "tool_result", "tool_use_id": call.id, "content": "Well.", "is_error": is_error}
            turns = [
                *asked()["messages"],
                {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
                {"role": "user", "content": [result]},
            ]
            answers.append(await client.messages.create(**{**asked(tools=[TOOL]), "messages": turns}))
        return call, answers

    call, (after_result, after_error) = talk(conversation)
    assert after_result.stop_reason == "end_turn"
    (again,) = called(after_error)
    assert again.input != call.input
    assert valid(again.input)


def test_native_output_is_json_that_satisfies_the_schema():
    """`output_config.format` gets JSON text."""
    message = ask(asked(output_config=NATIVE))
    assert message.stop_reason == "end_turn"
    assert valid(json.loads(message.content[0].text))


def test_a_schema_in_the_system_prompt_is_answered_with_json():
    """JSON mode of instructor: the schema stands in the system prompt, after `json_schema`."""
    words = f"Provide the objects that match the following json_schema:\n\n{json.dumps(USER, indent=2)}\n\nThanks."
    for system in (words, [{"type": "text", "text": "Hello."}, {"type": "text", "text": words}]):
        assert valid(json.loads(ask(asked(system=system)).content[0].text))


def test_json_mode_of_instructor_is_understood():
    """The request that instructor itself builds gets an answer that instructor parses."""
    from instructor.v2.providers.anthropic.handlers import AnthropicJSONHandler  # noqa: PLC0415 - slow to import
    from pydantic import BaseModel  # noqa: PLC0415

    class Person(BaseModel):
        name: str
        age: int

    handler = AnthropicJSONHandler()
    model, body = handler.prepare_request(Person, asked())
    assert handler.parse_response(ask(body), model).name


def test_thinking_comes_first_when_it_is_asked_for():
    """A request that turns thinking on gets a thinking block before its answer."""
    body = asked(thinking={"type": "adaptive"}, tools=[TOOL])
    assert [block.type for block in ask(body).content] == ["thinking", "tool_use"]


def test_an_answer_longer_than_max_tokens_is_cut():
    """`max_tokens` bounds the answer, and the stop reason says so."""
    message = ask({**asked(), "max_tokens": 5})
    assert message.stop_reason == "max_tokens"
    assert len(message.content[0].text) == 12
    assert message.usage.output_tokens == 5


def test_a_tool_call_longer_than_max_tokens_loses_members():
    """A cut tool call has part of its input, and so is not valid."""
    message = ask({**asked(tools=[TOOL]), "max_tokens": 8})
    assert message.stop_reason == "max_tokens"
    assert not valid(called(message)[0].input)


def test_a_stop_sequence_ends_the_text():
    """Text stops before the sequence, which is named."""
    message = ask(asked(stop_sequences=["nowhere", "about"]))
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "about")
    assert message.content[0].text.endswith("Tell me ")


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"tools": [TOOL]},
        {"output_config": NATIVE},
        {"thinking": {"type": "adaptive"}},
        {"stop_sequences": ["about"]},
        {"max_tokens": 5},
    ],
    ids=lambda more: next(iter(more), "text"),
)
def test_a_streamed_message_is_the_same_message(more):
    """The SDK puts the streamed events together to what it gets in one piece."""

    async def both(client, _):
        whole = await client.messages.create(**{**asked(), **more})
        async with client.messages.stream(**{**asked(), **more}) as stream:
            return whole.model_dump(), (await stream.get_final_message()).model_dump()

    whole, streamed = talk(both)
    for block in streamed["content"]:
        block.pop("parsed_output", None)
    assert streamed == whole


def test_the_same_request_gets_the_same_answer():
    """Two simulators of one seed agree; another seed does not."""
    first = ask(asked(tools=[TOOL]))
    assert ask(asked(tools=[TOOL])).model_dump() == first.model_dump()
    assert ask(asked(tools=[TOOL]), seed=1).content[0].input != first.content[0].input


def test_different_rows_get_different_answers():
    """Thirty prompts get thirty people."""

    async def rows(client, _):
        return [called(await client.messages.create(**asked(f"row {i}", tools=[TOOL])))[0].input for i in range(30)]

    assert len({json.dumps(row) for row in talk(rows)}) == 30


def test_answers_do_not_depend_on_the_process():
    """The hash seed of a Python process changes nothing."""
    code = (
        "from yamlgen.simulator.answers import answer, digest_of\n"
        "from yamlgen.simulator.plausible_values import PlausibleValues\n"
        "import json, sys\n"
        "body = json.loads(sys.argv[1])\n"
        "print(answer(body, digest_of(body, 0), PlausibleValues())['content'])"
    )
    schema = {**USER, "patternProperties": {"^[^a-f]{3}$": {"enum": ["x", "y"]}}, "minProperties": 5}
    body = json.dumps(asked(tools=[{"name": "User", "input_schema": schema}]))
    printed = {
        subprocess.run(
            [sys.executable, "-c", code, body],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_values_fit_their_fields():
    """An email is one, an age is one of an adult, a date is a date."""
    fields = {name: {"type": "string"} for name in ("email", "date_of_birth", "cityName", "website")}
    schema = {"type": "object", "required": [*fields, "age"], "properties": {**fields, "age": {"type": "integer"}}}
    value = called(ask(asked(tools=[{"name": "x", "input_schema": schema}])))[0].input
    assert "@example." in value["email"]
    assert 1940 <= int(value["date_of_birth"][:4]) <= 2005
    assert not set(value["cityName"]) & set(".,0123456789")
    assert value["website"].startswith("https://")
    assert 18 <= value["age"] <= 90


def test_a_schema_that_nothing_satisfies_is_an_error_that_names_the_keyword():
    """The simulator says what it cannot do, and where."""
    schema = {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer", "not": {}}}}
    with pytest.raises(anthropic.BadRequestError, match="the simulator cannot satisfy `not` at #/properties/x"):
        ask(asked(tools=[{"name": "x", "input_schema": schema}]))
