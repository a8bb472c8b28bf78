"""What the tests of this folder share: processes that begin quickly, and the reference of an undisturbed run."""

import pytest

from forked_processes import Nursery
from killed_pipeline import Scene, simulator
from threaded_simulator import serving


@pytest.fixture(scope="session")
def nursery(tmp_path_factory):
    """Starts processes."""
    with Nursery(tmp_path_factory.mktemp("nursery")) as one:
        yield one


@pytest.fixture(scope="session")
def scene(tmp_path_factory, nursery):
    """A server, and what an undisturbed run of the pipeline of two steps comes to there."""
    with serving(simulator()) as server:
        yield Scene(nursery, server, tmp_path_factory.mktemp("scene"))
