"""Claude as a step's model: the body that is sent, the stop reason before all else, the account of every answer."""

import asyncio
import json

import pytest

from scripted_api import (
    Reply,
    ScriptedServer,
    ask,
    ask_one,
    asking,
    call,
    error,
    events,
    message,
    outcomes,
    prompt,
    refusal,
    said,
    spoken,
)
from yamlgen.cancellation import Cancelled
from yamlgen.errors import Code, RowError, RunStopped
from yamlgen.row_result import Answer
from yamlgen.simulator.faults import Faults
from yamlgen.simulator.server import Simulator
from yamlgen.value_objects import Usage

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer", "maximum": 9}},
    "required": ["a"],
    "additionalProperties": False,
}


def test_a_text_step_answers_with_text():
    """Without a schema the value is the text, and the account holds the response as it came."""
    outcome, server = ask_one(said("Hello!"))
    assert outcome.value == "Hello!"
    (attempt,) = outcome.attempts
    assert attempt.response == message("Hello!")
    assert attempt.usage == Usage(10, 5)
    assert attempt.request_id == "req_0"
    assert attempt.errors == ()
    assert server.bodies == [
        {"model": "claude-haiku-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello?"}]}
    ]


def test_texts_are_joined():
    """Several blocks of text are one text, and thinking is none of it."""
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    outcome, _ = ask_one(said(thinking, "Hello", ", ", "you!"))
    assert outcome.value == "Hello, you!"


def test_tokens_of_the_cache_are_counted_apart():
    """What is read from the cache, or written to it, has its own columns."""
    usage = {"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4}
    outcome, _ = ask_one(said("x", usage=usage))
    assert outcome.usage == Usage(1, 2, 3, 4)


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"stop_sequences": ["END"]}, {"stop_sequences": ["END"]}),
        ({"thinking": "adaptive"}, {"thinking": {"type": "adaptive"}}),
        ({"thinking": "disabled"}, {"thinking": {"type": "disabled"}}),
        ({"thinking": "between_tools"}, {"thinking": {"type": "between_tools"}}),
        ({"thinking": {"type": "between_tools"}}, {"thinking": {"type": "between_tools"}}),
        (
            {"thinking": {"type": "adaptive", "display": "summarized"}},
            {"thinking": {"type": "adaptive", "display": "summarized"}},
        ),
        (
            {"thinking": {"budget_tokens": 2000, "display": "omitted"}},
            {"thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}},
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        ),
        (
            {"thinking": {"budget_tokens": 2000}, "max_tokens": 3000},
            {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 3000},
        ),
        ({"effort": "low"}, {"output_config": {"effort": "low"}}),
        ({"temperature": 0, "top_p": 0.5, "top_k": 3}, {"temperature": 0, "top_p": 0.5, "top_k": 3}),
        ({"max_tokens": None}, {"max_tokens": 4096}),
        ({"id": "my/model:v1"}, {"model": "my/model:v1"}),
    ],
)
def test_settings_reach_the_wire(settings, sent):
    """Each setting stands in the body where the API has it, and nothing else is added."""
    _, server = ask_one(said("x"), **settings)
    plain = {"model": "claude-haiku-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello?"}]}
    assert server.bodies[0] == {**plain, **sent}


@pytest.mark.parametrize("schema", [None, SCHEMA])
@pytest.mark.parametrize("mode", ["native", "tools", "json"])
@pytest.mark.parametrize("most", [100, 30_000])
def test_a_preview_is_what_is_sent(schema, mode, most):
    """`request` shows the very body that goes out, key by key."""

    async def main():
        async with (
            ScriptedServer(said("x")) as server,
            asking(server.url, schema=schema, mode=mode, max_tokens=most, temperature=0.5) as model,
        ):
            shown = model.model.request(prompt(system="Be brief."))
            await outcomes(model(system="Be brief."))
            return shown, server.bodies[0]

    shown, sent = asyncio.run(main())
    assert json.dumps(shown, sort_keys=True) == json.dumps(sent, sort_keys=True)


@pytest.mark.parametrize("stop", ["end_turn", "stop_sequence", "tool_use"])
def test_an_answer_that_is_whole_goes_on(stop):
    """These three reasons end an answer well."""
    outcome, _ = ask_one(said("x", stop=stop))
    assert outcome.value == "x"


@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["text", "schema"])
@pytest.mark.parametrize(
    ("stop", "code"),
    [
        ("max_tokens", Code.TRUNCATED),
        ("refusal", Code.REFUSED),
        ("model_context_window_exceeded", Code.CONTEXT_EXCEEDED),
        ("pause_turn", Code.UNKNOWN_STOP),
        ("brand_new", Code.UNKNOWN_STOP),
        (None, Code.UNKNOWN_STOP),
    ],
)
def test_the_stop_reason_comes_before_validation(schema, stop, code):
    """An answer that is not whole is terminal: one request, no re-ask, its tokens on the account."""
    outcome, server = ask_one(said('{"a": 1}', stop=stop), schema=schema, reasks=3, max_retries=3)
    assert isinstance(outcome, RowError)
    assert outcome.code == code
    assert len(server.bodies) == 1
    (attempt,) = outcome.attempts
    assert attempt.usage == Usage(10, 5)
    assert attempt.errors == (outcome.message,)
    assert outcome.request == server.bodies[0]


def test_a_refusal_says_why():
    """What the API explains is passed on."""
    details = {"type": "refusal", "category": "cyber", "explanation": "It asks for malware."}
    outcome, _ = ask_one(said(stop="refusal", stop_details=details))
    assert "It asks for malware." in outcome.message


THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
BLANK = [[], [""], [" \n"], [THINKING], [THINKING, "\t"]]


@pytest.mark.parametrize("content", BLANK)
def test_an_answer_without_text_is_no_text(content):
    """Nothing said is no value, is asked once where no re-ask is left, and is paid for."""
    outcome, server = ask_one(said(*content))
    assert outcome.code == Code.NO_TEXT
    assert len(server.bodies) == len(outcome.attempts) == 1


@pytest.mark.parametrize("content", BLANK)
def test_a_blank_text_is_asked_for_again(content):
    """The re-ask has no turn that says nothing, which the API would refuse; what was paid is accounted for."""
    outcome, server = ask_one(said(*content), said("Here."), reasks=2)
    assert (outcome.value, len(outcome.attempts)) == ("Here.", 2)
    assert outcome.attempts[0].errors == ("the answer holds no text",)
    first, second = server.bodies
    assert second["messages"][: len(first["messages"])] == first["messages"]
    assert [turn["role"] for turn in second["messages"]] == ["user", "user"]
    assert "no text" in second["messages"][-1]["content"]


def test_a_text_that_stays_blank_fails_in_the_end():
    """As often as re-asks are left, and no more."""
    outcome, server = ask_one(said(""), reasks=2)
    assert outcome.code == Code.NO_TEXT
    assert outcome.message == "the answer holds no text after 2 re-asks"
    assert len(server.bodies) == len(outcome.attempts) == 3


@pytest.mark.parametrize("content", BLANK)
@pytest.mark.parametrize("mode", ["native", "tools", "json"])
def test_a_blank_answer_is_never_a_turn_of_the_re_ask(mode, content):
    """Whichever way is asked: no blank text, no turn of thinking alone."""
    _, server = ask_one(said(*content), schema=SCHEMA, mode=mode, reasks=1)
    _, second = server.bodies
    for turn in second["messages"]:
        blocks = [turn["content"]] if isinstance(turn["content"], str) else turn["content"]
        texts = [block if isinstance(block, str) else block.get("text", "x") for block in blocks]
        assert blocks
        assert all(text.strip() for text in texts)
        assert turn["role"] == "user"


def test_a_system_prompt_of_white_space_is_not_sent():
    """It says nothing, and the API takes no blank text."""

    async def main():
        async with ScriptedServer() as server, asking(server.url) as model:
            await model(system=" \n")
            return server.bodies

    (body,) = asyncio.run(main())
    assert "system" not in body


def test_half_a_character_is_no_text():
    """A text that no file could hold does not become a row's value."""
    outcome, _ = ask_one(said("a\ud800b"))
    assert outcome.code == Code.NO_TEXT


def test_a_reask_that_fails_keeps_what_was_paid():
    """The first answer stays on the account when the request after it is refused."""
    broken = Reply(error("api_error", "no"), 500)
    outcome, server = ask_one(said('{"a": 10}'), broken, schema=SCHEMA, reasks=2)
    assert outcome.code == Code.TRANSPORT
    assert len(server.bodies) == 2
    (attempt,) = outcome.attempts
    assert attempt.usage == Usage(10, 5)
    assert attempt.errors
    assert outcome.request == server.bodies[1]


def test_a_run_that_stops_within_a_reask_has_told_what_was_paid():
    """The answer that was paid for is told when it comes, whatever ends the run after it."""
    rejected = Reply(error("authentication_error", "no"), 401)
    (outcome,), _, model = ask(said('{"a": 10}'), rejected, schema=SCHEMA, reasks=2)
    assert isinstance(outcome, RunStopped)
    (attempt,) = model.attempts
    assert attempt.usage == Usage(10, 5)


def test_who_asks_is_told_of_each_request_and_each_answer():
    """A request that goes out again is told again; an answer is told once, with its tokens, its time and its name."""
    down = Reply(error("overloaded_error", "Overloaded"), 529)
    (outcome,), server, model = ask(down, said('{"a": 10}'), said('{"a": 3}'), schema=SCHEMA, reasks=1, max_retries=1)
    assert outcome.value == {"a": 3}
    assert model.sends == len(server.bodies) == 3
    assert len(model.notices) == 1
    assert [attempt.request_id for attempt in model.attempts] == ["req_1", "req_2"]
    assert {attempt.usage for attempt in model.attempts} == {Usage(10, 5)}
    assert model.reasked == [False, True]
    assert all(attempt.seconds > 0 and not attempt.reused for attempt in model.attempts)


def test_a_reask_may_be_cut_off_and_says_so():
    """Truncation of the second answer ends the asking, with both answers on the account."""
    outcome, _ = ask_one(said('{"a": 10}'), said('{"a":', stop="max_tokens"), schema=SCHEMA, reasks=2)
    assert outcome.code == Code.TRUNCATED
    assert len(outcome.attempts) == 2


def test_retries_and_reasks_are_counted_apart():
    """Each question has all its retries, and a retry takes no re-ask."""
    down = Reply(error("overloaded_error", "Overloaded"), 529)
    outcome, server = ask_one(
        down, said('{"a": 10}'), down, said('{"a": 11}'), said('{"a": 3}'), schema=SCHEMA, reasks=2, max_retries=1
    )
    assert outcome.value == {"a": 3}
    assert len(server.bodies) == 5
    assert len(outcome.attempts) == 3


def test_a_halt_between_reasks_is_no_failure():
    """A run that ends before an answer is sent back leaves the row undone; the answer was told before."""

    async def main():
        async with ScriptedServer(said('{"a": 10}')) as server, asking(server.url, schema=SCHEMA, reasks=2) as model:
            server.replies = [lambda _: model.cancellation.request("enough") or said('{"a": 10}')]
            return await outcomes(model()), server.bodies, model.attempts

    (outcome,), bodies, attempts = asyncio.run(main())
    assert isinstance(outcome, Cancelled)
    assert len(bodies) == len(attempts) == 1


def test_a_halt_before_the_first_answer_is_no_failure():
    """Nothing was asked, so there is nothing to tell."""

    async def main():
        async with ScriptedServer() as server, asking(server.url) as model:
            model.cancellation.request("enough")
            return await outcomes(model()), server.bodies

    (outcome,), bodies = asyncio.run(main())
    assert isinstance(outcome, Cancelled)
    assert bodies == []


def test_a_streamed_tool_call_is_read():
    """A tool's input that comes in pieces is the same value."""
    start, *_, delta, stop = spoken("")
    pieces = ['{"a"', ": 7", "}"]
    block = {"type": "content_block_start", "index": 0, "content_block": call({})}
    parts = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}}
        for piece in pieces
    ]
    end = {"type": "content_block_stop", "index": 0}
    delta["delta"]["stop_reason"] = "tool_use"
    outcome, _ = ask_one(events(start, block, *parts, end, delta, stop), schema=SCHEMA, mode="tools", max_tokens=30_000)
    assert isinstance(outcome, Answer), outcome
    assert outcome.value == {"a": 7}


def test_a_schema_that_is_refused_natively_is_asked_for_by_a_tool():
    """Without a store too, once for all that the model is asked; the refusal is no attempt."""
    refused = refusal(400, "The compiled grammar is too large.")
    called = said(call({"a": 3}), stop="tool_use")
    (first, second), server, _ = ask(refused, called, texts=("x", "y"), schema=SCHEMA, concurrency=1)
    assert (first.value, second.value, len(first.attempts), len(second.attempts)) == ({"a": 3}, {"a": 3}, 1, 1)
    assert ["tools" in body for body in server.bodies] == [False, True, True]


SIMULATED = [("native", 2000), ("tools", 2000), ("json", 2000), ("native", 30_000), ("tools", 30_000)]


@pytest.mark.parametrize(("mode", "most"), SIMULATED)
def test_the_simulator_satisfies_each_mode(mode, most):
    """Against the simulator's rules, which are the API's: each way of asking is accepted and answered."""

    async def main():
        async with Simulator() as simulator, asking(simulator.url, schema=SCHEMA, mode=mode, max_tokens=most) as model:
            return await model()

    assert isinstance(asyncio.run(main()).value["a"], int)


@pytest.mark.parametrize("mode", ["native", "tools"])
def test_the_simulator_takes_a_reask(mode):
    """The turn that sends an answer back is well formed: the simulator refuses it otherwise."""

    async def main():
        async with (
            Simulator(faults=Faults.parse(["invalid_output=1"])) as simulator,
            asking(simulator.url, schema=SCHEMA, mode=mode, max_tokens=2000, reasks=2) as model,
        ):
            return await outcomes(model())

    (outcome,) = asyncio.run(main())
    if isinstance(outcome, RowError):
        assert outcome.code == Code.INVALID_OUTPUT, outcome
        assert len(outcome.attempts) == 3
    else:
        assert len(outcome.attempts) > 1


@pytest.mark.parametrize(
    "usage", [{"input_tokens": "7", "output_tokens": None}, {"input_tokens": -5}, {"input_tokens": 2**53}]
)
def test_a_usage_that_is_none_counts_nothing(usage):
    """A gateway's odd usage costs no row, and is no number of tokens."""
    outcome, _ = ask_one(said("x", usage=usage))
    assert (outcome.value, outcome.usage) == ("x", Usage())
