"""A run that is interrupted while it waits for batches, as a process: it names them, and the ways to continue."""

import os
import signal
import subprocess
import time

import pytest

import yamlgen
from threaded_simulator import serving
from yamlgen.simulator.server import Simulator


@pytest.fixture
def waiting(small, program):
    """A run of the small pipeline that waits for a batch of a minute."""
    with serving(Simulator(batch_delay=60)) as api:
        environment = {**os.environ, "ANTHROPIC_API_KEY": "any", "ANTHROPIC_BASE_URL": api.url}
        command = [program, "run", "small.yaml", "--batch", "--progress", "plain"]
        process = subprocess.Popen(command, cwd=small, env=environment, text=True, stderr=subprocess.PIPE)
        try:
            posted = next(line for line in process.stderr if line.endswith(" posted\n"))
            assert posted.startswith("batch msgbatch_sim_")
            time.sleep(0.5)
            yield process
        finally:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupted_run_names_its_batches(waiting, times):
    """After one Ctrl-C, and after two, of which the second comes while the run ends."""
    waiting.send_signal(signal.SIGINT)
    said = next(line for line in waiting.stderr if line.startswith("stopping: "))
    if times > 1:
        waiting.send_signal(signal.SIGINT)
    said += waiting.communicate(timeout=20)[1]
    assert waiting.returncode == 130
    (run,) = yamlgen.runs("small.yaml")
    assert run.status == "detached"
    assert "stopping: the API continues to process the batches\n" in said
    assert "is still in progress: `yamlgen run` with the same arguments collects its results" in said
    assert f"`yamlgen runs cancel {run.name}` cancels it\n" in said
