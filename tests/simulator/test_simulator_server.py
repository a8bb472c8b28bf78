"""The simulator as a server: headers, models, token counts, starting and stopping."""

import asyncio
import subprocess
import sys
import time

import aiohttp
import anthropic
import pytest
from anthropic.types import ModelCapabilities, ModelInfo

from simulator_calls import ask, talk
from yamlgen import model_capabilities
from yamlgen.errors import EnvironmentProblem, UsageError
from yamlgen.model_capabilities import CONTEXT_EDITS
from yamlgen.simulator import catalogue
from yamlgen.simulator.server import Simulator


def asked(**more):
    """A small request."""
    return {
        "model": "claude-haiku-5-5",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": "Tell me about Oslo."}],
        **more,
    }


def test_headers_carry_a_request_id_and_the_rate_limits():
    """What a client reads from headers is there."""

    async def headers(client, _):
        return (await client.messages.with_raw_response.create(**asked())).headers

    found = talk(headers)
    assert found["request-id"].startswith("req_sim_")
    for pool in ("requests", "input-tokens", "output-tokens", "tokens"):
        limit = int(found[f"anthropic-ratelimit-{pool}-limit"])
        assert 0 < int(found[f"anthropic-ratelimit-{pool}-remaining"]) < limit
        assert found[f"anthropic-ratelimit-{pool}-reset"].endswith("Z")


def test_tokens_are_counted():
    """`count_tokens` says what a message would use."""

    async def both(client, _):
        body = asked(tools=[{"name": "x", "input_schema": {"type": "object"}}])
        message = await client.messages.create(**body)
        del body["max_tokens"]
        return message.usage.input_tokens, (await client.messages.count_tokens(**body)).input_tokens

    used, counted = talk(both)
    assert used == counted


def test_all_models_are_listed_over_pages():
    """The SDK pages through the list, and each entry parses."""

    async def models(client, _):
        return [model async for model in client.models.list(limit=5)]

    found = talk(models)
    assert len({model.id for model in found}) == len(found) > 20
    for model in found:
        assert model.type == "model"
        assert model.display_name.startswith("Claude ")
        assert model.capabilities.structured_outputs.supported is True


def test_a_page_can_be_asked_for_backwards():
    """`before_id` gives what stands before an entry."""

    async def pages(client, _):
        first = await client.models.list(limit=3)
        second = await client.models.list(limit=3, after_id=first.last_id)
        return first, await client.models.list(limit=3, before_id=second.first_id)

    first, back = talk(pages)
    assert [model.id for model in back.data] == [model.id for model in first.data]
    assert first.has_more is True
    assert back.has_more is False


def test_models_are_listed_by_their_stage_of_life():
    """Retired ones only when they are asked for; legacy ones are active to the API."""

    async def stages(client, _):
        asked = (["active"], ["deprecated"], ["retired"], ["active", "deprecated"], anthropic.omit)
        found = [[model async for model in client.models.list(lifecycle=stage)] for stage in asked]
        backwards = await client.models.list(lifecycle=["retired"], limit=2, before_id="claude-3-haiku-20240307")
        with pytest.raises(anthropic.BadRequestError, match="lifecycle"):
            await client.models.list(lifecycle=["old"])
        return found, backwards

    (active, deprecated, retired, both, default), backwards = talk(stages)
    for models, stage in ((active, "active"), (deprecated, "deprecated"), (retired, "retired")):
        assert {model.lifecycle for model in models} == {stage}
    assert "claude-opus-5" in {model.id for model in active}
    assert sorted(model.id for model in both) == sorted(model.id for model in active + deprecated)
    assert [model.id for model in default] == [model.id for model in both]
    assert [model.id for model in backwards.data] == ["claude-3-opus-20240229", "claude-3-sonnet-20240229"]
    assert backwards.has_more is True


@pytest.mark.parametrize("model", [*model_capabilities.MODELS, *model_capabilities.DATED])
def test_a_model_is_described_as_the_table_says(model):
    """Limits, life, efforts, types of thinking and fallbacks, read by the SDK's own types."""
    known = model_capabilities.of(model)
    assert set(ModelInfo.model_fields) <= set(catalogue.info(model))
    assert set(ModelCapabilities.model_fields) <= set(catalogue.info(model)["capabilities"])
    told = ModelInfo.model_validate(catalogue.info(model), strict=False)
    assert (told.max_input_tokens, told.max_tokens) == (known.context, known.max_output_tokens)
    assert told.lifecycle == {"legacy": "active"}.get(known.lifecycle, known.lifecycle)
    assert (told.retires_at.date().isoformat() if told.retires_at else None) == known.retires
    able = told.capabilities
    assert able.effort.supported == bool(known.efforts)
    assert [level for level in model_capabilities.EFFORTS if getattr(able.effort, level).supported] == list(
        known.efforts
    )
    types = able.thinking.types
    assert {kind for kind in model_capabilities.THINKING if getattr(types, kind).supported} == set(known.thinking)
    assert able.structured_outputs.supported == known.native_output
    assert (able.server_tools.supported, able.code_execution.supported) == (known.server_tools, known.code_calls)
    edits = able.context_management
    assert [edit for edit in CONTEXT_EDITS if getattr(edits, edit).supported] == list(known.context_edits)
    fallbacks = catalogue.info(model)["allowed_fallback_models"]
    assert fallbacks == (None if known.fallbacks is None else list(known.fallbacks))


def test_one_model_is_described():
    """`GET /v1/models/{id}` knows dated and retired ids too, and not those of others."""

    async def models(client, _):
        dated = await client.models.retrieve("claude-haiku-4-5-20251001")
        old = await client.models.retrieve("claude-sonnet-4-20250514")
        with pytest.raises(anthropic.NotFoundError):
            await client.models.retrieve("my-model")
        return dated, old

    dated, old = talk(models)
    assert (dated.display_name, dated.line, dated.created_at.year) == ("Claude Haiku 4.5", "haiku", 2025)
    assert (old.display_name, old.lifecycle) == ("Claude Sonnet 4", "retired")
    assert old.capabilities.structured_outputs.supported is False


def test_requests_are_counted_by_path_and_status():
    """A test can see what was served."""

    async def conversation(client, simulator):
        await client.messages.create(**asked())
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.create(**{**asked(), "model": "claude-nope"})
        return dict(simulator.requests)

    assert talk(conversation) == {("/v1/messages", 200): 1, ("/v1/messages", 404): 1}


def test_only_loopback_is_listened_on():
    """A server that takes any key stays on this machine."""
    for host in ("0.0.0.0", "192.168.1.1", "example.com", ""):  # noqa: S104 - refused, that is the test
        with pytest.raises(UsageError, match="does not listen") as caught:
            asyncio.run(Simulator().start(host))
        assert caught.value.hint == "use 127.0.0.1: the simulator accepts any key, so it only listens on this machine"


@pytest.mark.parametrize(("latency", "shown"), [(-1, "-1"), (-0.5, "-0.5"), (float("inf"), "inf")])
def test_a_latency_is_a_time(latency, shown):
    """Neither negative nor endless."""
    with pytest.raises(UsageError, match=f"the latency must be 0 or more seconds, not {shown}$"):
        Simulator(latency=latency)


def test_a_taken_port_is_an_error_of_the_environment():
    """Two servers do not share a port, and the second one says so."""

    async def conversation(_, simulator):
        other = Simulator()
        with pytest.raises(EnvironmentProblem, match="cannot listen"):
            await other.start(port=int(simulator.url.rpartition(":")[2]))

    talk(conversation)


def test_latency_delays_each_message_and_stopping_does_not_wait_for_it():
    """A slow answer is slow; a stopped server is stopped."""
    start = time.monotonic()
    ask(asked(), latency=0.2)
    assert time.monotonic() - start >= 0.2

    async def stopped():
        simulator = Simulator(latency=60)
        url = await simulator.start()
        async with aiohttp.ClientSession() as session:
            headers = {"x-api-key": "x", "anthropic-version": "2026-10-21"}
            waiting = asyncio.create_task(session.post(f"{url}/v1/messages", json=asked(), headers=headers))
            await asyncio.sleep(0.2)
            start = time.monotonic()
            await simulator.stop()
            with pytest.raises(aiohttp.ClientError):
                await asyncio.wait_for(waiting, 5)
            return time.monotonic() - start

    assert asyncio.run(stopped()) < 5


def test_stopping_twice_is_harmless():
    """`stop` can be called at any time."""

    async def main():
        simulator = Simulator()
        await simulator.stop()
        await simulator.start()
        await simulator.stop()
        await simulator.stop()

    asyncio.run(main())


def test_neither_sdk_is_imported():
    """`yamlgen simulate` starts fast: the simulator needs neither anthropic nor instructor."""
    code = "import sys, yamlgen.simulator.server; print({'anthropic', 'instructor'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
