"""`ANTHROPIC_CUSTOM_HEADERS`: what may stand in it, what goes out, what is never told."""

import asyncio

import anthropic
import pytest

from scripted_api import KEY, ScriptedServer, outcomes, prompt, refusal, said
from yamlgen import AnthropicLLM
from yamlgen.api.loading import load
from yamlgen.cancellation import Cancellation
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.custom_headers import CustomHeaders, custom_headers
from yamlgen.claude.provider import ClaudeProvider
from yamlgen.errors import Code, EnvironmentProblem, RowError
from yamlgen.interfaces import UNOBSERVED
from yamlgen.pipeline.pipeline_model import Runtime

VALUE = "hunter2-canary-of-a-gateway"
PIPELINE = """\
version: 1
runtime: {{base_url: '{url}'}}
input: {{rows: [{{a: 1}}]}}
steps: {{s: {{model: claude-haiku-5-5, max_tokens: 100, prompt: Hi}}}}
output: {{path: out.jsonl}}
"""


@pytest.fixture
def given(monkeypatch):
    """Set the variable."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    def give(text):
        monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", text)

    return give


@pytest.fixture
def ask(tmp_path):
    """Ask a scripted server once, as a pipeline does: the outcome, and the headers of what came there."""

    def asked(*replies):
        async def main():
            async with ScriptedServer(*replies) as server:
                path = tmp_path / "p.yaml"
                path.write_text(PIPELINE.format(url=server.url))
                plan = load(path).plan()
                async with ClaudeProvider(plan.runtime).open(plan, Cancellation()) as models:
                    (outcome,) = await outcomes(models["s"].answer(prompt(), UNOBSERVED))
                return outcome, server.headers

        return asyncio.run(main())

    return asked


def told(error):
    """All that an error says."""
    return f"{error} {error.message} {error.hint} {error.args}"


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Authorization",
        "X-API-Key",
        "api-key",
        "proxy-authorization",
        "Anthropic-Version",
        "idempotency-key",
        "Host",
        "content-length",
        "Content-Type",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "accept",
        "accept-encoding",
        "expect",
        "x-stainless-raw-response",
        "X-Stainless-Anything",
    ],
)
def test_a_header_that_is_not_for_others_to_set_is_refused(given, name):
    """What carries a key, and what decides how a request is sent or read: exit 3 with place and fix, no value told."""
    given(f"x-team: blue\n{name}: {VALUE}")
    with pytest.raises(EnvironmentProblem) as caught:
        custom_headers()
    assert f"line 2 of ANTHROPIC_CUSTOM_HEADERS sets `{name.lower()}`" in caught.value.message
    assert caught.value.exit_code == 3
    assert caught.value.hint.startswith("remove it: ")
    assert VALUE not in told(caught.value)


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key"])
def test_a_header_with_a_key_is_a_secret(given, name):
    """Its error has the code of secrets."""
    given(f"{name}: {VALUE}")
    with pytest.raises(EnvironmentProblem) as caught:
        custom_headers()
    assert caught.value.code == Code.SECRET


@pytest.mark.parametrize(
    "line",
    [
        VALUE,
        f": {VALUE}",
        f"a b: {VALUE}",
        f'{{"x": "{VALUE}"}}',
        f"x: {VALUE}\u00e9",
        f"x: {VALUE}\x00",
        f"\u00fc: {VALUE}",
    ],
)
def test_a_line_that_is_no_header_is_told_by_its_number(line, monkeypatch):
    """Its text is not repeated."""
    monkeypatch.setattr("yamlgen.claude.custom_headers.variable", lambda _: f"\nx-team: blue\n{line}\n")  # has a NUL
    with pytest.raises(EnvironmentProblem) as caught:
        custom_headers()
    assert caught.value.message == "line 3 of ANTHROPIC_CUSTOM_HEADERS is not a header"
    assert caught.value.code == Code.BAD_HEADER
    assert VALUE not in told(caught.value)


def test_a_header_stands_there_once(given):
    """The SDK would send the last one alone."""
    given("x-team: blue\nX-Team: red")
    with pytest.raises(EnvironmentProblem, match="line 2 of ANTHROPIC_CUSTOM_HEADERS sets `x-team` again"):
        custom_headers()


@pytest.mark.parametrize("text", ["", "  ", "\n\n", " \r\n "])
def test_an_empty_variable_is_no_header(given, text):
    """It is unset."""
    given(text)
    assert custom_headers() == CustomHeaders()


def test_others_go_out_as_the_sdk_sends_them(given, ask):
    """They are on the wire, beside the key of the pipeline."""
    given("X-Team: blue \r\n\nanthropic-beta: b-2, a-1")
    outcome, (headers,) = ask(said("Hi."))
    assert outcome.value == "Hi."
    assert (headers["x-team"], headers["anthropic-beta"]) == ("blue", "b-2, a-1")
    assert KEY in (headers.get("Authorization", "").removeprefix("Bearer "), headers.get("x-api-key"))


def test_the_names_are_those_that_the_sdk_reads(given):
    """What is checked here is what goes out there."""
    given("X-Team: a:b\n\n  x-other :c  \nx-empty:")
    names = custom_headers().names
    read = anthropic.AsyncAnthropic(api_key="any").default_headers
    given("")
    bare = anthropic.AsyncAnthropic(api_key="any").default_headers
    read = {name: value for name, value in read.items() if name not in bare}
    assert read == {"X-Team": "a:b", "x-other": "c", "x-empty": ""}
    assert names == tuple(sorted(name.lower() for name in read))


def test_nothing_is_sent_with_a_refused_header(given, ask):
    """The client does not open."""
    given(f"authorization: Bearer {VALUE}")
    with pytest.raises(EnvironmentProblem, match="authorization"):
        ask(said("Hi."))


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "content-length"])
def test_the_model_by_itself_refuses_them_too(given, header):
    """`AnthropicLLM` says the same when it is made."""
    given(f"{header}: {VALUE}")
    with pytest.raises(EnvironmentProblem, match=header) as caught:
        AnthropicLLM("claude-haiku-5-5")
    assert VALUE not in told(caught.value)


def test_the_model_by_itself_refuses_what_came_later(given):
    """A variable that is set after it was made is seen by the next call."""
    llm = AnthropicLLM("claude-haiku-5-5", base_url="http://127.0.0.1:9")
    given(f"authorization: {VALUE}")
    with pytest.raises(EnvironmentProblem, match="authorization"):
        llm.load()


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        (f"x-gateway-key: {VALUE}", VALUE),
        (f"helicone-auth: Bearer {VALUE}", VALUE),
        (f"cookie: team=blue; session={VALUE}", VALUE),
        ("x-anything: 0123456789abcdefghij", "0123456789abcdefghij"),
    ],
)
def test_a_value_that_looks_secret_comes_back_nowhere(given, ask, header, secret):
    """A gateway that repeats it in an answer or in an error is not believed to be allowed to."""
    given(header)
    answered, _ = ask(said(f"You sent {secret}!"))
    assert answered.value == "You sent [secret]!"
    assert secret not in str(answered.attempts)
    failed, _ = ask(refusal(400, f"bad header {secret}"))
    assert isinstance(failed, RowError)
    assert "bad header [secret]" in failed.message
    assert secret not in told(failed)


@pytest.mark.parametrize(
    "header", ["x-team: data-science", "x-monkey: banana", "anthropic-beta: context-1m-2025-08-07"]
)
def test_a_value_that_is_a_word_stays_in_answers(given, ask, header):
    """An answer may hold the same word."""
    given(header)
    word = header.partition(": ")[2]
    answered, _ = ask(said(f"A line on {word}."))
    assert answered.value == f"A line on {word}."


def test_a_feature_is_in_the_key_of_an_answer(given):
    """However the features are written, the same ones have one key; without any it is what it always was."""
    body = {"model": "m", "max_tokens": 10}

    def key(text):
        given(text)
        betas = ClaudeProvider(Runtime()).endpoint().headers().betas
        return AnswerKeys("https://host", "2023-06-01", betas).keys(body, UNOBSERVED)[0]

    plain = AnswerKeys("https://host", "2023-06-01").keys(body, UNOBSERVED)[0]
    assert plain.hex() == "ff82147d67815e8463770f41cfbf7d3becfa0941ae96322c12f439645ea1738a"
    assert key("") == key("x-team: blue") == key("anthropic-beta: , ") == plain
    assert key("anthropic-beta: a,b") == key("Anthropic-Beta:  b ,a, a") != plain
    assert key("anthropic-beta: a") not in (plain, key("anthropic-beta: a,b"))


def test_the_simulator_is_told_of_none(given):
    """A simulated run needs nothing of the environment, and nothing in it stops one."""
    given(f"authorization: {VALUE}")
    assert (
        ClaudeProvider(Runtime(), base_url="http://127.0.0.1:1", simulator="simulator").endpoint().headers()
        == CustomHeaders()
    )


@pytest.mark.parametrize(("value", "is_told"), [("Basic bWU6aHVudGVyMi1jYW5hcnk=", True), ("Basic no-base64!", False)])
def test_a_password_in_base64_is_secret_by_itself(given, value, is_told):
    """A server may tell what it read in `Basic ...`; what cannot be read is a secret as it is."""
    given(f"helicone-auth: {value}")
    secrets = custom_headers().secrets
    assert value.split()[1] in secrets
    assert ("hunter2-canary" in secrets) == is_told
