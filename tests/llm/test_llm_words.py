"""`AnthropicLLM` speaks of its arguments: no setting of a pipeline, no row, no option of the command line."""

import re

import pytest

from llm_calls import HELLO, USER, agenerate, generate, llm, serve
from scripted_api import Reply, refusal, said
from yamlgen import AnthropicLLM
from yamlgen.errors import YamlgenError
from yamlgen.option_names import cli_option_names

pytestmark = pytest.mark.usefixtures("key")

OTHERS = re.compile(r"runtime\.|limits\.|\brows?\b|failed file|--[a-z]|\byamlgen [a-z]|`id`")
"""The words of pipelines and of the command line."""


@pytest.fixture(params=[False, True], ids=["python", "called from a command"])
def surface(request):
    """Python by itself, and a function of an author's that a command calls."""
    if not request.param:
        yield
        return
    with cli_option_names():
        yield


@pytest.mark.usefixtures("surface")
@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (refusal(400), "refused the request"),
        (refusal(401), "check the key"),
        (refusal(402), "billing"),
        (refusal(403), "check that it may use `claude-haiku-5-5`"),
        (refusal(404), "check `model`; models are retired over time"),
        (Reply(b"no", status=404, kind="text/html"), "check `base_url`"),
        (Reply(b"", status=301), "`base_url`"),
        (refusal(413), "413"),
        (refusal(529), "529"),
        (Reply(b"{"), "is not a message"),
        (Reply(wait=9), "raise `timeout`, or lower `max_tokens`"),
        (said("x", stop="model_context_window_exceeded"), "shorten the conversation"),
        (said("x", stop="brand_new"), "unknown reason"),
    ],
    ids=lambda value: "" if isinstance(value, str) else None,
)
def test_an_error_names_arguments(reply, words):
    """Its text has the fix in it, in the words of the call."""
    with pytest.raises(YamlgenError) as caught:
        agenerate(reply, options={"timeout": 0.5})
    assert words in str(caught.value)
    assert not OTHERS.search(str(caught.value)), str(caught.value)


@pytest.mark.parametrize("reply", [said("{}"), said("{", stop="max_tokens"), said(stop="refusal"), refusal(413)])
def test_a_warning_names_arguments(reply):
    """So does what is told of a missing generation."""
    with pytest.warns(UserWarning) as caught:  # noqa: PT030 - any of four
        generate(reply, options={"structured_output": {"schema": USER}})
    assert not OTHERS.search(str(caught[0].message)), str(caught[0].message)


@pytest.mark.usefixtures("surface")
def test_nothing_listens():
    """An address at which nobody is names the argument that holds it."""
    with pytest.raises(YamlgenError, match="check the network and `base_url`") as caught:
        AnthropicLLM("m", base_url="http://127.0.0.1:9", max_retries=0).generate([HELLO])
    assert not OTHERS.search(str(caught.value))


def test_a_rejected_key_is_named_by_its_place():
    """The argument, where it was passed; the variable, where it was not."""
    for options, place in (({"api_key": "given-key"}, "`api_key`"), ({}, "ANTHROPIC_API_KEY")):
        with pytest.raises(YamlgenError, match=f"rejected the key in {place}"):
            agenerate(refusal(401), options=options)


def test_no_key_is_told_in_words_of_a_call(monkeypatch):
    """Inside a command as well."""
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with cli_option_names(), pytest.raises(ValueError, match="pass `api_key`, or set ANTHROPIC_API_KEY"):
        AnthropicLLM("m").load()


@pytest.mark.parametrize(
    "headers", ["x-api-key: k", "no header", "anthropic-beta: a\nanthropic-beta: b", "host: x", "idempotency-key: 1"]
)
def test_a_wrong_header_of_the_environment_names_no_setting(monkeypatch, headers):
    """What is wrong with it is the same for a model by itself."""
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", headers)
    with pytest.raises(YamlgenError) as caught:
        serve(said("x"), lambda server: llm(server).agenerate(HELLO))
    assert "remove it" in str(caught.value) or "write" in str(caught.value)
    assert not re.search(r"runtime\.|limits\.|--[a-z]", str(caught.value))
