"""A step that is null for a row for which it fails: the row goes on, and those that read the step are skipped."""

import asyncio

import pytest
from fan_out_runs import LIST, NULLS, FanOutRun

from fake_engine import ONE, PAID, SIDE, TWO, FakeRun, echo, refused
from yamlgen.errors import Code, RowError, RunStopped
from yamlgen.events import ItemFailed, RowFinished, StepFailed, StepFinished, StepSkipped

NULL = ONE.replace("{model", "{on_error: null, model")
FAN = LIST + '  fan: {on_error: null, model: m, for_each: steps.list.all, prompt: "fan {{ item }}"}\n'


def failing(*texts, error=None):
    """A reply that refuses these texts, or fails them otherwise."""

    async def reply(_step, text, _watch):
        if text in texts:
            raise refused() if error is None else error
        return text

    return reply


def test_a_step_that_fails_is_null_and_its_row_finishes(tmp_path):
    """It is told with its code and its reason before it finishes; its attempts are kept; other rows have values."""
    run = FakeRun(tmp_path, failing("one 0"), NULL + SIDE, rows=2)()
    assert [row["one"] for row in run.sink.rows.values()] == [None, "one 1"]
    assert (run.sink.failed, run.of(StepFailed), len(run.of(RowFinished))) == ({}, [], 2)
    told = [event for event in run.events if isinstance(event, ItemFailed | StepFinished) and event.step == "one"]
    assert told[:2] == [ItemFailed(0, "one", None, "YG504", "no"), StepFinished(0, "one")]


def test_its_result_has_its_attempts_and_its_error(tmp_path):
    """What was paid for it, and why it failed, is stored with the row."""
    kept = []
    run = FakeRun(tmp_path, failing("one 0"), NULL, rows=1)
    add = run.sink.add

    async def look(outcome):
        kept.append(outcome.answers["one"])
        await add(outcome)

    run.sink.add = look
    run()
    assert [(each.value, each.attempts, each.failure.message) for each in kept] == [(None, (PAID,), "no")]


def test_what_reads_it_is_skipped_like_what_reads_a_skipped_step(tmp_path):
    """Unless its own `when` tests for it; what reads a step that was skipped for it is skipped as well."""
    steps = (
        NULL
        + TWO
        + '  three: {model: m, prompt: "three {{ steps.two }}"}\n'
        + '  instead: {model: m, prompt: "instead", when: steps.one is none}\n'
        + '  branch: {model: m, prompt: "{% if row.n == 5 %}{{ steps.one }}{% endif %}branch"}\n'
    )
    run = FakeRun(tmp_path, failing("one 0"), steps, rows=1)()
    assert run.sink.rows[0] == {
        "n": 0, "one": None, "two": None, "three": None, "instead": "instead", "branch": "branch"
    }  # fmt: skip
    assert {event.step for event in run.of(StepSkipped)} == {"two", "three"}


@pytest.mark.parametrize(
    "step",
    [
        "  one: {kind: compute, on_error: null, values: {a: 1 / row.n}}\n",
        '  one: {model: m, on_error: "null", when: 1 / row.n > 0, prompt: "one"}\n',
        '  one: {model: m, on_error: null, for_each: "[1 / row.n]", prompt: "{{ item }}"}\n',
        '  one: {model: m, on_error: null, on_item_error: null, for_each: "[1] * 100001", prompt: "{{ item }}"}\n',
    ],
    ids=["value", "when", "for_each", "too long"],
)
def test_every_failure_of_every_kind_of_step_is_covered(tmp_path, step):
    """An expression that fails, in `when` too, and a `for_each` that is too long: nothing is asked."""
    run = FakeRun(tmp_path, echo, step, rows=1)()
    assert (run.sink.rows[0]["one"], run.models.asked) == (None, [])
    assert [(event.case, event.code) for event in run.of(ItemFailed)] == [(None, "YG501")]


def test_a_fault_of_ours_is_null_too(tmp_path):
    """As an item's is: the row goes on, and the error asks to be reported."""
    run = FakeRun(tmp_path, failing("one 0", error=ZeroDivisionError("oh")), NULL, rows=1)()
    assert [(event.code, event.message) for event in run.of(ItemFailed)] == [("YG599", "ZeroDivisionError: oh")]


def test_a_list_of_which_an_item_fails_is_null_as_a_whole(tmp_path):
    """Under `on_item_error: fail`; the parts of its error are the items that failed."""
    run = FanOutRun(tmp_path, failing("fan 1", "fan 2"), FAN)()
    assert run.value() is None
    (event,) = run.of(ItemFailed)
    assert (event.case, event.message) == (None, "item 2: no (and 1 more of 4)")


def test_with_null_items_a_list_has_nulls_and_is_not_null(tmp_path):
    """`on_item_error: null` comes first: there is nothing left that could fail."""
    run = FanOutRun(tmp_path, failing("fan 1"), NULLS.replace("{on_item", "{on_error: null, on_item"))()
    assert run.value() == ["fan 0", None, "fan 2", "fan 3"]
    assert [event.case for event in run.of(ItemFailed)] == [1]


@pytest.mark.parametrize("steps", [NULL, FAN], ids=["one", "fan"])
def test_a_missing_answer_is_not_null(tmp_path, steps):
    """Where the run may not ask, the row lacks an answer: the step did not fail."""
    error = RowError("none", code=Code.NOT_STORED)
    run = FanOutRun(tmp_path, failing("one ", "fan 2", error=error), steps)()
    run = run if steps is FAN else FakeRun(tmp_path, failing("one 0", error=error), steps, rows=1)()
    assert [each.code for each in run.sink.failed[0].failures.values()] == [Code.NOT_STORED]
    assert run.of(ItemFailed) == []


def test_an_error_of_the_whole_run_still_ends_it(tmp_path):
    """A rejected key is no failure of a row."""
    rejected = RunStopped("rejected", code=Code.KEY_REJECTED)
    with pytest.raises(RunStopped, match="rejected"):
        FakeRun(tmp_path, failing("one 0", error=rejected), NULL, rows=1)()


def test_a_cancelled_step_is_not_null(tmp_path):
    """A row whose step was left undone has no result; what was answered in time has."""

    async def reply(_step, text, _watch):
        if text == "one 0":
            run.cancellation.request("enough")
            return text
        await asyncio.sleep(0.05)
        run.models.cancellation.check_sending()
        return text

    run = FakeRun(tmp_path, reply, NULL + TWO, rows=1)
    run()
    assert (run.sink.rows, run.of(ItemFailed), run.undone) == ({}, [], True)


def test_a_null_step_counts_for_max_failures(tmp_path):
    """Rows that lost a step count as failed ones, once each, and the message says so."""
    texts = [f"{step} {n}" for step in ("one", "side") for n in range(9)]
    steps = NULL + SIDE.replace("{model", "{on_error: null, model")
    run = FakeRun(tmp_path, failing(*texts), steps, rows=9, concurrency=1, limits={"max_failures": 2})()
    assert "3 rows failed or lost a step, more than 2" in run.budget.error.message
    assert run.sink.failed == {}


@pytest.mark.parametrize("steps", [NULL, FAN.replace("row.n", "2")], ids=["one", "fan"])
def test_useless_answers_of_null_steps_stop_a_run(tmp_path, steps):
    """As they do where they fail rows; of a list one item is enough, because all of it is null."""

    async def reply(_step, text, _watch):
        if text.endswith("1") or steps is NULL:
            _watch.received(PAID, cause="first")
            raise refused(Code.TRUNCATED)
        return text

    run = FanOutRun(tmp_path, reply, steps, rows=[2] * 60, concurrency=1)()
    assert "`limits.max_unusable`: 50 of the first 50 billed rows" in run.budget.error.message
