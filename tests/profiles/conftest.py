"""One run that fails in many ways, for all tests that count what came of it."""

import pytest

import profiled_fields
import profiled_runs as runs


@pytest.fixture(scope="session")
def bad_run(tmp_path_factory):
    """The path of a pipeline whose answers are bad in many ways, the profile of its run, and the entry of it."""
    path = runs.lay_out(tmp_path_factory.mktemp("bad"))
    runs.ran(path)
    return (path, *runs.profiled(path))


@pytest.fixture(scope="session")
def fields_run(tmp_path_factory):
    """The path of a pipeline with draws, samples, a matrix and three outputs, after a run in which items failed."""
    rows = [{"id": f"r{number}", "text": "t"} for number in range(30)]
    path = profiled_fields.write(tmp_path_factory.mktemp("fields"), rows)
    profiled_fields.run(path, faults=["invalid_output=0.1"])
    return path
