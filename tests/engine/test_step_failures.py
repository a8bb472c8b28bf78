"""A step of which items fail: the row is set aside with all of them, or goes on with nulls."""

import pytest
from fan_out_runs import FAN, LIST, NULLS, FanOutRun, repeat

from fake_engine import PAID, refused
from yamlgen.errors import Code, RowError
from yamlgen.events import ItemFailed, RequestSent, RowFailed, StepFinished


def failing(*texts, code=Code.REFUSED):
    """A reply that refuses these texts."""

    async def reply(_step, text, _watch):
        if text in texts:
            raise refused(code)
        return text

    return reply


def test_one_failed_item_fails_the_step(tmp_path):
    """The row is set aside with the item's error, which says which item it was; the other items were asked."""
    run = FanOutRun(tmp_path, failing("fan 2"))()
    error = run.error()
    assert (error.message, error.code, error.request) == ("item 3: no", Code.REFUSED, {"model": "m"})
    assert [part.message for part in error.parts] == ["item 3: no"]
    assert sorted(run.texts) == ["fan 0", "fan 1", "fan 2", "fan 3"]
    assert run.of(RowFailed) == [RowFailed(0, "fan", "YG504", "item 3: no")]


def test_the_attempts_of_all_items_are_the_rows(tmp_path):
    """What was paid for a failed row counts the items that went well, too, in the order of the items."""
    error = FanOutRun(tmp_path, failing("fan 1"))().error()
    assert [attempt.errors == PAID.errors for attempt in error.attempts] == [False, True, False, False]
    assert [attempt.case for attempt in error.attempts] == ["item 1", "item 2", "item 3", "item 4"]
    assert [part.attempts for part in error.parts] == [(PAID,)]


def test_several_failures_are_told_by_the_first(tmp_path):
    """The message counts the others; each is a part with its own code."""
    codes = {"fan 1": Code.TRUNCATED, "fan 3": Code.REFUSED}

    async def reply(_step, text, _watch):
        if text in codes:
            raise refused(codes[text])
        return text

    error = FanOutRun(tmp_path, reply)().error()
    assert (error.message, error.code) == ("item 2: no (and 1 more of 4)", Code.TRUNCATED)
    assert [(part.message, part.code) for part in error.parts] == [
        ("item 2: no", Code.TRUNCATED),
        ("item 4: no", Code.REFUSED),
    ]


def test_a_case_is_named_by_item_labels_and_sample(tmp_path):
    """Which case failed is told by all that tells it from the others."""
    step = (
        "  fan: {model: m, for_each: steps.list.all, matrix: {tone: [dry, warm]}, samples: 2, "
        'prompt: "{{ item }} {{ matrix.tone }}"}\n'
    )
    error = FanOutRun(tmp_path, failing("1 warm"), LIST + step, rows=[2])().error()
    assert error.message == "item 2, tone=warm, sample 1: no (and 1 more of 8)"


def test_a_failed_item_is_null_where_that_is_wanted(tmp_path):
    """With `on_item_error: "null"` the row goes on; each null is told with its item, its code and its reason."""
    run = FanOutRun(tmp_path, failing("fan 0", "fan 2"), NULLS)()
    assert run.value() == [None, "fan 1", None, "fan 3"]
    assert run.of(ItemFailed) == [
        ItemFailed(0, "fan", 0, "YG504", "item 1: no"),
        ItemFailed(0, "fan", 2, "YG504", "item 3: no"),
    ]
    assert (run.sink.failed, len(run.of(StepFinished))) == ({}, 2)


def test_a_null_may_stand_deep_in_a_value(tmp_path):
    """A failed sample is null among its samples, below the labels of its combination."""

    async def reply(_step, text, _watch):
        if text == "warm" and run.samples[-1] == 1:
            raise refused()
        return text

    step = '  fan: {on_item_error: "null", model: m, matrix: {t: [dry, warm]}, samples: 2, prompt: "{{ matrix.t }}"}\n'
    run = FanOutRun(tmp_path, reply, step, width=1)
    assert run().value() == [{"t": "dry", "output": ["dry", "dry"]}, {"t": "warm", "output": ["warm", None]}]
    assert [event.case for event in run.of(ItemFailed)] == [3]


def test_all_items_may_be_null(tmp_path):
    """A row of which every item failed is a row of nulls, where nulls are wanted."""
    run = FanOutRun(tmp_path, failing("fan 0", "fan 1"), NULLS, rows=[2])()
    assert (run.value(), len(run.of(ItemFailed))) == ([None, None], 2)


@pytest.mark.parametrize("steps", [FAN, NULLS], ids=["fail", "null"])
def test_a_fault_of_ours_costs_one_item(tmp_path, steps):
    """An unexpected error of one item is that item's, as an internal one; the others are asked."""

    async def reply(_step, text, _watch):
        if text == "fan 1":
            raise ZeroDivisionError("oh")
        return text

    run = FanOutRun(tmp_path, reply, steps)()
    assert len(run.texts) == 4
    if steps is FAN:
        assert (run.error().code, run.error().hint) == (Code.INTERNAL, "please report this")
        assert run.error().message == "item 2: ZeroDivisionError: oh"
    else:
        assert run.value() == ["fan 0", None, "fan 2", "fan 3"]


def test_an_item_whose_template_cannot_be_filled_in_fails_alone(tmp_path):
    """What one item lacks is that item's failure, and nothing is asked for it; the others are asked."""
    step = '  fan: {model: m, for_each: steps.list.all, prompt: "fan {{ [5, 6][item] }}"}\n'
    run = FanOutRun(tmp_path, repeat, LIST + step.replace("{model", '{on_item_error: "null", model'), rows=[3])()
    assert run.value() == ["fan 5", "fan 6", None]
    assert [(event.case, event.code) for event in run.of(ItemFailed)] == [(2, "YG501")]
    assert len(run.of(RequestSent)) == 2


@pytest.mark.parametrize("steps", [FAN, NULLS], ids=["fail", "null"])
def test_an_item_without_an_answer_leaves_the_step_undone(tmp_path, steps):
    """Where the run may not ask, the missing item is told before the failed ones, and none of them is null yet."""

    async def reply(_step, text, _watch):
        if text in ("fan 1", "fan 2"):
            raise RowError("none", code=Code.NOT_STORED if text == "fan 2" else Code.REFUSED)
        return text

    run = FanOutRun(tmp_path, reply, steps)()
    assert (run.error().code, run.error().message) == (Code.NOT_STORED, "item 3: none (and 1 more of 4)")
    assert [part.code for part in run.error().parts] == [Code.REFUSED, Code.NOT_STORED]
    assert run.of(ItemFailed) == []
