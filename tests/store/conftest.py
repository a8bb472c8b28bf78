"""What the tests of this folder share: the reference of an undisturbed run."""

import pytest

from killed_pipeline import KillScenario, simulator
from threaded_simulator import serving


@pytest.fixture(scope="session")
def kill_scenario(tmp_path_factory, fork_server):
    """A server, and what an undisturbed run of the pipeline of two steps comes to there."""
    with serving(simulator()) as server:
        yield KillScenario(fork_server, server, tmp_path_factory.mktemp("kill_scenario"))
