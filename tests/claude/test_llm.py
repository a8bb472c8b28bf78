"""`AnthropicLLM` by itself: the reference's shape, its examples, and none of its faults."""

import asyncio
import gc
import inspect
import json
import os
import subprocess
import sys
import warnings

import anthropic
import httpx2
import pytest
from pydantic import BaseModel, Field, SecretStr, field_validator
from scripted import KEY, Reply, Server, call, message, refusal, said

from yamlgen import AnthropicLLM
from yamlgen.claude.simulator import Simulator
from yamlgen.errors import Code, EnvironmentProblem, RowError, RunStopped, UsageError

pytestmark = pytest.mark.usefixtures("key")

HELLO = [{"role": "user", "content": "Hello world!"}]


class User(BaseModel):
    """A person."""

    name: str = Field(min_length=1)
    last_name: str
    id: int


USER = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "id": {"type": "integer", "minimum": 1}},
    "required": ["name", "id"],
    "additionalProperties": False,
}
ADA = {"name": "Ada", "last_name": "Lovelace", "id": 7}


@pytest.fixture
def key(monkeypatch):
    """A key in the environment."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


def llm(server, **options):
    """A model at a server."""
    return AnthropicLLM(**{"model": "claude-haiku-5-5", "base_url": server.url, "max_retries": 0, **options})


def serve(reply, work):
    """What `work(server)` returns, while a server of replies is up."""

    async def main():
        async with Server(*(reply if isinstance(reply, list) else [reply])) as server:
            return await work(server), server

    return asyncio.run(main())


def generate(reply, inputs=(HELLO,), options=None, **arguments):
    """What `generate` returns, called from a thread as a script calls it, and the server."""

    async def work(server):
        model = llm(server, **(options or {}))
        return await asyncio.to_thread(model.generate, inputs=list(inputs), **arguments)

    return serve(reply, work)


def agenerate(reply, item=HELLO, options=None, **arguments):
    """What `agenerate` returns, and the server."""
    return serve(reply, lambda server: llm(server, **(options or {})).agenerate(item, **arguments))


def test_hello_world():
    """The first example: text in, text out, with its tokens."""
    (output,), server = generate(said("Hello to you!"))
    assert output == {
        "generations": ["Hello to you!"],
        "statistics": {"input_tokens": [10], "output_tokens": [5]},
    }
    assert server.bodies == [{"model": "claude-haiku-5-5", "max_tokens": 128, "messages": HELLO}]


def test_hello_world_awaited():
    """The same from asynchronous code, for one input."""
    output, _ = agenerate(said("Hello to you!"))
    assert output["generations"] == ["Hello to you!"]
    assert output["statistics"] == {"input_tokens": [10], "output_tokens": [5]}


def test_a_pydantic_model_is_a_structure():
    """The second example: the model's JSON is the generation."""
    (output,), server = generate(said(json.dumps(ADA)), options={"structured_output": {"schema": User}})
    assert User.model_validate_json(output["generations"][0]) == User(**ADA)
    assert server.bodies[0]["output_config"]["format"]["type"] == "json_schema"


@pytest.mark.parametrize("schema", [USER, json.dumps(USER)], ids=["mapping", "text"])
def test_a_json_schema_is_a_structure(schema):
    """A raw JSON Schema, as a mapping or as text, keeps every constraint."""
    replies = [said('{"name": "Ada", "id": 0}'), said('{"name": "Ada", "id": 7}')]
    (output,), server = generate(replies, options={"structured_output": {"schema": schema}})
    assert json.loads(output["generations"][0]) == {"name": "Ada", "id": 7}
    assert "minimum of 1" in json.dumps(server.bodies[1]["messages"])
    assert output["statistics"] == {"input_tokens": [20], "output_tokens": [10]}


@pytest.mark.parametrize("mode", ["native", "tools", "json"])
@pytest.mark.parametrize("schema", [User, USER], ids=["model", "schema"])
def test_the_examples_run_against_the_simulator(mode, schema):
    """Real requests, judged by the API's own rules, in each mode."""

    async def main():
        async with Simulator() as simulator:
            model = llm(simulator, structured_output={"schema": schema, "mode": mode})
            return await model.agenerate(HELLO, max_tokens=1000)

    made = json.loads(asyncio.run(main())["generations"][0])
    assert isinstance(made["id"], int)


def test_the_signature_is_the_references():
    """Names and defaults, as users of the reference know them."""
    parameters = inspect.signature(AnthropicLLM).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "model": inspect.Parameter.empty,
        "api_key": None,
        "base_url": None,
        "timeout": 600.0,
        "max_retries": 6,
        "http_client": None,
        "structured_output": None,
    }
    parameters = inspect.signature(AnthropicLLM.agenerate).parameters
    assert {name: parameter.default for name, parameter in list(parameters.items())[1:]} == {
        "input": inspect.Parameter.empty,
        "max_tokens": 128,
        "stop_sequences": None,
        "temperature": 1.0,
        "top_p": None,
        "top_k": None,
    }


def test_load_builds_the_client():
    """`load` makes `_aclient`, the SDK's own, which shows what it was given."""
    model = AnthropicLLM(model="claude-haiku-5-5", max_retries=3, timeout=30)
    assert model._aclient is None
    model.load()
    assert isinstance(model._aclient, anthropic.AsyncAnthropic)
    assert model._aclient.max_retries == 3
    assert model._aclient.api_key == KEY
    assert model.model_name == "claude-haiku-5-5"
    assert model._api_key_env_var == "ANTHROPIC_API_KEY"


def test_the_address_falls_back(monkeypatch):
    """The argument, the environment, the public address."""
    assert AnthropicLLM("m").base_url == "https://api.anthropic.com"
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://env.example")
    assert AnthropicLLM("m").base_url == "https://env.example"
    assert AnthropicLLM("m", base_url="https://arg.example").base_url == "https://arg.example"


def test_plain_http_from_the_environment_is_refused(monkeypatch):
    """An address that nobody wrote into the program does not get the key in the open."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://gateway.example")
    with pytest.raises(EnvironmentProblem) as caught:
        AnthropicLLM("m").load()
    assert caught.value.code == Code.PLAIN_HTTP
    AnthropicLLM("m", base_url="http://gateway.example").load()


@pytest.mark.parametrize("given", [None, ""])
def test_a_missing_key_is_told(monkeypatch, given):
    """Without a key, or with an empty one, `load` names the argument and the variable."""
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(EnvironmentProblem) as caught:
        AnthropicLLM("m", api_key=given).load()
    assert caught.value.code == Code.NO_KEY
    assert "ANTHROPIC_API_KEY" in caught.value.hint


@pytest.mark.parametrize("given", ["given-key", SecretStr("given-key")])
def test_a_given_key_wins(given):
    """The argument before the environment; a secret of pydantic's is one too."""
    output, server = agenerate(said("x"), options={"api_key": given})
    assert output["generations"] == ["x"]
    assert "given-key" in server.headers[0].get("Authorization", server.headers[0].get("x-api-key"))


def test_a_key_is_never_shown():
    """Neither in the representation nor in the dump."""
    model = AnthropicLLM("m", api_key="given-key")
    model.load()
    assert "given-key" not in repr(model)
    assert "given-key" not in json.dumps(model.dump())


def test_generations_come_in_step():
    """Many inputs, answered in any order, come back in theirs."""

    def reply(body):
        text = body["messages"][0]["content"]
        return Reply(message(text), wait=0.1 if text == "0" else 0)

    outputs, _ = generate(reply, [[{"role": "user", "content": str(n)}] for n in range(30)])
    assert [output["generations"] for output in outputs] == [[str(n)] for n in range(30)]


def fails_for(text, failure):
    """A reply that fails for one input."""
    return lambda body: failure if body["messages"][0]["content"] == text else said("fine")


@pytest.mark.parametrize(
    "failure",
    [
        refusal(400, "no such thing"),
        refusal(500, "down"),
        Reply(b"<html>", kind="text/html"),
        Reply(b"", cut=True),
        said(stop="refusal"),
        said(),
        said("x", stop="model_context_window_exceeded"),
        said("x", stop="brand_new"),
    ],
    ids=["400", "500", "html", "reset", "refusal", "no text", "context", "unknown stop"],
)
def test_one_failure_costs_its_input_alone(failure):
    """One generation is missing, one warning says why, and the siblings' paid answers are there."""
    inputs = [[{"role": "user", "content": text}] for text in "abc"]
    with pytest.warns(UserWarning) as caught:  # noqa: PT030 - which one is the test's own question
        outputs, _ = generate(fails_for("b", failure), inputs)
    assert [output["generations"] for output in outputs] == [["fine"], [None], ["fine"]]
    assert len(caught) == 1
    assert str(caught[0].message)


def test_a_missing_generation_has_its_tokens():
    """A refusal is paid for, and its statistics say so; a request that failed used nothing."""
    with pytest.warns(UserWarning, match="refused"):
        (output,), _ = generate(said(stop="refusal"))
    assert output["statistics"] == {"input_tokens": [10], "output_tokens": [5]}
    with pytest.warns(UserWarning, match="refused the request"):
        (output,), _ = generate(refusal(400))
    assert output["statistics"] == {"input_tokens": [0], "output_tokens": [0]}


def test_a_structure_that_stays_invalid_is_missing():
    """After the last re-ask: `None`, one warning with the reason, the tokens of all answers."""
    with pytest.warns(UserWarning, match="invalid after 1 re-ask") as caught:
        (output,), server = generate(said('{"name": 3}'), options={"structured_output": {"schema": USER}})
    assert output["generations"] == [None]
    assert output["statistics"] == {"input_tokens": [20], "output_tokens": [10]}
    assert len(server.bodies) == 2
    assert len(caught) == 1


@pytest.mark.parametrize(("reasks", "requests"), [(0, 1), (3, 4)])
def test_max_retries_of_a_structure_are_reasks(reasks, requests):
    """How often an invalid answer is sent back is the caller's."""
    wanted = {"schema": USER, "max_retries": reasks}
    with pytest.warns(UserWarning, match="invalid"):
        _, server = generate(said("{}"), options={"structured_output": wanted})
    assert len(server.bodies) == requests


@pytest.mark.parametrize("reply", [said(stop="refusal"), said(), said("{", stop="max_tokens")])
def test_awaiting_gives_none_where_there_is_no_generation(reply):
    """`agenerate` warns of what the model did not do, as `generate` does."""
    with pytest.warns(UserWarning) as caught:  # noqa: PT030 - any of three
        output, _ = agenerate(reply, options={"structured_output": {"schema": USER}})
    assert output["generations"] == [None]
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (refusal(400), RowError, Code.BAD_REQUEST),
        (refusal(529), RowError, Code.TRANSPORT),
        (Reply(b"{"), RowError, Code.NOT_A_MESSAGE),
        (Reply(wait=9), RowError, Code.DEADLINE),
        (refusal(401), RunStopped, Code.KEY_REJECTED),
        (refusal(404), RunStopped, Code.UNKNOWN_MODEL),
    ],
)
def test_awaiting_raises_what_failed(reply, kind, code):
    """A request that failed is an exception of ours, never of the SDK."""
    with pytest.raises(kind) as caught:
        agenerate(reply, options={"timeout": 0.5})
    assert caught.value.code == code
    assert KEY not in str(caught.value)


def test_a_rejected_key_ends_the_whole_call():
    """Where no request will succeed `generate` raises that one error, plain."""
    with pytest.raises(RunStopped) as caught:
        generate(refusal(401), [HELLO] * 5)
    assert caught.value.code == Code.KEY_REJECTED


@pytest.mark.parametrize(
    "bad",
    [
        [],
        [{"role": "system", "content": "x"}],
        [{"role": "tool", "content": "x"}],
        [{"role": "user"}],
        [{"content": "x"}],
        [{"role": "user", "content": "x"}, {"role": "system", "content": "late"}],
    ],
)
def test_an_input_that_is_no_conversation_is_the_callers(bad):
    """A wrong call is told plainly, before anything is paid for."""

    async def work(server):
        with pytest.raises(UsageError):
            await asyncio.to_thread(llm(server).generate, inputs=[HELLO, bad])
        with pytest.raises(UsageError):
            await llm(server).agenerate(bad)

    _, server = serve(said("x"), work)
    assert server.bodies == []


def test_no_inputs_are_no_generations():
    """An empty list is answered by one."""
    outputs, server = generate(said("x"), [])
    assert outputs == []
    assert server.bodies == []


def test_sampling_parameters_are_sent_only_when_passed():
    """Newer models refuse them even at their defaults."""
    _, server = agenerate(said("x"))
    assert not {"temperature", "top_p", "top_k"} & set(server.bodies[0])
    _, server = agenerate(said("x"), temperature=1.0, top_p=0.5, top_k=3)
    assert {key: server.bodies[0][key] for key in ("temperature", "top_p", "top_k")} == {
        "temperature": 1.0,
        "top_p": 0.5,
        "top_k": 3,
    }


def test_other_arguments_are_sent():
    """The cap and the stop sequences of a call, through `generate` too."""
    _, server = generate(said("x"), max_tokens=7, stop_sequences=["END"])
    assert server.bodies[0]["max_tokens"] == 7
    assert server.bodies[0]["stop_sequences"] == ["END"]


def test_a_leading_system_message_becomes_the_system_prompt():
    """It moves out of the conversation, and the caller's list stays as it was."""
    messages = [{"role": "system", "content": "Be brief."}, *HELLO]
    before = json.dumps(messages)
    _, server = agenerate(said("x"), messages)
    assert server.bodies[0]["system"] == "Be brief."
    assert server.bodies[0]["messages"] == HELLO
    assert json.dumps(messages) == before


@pytest.mark.parametrize("system", [True, False])
@pytest.mark.parametrize("mode", ["native", "tools", "json"])
def test_a_structure_needs_no_system_message(mode, system):
    """With one or without, in each mode, re-asks included; the caller's list stays as it was."""
    messages = [{"role": "system", "content": "Be brief."}, *HELLO] if system else list(HELLO)
    before = json.dumps(messages)
    answer = {"name": "Ada", "id": 7}
    if mode == "tools":
        replies = [said(call({}), stop="tool_use"), said(call(answer), stop="tool_use")]
    else:
        replies = [said("{}"), said(json.dumps(answer))]
    output, server = agenerate(replies, messages, {"structured_output": {"schema": USER, "mode": mode}})
    assert json.loads(output["generations"][0]) == answer
    assert ("Be brief." in json.dumps(server.bodies[0].get("system", ""))) is system
    assert json.dumps(messages) == before


def test_content_blocks_pass_through():
    """A message's content may be the API's own blocks."""
    blocks = [{"type": "text", "text": "Hello"}, {"type": "text", "text": "world!"}]
    _, server = agenerate(said("x"), [{"role": "user", "content": blocks}])
    assert server.bodies[0]["messages"] == [{"role": "user", "content": blocks}]


def test_a_structure_of_one_input_is_its_own():
    """A pair of messages and a structure holds for that call, and leaves the client as it was."""

    async def work(server):
        model = llm(server)
        first = await model.agenerate((HELLO, {"schema": USER}))
        second = await model.agenerate(HELLO)
        return first, second

    (first, second), server = serve([said('{"name": "Ada", "id": 7}'), said("plain")], work)
    assert json.loads(first["generations"][0])["id"] == 7
    assert second["generations"] == ["plain"]
    assert "output_config" not in server.bodies[1]


def test_structures_of_several_inputs_are_kept_apart():
    """Each input of one `generate` has its own schema."""

    def reply(body):
        name = next(iter(body["output_config"]["format"]["schema"]["properties"]))
        return said(json.dumps({name: 1}))

    def schema(name):
        part = {"type": "object", "properties": {name: {"type": "integer"}}, "additionalProperties": False}
        return {"schema": {**part, "required": [name]}}

    outputs, _ = generate(reply, [(HELLO, schema("a")), (HELLO, schema("b"))])
    assert [output["generations"] for output in outputs] == [['{"a": 1}'], ['{"b": 1}']]


@pytest.mark.parametrize(
    ("mode", "way"),
    [
        ("auto", "native"),
        ("native", "native"),
        ("tools", "tools"),
        ("json", "json"),
        ("ANTHROPIC_TOOLS", "tools"),
        ("anthropic_tools", "tools"),
        ("anthropic_json", "json"),
        ("tool_call", "tools"),
        ("json_mode", "json"),
        ("markdown_json_mode", "json"),
        ("json_schema", "native"),
        (None, "native"),
    ],
)
def test_modes_have_our_names_and_instructors(mode, way):
    """A mode is a word, ours or one that users of instructor know."""
    _, server = serve(
        said("{}"),
        lambda server: _quietly(llm(server, structured_output={"schema": USER, "mode": mode, "max_retries": 0})),
    )
    body = server.bodies[0]
    assert ("native" if "output_config" in body else "tools" if "tools" in body else "json") == way


async def _quietly(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return await model.agenerate(HELLO)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["TOOLS", "JSON", "MD_JSON", "JSON_SCHEMA", "ANTHROPIC_TOOLS", "ANTHROPIC_JSON"])
def test_members_of_instructors_enum_are_modes(name):
    """`instructor.Mode.ANTHROPIC_TOOLS` is taken as it is."""
    import instructor  # noqa: PLC0415 - slow, and only this test

    AnthropicLLM("claude-haiku-5-5", structured_output={"schema": USER, "mode": getattr(instructor.Mode, name)})


@pytest.mark.parametrize("mode", ["toools", "gemini_tools", 7])
def test_an_unknown_mode_lists_the_known(mode):
    """At once, when the object is made."""
    with pytest.raises(UsageError) as caught:
        AnthropicLLM("m", structured_output={"schema": USER, "mode": mode})
    assert "native" in caught.value.hint
    assert "tools" in caught.value.hint
    assert "json" in caught.value.hint


@pytest.mark.parametrize(
    "wanted", [{"shema": USER}, {}, {"schema": 7}, {"schema": USER, "retries": 1}, {"schema": "{"}, {"schema": int}]
)
def test_a_wrong_structure_is_told_at_once(wanted):
    """A mistyped key, a missing schema, a schema that is none: the caller's mistake, when the object is made."""
    if not wanted:
        assert AnthropicLLM("m", structured_output=None)
        return
    with pytest.raises(UsageError):
        AnthropicLLM("m", structured_output=wanted)


@pytest.mark.parametrize("schema", [{"type": "strin"}, {"type": "object", "required": "a"}, {"$ref": "http://x/y"}])
def test_a_broken_schema_is_told_at_once(schema):
    """What is no JSON Schema, or would have to be fetched, is an error before anything is sent."""
    with pytest.raises(UsageError) as caught:
        AnthropicLLM("m", structured_output={"schema": schema})
    assert caught.value.code == Code.BAD_SCHEMA


@pytest.mark.parametrize("schema", [User, USER], ids=["model", "schema"])
def test_a_dump_makes_the_same_again(schema):
    """Plain data, JSON, without the key; what is made of it does the same."""
    model = AnthropicLLM("m", api_key="given-key", timeout=3, structured_output={"schema": schema, "mode": "tools"})
    data = json.loads(json.dumps(model.dump()))
    assert "api_key" not in data
    again = AnthropicLLM.from_dict(data)
    assert again.dump() == model.dump()
    assert again.timeout == 3
    again.load()
    assert again._aclient.api_key == KEY


def test_a_client_of_the_wrong_kind_is_told():
    """The SDK sits on `httpx2`: a client of another make, or one that is not asynchronous, is named."""
    other = type("AsyncClient", (), {"__module__": "httpx"})()
    with pytest.raises(UsageError, match=r"must be an httpx2\.AsyncClient, not httpx\.AsyncClient"):
        AnthropicLLM("m", http_client=other)
    with httpx2.Client() as client, pytest.raises(UsageError, match=r"not httpx2"):
        AnthropicLLM("m", http_client=client)


def test_a_client_of_ones_own_is_used_and_left_open():
    """It carries the requests, and is the caller's to close."""

    async def work(server):
        async with httpx2.AsyncClient(headers={"x-mine": "yes"}) as client:
            output = await llm(server, http_client=client).agenerate(HELLO)
            assert not client.is_closed
            return output

    output, server = serve(said("x"), work)
    assert output["generations"] == ["x"]
    assert server.headers[0]["x-mine"] == "yes"


def test_generate_works_in_a_running_loop():
    """A notebook's cell."""

    async def cell(model):
        return model.generate(inputs=[HELLO])

    outputs, _ = serve(said("x"), lambda server: asyncio.to_thread(lambda: asyncio.run(cell(llm(server)))))
    assert outputs[0]["generations"] == ["x"]


def test_one_object_serves_two_loops():
    """One after the other: a client of a closed loop is not used again."""

    async def work(server):
        model = llm(server)
        return [await asyncio.to_thread(lambda: asyncio.run(model.agenerate(HELLO))) for _ in range(2)]

    outputs, server = serve(said("x"), work)
    assert [output["generations"] for output in outputs] == [["x"], ["x"]]
    assert len(server.bodies) == 2


def test_one_object_serves_two_loops_at_once():
    """Threads with loops of their own do not share a connection."""

    async def work(server):
        model = llm(server)
        calls = [asyncio.to_thread(model.generate, inputs=[HELLO] * 3) for _ in range(4)]
        return await asyncio.gather(*calls)

    outputs, server = serve(Reply(message("x"), wait=0.02), work)
    assert all(len(output) == 3 for output in outputs)
    assert len(server.bodies) == 12


def test_awaiting_after_generating_works():
    """The synchronous and the asynchronous way may be mixed on one object."""

    async def work(server):
        model = llm(server)
        first = await asyncio.to_thread(model.generate, inputs=[HELLO])
        second = await model.agenerate(HELLO)
        third = model._aclient
        return first, second, third

    (first, second, _), _ = serve(said("x"), work)
    assert first[0] == second


def test_a_block_keeps_one_client_open():
    """`async with` shares connections between calls, and closes them at its end."""

    async def work(server):
        async with llm(server) as model:
            await model.agenerate(HELLO)
            await asyncio.gather(*(model.agenerate(HELLO) for _ in range(3)))
            async with model:
                await model.agenerate(HELLO)
            await model.agenerate(HELLO)
        return model

    model, server = serve(said("x"), work)
    assert len(server.bodies) == 6
    assert model._sessions == {}


def test_nothing_is_left_open():
    """No warning of an unclosed client, session or socket, however the object was used."""
    code = """
import asyncio, gc, sys
from yamlgen import AnthropicLLM
from yamlgen.claude.simulator import Simulator
hello = [{"role": "user", "content": "Hello world!"}]
async def main():
    async with Simulator() as simulator:
        llm = AnthropicLLM("claude-haiku-5-5", api_key="x", base_url=simulator.url)
        llm.load()
        await llm.agenerate(hello, max_tokens=500)
        async with llm:
            await llm.agenerate(hello, max_tokens=500)
        await asyncio.to_thread(llm.generate, inputs=[hello, hello], max_tokens=500)
        llm.load()
    del llm
    gc.collect()
asyncio.run(main())
AnthropicLLM("m", api_key="x").load()
gc.collect()
"""
    command = [sys.executable, "-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning:instructor", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ), timeout=60)
    assert done.returncode == 0, done.stderr
    assert "nclosed" not in done.stderr, done.stderr
    assert "Error" not in done.stderr, done.stderr


THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "s"}


def test_thinking_before_the_text_is_passed_over():
    """The first block need not be the text."""
    output, _ = agenerate(said(THINKING, "Hello!"))
    assert output["generations"] == ["Hello!"]


@pytest.mark.parametrize("content", [[], [THINKING], [""]])
def test_an_empty_answer_is_no_generation(content):
    """Nothing crashes where there is nothing."""
    with pytest.warns(UserWarning, match="no text"):
        output, _ = agenerate(said(*content))
    assert output["generations"] == [None]


def test_a_truncated_text_is_kept_and_warned_of():
    """A text that was cut off is there, and is not taken for whole."""
    with pytest.warns(UserWarning, match="max_tokens"):
        output, _ = agenerate(said("Once upon a", stop="max_tokens"))
    assert output["generations"] == ["Once upon a"]
    assert output["statistics"] == {"input_tokens": [10], "output_tokens": [5]}


class Even(BaseModel):
    """A number with a rule that no JSON Schema says."""

    number: int

    @field_validator("number")
    @classmethod
    def _even(cls, value):
        if value % 2:
            raise ValueError("must be even")
        return value


def test_a_models_own_validators_are_asked_again():
    """What pydantic refuses is sent back with its words and its path."""
    replies = [said('{"number": 3}'), said('{"number": 4}')]
    output, server = agenerate(replies, options={"structured_output": {"schema": Even}})
    assert json.loads(output["generations"][0]) == {"number": 4}
    told = json.dumps(server.bodies[1]["messages"][-1])
    assert "$.number" in told
    assert "must be even" in told


def test_a_structure_keeps_its_characters():
    """Letters beyond ASCII stay letters."""
    output, _ = agenerate(said('{"name": "Łódź", "id": 1}'), options={"structured_output": {"schema": USER}})
    assert "Łódź" in output["generations"][0]


@pytest.mark.parametrize("model", ["my-gateway/llama:70b", "claude-2.0-retired", "anthropic.claude-v9", "ü"])
def test_any_name_is_sent(model):
    """Gateways, retired names and fine-tunes are never refused here."""
    output, server = agenerate(said(call({"name": "Ada", "id": 7}), stop="tool_use"), options={
        "model": model, "structured_output": {"schema": USER},
    })
    assert server.bodies[0]["model"] == model
    assert json.loads(output["generations"][0]) == {"name": "Ada", "id": 7}


def test_retries_are_its_own():
    """`max_retries` are ours, in one layer."""
    with pytest.warns(UserWarning, match="529"):
        _, server = generate(refusal(529), options={"max_retries": 2})
    assert len(server.bodies) == 3


def test_the_cache_is_part_of_what_was_read():
    """Input tokens are all that were read, from wherever."""
    usage = {"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4}
    output, _ = agenerate(said("x", usage=usage))
    assert output["statistics"] == {"input_tokens": [8], "output_tokens": [2]}


def test_tracing_keeps_content_out():
    """The client that sends, and the one that is shown, record no prompt."""
    model = AnthropicLLM("m")
    model.load()
    assert model._aclient._otel.records_content is False


def test_a_cancelled_call_leaves_nothing():
    """A caller that goes away closes the client behind it."""

    async def work(server):
        model = llm(server)
        task = asyncio.ensure_future(model.agenerate(HELLO))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gc.collect()
        return model._sessions

    sessions, _ = serve(Reply(wait=9), work)
    assert sessions == {}
