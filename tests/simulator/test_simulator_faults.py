"""The simulator's faults: each does what it says, as often as it says, the same way again."""

import asyncio
import json

import aiohttp
import pytest
from jsonschema import Draft202012Validator

from yamlgen.errors import UsageError
from yamlgen.simulator.faults import Faults
from yamlgen.simulator.server import Simulator

HEADERS = {"x-api-key": "x", "anthropic-version": "2026-10-21"}
USER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "age"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
}


def asked(prompt="Hello.", **more):
    """A request for `prompt`."""
    return {
        "model": "claude-haiku-5-5",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": prompt}],
        **more,
    }


def send(bodies, *faults, seed=0):
    """Each body, one after the other: (status, headers, JSON), or the client's error."""

    async def main():
        served = []
        async with Simulator(faults=Faults.parse(faults, seed)) as simulator, aiohttp.ClientSession() as session:
            for body in bodies:
                try:
                    async with session.post(f"{simulator.url}/v1/messages", json=body, headers=HEADERS) as response:
                        served.append((response.status, response.headers, json.loads(await response.read())))
                except aiohttp.ClientError as error:
                    served.append(error)
        return served

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("rate_limit", 429, "rate_limit_error"),
        ("overloaded", 529, "overloaded_error"),
        ("server_error", 500, "api_error"),
    ],
)
def test_an_error_comes_with_the_envelope_of_the_api(fault, status, kind):
    """Errors have the real status, type and request id."""
    ((found, headers, body),) = send([asked()], f"{fault}=1")
    assert (found, body["type"], body["error"]["type"]) == (status, "error", kind)
    assert body["request_id"] == headers["request-id"]


def test_a_rate_limit_says_when_to_come_back():
    """A 429 carries `retry-after` in whole seconds."""
    ((_, headers, _),) = send([asked()], "rate_limit=1")
    assert headers["retry-after"] == "1"


@pytest.mark.parametrize("stream", [False, True])
def test_a_disconnect_cuts_the_body(stream):
    """The connection closes in the middle of an answer, streamed or not."""
    (error,) = send([asked(stream=stream)], "disconnect=1")
    assert isinstance(error, aiohttp.ClientPayloadError)


def test_a_refusal_has_no_content():
    """A refusal is an answer without content, and is billed."""
    ((status, _, body),) = send([asked()], "refusal=1")
    assert (status, body["stop_reason"], body["content"]) == (200, "refusal", [])
    assert body["usage"]["input_tokens"] > 0


def test_a_truncated_text_is_part_of_the_whole():
    """Truncation keeps the beginning, under the stop reason `max_tokens`."""
    ((_, _, whole),) = send([asked()])
    ((_, _, part),) = send([asked()], "truncate=1")
    assert part["stop_reason"] == "max_tokens"
    assert part["content"][0]["text"] == whole["content"][0]["text"][: len(part["content"][0]["text"])]
    assert 0 < len(part["content"][0]["text"]) < len(whole["content"][0]["text"])


def test_a_truncated_tool_call_is_incomplete():
    """Truncation leaves part of a tool's input."""
    ((_, _, body),) = send([asked(tools=[{"name": "user", "input_schema": USER}])], "truncate=1")
    assert body["stop_reason"] == "max_tokens"
    assert not Draft202012Validator(USER).is_valid(body["content"][0]["input"])


def test_an_invalid_output_breaks_the_schema():
    """A structured answer breaks its schema, as a tool call and as JSON text."""
    native = {"format": {"type": "json_schema", "schema": USER}}
    tool, text = send(
        [asked(tools=[{"name": "user", "input_schema": USER}]), asked(output_config=native)], "invalid_output=1"
    )
    assert not Draft202012Validator(USER).is_valid(tool[2]["content"][0]["input"])
    assert not Draft202012Validator(USER).is_valid(json.loads(text[2]["content"][0]["text"]))


def test_plain_text_has_no_invalid_output():
    """There is no schema to break."""
    assert send([asked()], "invalid_output=1")[0][2] == send([asked()])[0][2]


def test_a_rate_is_kept():
    """About a tenth of a hundred requests and more meet a fault of rate 0.1."""
    served = send([asked(f"row {index}") for index in range(300)], "overloaded=0.1")
    assert 15 <= sum(status == 529 for status, _, _ in served) <= 45


def test_faults_are_the_same_again_and_change_with_the_seed():
    """A run with faults can be reproduced, whatever the order of its requests."""
    bodies = [asked(f"row {index}") for index in range(60)]

    def met(order, seed):
        return {
            body["messages"][0]["content"]: s[0]
            for body, s in zip(order, send(order, "overloaded=0.5", seed=seed), strict=True)
        }

    assert met(bodies, 0) == met(bodies[::-1], 0)
    assert met(bodies, 0) != met(bodies, 1)


def test_a_retry_of_the_same_request_can_succeed():
    """Each attempt is decided anew."""
    statuses = [status for status, _, _ in send([asked()] * 20, "server_error=0.5")]
    assert set(statuses) == {200, 500}


def test_without_faults_nothing_fails():
    """The default is a calm day."""
    assert {status for status, _, _ in send([asked(f"{index}") for index in range(50)])} == {200}


@pytest.mark.parametrize("text", ["rate_limit", "rate_limit=", "rate_limit=2", "rate_limit=-1", "rate_limit=nan"])
def test_a_bad_rate_is_told_with_the_range(text):
    """The error says what can be written."""
    with pytest.raises(UsageError, match="the rate of the fault `rate_limit` must be a number from 0 to 1, ") as caught:
        Faults.parse([text])
    assert caught.value.hint == "write a rate such as `rate_limit=0.1`"


def test_a_mistyped_fault_lists_the_names():
    """The nearest name, or else all of them."""
    for text, hint in (("nope=0.1", "faults: `rate_limit`, `overloaded`, "), ("rate=1", "did you mean `rate_limit`?")):
        with pytest.raises(UsageError, match="there is no fault `") as caught:
            Faults.parse([text])
        assert caught.value.hint.startswith(hint)


def test_faults_are_read_from_texts():
    """`name=rate`, with spaces forgiven."""
    assert Faults.parse(["rate_limit=0.1", "refusal = 1"], 7).rates == {"rate_limit": 0.1, "refusal": 1.0}


@pytest.fixture
def run(call, pipeline):
    """Run the pipeline against the simulator; the exit code and the summary."""

    def told(*options):
        ended = call("run", pipeline, "--simulate", "--progress", "none", "--output-format", "json", *options)
        return ended.code, json.loads(ended.out)

    return told


@pytest.fixture
def pipeline(tmp_path):
    """A pipeline of thirty rows and one step."""
    path = tmp_path / "p.yaml"
    rows = ", ".join(f"{{n: {number}}}" for number in range(30))
    path.write_text(
        f"version: 1\nruntime: {{timeout: 20, max_retries: 3}}\ninput: {{rows: [{rows}]}}\n"
        "output: {path: out.jsonl}\n"
        'steps:\n  s: {model: claude-haiku-5-5, max_tokens: 400, prompt: "Hello {{ row.n }}."}\n'
    )
    return path


@pytest.mark.parametrize(
    ("fault", "code", "failed"),
    [
        ("bad_request=0.2", 1, "YG502"),
        ("blank=0.5", 1, "YG511"),
        ("unreadable=0.3", 1, "YG503"),
        ("no_message=0.2", 0, None),
        ("hang=0.03", 0, None),
    ],
)
def test_what_goes_wrong_beyond_statuses(run, fault, code, failed):
    """Refused requests and useless answers fail their rows alone; what is no answer is asked for again."""
    patience = ["--set", "runtime.timeout=2"] if fault.startswith("hang") else []
    found, told = run("--fault", fault, *patience)
    assert found in (code, 1)
    codes = {group["code"] for group in told["failures"]}
    assert codes <= {failed} if failed else not codes or codes <= {"YG508", "YG509"}
    assert told["rows"]["finished"] > 0


def test_a_refused_request_is_refused_whenever_it_comes(run):
    """It is about what it holds: a second run meets no other, and sends nothing."""
    first, told = run("--fault", "bad_request=0.3")
    again, told_again = run("--fault", "bad_request=0.3")
    assert (first, again) == (1, 1)
    assert told["rows"] == told_again["rows"]
    assert told_again["steps"]["s"]["sent"] == 0
