"""A run that is interrupted while it waits for batches, as a process: it names them, and the ways to continue."""

import re
import signal
import time

import pytest

import yamlgen
from threaded_simulator import serving
from yamlgen.simulator.server import Simulator


@pytest.fixture
def waiting(small, fork_server):
    """A run of the small pipeline that waits for a batch of a minute."""
    with serving(Simulator(batch_delay=60)) as api:
        environment = {"ANTHROPIC_API_KEY": "any", "ANTHROPIC_BASE_URL": api.url}
        process = fork_server.start(small, "run", "small.yaml", "--batch", "--progress", "plain", **environment)
        process.until_said(" posted\n")
        time.sleep(0.5)
        yield process
        process.kill()


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupted_run_names_its_batches(waiting, times):
    """After one Ctrl-C, and after two, of which the second comes while the run ends."""
    waiting.send(signal.SIGINT)
    waiting.until_said("\nstopping: ")
    if times > 1:
        waiting.send(signal.SIGINT)
    ended = waiting.wait()
    said = ended.err
    assert ended.code == 130
    assert re.search(r"^batch msgbatch_sim_.* posted$", said, re.MULTILINE)
    (run,) = yamlgen.runs("small.yaml")
    assert run.status == "detached"
    assert "stopping: the API continues to process the batches\n" in said
    assert "is still in progress: `yamlgen run` with the same arguments collects its results" in said
    assert f"`yamlgen runs cancel {run.name}` cancels it\n" in said
