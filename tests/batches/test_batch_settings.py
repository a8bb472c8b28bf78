"""The settings of a model and of a connection in a batch: in its requests, in its headers, and apart by betas."""

import asyncio
import json

import pytest

from batch_server import GOOD_KEY, BatchServer
from batched_runs import shorten_waits
from yamlgen.api.canceled_batches import _calls
from yamlgen.api.loading import load
from yamlgen.api.run_execution import execute
from yamlgen.api.run_options import RunOptions
from yamlgen.batches.batch_store import BatchOrigin
from yamlgen.errors import Code, UsageError

VALUE = "hunter2-canary-of-a-gateway"
MODEL = {
    "id": "claude-opus-5-5",
    "service_tier": "standard_only",
    "inference_geo": "us",
    "metadata": {"user_id": "{{ row.user }}"},
    "betas": ["context-1m-2025-08-07"],
    "extra_body": {"container": "c_1"},
}
RUNTIME = {"headers": {"x-team": {"env": "TEAM"}}, "workspace": "wrkspc_1"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a pipeline with these steps for four rows, all requests in batches, and return the server."""
    shorten_waits(monkeypatch)
    monkeypatch.setenv("ANTHROPIC_API_KEY", GOOD_KEY)
    monkeypatch.setenv("TEAM", VALUE)

    def ran(steps, runtime=None, **options):
        async def main():
            async with BatchServer() as server:
                rows = [{"town": f"Town {number}", "user": f"u{number}"} for number in range(4)]
                document = {"version": 1, "input": {"rows": rows}, "steps": steps, "output": {"path": "out.jsonl"}}
                document["runtime"] = {"base_url": server.url, **(runtime or {})}
                (tmp_path / "p.yaml").write_text(json.dumps(document))
                await execute(load(tmp_path / "p.yaml"), options=RunOptions(**options))
                return server

        return asyncio.run(main())

    return ran


def test_the_settings_are_in_each_request_and_the_headers_in_the_creation(run):
    """As in a request by itself."""
    server = run({"s": {"model": MODEL, "prompt": "On {{ row.town }}.", "batch": True}}, RUNTIME)
    (batch,) = server.batches.values()
    for params in batch.requests.values():
        number = params["messages"][0]["content"][-2]
        assert params["metadata"] == {"user_id": f"u{number}"}
        assert [params[name] for name in ("service_tier", "inference_geo", "container")] == [
            "standard_only",
            "us",
            "c_1",
        ]
    (headers,) = server.headers
    assert headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert (headers["x-team"], headers["anthropic-workspace-id"]) == (VALUE, "wrkspc_1")


def test_requests_of_other_betas_are_in_a_batch_of_their_own(run):
    """A batch has one header for all of its requests."""
    other = {**MODEL, "betas": ["a-2026-01-01"]}
    steps = {
        name: {"model": model, "prompt": f"{name}: {{{{ row.town }}}}."} for name, model in (("s", MODEL), ("t", other))
    }
    server = run(steps, batch=True)
    told = [headers["anthropic-beta"] for headers in server.headers]
    assert sorted(told) == ["a-2026-01-01", "context-1m-2025-08-07"]


def test_another_process_cancels_a_batch_with_the_headers_of_its_creation(monkeypatch):
    """A batch is found only in its workspace, and a gateway wants its header."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", GOOD_KEY)
    monkeypatch.setenv("TEAM", VALUE)

    async def told():
        async with BatchServer() as server:
            batch = server.add({})
            told = {"headers": (("x-team", "TEAM"),), "workspace": "wrkspc_1"}
            origin = BatchOrigin(server.url, "ANTHROPIC_API_KEY", "2026-10-21", **told)
            async with _calls(origin) as calls:
                await calls.cancel(batch.id)
            return server.headers[0]

    headers = asyncio.run(told())
    assert (headers["x-team"], headers["anthropic-workspace-id"]) == (VALUE, "wrkspc_1")


def test_a_fast_step_is_not_batched_by_an_option(run):
    """The API would refuse each request of the batch."""
    with pytest.raises(UsageError) as raised:
        run({"s": {"model": "claude-opus-5-5", "speed": "fast", "prompt": "On {{ row.town }}."}}, batch=True)
    assert raised.value.code is Code.SETTING_REFUSED
    assert "`speed: fast`" in raised.value.message
