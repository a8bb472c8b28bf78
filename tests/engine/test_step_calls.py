"""A function whose results are kept: called once for equal arguments, however many items and rows ask at once."""

from dataclasses import replace

import pytest
from fan_out_runs import LIST, FanOutRun, Kept, repeat

from yamlgen.errors import Code
from yamlgen.events import ItemFailed

CALL = "  {name}: {{kind: python, call: work:work, keep: true, for_each: steps.list.all, args: {{x: '{x}'}}{more}}}\n"
SOURCE = """\
import time
made = []
def work(x):
    time.sleep(0.02)
    made.append(x)
    {act}
    return [x, len(made)]
"""


def called(tmp_path, *, act="pass", x="1", more="", value_cache=None, rows=(3,), twice=False):
    """A run that calls a function for each item."""
    (tmp_path / "work.py").write_text(SOURCE.format(act=act))
    steps = LIST + CALL.format(name="fan", x=x, more=more)
    if twice:
        steps += CALL.format(name="again", x=x, more="")
    return FanOutRun(tmp_path, repeat, steps, rows, value_cache=value_cache)()


def test_equal_calls_at_once_are_one(tmp_path):
    """Items, rows and steps that call with the same arguments share a value, the one that is kept."""
    run = called(tmp_path, value_cache=Kept(), rows=[3, 3], twice=True)
    assert [row[step] for row in run.sink.rows.values() for step in ("fan", "again")] == [[[1, 1]] * 3] * 4


def test_other_arguments_are_called_side_by_side(tmp_path):
    """Calls that are not equal wait for none."""
    value_cache = Kept()
    run = called(tmp_path, x="item", value_cache=value_cache)
    assert [value[0] for value in run.value()] == [0, 1, 2]
    assert len(value_cache.values) == 3


def test_without_keep_each_is_called(tmp_path):
    """Where nothing is kept, each item has its own call."""
    (tmp_path / "work.py").write_text(SOURCE.format(act="pass"))
    steps = LIST + CALL.format(name="fan", x="1", more="").replace("keep: true, ", "")
    run = FanOutRun(tmp_path, repeat, steps, (3,), value_cache=Kept())()
    assert sorted(value[1] for value in run.value()) == [1, 2, 3]


def test_what_was_kept_is_not_called(tmp_path):
    """The next run takes what the first one made."""
    value_cache = Kept()
    first = called(tmp_path, value_cache=value_cache)
    assert called(tmp_path, value_cache=value_cache).value() == first.value()
    value_cache.values = {key: replace(kept, value="kept") for key, kept in value_cache.values.items()}
    assert called(tmp_path, value_cache=value_cache).value() == ["kept"] * 3


def test_who_waits_for_a_call_that_fails_fails_alike(tmp_path):
    """A failing call is not made anew for each who waits for it; each is told as its own, and nothing is kept."""
    value_cache = Kept()
    run = called(tmp_path, act="raise ValueError(len(made))", value_cache=value_cache)
    error = run.error()
    assert (error.code, len(error.parts), value_cache.values) == (Code.CALL_FAILED, 3, {})
    assert [part.message.partition(" (")[0] for part in error.parts] == [
        f"item {number}: `work` raised ValueError: 1" for number in (1, 2, 3)
    ]


def test_a_failed_call_is_made_again_later(tmp_path):
    """Whoever comes after a failure calls by itself: a failure is not kept within a run either."""
    (tmp_path / "work.py").write_text(SOURCE.format(act="if len(made) == 1: raise ValueError"))
    step = CALL.format(name="fan", x="1", more=', on_item_error: "null"')
    run = FanOutRun(tmp_path, repeat, LIST + step, (3,), value_cache=Kept(), width=1)()
    assert run.value() == [None, [1, 2], [1, 2]]
    assert [event.case for event in run.of(ItemFailed)] == [0]


def test_a_value_that_does_not_fit_is_not_kept(tmp_path):
    """A value that breaks the step's schema fails its items, each by its own call, and is not kept."""
    value_cache = Kept()
    more = ", output: {schema: {type: array, maxItems: 1}}"
    run = called(tmp_path, more=more, value_cache=value_cache)
    assert (run.error().code, value_cache.values) == (Code.INVALID_VALUE, {})


@pytest.mark.parametrize("act", ["raise SystemExit", "return {1}"])
def test_a_call_that_fails_in_its_own_way(tmp_path, act):
    """A function that would end the program, or gives no JSON value, costs its items, and leaves nobody waiting."""
    assert len(called(tmp_path, act=act, value_cache=Kept()).error().parts) == 3
