"""The results of a batch: each line becomes the answer or the error that a single request would have had."""

import asyncio
import json
import re
from dataclasses import replace

import httpx2
import pytest

from batch_requests import params
from scripted_api import KEY, ask_one, error, message, refusal
from yamlgen.batches.batch_api import BatchCallFailed
from yamlgen.batches.batch_store import BatchFailure
from yamlgen.claude.answer_recording import Accounting
from yamlgen.claude.batch_calls import open_batch_calls
from yamlgen.claude.batch_results import error_of, is_transient, outcome_of, read_result
from yamlgen.claude.credentials import ApiKey
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.prices import price_function_of
from yamlgen.claude.response_checks import body_in, fault_of
from yamlgen.claude.streams import UNREAD
from yamlgen.errors import Code, RowError, RunStopped
from yamlgen.simulator.faults import Faults
from yamlgen.simulator.server import Simulator
from yamlgen.value_objects import Attempt, Charge, Usage

ID = "0f" * 32
MODEL = "claude-haiku-5-5"
CONTEXT = ErrorContext(MODEL, "http://api", "ANTHROPIC_API_KEY", KEY)
ACCOUNTING = Accounting(MODEL, price_function_of(MODEL, None))


def outcome(kind, accounting=ACCOUNTING, **result):
    """The outcome of one result."""
    key, read = read_result(json.dumps({"custom_id": ID, "result": {"type": kind, **result}}).encode())
    found = outcome_of(key, read, CONTEXT, accounting, 12.5)
    assert found.key == key == bytes.fromhex(ID)
    return found.outcome


def test_an_answer_is_an_attempt_at_half_the_price():
    """Even if a gateway leaves out the tier of the usage."""
    attempt = outcome("succeeded", message=message("Hello!"))
    assert attempt.response == message("Hello!")
    assert (attempt.usage, attempt.seconds, attempt.batched, attempt.reused) == (Usage(10, 5), 12.5, True, False)
    assert attempt.cost == pytest.approx(ACCOUNTING.price(Charge(Usage(10, 5))) / 2)
    assert outcome("succeeded", Accounting(MODEL), message=message("Hello!")).cost is None


def test_a_refusal_before_any_output_costs_nothing():
    """It is a success with nothing in it."""
    assert outcome("succeeded", message=message(stop="refusal")).cost == 0


def test_the_key_is_removed_from_an_answer_and_from_an_error():
    """As from a single answer."""
    attempt = outcome("succeeded", message=message("Hello!", model=f"by {KEY}"))
    assert KEY not in json.dumps(attempt.response)
    failure = outcome("errored", error=error("invalid_request_error", f"your key {KEY} is bad"))
    assert KEY not in json.dumps(failure.error)
    assert KEY not in str(error_of(failure, CONTEXT))
    assert KEY not in str(error_of(BatchFailure("errored", error("invalid_request_error", KEY)), CONTEXT))


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 429, 500, 529])
def test_an_error_is_that_of_a_single_request(status):
    """The same class, code, status, words and request id."""
    single, _ = ask_one(refusal(status, "because"), max_pause=0.01)
    failure = outcome("errored", error=json.loads(json.dumps(refusal(status, "because").body)))
    ours = error_of(failure, CONTEXT)
    if status != 429:  # alone, it was waited for
        assert type(ours) is type(single)
        hint = single.hint and re.sub(r"http://127\S+", CONTEXT.base_url, single.hint)
        assert (ours.code, ours.hint) == (single.code, hint)
        assert ours.message.partition(" (request")[0] == single.message.partition(" (request")[0].partition("; the")[0]
    assert ours.request_id == "req_1"
    assert getattr(ours, "status", 0) == (status if status in (400, 413) else 0)
    assert is_transient(failure) == (status in (429, 500, 529))


def test_a_request_that_is_too_large_tells_its_size():
    """It is known from what was sent."""
    failure = outcome("errored", error=error("request_too_large", "too large"))
    assert "the request was 40.0 MB" in error_of(failure, CONTEXT, 40_000_000).message


def test_a_permanent_refusal_ends_the_run_as_if_it_had_come_alone():
    """By its code, or by its words."""
    failure = outcome("errored", error=error("invalid_request_error", "Your credit balance is too low to access it."))
    assert isinstance(error_of(failure, CONTEXT), RunStopped)
    assert error_of(failure, CONTEXT).code is Code.PAYMENT
    assert not is_transient(failure)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "overloaded_error", "message": "busy"}, "the API returned 529 at the last attempt: busy"),
        ("no", "the API returned 500 at the last attempt: no"),
        (None, "the API returned 500 at the last attempt: the result has no error"),
    ],
)
def test_an_error_without_its_envelope_is_an_error(given, words):
    """Gateways have their own idea of it."""
    failure = outcome("errored", error=given)
    assert error_of(failure, CONTEXT).message == words
    assert is_transient(failure)


@pytest.mark.parametrize(
    "result", [{"type": "succeeded"}, {"type": "odd"}, {}, None, {"type": "succeeded", "message": {}}]
)
def test_a_result_without_a_message_is_a_failure_of_the_server(result):
    """It is sent again."""
    key, read = read_result(json.dumps({"custom_id": ID, "result": result}).encode())
    failure = outcome_of(key, read, CONTEXT, ACCOUNTING, 1).outcome
    assert failure.kind == "errored"
    assert is_transient(failure)
    assert error_of(failure, CONTEXT).code is Code.TRANSPORT


@pytest.mark.parametrize("kind", ["expired", "canceled", "missing"])
def test_a_request_without_a_result_says_why(kind):
    """After the last retry the row fails, and the next run sends it again."""
    failure = BatchFailure(kind, times=3) if kind == "missing" else replace(outcome(kind), times=3)
    told = error_of(failure, CONTEXT)
    assert isinstance(told, RowError)
    assert (told.code, told.status) == (Code.TRANSPORT, 0)
    assert told.message.endswith(" (3 times)")
    assert "run again" in told.hint
    assert is_transient(failure)


@pytest.mark.parametrize("name", ["id-1", "", ID.upper(), f"{ID}0", ID[1:]])
def test_a_request_of_somebody_else_is_ignored(name):
    """A batch that a run looks for may turn out to be another one."""
    assert read_result(json.dumps({"custom_id": name, "result": {"type": "expired"}}).encode()) is None


@pytest.mark.parametrize(
    "line",
    [
        b"<html>",
        b"{",
        b"[]",
        b"1",
        b'{"type": "error", "error": {"type": "api_error", "message": "no"}}',
        f'{{"custom_id": "{ID}", "result": {{"type": "errored", "error": {{"message": '.encode(),
        f'{{"custom_id": "{ID}", "result": {{"type": "succeeded", "message": {{"a'.encode(),
        b"\xff\xfe",
    ],
)
def test_a_line_that_is_no_result_is_no_answer(line):
    """If it were ignored, its request would be sent and billed again."""
    with pytest.raises(BatchCallFailed) as caught:
        read_result(line)
    assert caught.value.transient
    assert caught.value.error.code is Code.TRANSPORT


def test_a_line_that_cannot_be_decoded_may_have_a_billed_answer():
    """It is stored with its usage, as a single one is."""
    text = json.dumps({"custom_id": ID, "result": {"type": "succeeded", "message": message("Hi")}})
    broken = text.replace('"stop_sequence": null', f'"stop_sequence": {"9" * 5000}').encode()
    key, read = read_result(broken)
    attempt = outcome_of(key, read, CONTEXT, ACCOUNTING, 1).outcome
    assert fault_of(attempt.response).startswith("the answer cannot be read: Exceeds the limit")
    assert attempt.usage == Usage(10, 5)
    assert attempt.cost > 0


async def alone(client, entry):
    """The outcome of a request that is sent by itself."""
    headers = {"x-api-key": "x", "anthropic-version": "2023-06-01"}
    headers |= {name: value for name, value in entry.items() if name != "params"}
    response = await client.post("/v1/messages", json=entry["params"], headers=headers)
    result = {"type": "errored", "error": None}
    if response.is_success:
        result = {"type": "succeeded", "message": body_in(response.content, "")}
    else:
        result["error"] = response.json()
    return outcome_of(b"", result, CONTEXT, ACCOUNTING, 1).outcome


def told(outcome):
    """What a row gets of an outcome, as JSON; the tier of the usage and the id of the request differ."""
    body = outcome.response if isinstance(outcome, Attempt) else outcome.error["error"]
    return json.dumps(body).replace('"batch"', '"standard"').replace('\\"batch\\"', '\\"standard\\"')


def test_a_batch_and_single_requests_give_equal_bytes():
    """Of every request, with its row; faults of answers too."""
    wanted = [params(f"Row {index % 7}.") for index in range(40)]

    async def main():
        faults = Faults.parse(["unreadable=0.1", "refusal=0.1", "truncate=0.1", "bad_request=0.1"])
        entries = {
            f"{index:064x}": {"params": body, "x-yamlgen-row": f"row {index}", "x-yamlgen-again": "0"}
            for index, body in enumerate(wanted)
        }
        body = json.dumps({"requests": [{"custom_id": name, **entry} for name, entry in entries.items()]}).encode()

        async def pieces():
            yield body

        found = {}
        async with (
            Simulator(faults=faults) as simulator,
            open_batch_calls(
                credentials=ApiKey(KEY), error_context=replace(CONTEXT, base_url=simulator.url), timeout=20
            ) as calls,
        ):
            batch = await calls.create(pieces(), len(body))
            while batch.status != "ended":
                batch = await calls.retrieve(batch.id)
            async with calls.results(batch.id) as lines:
                async for line in lines:
                    key, result = read_result(line)
                    found[key.hex()] = outcome_of(key, result, CONTEXT, ACCOUNTING, 1).outcome
        async with Simulator(faults=faults) as simulator, httpx2.AsyncClient(base_url=simulator.url) as client:
            single = {name: await alone(client, entry) for name, entry in entries.items()}
        return found, single

    found, single = asyncio.run(main())
    assert {name: told(found[name]) for name in found} == {name: told(single[name]) for name in single}
    assert len({told(each) for each in found.values()}) > 20
    assert {type(each).__name__ for each in found.values()} == {"Attempt", "BatchFailure"}
    assert any(UNREAD in each.response for each in found.values() if isinstance(each, Attempt))
