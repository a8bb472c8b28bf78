"""`AnthropicLLM` and its client: key, address, event loops, and that nothing is left open."""

import asyncio
import gc
import json
import os
import subprocess
import sys

import anthropic
import httpx2
import pytest
from pydantic import SecretStr

from llm_calls import HELLO, USER, User, agenerate, generate, llm, serve
from scripted_api import KEY, Reply, message, refusal, said
from yamlgen import AnthropicLLM
from yamlgen.errors import Code, EnvironmentProblem, RunStopped, UsageError

pytestmark = pytest.mark.usefixtures("key")


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


@pytest.mark.parametrize("empty", ["", "  "])
def test_empty_is_unset(monkeypatch, empty):
    """An empty variable, and an empty argument, are none."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", empty)
    model = AnthropicLLM("m", api_key=empty)
    model.load()
    assert (model.base_url, model._aclient.api_key) == ("https://api.anthropic.com", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", empty)
    with pytest.raises(EnvironmentProblem, match="there is no API key"):
        model.load()


def test_plain_http_from_the_environment_is_refused(monkeypatch):
    """An address that nobody wrote into the program does not get the key in the open."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://gateway.example")
    with pytest.raises(EnvironmentProblem) as caught:
        AnthropicLLM("m")
    assert caught.value.code == Code.PLAIN_HTTP
    assert "allow_http=True" in caught.value.hint
    AnthropicLLM("m", allow_http=True).load()


def test_a_given_plain_http_address_needs_leave():
    """Nor does one in the program, unless `allow_http` stands beside it or it is on this machine."""
    with pytest.raises(UsageError) as caught:
        AnthropicLLM("m", base_url="http://gateway.example")
    assert caught.value.code == Code.PLAIN_HTTP
    assert "allow_http=True" in caught.value.hint
    AnthropicLLM("m", base_url="http://gateway.example", allow_http=True).load()
    AnthropicLLM("m", base_url="http://127.0.0.1:9").load()


@pytest.mark.parametrize("address", ["nonsense", "ftp://x.example", "https://", "http://[::1", "https://x:port", 7])
def test_an_address_that_is_none_is_told(address):
    """At once, by the argument's own name."""
    with pytest.raises(UsageError, match=r"`base_url` .* not an address"):
        AnthropicLLM("m", base_url=address)


@pytest.mark.parametrize("rest", ["?key=canary", "/v1?key=canary", "#canary", "/v1#canary?a"])
def test_an_address_with_a_query_or_a_fragment_is_refused(monkeypatch, rest):
    """From the program and from the environment, and what may be a key in it is not repeated."""
    with pytest.raises(UsageError, match=r"`base_url` contains a (query|fragment)") as given:
        AnthropicLLM("m", base_url=f"https://gateway.example{rest}")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"https://gateway.example{rest}")
    with pytest.raises(EnvironmentProblem, match=r"ANTHROPIC_BASE_URL contains a (query|fragment)") as found:
        AnthropicLLM("m")
    assert "canary" not in f"{given.value} {given.value.hint} {found.value} {found.value.hint}"


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


def test_a_rejected_key_ends_the_whole_call():
    """Where no request will succeed `generate` raises that one error, plain."""
    with pytest.raises(RunStopped) as caught:
        generate(refusal(401), [HELLO] * 5)
    assert caught.value.code == Code.KEY_REJECTED


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
from yamlgen.simulator.server import Simulator
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


def test_tracing_keeps_content_out():
    """The client that sends, and the one that is shown, record no prompt."""
    model = AnthropicLLM("m")
    model.load()
    assert model._aclient.open_telemetry["traces"]["content_mode"] == "metadata_only"


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
