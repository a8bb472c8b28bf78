"""A retry that is killed, and said again, pays for nothing that the first one had."""

import pytest

from killed_retries import CONCURRENCY, ROWS, retry_with_kills, simulator
from threaded_simulator import serving


@pytest.mark.parametrize("numbers", [(30,), (1,), (20, 15)], ids=["once", "at once", "twice"])
def test_a_killed_retry_is_gone_on_with(tmp_path, fork_server, numbers):
    """Rows that failed in it again stay failed; each other row is asked once, but for what was in flight."""
    with serving(simulator()) as server:
        told = retry_with_kills(fork_server, server, tmp_path / "towns", *numbers)
    assert told.codes == [*[-9] * len(numbers), 1]
    assert told.answers == ROWS
    assert ROWS <= told.paid <= ROWS + CONCURRENCY * len(numbers)
