"""A step that was not done for a row, because its `when` did not hold."""

import pytest
from hand_made_store import SKIPPED, HandMadeStore, ask, failed, finished, refused

from yamlgen.errors import Code
from yamlgen.row_result import Answer


@pytest.fixture
def hand_made_store(tmp_path):
    """A store with a run of one row: a step finished, one was skipped, and one gave null."""
    made = HandMadeStore(tmp_path / "store")

    async def work(run_recorder):
        attempt = await ask(run_recorder, b"key")
        await run_recorder.add(finished(facts=Answer("x", (attempt,), b"key"), line=SKIPPED, null=Answer(None)))

    made.run("first", work, provenance=True)
    return made


def test_a_row_says_that_a_step_was_skipped(hand_made_store):
    """`runs show --row` tells a skipped step from one whose value is null."""
    steps = hand_made_store.detail("first", 0)["steps"]
    assert {name: step["status"] for name, step in steps.items()} == {
        "facts": "finished",
        "line": "skipped",
        "null": "finished",
    }
    assert steps["line"] == {"status": "skipped", "attempts": [], "value": None}


def test_a_skipped_step_is_null_in_the_output(hand_made_store):
    """The output row has the step, with null for its value, and its provenance says that it was skipped."""
    (row,) = hand_made_store.rows("first")
    provenance = row.pop("provenance")
    assert row == {"town": "Oslo", "facts": "x", "line": None, "null": None}
    assert provenance["line"] == {"skipped": True}
    assert provenance["facts"]["models"] == ["m"]
    assert provenance["null"]["runs"] == []


def test_a_skipped_step_beside_a_failed_one(hand_made_store):
    """In the file of failed rows a skipped step is null among the values."""

    async def work(run_recorder):
        await run_recorder.add(failed(refused(b"key", await ask(run_recorder, b"key"), Code.REFUSED), line=SKIPPED))

    hand_made_store.run("second", work)
    (row,) = hand_made_store.failed("second")
    assert (row["step"], row["steps"]) == ("facts", {"line": None})
