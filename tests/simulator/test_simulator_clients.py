"""Published clients against the simulator: what they send is taken, and their conversations come to an end."""

import asyncio
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import anthropic
import pytest
from hypothesis import settings
from pydantic import BaseModel, Field

from simulator_calls import talk
from yamlgen.simulator.server import Simulator

NODE_MODULES = "YAMLGEN_TEST_NODE_MODULES"
"""The variable that names a folder `node_modules`, which `npm install @anthropic-ai/sdk` makes."""
LITELLM_PYTHON = "YAMLGEN_TEST_LITELLM_PYTHON"
"""The variable that names a Python with LiteLLM, where the one of the tests is without."""

MODEL = "claude-opus-5"
SEARCH = {"type": "web_search_20260318", "name": "web_search"}


class City(BaseModel):
    """A city."""

    name: str
    inhabitants: int = Field(ge=1_000_000, le=2_000_000)


@anthropic.beta_async_tool
async def weather(city: str, days: int = 3) -> str:
    """Tell the weather of a city."""
    return f"{days} days of sun in {city}"


@anthropic.beta_async_tool
async def closed(city: str) -> str:
    """Fail."""
    raise anthropic.lib.tools.ToolError(f"{city} is closed")


def asked(prompt="How is the weather?", **more):
    """A request."""
    return {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": prompt}], **more}


def run_tools(tools, **more):
    """The messages of one conversation of the SDK's tool runner, and how many requests it took."""

    async def conversation(client, simulator):
        runner = client.beta.messages.tool_runner(**asked(**more), tools=tools, max_iterations=30)
        messages = []
        async for turn in runner:
            if more.get("stream"):
                messages.append(await turn.get_final_message())
            else:
                messages.append(turn)
        return messages, sum(simulator.requests.values())

    return talk(conversation)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"thread": False},
        {"tool_choice": {"type": "any"}},
        {"tool_choice": {"type": "tool", "name": "weather"}},
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"thinking": {"type": "adaptive"}},
        {"stream": True},
        {"stream": True, "thinking": {"type": "adaptive"}, "thread": False},
        {"system": "Be brief.", "cache_control": {"type": "ephemeral"}},
    ],
    ids=lambda more: " ".join(more) or "plain",
)
def test_the_tool_runner_of_the_sdk_comes_to_an_end(more):
    """A call with input that fits, its result, and a text; with and without a conversation that the server holds."""
    messages, requests = run_tools([weather], **more)
    assert [message.stop_reason for message in messages] == ["tool_use", "end_turn"]
    assert requests == 2
    assert messages[-1].content[-1].type == "text"


def test_a_tool_that_always_fails_is_given_up():
    """Its call is tried again, and not for ever."""
    messages, _ = run_tools([closed])
    assert 2 < len(messages) < 20
    assert messages[-1].stop_reason == "end_turn"


def test_tools_of_the_server_are_used_in_an_answer_which_may_pause():
    """A search, its result, and a text; after a pause the SDK sends the answer back, and it goes on."""

    async def conversation(client, _):
        seen = set()
        for number in range(20):
            runner = client.beta.messages.tool_runner(**asked(f"News {number}?"), tools=[SEARCH], max_iterations=9)
            messages = [message async for message in runner]
            seen.add(" ".join(message.stop_reason for message in messages))
            blocks = [block.type for message in messages for block in message.content]
            assert blocks == ["server_tool_use", "web_search_tool_result", "text"]
            assert messages[0].usage.server_tool_use.web_search_requests == 1
        return seen

    assert talk(conversation) == {"end_turn", "pause_turn end_turn"}


def test_a_server_tool_is_the_same_streamed():
    """Its blocks arrive with their input piece by piece, and its result whole."""

    async def both(client, _):
        whole = await client.messages.create(**asked(tools=[SEARCH]))
        async with client.messages.stream(**asked(tools=[SEARCH])) as stream:
            return whole.model_dump(), (await stream.get_final_message()).model_dump()

    whole, streamed = talk(both)
    for block in streamed["content"]:
        block.pop("parsed_output", None)
    assert streamed == whole


def test_a_thread_is_held_and_one_that_is_unknown_is_not_found():
    """The second request sends its new turn only."""
    betas = ["message-threads-2026-08-12"]

    async def conversation(client, _):
        first = await client.beta.messages.create(**asked(), thread={"type": "create"}, betas=betas)
        thread = {"type": "continue", "previous_message_id": first.id}
        second = await client.beta.messages.create(**asked("And?"), thread=thread, betas=betas)
        with pytest.raises(anthropic.BadRequestError, match="taken from the thread"):
            await client.beta.messages.create(**asked(system="x"), thread=thread, betas=betas)
        unknown = {**thread, "previous_message_id": "msg_1"}
        with pytest.raises(anthropic.NotFoundError) as caught:
            await client.beta.messages.create(**asked(), thread=unknown, betas=betas)
        return first, second, caught.value

    first, second, error = talk(conversation)
    assert second.usage.input_tokens > first.usage.input_tokens
    assert error.body["error"]["details"]["error_code"] == "thread_not_found"


def test_a_conversation_is_compacted_and_goes_on():
    """The block comes alone, and stands first in what follows."""
    betas = ["compact-2026-09-04"]

    async def conversation(client, _):
        summary = await client.beta.messages.create(**asked(), compaction={"type": "summarize"}, betas=betas)
        turns = [{"role": "assistant", "content": summary.content}, *asked("And?")["messages"]]
        return summary, await client.beta.messages.create(**{**asked(), "messages": turns}, betas=betas)

    summary, after = talk(conversation)
    assert summary.stop_reason == "compaction"
    assert [block.type for block in summary.content] == ["compaction"]
    assert after.stop_reason == "end_turn"


def test_output_is_parsed_by_the_sdk():
    """`messages.parse`, plain and of the beta, with the bounds that only the description tells."""

    async def parsed(client, _):
        plain = await client.messages.parse(**asked(), output_format=City)
        return plain.parsed_output, (await client.beta.messages.parse(**asked(), output_format=City)).parsed_output

    for city in talk(parsed):
        assert 1_000_000 <= city.inhabitants <= 2_000_000


@pytest.mark.parametrize("mode", ["TOOLS", "JSON", "PARALLEL_TOOLS"])
def test_instructor_gets_what_it_asks_for(mode):
    """Its client of this SDK, in its modes."""
    import instructor  # noqa: PLC0415 - slow to import

    several = mode == "PARALLEL_TOOLS"
    wanted = Iterable[City] if several else City

    async def made(client, _):
        asking = instructor.from_anthropic(client, mode=instructor.Mode[mode])
        answer = await asking.create(**asked(), response_model=wanted, max_retries=0)
        return list(answer) if several else [answer]

    assert all(isinstance(city, City) for city in talk(made))


def thorough(found):
    """Skip a test that starts other programs, but in the thorough profile and where they are installed."""
    if settings.default.max_examples < 1000:
        pytest.skip("in the thorough profile only")
    if not found:
        pytest.skip("not installed")


def printed(command, **more):
    """What a program prints that is given the address of a simulator."""

    async def main():
        async with Simulator() as simulator:
            program = await asyncio.create_subprocess_exec(
                *command, simulator.url, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **more}
            )
            out, err = await asyncio.wait_for(program.communicate(), 300)
            assert program.returncode == 0, err.decode()
            return out.decode().splitlines()

    return asyncio.run(main())


JAVASCRIPT = """
const { default: Anthropic } = await import(process.env.SDK + '/index.mjs');
const { betaTool } = await import(process.env.SDK + '/helpers/beta/json-schema.mjs');
const client = new Anthropic({ baseURL: process.argv.at(-1), apiKey: 'x', maxRetries: 0 });
const inputSchema = { type: 'object', required: ['n'], properties: { n: { type: 'number', minimum: 2, maximum: 3 } } };
const run = ({ n }) => { if (n < 2 || n > 3) throw new Error('out of bounds'); return `got ${n}`; };
const tools = [betaTool({ name: 'take', description: 'Take a number.', inputSchema, run })];
const messages = [{ role: 'user', content: 'Take one.' }];
for (const more of [{}, { tool_choice: { type: 'any' } }, { thinking: { type: 'adaptive' } }, { stream: true }]) {
  const body = { model: 'claude-opus-5', max_tokens: 1000, messages, tools, max_iterations: 9, ...more };
  const reasons = [];
  for await (const turn of client.beta.messages.toolRunner(body)) {
    reasons.push((more.stream ? await turn.finalMessage() : turn).stop_reason);
  }
  console.log(reasons.join(' '));
}
"""


def test_the_tool_runner_of_the_javascript_sdk_comes_to_an_end():
    """Plain, forced, thinking and streamed."""
    sdk = Path(os.environ.get(NODE_MODULES, ""), "@anthropic-ai", "sdk").resolve()
    node = shutil.which("node")
    thorough(node and sdk.is_dir())
    lines = printed([node, "--input-type=module", "-e", JAVASCRIPT], SDK=sdk.as_uri())
    assert lines == ["tool_use end_turn"] * 4


LITELLM = """
import json, sys
import litellm
from pydantic import BaseModel, Field

class City(BaseModel):
    name: str
    inhabitants: int = Field(ge=1_000_000, le=2_000_000)

def asked(model, messages, **more):
    answer = litellm.completion(
        model=f"anthropic/{model}", api_base=sys.argv[-1], api_key="x", messages=messages, num_retries=0, **more
    )
    return answer.choices[0].message

parameters = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 2, "maximum": 3}}}
tools = [{"type": "function", "function": {"name": "take", "parameters": parameters}}]
start = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Take one."}]
for model in ("claude-haiku-4-5", "claude-opus-4-6", "claude-opus-5", "claude-sonnet-5-5"):
    City.model_validate_json(asked(model, start, response_format=City).content)
    for more in ({}, {"tool_choice": "required"}, {"reasoning_effort": "low", "max_tokens": 5000}):
        if more.get("tool_choice") and model == "claude-sonnet-5-5":
            continue
        messages, called = list(start), 0
        for _ in range(9):
            message = asked(model, messages, tools=tools, **more)
            if not message.tool_calls:
                break
            messages.append(message.model_dump())
            for call in message.tool_calls:
                assert 2 <= json.loads(call.function.arguments)["n"] <= 3
                messages.append({"role": "tool", "tool_call_id": call.id, "content": "taken"})
            called += 1
        print(called, bool(message.content))
"""


def test_the_client_of_litellm_works():
    """Structured output, tools until there are none to call, and effort, for models that differ in what they take."""
    python = os.environ.get(LITELLM_PYTHON) or (sys.executable if importlib.util.find_spec("litellm") else None)
    thorough(python)
    assert printed([python, "-c", LITELLM], LITELLM_LOCAL_MODEL_COST_MAP="True") == ["1 True"] * 11
