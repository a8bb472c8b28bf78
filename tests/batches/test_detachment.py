"""A run that leaves batches says how many they are, and how to go on, to look, and to cancel."""

import pytest

from yamlgen.batches.detachment import detached, still_processed, ways_on
from yamlgen.errors import Code, Detached, RunStopped
from yamlgen.exit_codes import ExitCode
from yamlgen.option_names import cli_option_names


def test_the_error_has_an_exit_code_of_its_own():
    """Nothing failed: the run is to be continued."""
    error = detached(2, 988, "r1")
    assert isinstance(error, RunStopped)
    assert (type(error), error.code, error.exit_code) == (Detached, Code.DETACHED, ExitCode.DETACHED)
    assert error.message == "2 batches with 988 requests are still in progress"
    assert error.hint == ways_on(2, "r1")


@pytest.mark.parametrize(
    ("batches", "requests", "fact"),
    [
        (1, 1, "1 batch with 1 request is still in progress"),
        (1, 100_000, "1 batch with 100,000 requests is still in progress"),
        (3, 200_001, "3 batches with 200,001 requests are still in progress"),
    ],
)
def test_counts_are_counted(batches, requests, fact):
    """In words that fit their number."""
    assert still_processed(batches, requests) == fact


def test_the_ways_on_are_for_the_reader():
    """Commands for who typed one, calls for a Python program."""
    with cli_option_names():
        assert ways_on(2, "r1") == (
            "`yamlgen run` with the same arguments collects their results; "
            "`yamlgen runs show r1` shows them; `yamlgen runs cancel r1` cancels them"
        )
    assert ways_on(1, "r1") == (
        "the same call collects its results; `yamlgen.show(run='r1')` shows it; `yamlgen.cancel(run='r1')` cancels it"
    )
