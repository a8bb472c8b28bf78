"""`AnthropicLLM` with a structured output: models, schemas, modes, re-asks."""

import asyncio
import json
import warnings
from collections.abc import Callable

import pytest
from pydantic import BaseModel, field_validator

from llm_calls import ADA, HELLO, USER, User, agenerate, generate, llm, serve
from scripted_api import call, said
from yamlgen import AnthropicLLM
from yamlgen.errors import Code, UsageError
from yamlgen.simulator.server import Simulator

pytestmark = pytest.mark.usefixtures("key")


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


def test_a_structure_is_made_once():
    """For all inputs and calls that want the same, so that what is learnt of it holds for the next one."""
    model = AnthropicLLM("claude-haiku-5-5", structured_output={"schema": User})
    settings = model._settings({})
    made = model._job(HELLO, settings).structured
    assert made is model._job(HELLO, settings).structured is model._job((HELLO, {"schema": User}), settings).structured
    assert made is not model._job((HELLO, {"schema": USER}), settings).structured
    assert made is not model._job((HELLO, {"schema": User, "mode": "tools"}), settings).structured
    assert made is model._job(HELLO, model._settings({"max_tokens": 5})).structured


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


class Unspoken(BaseModel):
    """A field that no JSON Schema has words for."""

    call: Callable[[], int]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"mode": "json"},
        {"shema": USER},
        {"schema": USER, "retries": 1},
        {"schema": 7},
        {"schema": int},
        {"schema": Unspoken},
        User,
        "schema",
        [],
        {"schema": "{"},
        {"schema": {"type": "object", "additionalProperties": {}}, "mode": "native"},
    ],
)
def test_a_wrong_structure_is_told_at_once(wanted):
    """A mistyped key, a missing schema, one that is none or does not fit: told when the object is made."""
    with pytest.raises(UsageError):
        AnthropicLLM("m", structured_output=wanted)


@pytest.mark.parametrize("schema", [{"type": "strin"}, {"type": "object", "required": "a"}, {"$ref": "http://x/y"}])
def test_a_broken_schema_is_told_at_once(schema):
    """What is no JSON Schema, or would have to be fetched, is an error before anything is sent."""
    with pytest.raises(UsageError) as caught:
        AnthropicLLM("m", structured_output={"schema": schema})
    assert caught.value.code == Code.BAD_SCHEMA


class Even(BaseModel):
    """A number with a rule that no JSON Schema says."""

    number: int

    @field_validator("number")
    @classmethod
    def _even(cls, value):
        if value % 2:
            raise ValueError("must be even")
        return value


@pytest.mark.parametrize("wanted", [{"format": "json"}, {"format": None}, {"mode": None}])
def test_distilabels_keys_of_a_structure_are_taken(wanted):
    """`format` has the one value that distilabel allows it, and `None` is none."""
    output, _ = agenerate(said(json.dumps(ADA)), options={"structured_output": {"schema": User, **wanted}})
    assert User.model_validate_json(output["generations"][0]) == User(**ADA)


def test_another_format_is_told():
    """`regex` is for other models of distilabel's."""
    with pytest.raises(UsageError, match="`format` must be 'json'"):
        AnthropicLLM("m", structured_output={"schema": USER, "format": "regex"})


@pytest.mark.parametrize("reasks", [-1, 11, "x", "3", None, True, 1.0])
def test_reasks_that_are_no_number_are_told(reasks):
    """`max_retries` of a structure is an integer from 0 to 10."""
    with pytest.raises(UsageError, match="`max_retries` must be an integer from 0 to 10"):
        AnthropicLLM("m", structured_output={"schema": USER, "max_retries": reasks})


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
    output, server = agenerate(
        said(call({"name": "Ada", "id": 7}), stop="tool_use"),
        options={
            "model": model,
            "structured_output": {"schema": USER},
        },
    )
    assert server.bodies[0]["model"] == model
    assert json.loads(output["generations"][0]) == {"name": "Ada", "id": 7}
