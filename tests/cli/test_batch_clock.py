"""Batches on a machine whose clock is wrong: what counts is the clock of the API."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from detached_runs import calls_at
from threaded_simulator import serving
from yamlgen.claude import batch_calls
from yamlgen.exit_codes import ExitCode
from yamlgen.simulator.faults import Faults
from yamlgen.simulator.server import Simulator

DAY = 86_400
PIPELINE = """\
version: 1
batch: true
input: {rows: [{n: 1}, {n: 2}, {n: 3}]}
steps: {note: {model: claude-haiku-5-5, max_tokens: 100, prompt: "Say {{ row.n }}"}}
output: {path: out.jsonl}
"""


@pytest.fixture
def run(tmp_path, monkeypatch, call):
    """Runs a pipeline at a simulator, with a clock that is so many days ahead."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(PIPELINE, encoding="utf-8")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "our-key")

    def started(server, days, *options):
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        clock = SimpleNamespace(time=lambda: time.time() + days * DAY, monotonic=time.monotonic)
        monkeypatch.setattr(batch_calls, "time", clock)
        return call("run", "p.yaml", *options).code

    return started


def batches_at(url):
    """The number of batches at an API."""

    async def main():
        async with calls_at(url) as calls:
            return len((await calls.list())[0])

    return asyncio.run(main())


@pytest.mark.parametrize("days", [-40, 40])
def test_a_batch_is_not_lost_because_the_clock_jumps(run, days):
    """The next run waits for it, and sends nothing again."""
    with serving(Simulator(batch_delay=1)) as server:
        assert run(server, 0, "--detach") == ExitCode.DETACHED
        assert run(server, days) == 0
        assert server.requests["/v1/messages", 200] == 1
        assert batches_at(server.url) == 1


@pytest.mark.parametrize("days", [-1, 1])
def test_a_creation_in_doubt_is_found_whatever_the_clock_says(run, days):
    """It is not created again."""
    with serving(Simulator(batch_delay=1, faults=Faults.parse(["batch_lost=1"]))) as server:
        assert run(server, days) == 0
        assert batches_at(server.url) == 1
