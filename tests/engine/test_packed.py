"""What an engine is given is values: packed, sent to another process, and run there."""

import asyncio
import pickle
import shutil
import sys
from pathlib import Path

from packed_run import lines

from yamlgen.api.loading import load
from yamlgen.claude.provider import ClaudeProvider
from yamlgen.simulator.server import Simulator

EVERY = Path(__file__).parent.parent / "pins" / "every"


def test_a_plan_and_a_provider_run_where_they_are_sent(tmp_path):
    """Each kind of step comes to the same in a process that has loaded no pipeline, from a plan and a configuration."""
    for name in ("every.yaml", "scoring.py", "towns.jsonl"):
        shutil.copy(EVERY / name, tmp_path)
    pipeline = load(tmp_path / "every.yaml")
    plan, script = pipeline.plan(), Path(__file__).with_name("packed_run.py")

    async def main():
        async with Simulator(seed=3) as simulator:
            provider = ClaudeProvider(plan.runtime, base_url=simulator.url, simulator="seed 3")
            packed = pickle.dumps((plan, provider, list(pipeline.source.rows(None, plan.columns))))
            call = sys.executable, script, tmp_path / "there"
            pipe = asyncio.subprocess.PIPE
            child = await asyncio.create_subprocess_exec(*call, stdin=pipe, stdout=pipe)
            there, _ = await child.communicate(packed)
            return there, await lines(packed, tmp_path / "here")

    there, here = asyncio.run(main())
    assert there == here
    assert there.count(b"\n") == 6
