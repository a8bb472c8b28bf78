"""A step that failed and is null in a finished row: it is told apart from a null item, and found by a retry."""

import pytest
from hand_made_store import ROW, HandMadeStore, ask_all, failed, finished, refused

from yamlgen.errors import Code, RowError
from yamlgen.output.failure_records import list_failures
from yamlgen.row_result import Answer, FailedItem
from yamlgen.store.run_session import open_runs
from yamlgen.value_objects import InputRow

KEYS = (b"one", b"two")


def null(error):
    """The answer of a step that is null because of this error."""
    return Answer(None, error.attempts, error.key, failure=error)


async def lose(run_recorder, row=ROW):
    """A row of which one step is null by two items that failed, one by an expression, and one has a null item."""
    attempts = tuple(await ask_all(run_recorder, KEYS))
    parts = tuple(refused(key, attempt, Code.REFUSED) for key, attempt in zip(KEYS, attempts, strict=True))
    await run_recorder.add(
        finished(
            row,
            facts=null(RowError("item 1: no (and 1 more of 2)", code=Code.REFUSED, attempts=attempts, parts=parts)),
            sums=null(RowError("no sum", code=Code.ROW_TEMPLATE)),
            tags=Answer([None], items=1, lost=(FailedItem(0, "item 1", RowError("item 1: odd", code=Code.INTERNAL)),)),
            null=Answer(None),
        )
    )


@pytest.fixture
def store(tmp_path):
    """A store with a run of two such rows, which share their results."""
    made = HandMadeStore(tmp_path / "store")

    async def work(run_recorder):
        await lose(run_recorder)
        await lose(run_recorder, InputRow(1, {"town": "Rome"}, '"Rome"'))

    made.run("first", work)
    return made


def test_it_is_told_with_its_step_alone(store):
    """Its name is not that of an item; a value that is null by itself is no failure."""
    with open_runs(store.place) as run_reader:
        told = list(list_failures(run_reader, run_reader.run("first")))
    assert [(each.step, each.item, each.is_null, each.message) for each in told[:3]] == [
        ("facts", None, True, "item 1: no (and 1 more of 2)"),
        ("sums", None, True, "no sum"),
        ("tags", "item 1", True, "odd"),
    ]
    assert [each.number for each in told] == [0, 0, 0, 1, 1, 1]


def test_its_record_has_its_items_and_all_attempts(store):
    """Its number and its name are null, which no item's are; the failed rows file has none of them."""
    facts, sums, tags, *_ = store.failed("first", items=True)
    assert [(each["item"], each["case"]) for each in (facts, sums, tags)] == [(None, None), (None, None), (1, "item 1")]
    assert ([item["request"] for item in facts["items"]], len(facts["attempts"])) == (
        [{"messages": ["one"]}, {"messages": ["two"]}],
        2,
    )
    assert (sums["code"], "items" in sums, store.failed("first")) == ("YG501", False, [])


def test_a_row_shows_why_it_is_null(store):
    """`runs show --row` has the null and its reason."""
    steps = store.detail("first", 0)["steps"]
    shown = {name: (step["status"], step["value"]) for name, step in steps.items()}
    assert shown == {name: ("finished", [None] if name == "tags" else None) for name in steps}
    assert [item["message"] for item in steps["sums"]["failed_items"]] == ["no sum"]
    assert "failed_items" not in steps["null"]


def test_it_counts_once_for_each_row(store):
    """However many of its items failed, and though two rows share the result."""
    with open_runs(store.place) as run_reader:
        assert run_reader.nulls(run_reader.run("first")) == (2, 4)


def test_a_retry_asks_for_the_items_that_failed(store):
    """And finds the rows whose step came to no request; once all is mended there is nothing to retry."""

    async def mend(run_recorder):
        assert run_recorder.allows(ROW.identity)
        attempts = await ask_all(run_recorder, (*KEYS, b"three"))
        await run_recorder.add(finished(facts=Answer("x", tuple(attempts))))
        return [attempt.reused for attempt in attempts]

    assert store.run("plain", mend) == [True, True, False]
    assert store.run("again", mend, store.retry("first")) == [False, False, True]
    with open_runs(store.place) as run_reader:
        assert [run_reader.has_to_retry(run_reader.run(name)) for name in ("first", "again")] == [True, False]


def test_the_same_failure_of_a_row_is_another_result(store):
    """A step that is null and one that failed its row are told apart, though the error is the same."""
    error = RowError("no sum", code=Code.ROW_TEMPLATE)

    async def work(run_recorder):
        await run_recorder.add(failed(error))
        await run_recorder.add(finished(InputRow(1, {}, "1"), facts=null(error)))

    store.run("second", work)
    query = "SELECT status, value FROM result WHERE step = 'facts' ORDER BY id DESC LIMIT 2"
    assert store.query(query) == [("finished", "null"), ("failed", None)]
