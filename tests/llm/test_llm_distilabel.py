"""`AnthropicLLM` as code that was written for distilabel's class of this name uses it."""

import asyncio
import copy
import inspect
import json

import pytest
from pydantic import SecretStr

from llm_calls import HELLO, USER, User, agenerate, generate, llm, serve
from scripted_api import KEY, refusal, said
from yamlgen import AnthropicLLM
from yamlgen.errors import EnvironmentProblem, NotOffered, UsageError

pytestmark = pytest.mark.usefixtures("key")

ABOUT = {"module": "distilabel.models.llms.anthropic", "name": "AnthropicLLM"}
ABOUT_OURS = {"module": "yamlgen.llm.llm", "name": "AnthropicLLM"}
DUMP = {
    "generation_kwargs": {"max_tokens": 5},
    "use_offline_batch_generation": False,
    "offline_batch_generation_block_until_done": None,
    "jobs_ids": None,
    "model": "claude-3-opus-20240229",
    "base_url": "https://api.anthropic.com",
    "timeout": 60.0,
    "max_retries": 3,
    "structured_output": {
        "format": "json",
        "schema": {
            "properties": {"name": {"title": "Name", "type": "string"}},
            "required": ["name"],
            "title": "U",
            "type": "object",
        },
        "max_retries": 2,
    },
    "type_info": ABOUT,
}
"""What distilabel 1.5.3 dumps."""


def numbered():
    """A reply that counts the requests."""
    count = iter(range(100))
    return lambda _: said(str(next(count)))


def ask(method, replies, *arguments, options=None, **named):
    """What a method returns, called from a thread as a script calls it, and the server."""

    async def work(server):
        return await asyncio.to_thread(getattr(llm(server, **(options or {})), method), *arguments, **named)

    return serve(replies, work)


@pytest.mark.parametrize("method", ["generate", "generate_outputs"])
def test_several_generations_stand_in_one_output(method):
    """As many requests, generations and numbers as were asked for, input by input; the second argument says it."""
    outputs, server = ask(method, numbered(), [HELLO, HELLO], 3)
    assert [len(output["generations"]) for output in outputs] == [3, 3]
    assert sorted(text for output in outputs for text in output["generations"]) == list("012345")
    assert outputs[0]["statistics"] == {"input_tokens": [10] * 3, "output_tokens": [5] * 3}
    assert len(server.bodies) == 6


def test_a_generation_that_fails_leaves_its_siblings():
    """Among several of one input, too."""
    with pytest.warns(UserWarning, match="no such thing"):
        (output,), _ = generate([refusal(400, "no such thing"), said("x")], [HELLO], num_generations=2)
    assert sorted(output["generations"], key=str) == [None, "x"]
    assert sorted(output["statistics"]["output_tokens"]) == [0, 5]


@pytest.mark.parametrize("number", [0, -1, 1.0, "2", None, True])
def test_a_wrong_number_of_generations_is_told(number):
    """Before anything is sent."""
    with pytest.raises(UsageError, match="`num_generations` must be an integer from 1"):
        AnthropicLLM("m").generate([HELLO], number)


def test_other_arguments_go_by_name():
    """So that no limit of tokens is taken for a number of generations."""
    with pytest.raises(TypeError):
        AnthropicLLM("m").generate([HELLO], 1, 500)


CALL = {"max_tokens": 7, "temperature": 0.5, "top_k": 3, "stop_sequences": ["END"]}


@pytest.mark.parametrize("method", ["generate", "generate_outputs"])
def test_generation_kwargs_are_the_calls_own(method):
    """They stand in for what a call does not pass, and give way to what it does, a documented default included."""
    _, server = ask(method, said("x"), [HELLO], options={"generation_kwargs": CALL})
    assert {name: server.bodies[0][name] for name in CALL} == CALL
    _, server = ask(method, said("x"), [HELLO], options={"generation_kwargs": CALL}, max_tokens=128, temperature=1.0)
    assert {name: server.bodies[0][name] for name in CALL} == {**CALL, "max_tokens": 128, "temperature": 1.0}
    _, server = agenerate(said("x"), options={"generation_kwargs": CALL}, top_k=4)
    assert {name: server.bodies[0][name] for name in CALL} == {**CALL, "top_k": 4}


def test_generation_kwargs_may_be_passed_as_distilabel_does():
    """A task of distilabel's reads them and passes them on."""
    model = AnthropicLLM("m", generation_kwargs=CALL)
    assert model.get_generation_kwargs() == CALL
    assert AnthropicLLM("m", generation_kwargs=None).get_generation_kwargs() == {}


@pytest.mark.parametrize("wrong", [{"max_token": 5}, {"max_tokens": 0}, {"num_generations": 2}, [], "x"])
def test_wrong_generation_kwargs_are_told(wrong):
    """When the object is made, and when they are changed."""
    with pytest.raises(UsageError, match=r"generation_kwargs|max_tokens"):
        AnthropicLLM("m", generation_kwargs=wrong)
    model = AnthropicLLM("m")
    model.generation_kwargs = wrong
    with pytest.raises(UsageError, match=r"generation_kwargs|max_tokens"):
        model.generate([HELLO])


def test_distilabels_dump_is_read():
    """Every attribute is where it was; a round trip through ours makes an equal one, and the dump stays as it was."""
    before = copy.deepcopy(DUMP)
    model = AnthropicLLM.from_dict(DUMP)
    assert before == DUMP
    assert (model.model, model.timeout, model.max_retries) == ("claude-3-opus-20240229", 60.0, 3)
    assert model.generation_kwargs == {"max_tokens": 5}
    assert model.structured_output == DUMP["structured_output"]
    assert {name: value for name, value in model.dump().items() if name in DUMP and name != "type_info"} == {
        name: value for name, value in DUMP.items() if name != "type_info"
    }
    assert AnthropicLLM.from_dict(json.loads(json.dumps(model.dump()))) == model


def test_what_distilabel_adds_to_a_dump_is_passed_over():
    """Such as what a pipeline writes of the runtime parameters; a `None` is a default."""
    more = {"runtime_parameters_info": [], "cuda_devices": "auto", "timeout": None}
    assert AnthropicLLM.from_dict({**DUMP, **more}).timeout == 600.0


@pytest.mark.parametrize(
    ("dump", "words"),
    [
        ({**DUMP, "type_info": {"module": "x", "name": "OpenAILLM"}}, "the dump of 'OpenAILLM'"),
        ({"model": "m", "timout": 3}, "unknown key `timout`"),
        ({"type_info": ABOUT}, "has no `model`"),
        ([], "a dump must be a mapping"),
        ({**DUMP, "timeout": -1}, "`timeout` must"),
    ],
)
def test_a_wrong_dump_is_told(dump, words):
    """One of another class, one that was written by hand with a mistake in it."""
    with pytest.raises(UsageError, match=words):
        AnthropicLLM.from_dict(dump)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"api_key": "given-key"},
        {"api_key": SecretStr("given-key"), "generation_kwargs": CALL, "timeout": 5},
        {"structured_output": {"schema": User, "mode": "tools"}},
        {"generation_kwargs": {"stop_sequences": ("END",)}, "structured_output": {"schema": json.dumps(USER)}},
        {"structured_output": {"schema": USER, "format": "json"}, "jobs_ids": ("a",)},
        {"use_offline_batch_generation": True, "offline_batch_generation_block_until_done": 3},
        {"base_url": "http://gateway.example", "allow_http": True},
    ],
)
def test_a_dump_makes_an_equal_model(options):
    """Through JSON, and with no key in it."""
    model = AnthropicLLM("m", **options)
    text = json.dumps(model.dump())
    assert "given-key" not in text
    assert AnthropicLLM.from_dict(json.loads(text)) == model
    assert AnthropicLLM("other", **options) != model


def test_a_masked_key_is_none(monkeypatch):
    """What pydantic writes in place of a key is not sent as one; a key that somebody put into the data is."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    for given, key in (("**********", KEY), (SecretStr("given-key"), "given-key"), ("given-key", "given-key")):
        model = AnthropicLLM.from_dict({"model": "m", "api_key": given})
        model.load()
        assert model._aclient.api_key == key


class Mine(AnthropicLLM):
    """A class of a user's, which makes itself in another way."""

    def __init__(self, size="haiku"):
        super().__init__(f"claude-{size}-5-5")


def test_a_class_of_ones_own_is_set_and_dumped():
    """Whatever its arguments are; a dump of the class above it is for it as well."""
    model = Mine()
    model.set_runtime_parameters({"timeout": 3})
    assert (model.timeout, model.dump()["type_info"]["name"]) == (3, "Mine")
    assert AnthropicLLM("claude-haiku-5-5", timeout=3).dump() == {**model.dump(), "type_info": ABOUT_OURS}


def test_the_runtime_parameters_are_distilabels():
    """Their names, and what is told of each."""
    model = AnthropicLLM("m")
    kwargs = dict.fromkeys(("max_tokens", "stop_sequences", "temperature", "top_p", "top_k"), True)
    assert model.runtime_parameters_names == {
        "generation_kwargs": kwargs,
        "use_offline_batch_generation": True,
        "offline_batch_generation_block_until_done": True,
        "base_url": True,
        "api_key": True,
        "timeout": True,
        "max_retries": True,
        "structured_output": True,
    }
    first, *others = model.get_runtime_parameters_info()
    assert {"name": "timeout", "optional": True, "description": "seconds that one request may take."} in others
    assert [key["name"] for key in first["keys"]] == list(kwargs)
    assert all(told["description"] for told in [first, *first["keys"], *others])
    assert [parameter.name for parameter in model.generate_parameters] == ["input", *kwargs]
    assert json.dumps([first, *others])


def test_runtime_parameters_are_set():
    """By name, from the next call on."""
    model = AnthropicLLM("m", api_key="old")
    model.set_runtime_parameters({"timeout": 3, "api_key": "new", "generation_kwargs": CALL})
    assert (model.timeout, model.api_key, model.generation_kwargs) == (3, "new", CALL)


def test_a_runtime_parameter_that_is_none_is_warned_of():
    """As distilabel takes it: the others are set."""
    model = AnthropicLLM("m")
    with pytest.warns(UserWarning, match="no runtime parameter `timout`.*did you mean `timeout`"):
        model.set_runtime_parameters({"timout": 3, "max_retries": 1})
    assert (model.timeout, model.max_retries) == (600.0, 1)


def test_wrong_runtime_parameters_set_nothing():
    """All or none."""
    model = AnthropicLLM("m")
    with pytest.raises(UsageError, match="`timeout` must"):
        model.set_runtime_parameters({"max_retries": 1, "timeout": 0})
    assert model.max_retries == 6


def test_batches_are_refused_as_by_distilabel():
    """The setting is taken; the call that would need them says that there are none, as there."""
    model = AnthropicLLM("m", use_offline_batch_generation=True)
    with pytest.raises(NotImplementedError, match="batches are not supported") as caught:
        model.generate_outputs([HELLO])
    assert isinstance(caught.value, NotOffered | UsageError)


def test_unload_lets_the_client_go():
    """And the next call has one again."""

    async def work(server):
        model = llm(server)
        model.load()
        model.unload()
        assert model._aclient is None
        return await model.agenerate(HELLO)

    output, _ = serve(said("x"), work)
    assert output["generations"] == ["x"]


@pytest.mark.parametrize("given", [None, "", "  ", "two words"])
def test_a_missing_key_is_a_value_error(monkeypatch, given):
    """As distilabel raises it, and one of ours as well."""
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    for call in (lambda model: model.load(), lambda model: model.generate([HELLO])):
        with pytest.raises(ValueError, match="API key") as caught:
            call(AnthropicLLM("m", api_key=given))
        assert isinstance(caught.value, EnvironmentProblem)


@pytest.mark.parametrize("pair", [(HELLO, None), [HELLO, {"schema": USER}], [HELLO, None], (HELLO, {"schema": USER})])
def test_a_pair_may_be_a_list_and_its_second_none(pair):
    """What JSON makes of a tuple; without a structure of its own an input has the model's."""
    options = {"structured_output": {"schema": USER}}
    (output,), server = generate(said('{"name": "Ada", "id": 7}'), [pair], options)
    assert json.loads(output["generations"][0]) == {"name": "Ada", "id": 7}
    assert "output_config" in server.bodies[0]


def test_every_argument_of_distilabels_is_described():
    """In the docstring, from which the runtime parameters have their words."""
    documented = inspect.getdoc(AnthropicLLM)
    assert all(f"    {name}: " in documented for name in inspect.signature(AnthropicLLM).parameters)
