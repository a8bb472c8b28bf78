"""`AnthropicLLM` called wrongly, copied, changed after `load`, and where its warnings point."""

import asyncio
import copy
import pickle
import warnings
from pathlib import Path

import pytest

from llm_calls import HELLO, USER, agenerate, generate, llm, serve
from scripted_api import KEY, ScriptedServer, call, refusal, said
from yamlgen import AnthropicLLM
from yamlgen.errors import Code, RowError, UsageError

pytestmark = pytest.mark.usefixtures("key")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 0),
        ("max_tokens", None),
        ("max_tokens", "many"),
        ("max_tokens", True),
        ("stop_sequences", "END"),
        ("stop_sequences", [3]),
        ("stop_sequences", [""]),
        ("temperature", "hot"),
        ("top_p", 2),
        ("top_k", -1),
    ],
)
def test_a_wrong_setting_is_told(name, value):
    """The argument is named, by both ways of asking, before anything is sent."""
    for ask in (
        lambda: AnthropicLLM("m").generate(inputs=[HELLO], **{name: value}),
        lambda: asyncio.run(AnthropicLLM("m").agenerate(HELLO, **{name: value})),
    ):
        with pytest.raises(UsageError, match=f"`{name}") as caught:
            ask()
        assert caught.value.code == Code.WRONG_VALUE


def test_stop_sequences_may_be_a_tuple():
    """A sequence of texts is one, whatever holds it."""
    _, server = agenerate(said("x"), stop_sequences=("END", "STOP"))
    assert server.bodies[0]["stop_sequences"] == ["END", "STOP"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", ""),
        ("model", None),
        ("timeout", None),
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", float("nan")),
        ("max_retries", -1),
        ("max_retries", None),
        ("allow_http", "yes"),
    ],
)
def test_a_wrong_attribute_is_told_at_once(name, value):
    """When the object is made, with the argument's name."""
    with pytest.raises(UsageError, match=f"`{name}` must") as caught:
        AnthropicLLM(**{"model": "m", name: value})
    assert caught.value.code == Code.WRONG_VALUE


PAIR = {"schema": USER}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ("hi", "`inputs` must be a list of conversations"),
        (None, "`inputs` must be a list of conversations"),
        (7, "`inputs` must be a list of conversations"),
        (HELLO[0], "`inputs` must be a list of conversations"),
        (HELLO, "must be a list of conversations"),
        ((HELLO, PAIR), "must be a list of conversations"),
        (["hi"], "a conversation must be a list of messages"),
        ([None], "a conversation must be a list of messages"),
        ([["hi"]], "a message must be"),
        ([[HELLO]], "a message must be"),
        ([[{"role": "user", "content": None}]], "a message must be"),
        ([(HELLO,)], "a tuple must be a pair"),
        ([tuple(HELLO * 2)], "a tuple must be a pair"),
        ([(HELLO, "x")], "`structured_output` must be a mapping"),
    ],
)
def test_wrong_inputs_are_told(inputs, words):
    """What `generate` cannot take is a sentence, and no error of Python's."""
    with pytest.raises(UsageError, match=words):
        AnthropicLLM("m").generate(inputs=inputs)


@pytest.mark.parametrize("item", [[HELLO], "hi", None, [HELLO, "x"]])
def test_a_wrong_input_is_told(item):
    """So it is by `agenerate`, which takes one conversation."""
    with pytest.raises(UsageError):
        asyncio.run(AnthropicLLM("m").agenerate(input=item))


def test_a_mistyped_argument_names_its_method():
    """Python's own error says whose argument it is not."""
    with pytest.raises(TypeError, match=r"generate\(\) got an unexpected keyword argument 'max_token'"):
        AnthropicLLM("m").generate(inputs=[HELLO], max_token=3)


@pytest.mark.parametrize("again", [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))])  # noqa: S301
def test_a_loaded_object_can_be_copied(again):
    """A copy has the attributes and builds clients of its own."""

    async def work(server):
        async with llm(server, timeout=7) as model:
            copied = again(model)
        assert (copied._aclient, copied._sessions, copied._held) == (None, {}, {})
        return copied == model, await copied.agenerate(HELLO)

    (same, output), _ = serve(said("x"), work)
    assert same
    assert output["generations"] == ["x"]


def test_a_pickle_holds_no_key_of_the_environment():
    """Only a key that the user set as an attribute travels."""
    model = AnthropicLLM("m")
    model.load()
    assert KEY.encode() not in pickle.dumps(model)


def test_a_changed_address_holds_from_the_next_call():
    """`load` binds nothing, and neither does an open block."""

    async def main():
        async with ScriptedServer(said("old")) as old, ScriptedServer(said("new")) as new:
            model = llm(old)
            model.load()
            async with model:
                first = await model.agenerate(HELLO)
                model.base_url = new.url
                second = await model.agenerate(HELLO)
            return first["generations"] + second["generations"], model._sessions

    assert asyncio.run(main()) == (["old", "new"], {})


def test_changed_retries_hold_from_the_next_call():
    """How often a failure is tried again is the attribute's present value."""

    async def work(server):
        model = llm(server)
        model.load()
        model.max_retries = 1
        await asyncio.to_thread(model.generate, inputs=[HELLO])

    with pytest.warns(UserWarning, match="529"):
        _, server = serve(refusal(529), work)
    assert len(server.bodies) == 2


@pytest.mark.parametrize(("name", "value"), [("timeout", 0), ("base_url", "http://x.example"), ("base_url", None)])
def test_a_wrong_change_is_told(name, value):
    """An attribute is held to the same rules after the object was made."""
    model = AnthropicLLM("m")
    model.load()
    setattr(model, name, value)
    with pytest.raises(UsageError, match=f"`{name}`"):
        model.generate(inputs=[HELLO])


def line_of(name):
    """The number of the line in this file that ends in a mark."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if line.endswith(f"# {name}")]
    return number


def places(caught):
    """Where warnings point."""
    return [(found.filename, found.lineno) for found in caught]


def test_a_warning_of_generate_points_to_its_caller():
    """Each missing generation is told at the line that asked, in the inputs' order."""

    async def work(server):
        def ask():
            return llm(server).generate(inputs=[HELLO, HELLO])  # here: generate

        return await asyncio.to_thread(ask)

    with pytest.warns(UserWarning, match="refused") as caught:
        serve(said(stop="refusal"), work)
    assert places(caught) == [(__file__, line_of("here: generate"))] * 2


def test_a_warning_in_a_running_loop_points_to_its_caller():
    """A notebook's cell too."""

    async def cell(server):
        return llm(server).generate(inputs=[HELLO])  # here: cell

    with pytest.warns(UserWarning, match="refused") as caught:
        serve(said(stop="refusal"), lambda server: asyncio.to_thread(lambda: asyncio.run(cell(server))))
    assert places(caught) == [(__file__, line_of("here: cell"))]


def test_a_warning_of_agenerate_points_to_what_awaits():
    """The line that awaits it."""

    async def work(server):
        return await llm(server).agenerate(HELLO)  # here: await

    with pytest.warns(UserWarning, match="refused") as caught:
        serve(said(stop="refusal"), work)
    assert places(caught) == [(__file__, line_of("here: await"))]


def test_a_warning_of_a_task_points_out_of_asyncio():
    """A task has no awaiting line: the one that runs the loop is the nearest of the user's."""

    async def main():
        async with ScriptedServer(said(stop="refusal")) as server:
            await asyncio.gather(llm(server).agenerate(HELLO))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(main())  # here: run
    assert places(caught) == [(__file__, line_of("here: run"))]


def test_a_warning_as_an_error_is_raised_plain():
    """Under `-W error`, as in these tests, a warning is raised to the caller as itself, in no group."""

    def reply(body):
        return said(stop="refusal") if body["messages"][0]["content"] == "no" else said("x")

    with pytest.raises(UserWarning, match="refused"):
        generate(reply, [[{"role": "user", "content": "no"}], HELLO])


@pytest.mark.parametrize("ask", [generate, agenerate])
def test_a_schema_that_is_refused_natively_is_told(ask):
    """Once, at the caller's line, in words without a step or a run; the answers come by a tool."""

    def reply(body):
        if "output_config" in body:
            return refusal(400, "output_config.format.schema: The compiled grammar is too large")
        return said(call({"name": "Ada", "id": 7}), stop="tool_use")

    with pytest.warns(UserWarning, match="^`claude-haiku-5-5` does not accept the schema as native output") as caught:
        _, server = ask(reply, options={"structured_output": PAIR})
    assert [each.message.args[0] for each in caught if "run" in each.message.args[0]] == []
    assert len(caught) == 1
    assert ["output_config" in body for body in server.bodies] == [True, False]


def test_calls_share_what_is_learnt_of_a_schema():
    """A schema that was refused is not sent natively again, by a call with other settings either."""

    def reply(body):
        if "output_config" in body:
            return refusal(400, "output_config.format.schema: The compiled grammar is too large")
        return said(call({"name": "Ada", "id": 7}), stop="tool_use")

    async def work(server):
        model = llm(server, structured_output=PAIR)
        for most in (100, 200):
            await model.agenerate(HELLO, max_tokens=most)

    with pytest.warns(UserWarning, match="use a tool from now on"):
        _, server = serve(reply, work)
    assert ["output_config" in body for body in server.bodies] == [True, False, False]


def test_a_blank_message_is_not_sent():
    """It costs its input alone; the others are answered."""
    blank = [{"role": "user", "content": " \n"}]
    with pytest.warns(UserWarning, match="the role `user` is blank"):
        made, server = generate(said("x"), [blank, HELLO])
    assert [output["generations"] for output in made] == [[None], ["x"]]
    assert [body["messages"] for body in server.bodies] == [HELLO]
    with pytest.raises(RowError, match="blank"):
        agenerate(said("x"), blank)


SERVED = {
    "service_tier": "auto",
    "inference_geo": "us",
    "speed": "fast",
    "metadata": {"user_id": "u1"},
    "betas": ["context-1m-2025-08-07"],
    "extra_body": {"container": "c_1"},
}


def test_the_settings_of_a_request_are_arguments():
    """Each is sent as in a pipeline, and is in a dump."""
    options = {"model": "claude-opus-5-5", **SERVED}
    _, server = generate(said("Hi."), options=options)
    body = server.bodies[0]
    assert {name: body[name] for name in ("service_tier", "inference_geo", "speed", "metadata", "container")} == {
        **{name: SERVED[name] for name in ("service_tier", "inference_geo", "speed", "metadata")},
        "container": "c_1",
    }
    assert server.headers[0]["anthropic-beta"] == "context-1m-2025-08-07,fast-mode-2026-02-01"
    dump = AnthropicLLM(**options).dump()
    assert {name: dump[name] for name in SERVED} == SERVED
    assert AnthropicLLM.from_dict(dump).dump() == dump


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ({"extra_body": {"max_tokens": 5}}, "`extra_body` cannot set `max_tokens`"),
        ({"extra_body": {"output_config": {"format": {}}}}, "`extra_body` cannot set `output_config.format`"),
        ({"extra_body": []}, "`extra_body` must be a mapping"),
        ({"speed": "quick"}, "`speed` must be 'standard' or 'fast'"),
        ({"metadata": {"user_id": "x" * 257}}, "`metadata[user_id]` has 257 characters"),
    ],
)
def test_a_wrong_setting_is_told_when_the_model_is_made(argument, told):
    """Before anything is sent."""
    with pytest.raises(UsageError) as raised:
        AnthropicLLM("claude-haiku-5-5", **argument)
    assert raised.value.message.startswith(told)


def test_a_later_system_message_is_sent():
    """As an instruction in the middle of the conversation."""
    chat = [{"role": "user", "content": "Hi"}, {"role": "system", "content": "Be brief."}]
    _, server = generate(said("Hi."), inputs=[chat], options={"model": "claude-opus-5-5"})
    assert server.bodies[0]["messages"] == chat
