"""`AnthropicLLM` by itself: the reference's shape, its examples, and what becomes of failures."""

import asyncio
import inspect
import json

import pytest

from llm_calls import HELLO, agenerate, generate, llm, serve
from scripted_api import KEY, Reply, message, refusal, said
from yamlgen import AnthropicLLM
from yamlgen.errors import Code, RowError, RunStopped, UsageError

pytestmark = pytest.mark.usefixtures("key")


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


def test_the_signature_is_the_references():
    """Names and defaults, as users of the reference know them, and ours behind them."""
    parameters = inspect.signature(AnthropicLLM).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "model": inspect.Parameter.empty,
        "api_key": None,
        "base_url": None,
        "timeout": 600.0,
        "max_retries": 6,
        "http_client": None,
        "structured_output": None,
        "allow_http": False,
        "generation_kwargs": None,
        "use_offline_batch_generation": False,
        "offline_batch_generation_block_until_done": None,
        "jobs_ids": None,
        **dict.fromkeys(("service_tier", "inference_geo", "speed", "metadata", "betas", "extra_body")),
    }


@pytest.mark.parametrize(
    ("method", "first"),
    [
        ("agenerate", {"input": inspect.Parameter.empty}),
        ("generate", {"inputs": inspect.Parameter.empty, "num_generations": 1}),
    ],
)
def test_the_signatures_of_calls_are_the_references(method, first):
    """Both ways of asking have the same arguments, by name."""
    parameters = inspect.signature(getattr(AnthropicLLM, method)).parameters
    assert {name: parameter.default for name, parameter in list(parameters.items())[1:]} == {
        **first,
        "max_tokens": 128,
        "stop_sequences": None,
        "temperature": 1.0,
        "top_p": None,
        "top_k": None,
    }


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


@pytest.mark.parametrize(
    "bad",
    [
        [],
        [{"role": "system", "content": "x"}],
        [{"role": "tool", "content": "x"}],
        [{"role": "user"}],
        [{"content": "x"}],
        [{"role": "system", "content": "x"}, {"role": "system", "content": "y"}, {"role": "user", "content": "x"}],
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


def test_content_blocks_pass_through():
    """A message's content may be the API's own blocks."""
    blocks = [{"type": "text", "text": "Hello"}, {"type": "text", "text": "world!"}]
    _, server = agenerate(said("x"), [{"role": "user", "content": blocks}])
    assert server.bodies[0]["messages"] == [{"role": "user", "content": blocks}]


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
