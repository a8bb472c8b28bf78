"""One row on its way through its steps: what is skipped, what is not done, and what the row comes to."""

import asyncio

import pytest
from fanned import Fanned, repeat

from fakes import refused, values
from yamlgen.errors import Code, RowError
from yamlgen.events import RowFailed, RowFinished, StepFailed, StepFinished, StepSkipped

ONE = '  one: {model: m, when: "row.n > 1", prompt: "one {{ row.n }}"}\n'
TWO = '  two: {model: m, prompt: "two {{ steps.one }}"}\n'
THREE = '  three: {model: m, prompt: "three {{ steps.two }}"}\n'
INSTEAD = '  instead: {model: m, when: "steps.one is none", prompt: "instead {{ row.n }}"}\n'
EITHER = """\
  either: {model: m, when: "steps.one is none or row.n > 2", prompt: "either {{ 'x' if steps.one is none else 'y' }}"}
"""


def test_a_step_that_is_not_wanted_is_skipped(tmp_path):
    """Its value is null, nothing is asked for it, the row finishes; other rows have theirs."""
    run = Fanned(tmp_path, repeat, ONE, rows=[1, 2])()
    assert [run.value("one", row) for row in (0, 1)] == [None, "one 2"]
    assert run.texts == ["one 2"]
    assert run.of(StepSkipped) == [StepSkipped(0, "one")]
    assert run.of(StepFinished) == [StepFinished(1, "one")]
    assert sorted(event.row for event in run.of(RowFinished)) == [0, 1]


def test_what_needs_a_skipped_step_is_skipped_too(tmp_path):
    """As far as references go."""
    run = Fanned(tmp_path, repeat, ONE + TWO + THREE, rows=[1])()
    assert run.sink.rows[0] == {"n": 1, "one": None, "two": None, "three": None}
    assert [event.step for event in run.of(StepSkipped)] == ["one", "two", "three"]
    assert run.texts == []


def test_a_step_whose_own_when_asks_about_a_skipped_one_is_done(tmp_path):
    """It sees the null, and is skipped where the other step was done."""
    run = Fanned(tmp_path, repeat, ONE + INSTEAD, rows=[1, 2])()
    assert [run.value("instead", row) for row in (0, 1)] == ["instead 1", None]


def test_a_step_may_ask_about_what_its_prompt_shows(tmp_path):
    """What `when` asks about may stand in the prompt, too: the step is done with the null."""
    run = Fanned(tmp_path, repeat, ONE + EITHER, rows=[1, 2, 3])()
    assert [run.value("either", row) for row in range(3)] == ["either x", None, "either y"]


def test_one_skipped_need_of_two_is_enough(tmp_path):
    """A step that needs two others is skipped when either was, though its `when` asks about the other."""
    both = '  both: {model: m, when: "steps.instead is not none", prompt: "{{ steps.one }} {{ steps.instead }}"}\n'
    run = Fanned(tmp_path, repeat, ONE + INSTEAD + both, rows=[1])()
    assert (run.value("both"), run.value("instead")) == (None, "instead 1")


def test_when_sees_the_rows_own_answers(tmp_path):
    """A step may be wanted by what a model said before."""
    say = '  say: {model: m, prompt: "say {{ row.n }}"}\n'
    steps = say + "  more: {model: m, when: \"steps.say == 'say 2'\", prompt: more}\n"
    run = Fanned(tmp_path, repeat, steps, rows=[1, 2])()
    assert [run.value("more", row) for row in (0, 1)] == [None, "more"]


def test_a_skipped_list_has_no_items(tmp_path):
    """A list that is skipped is null, not empty; neither its items nor those of a list over it are looked at."""
    fan = '  fan: {model: m, when: "row.n > 1", samples: 2, prompt: "fan"}\n'
    over = '  over: {model: m, for_each: steps.fan, prompt: "over {{ item }}"}\n'
    run = Fanned(tmp_path, repeat, fan + over, rows=[1, 2])()
    assert [run.value("over", row) for row in (0, 1)] == [None, ["over fan", "over fan"]]


def test_a_when_that_cannot_be_computed_fails_its_row(tmp_path):
    """A row is set aside, not skipped, when nobody can say whether a step is wanted; nothing is asked for it."""
    run = Fanned(tmp_path, repeat, ONE.replace("row.n > 1", "4 // row.n > 1"), rows=[0, 1])()
    assert (run.error("one").code, run.value("one", 1)) == (Code.ROW_TEMPLATE, "one 1")
    assert run.texts == ["one 1"]


@pytest.mark.parametrize("step", [TWO, INSTEAD, EITHER], ids=["needs", "asks", "both"])
def test_nothing_is_done_after_a_failed_step(tmp_path, step):
    """A failed step is no skipped one: what needs it is neither asked nor skipped, nor is what asks about it."""

    async def reply(_step, _text, _watch):
        raise refused()

    run = Fanned(tmp_path, reply, ONE + step, rows=[2])()
    assert (len(run.texts), values(run.sink.failed[0]), run.of(StepSkipped)) == (1, {}, [])
    assert run.of(StepFailed) == [StepFailed(0, "one", "YG504", "no")]
    assert run.of(RowFailed) == [RowFailed(0, "one", "YG504", "no")]


def test_a_step_beside_a_failed_one_is_skipped_as_ever(tmp_path):
    """What is known of a failed row says which of its steps were skipped."""

    async def reply(_step, _text, _watch):
        raise refused()

    run = Fanned(tmp_path, reply, ONE + '  side: {model: m, prompt: "side"}\n', rows=[1])()
    assert run.sink.failed[0].answers["one"].skipped
    assert list(run.sink.failed[0].failures) == ["side"]


def test_a_row_that_lacks_an_answer_is_told_by_that(tmp_path):
    """Of two failures, that of a missing answer is the row's, whichever step comes first: it is not done yet."""

    async def reply(step, _text, _watch):
        raise refused(Code.NOT_STORED if step == "side" else Code.REFUSED)

    steps = '  one: {model: m, prompt: "one"}\n  side: {model: m, prompt: "side"}\n'
    run = Fanned(tmp_path, reply, steps, rows=[1])()
    assert run.of(RowFailed) == [RowFailed(0, "side", Code.NOT_STORED, "no")]
    assert list(run.sink.failed[0].failures) == ["one", "side"]


def test_a_function_that_fails_costs_its_row(tmp_path):
    """What a function raises is its row's failure; what needs it is not asked, its siblings are."""
    (tmp_path / "work.py").write_text("def work(n): return 4 // n\n")
    steps = '  calc: {kind: python, call: work:work, args: {n: row.n}}\n  one: {model: m, prompt: "{{ steps.calc }}"}\n'
    run = Fanned(tmp_path, repeat, steps, rows=[0, 2])()
    assert (run.error("calc").code, run.texts, run.value("calc", 1)) == (Code.CALL_FAILED, ["2"], 2)
    assert "ZeroDivisionError" in run.error("calc").message


def test_a_value_that_does_not_fit_its_schema_costs_its_row(tmp_path):
    """The value of a step of expressions is held against its schema."""
    steps = (
        '  sums: {kind: compute, values: {n: "row.n"}, output: {schema: {type: object, required: [n], '
        "properties: {n: {type: integer, maximum: 1}}}}}\n"
    )
    run = Fanned(tmp_path, repeat, steps, rows=[1, 2])()
    assert (run.value("sums"), run.error("sums", 1).code) == ({"n": 1}, Code.INVALID_VALUE)
    assert "does not fit the step's `output.schema`" in run.error("sums", 1).message


def test_steps_without_a_model_send_nothing(tmp_path):
    """A row of expressions alone finishes without a request, also once nothing may be sent any more."""

    async def main():
        run = Fanned(tmp_path, repeat, '  sums: {kind: compute, values: {n: "row.n + 1"}}\n', rows=[1])
        await run.engine()
        return run

    run = asyncio.run(main())
    assert (run.value("sums"), run.texts) == ({"n": 2}, [])


def test_a_limit_in_the_middle_of_a_list_leaves_its_row_undone(tmp_path):
    """`max_requests` stops between two items; the row is neither finished nor failed, rows before it are whole."""
    fan = '  fan: {model: m, samples: 3, prompt: "fan {{ row.n }}"}\n'
    run = Fanned(tmp_path, repeat, fan, rows=[1, 2, 3], width=1, limits={"max_requests": 4})()
    assert len(run.texts) == 4
    assert len(run.sink.rows) <= 1
    assert run.sink.failed == {}


def test_a_row_is_counted_as_failed_once(tmp_path):
    """`max_failures` counts rows, not the items in them."""

    async def reply(_step, _text, _watch):
        raise RowError("no", code=Code.REFUSED)

    fan = '  fan: {model: m, samples: 3, prompt: "fan {{ row.n }}"}\n'
    run = Fanned(tmp_path, reply, fan, rows=[1, 2], limits={"max_failures": 2})()
    assert (run.budget.failed, run.budget.error, len(run.texts)) == (2, None, 6)
