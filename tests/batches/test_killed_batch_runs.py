"""`kill -9` in the life of a batch: nothing is billed twice, nothing is lost, and the output is that of one run."""

import pytest

from killed_batch_runs import CALM, MOST_ROWS, STORMY, BatchKills


@pytest.fixture(scope="module")
def kills(tmp_path_factory, fork_server):
    """A fork server, and what an undisturbed run comes to."""
    return BatchKills(fork_server, tmp_path_factory.mktemp("kills"))


@pytest.mark.parametrize(
    "failpoints",
    [
        ("batch-gathered", "batch-intended", "batch-posted", "batch-ended"),
        ("batch-sent", "batch-collected", "batch-sent"),
        ("before-commit:6", "after-commit:5", "before-commit:2", "after-commit:1"),
    ],
    ids="-".join,
)
def test_kills_cost_nothing(failpoints, kills):
    """Each run goes on from the store and from what the API has; no request succeeds in two batches."""
    audit = kills.run_with_kills(*failpoints)
    assert (audit.codes, audit.twice) == ([-9] * len(failpoints) + [1], [])


def test_kills_among_faults_cost_nothing(kills):
    """Creations are lost, results are cut or come twice, and requests expire or fail on top of it."""
    # Not "batch-sent": how requests gather depends on time, and all creations of a run may be lost before it.
    audit = kills.run_with_kills("batch-intended", "batch-posted", "after-commit:5", faults=STORMY)
    assert (audit.codes, audit.twice) == ([-9] * 3 + [1], [])
    assert audit.batches > 4


@pytest.mark.parametrize("faults", [CALM, STORMY], ids=["calm", "stormy"])
def test_kills_while_results_are_stored_cost_nothing(faults, kills):
    """Some of the results are in the store: the others are read again, and are the only ones that are stored."""
    audit = kills.run_with_kills("batch-collecting", "batch-collected", rows=MOST_ROWS, faults=faults)
    assert (audit.codes, audit.twice) == ([-9, -9, 1], [])
