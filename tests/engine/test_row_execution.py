"""One row on its way through its steps: what is skipped, what is not done, and what the row comes to."""

import asyncio

import pytest
from fan_out_runs import FanOutRun, repeat

from fake_engine import refused, values
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
    run = FanOutRun(tmp_path, repeat, ONE, rows=[1, 2])()
    assert [run.value("one", row) for row in (0, 1)] == [None, "one 2"]
    assert run.texts == ["one 2"]
    assert run.of(StepSkipped) == [StepSkipped(0, "one")]
    assert run.of(StepFinished) == [StepFinished(1, "one")]
    assert sorted(event.row for event in run.of(RowFinished)) == [0, 1]


def test_what_needs_a_skipped_step_is_skipped_too(tmp_path):
    """As far as references go."""
    run = FanOutRun(tmp_path, repeat, ONE + TWO + THREE, rows=[1])()
    assert run.sink.rows[0] == {"n": 1, "one": None, "two": None, "three": None}
    assert [event.step for event in run.of(StepSkipped)] == ["one", "two", "three"]
    assert run.texts == []


def test_a_step_whose_own_when_asks_about_a_skipped_one_is_done(tmp_path):
    """It sees the null, and is skipped where the other step was done."""
    run = FanOutRun(tmp_path, repeat, ONE + INSTEAD, rows=[1, 2])()
    assert [run.value("instead", row) for row in (0, 1)] == ["instead 1", None]


def test_a_step_may_ask_about_what_its_prompt_shows(tmp_path):
    """What `when` asks about may stand in the prompt, too: the step is done with the null."""
    run = FanOutRun(tmp_path, repeat, ONE + EITHER, rows=[1, 2, 3])()
    assert [run.value("either", row) for row in range(3)] == ["either x", None, "either y"]


def test_one_skipped_need_of_two_is_enough(tmp_path):
    """A step that needs two others is skipped when either was, though its `when` asks about the other."""
    both = '  both: {model: m, when: "steps.instead is not none", prompt: "{{ steps.one }} {{ steps.instead }}"}\n'
    run = FanOutRun(tmp_path, repeat, ONE + INSTEAD + both, rows=[1])()
    assert (run.value("both"), run.value("instead")) == (None, "instead 1")


BRANCH = """\
  branch: {kind: compute, when: steps.two is defined, values: {v: "(steps.one ~ steps.two) if steps.two else 'none'"}}
"""


def test_a_skipped_step_in_a_branch_not_taken_skips_nothing(tmp_path):
    """What is not read in a row is not needed in it."""
    run = FanOutRun(tmp_path, repeat, ONE + TWO + BRANCH, rows=[1, 2])()
    assert [run.value("branch", row) for row in (0, 1)] == [{"v": "none"}, {"v": "one 2two one 2"}]


def test_a_skipped_step_that_is_read_in_one_row_skips_that_row(tmp_path):
    """A branch that is taken in some rows only skips the step in those."""
    some = '  some: {model: m, prompt: "{% if row.n > 0 %}{{ steps.one }}{% else %}alone{% endif %}"}\n'
    run = FanOutRun(tmp_path, repeat, ONE + some, rows=[0, 1, 2])()
    assert [run.value("some", row) for row in range(3)] == ["alone", None, "one 2"]


@pytest.mark.parametrize("kind", ["model", "compute"])
def test_an_item_that_reads_a_skipped_step_skips_all_before_anything_is_asked(tmp_path, kind):
    """A list is whole or null, and nothing is paid for one that will be null."""
    value = "item if item < 2 else steps.one"
    what = {"model": f"model: m, prompt: '{{{{ {value} }}}}'", "compute": f"kind: compute, values: {{v: {value}}}"}
    steps = ONE.replace("row.n > 1", "row.n == 9")
    steps += f"  each: {{for_each: range(row.n) | list, {what[kind]}}}\n"
    run = FanOutRun(tmp_path, repeat, steps, rows=[2, 3, 0])()
    made = ["0", "1"] if kind == "model" else [{"v": 0}, {"v": 1}]
    assert [run.value("each", row) for row in range(3)] == [made, None, []]
    assert len(run.texts) == (2 if kind == "model" else 0)


def test_a_list_without_items_reads_nothing_for_them(tmp_path):
    """What each item reads is read in no row that has none: the list is empty there, and not skipped."""
    check = "check: ['output != steps.one']"
    steps = ONE.replace("row.n > 1", "row.n == 9") + (
        "  made: {kind: compute, for_each: range(row.n) | list, values: {v: steps.one}}\n"
        f"  asked: {{model: m, for_each: range(row.n) | list, prompt: '{{{{ item }}}}', {check}}}\n"
    )
    run = FanOutRun(tmp_path, repeat, steps, rows=[0, 2])()
    assert [run.value(step, row) for step in ("made", "asked") for row in (0, 1)] == [[], None, [], None]


def test_what_a_check_names_counts_as_read(tmp_path):
    """A check is looked at when its answer is paid for, which is too late to skip the step."""
    step = "  side: {model: m, prompt: side, check: ['output != steps.one if row.n > 9 else true']}\n"
    run = FanOutRun(tmp_path, repeat, ONE + step, rows=[1, 2])()
    assert [run.value("side", row) for row in (0, 1)] == [None, "side"]


def test_what_fails_before_it_reads_a_skipped_step_is_skipped_as_ever(tmp_path):
    """A step that reads a skipped one in every row is skipped, whatever else is missing in the row."""
    step = '  all: {model: m, prompt: "{{ 2 // (row.n - 1) }} {{ steps.one }}"}\n'
    run = FanOutRun(tmp_path, repeat, ONE + step, rows=[1, 2])()
    assert [run.value("all", row) for row in (0, 1)] == [None, "2 one 2"]


def test_an_error_of_an_expression_says_step_and_line(tmp_path):
    """An error says which expression has failed, in which step, and where it stands."""
    steps = (
        '  one: {model: m, prompt: "Say\\n\\n{{ row.n }} {{ 4 // row.n }}"}\n'
        "  two: {kind: compute, for_each: '[row.n]', values: {v: 3 / item}}\n"
        '  three: {kind: compute, when: 2 / row.n, values: {v: "1"}}\n'
    )
    run = FanOutRun(tmp_path, repeat, steps, rows=[0])()
    lines = (tmp_path / "p.yaml").read_text().splitlines()
    for step, said in (("one", "`4 // row.n`"), ("two", "item 1: `3 / item`"), ("three", "`2 / row.n`")):
        line = next(number for number, text in enumerate(lines, 1) if text.startswith(f"  {step}:"))
        message = run.error(step).message
        assert message.startswith(said)
        assert message.endswith(f"(step `{step}`, {run.plan.file}:{line})")


def test_when_sees_the_rows_own_answers(tmp_path):
    """A step may be wanted by what a model said before."""
    say = '  say: {model: m, prompt: "say {{ row.n }}"}\n'
    steps = say + "  more: {model: m, when: \"steps.say == 'say 2'\", prompt: more}\n"
    run = FanOutRun(tmp_path, repeat, steps, rows=[1, 2])()
    assert [run.value("more", row) for row in (0, 1)] == [None, "more"]


def test_a_skipped_list_has_no_items(tmp_path):
    """A list that is skipped is null, not empty; neither its items nor those of a list over it are looked at."""
    fan = '  fan: {model: m, when: "row.n > 1", samples: 2, prompt: "fan"}\n'
    over = '  over: {model: m, for_each: steps.fan, prompt: "over {{ item }}"}\n'
    run = FanOutRun(tmp_path, repeat, fan + over, rows=[1, 2])()
    assert [run.value("over", row) for row in (0, 1)] == [None, ["over fan", "over fan"]]


def test_a_when_that_cannot_be_computed_fails_its_row(tmp_path):
    """A row is set aside, not skipped, when nobody can say whether a step is wanted; nothing is asked for it."""
    run = FanOutRun(tmp_path, repeat, ONE.replace("row.n > 1", "4 // row.n > 1"), rows=[0, 1])()
    assert (run.error("one").code, run.value("one", 1)) == (Code.ROW_TEMPLATE, "one 1")
    assert run.texts == ["one 1"]


@pytest.mark.parametrize("step", [TWO, INSTEAD, EITHER], ids=["needs", "asks", "both"])
def test_nothing_is_done_after_a_failed_step(tmp_path, step):
    """A failed step is no skipped one: what needs it is neither asked nor skipped, nor is what asks about it."""

    async def reply(_step, _text, _watch):
        raise refused()

    run = FanOutRun(tmp_path, reply, ONE + step, rows=[2])()
    assert (len(run.texts), values(run.sink.failed[0]), run.of(StepSkipped)) == (1, {}, [])
    assert run.of(StepFailed) == [StepFailed(0, "one", "YG504", "no")]
    assert run.of(RowFailed) == [RowFailed(0, "one", "YG504", "no")]


def test_a_step_beside_a_failed_one_is_skipped_as_ever(tmp_path):
    """What is known of a failed row says which of its steps were skipped."""

    async def reply(_step, _text, _watch):
        raise refused()

    run = FanOutRun(tmp_path, reply, ONE + '  side: {model: m, prompt: "side"}\n', rows=[1])()
    assert run.sink.failed[0].answers["one"].skipped
    assert list(run.sink.failed[0].failures) == ["side"]


def test_a_row_that_lacks_an_answer_is_told_by_that(tmp_path):
    """Of two failures, that of a missing answer is the row's, whichever step comes first: it is not done yet."""

    async def reply(step, _text, _watch):
        raise refused(Code.NOT_STORED if step == "side" else Code.REFUSED)

    steps = '  one: {model: m, prompt: "one"}\n  side: {model: m, prompt: "side"}\n'
    run = FanOutRun(tmp_path, reply, steps, rows=[1])()
    assert run.of(RowFailed) == [RowFailed(0, "side", Code.NOT_STORED, "no")]
    assert list(run.sink.failed[0].failures) == ["one", "side"]


def test_a_function_that_fails_costs_its_row(tmp_path):
    """What a function raises is its row's failure; what needs it is not asked, its siblings are."""
    (tmp_path / "work.py").write_text("def work(n): return 4 // n\n")
    steps = '  calc: {kind: python, call: work:work, args: {n: row.n}}\n  one: {model: m, prompt: "{{ steps.calc }}"}\n'
    run = FanOutRun(tmp_path, repeat, steps, rows=[0, 2])()
    assert (run.error("calc").code, run.texts, run.value("calc", 1)) == (Code.CALL_FAILED, ["2"], 2)
    assert "ZeroDivisionError" in run.error("calc").message


def test_a_value_that_does_not_fit_its_schema_costs_its_row(tmp_path):
    """The value of a step of expressions is held against its schema."""
    steps = (
        '  sums: {kind: compute, values: {n: "row.n"}, output: {schema: {type: object, required: [n], '
        "properties: {n: {type: integer, maximum: 1}}}}}\n"
    )
    run = FanOutRun(tmp_path, repeat, steps, rows=[1, 2])()
    assert (run.value("sums"), run.error("sums", 1).code) == ({"n": 1}, Code.INVALID_VALUE)
    assert "does not fit the step's `output.schema`" in run.error("sums", 1).message


def test_steps_without_a_model_send_nothing(tmp_path):
    """A row of expressions alone finishes without a request, also once nothing may be sent any more."""

    async def main():
        run = FanOutRun(tmp_path, repeat, '  sums: {kind: compute, values: {n: "row.n + 1"}}\n', rows=[1])
        await run.engine()
        return run

    run = asyncio.run(main())
    assert (run.value("sums"), run.texts) == ({"n": 2}, [])


def test_a_limit_in_the_middle_of_a_list_leaves_its_row_undone(tmp_path):
    """`max_requests` stops between two items; the row is neither finished nor failed, rows before it are whole."""
    fan = '  fan: {model: m, samples: 3, prompt: "fan {{ row.n }}"}\n'
    run = FanOutRun(tmp_path, repeat, fan, rows=[1, 2, 3], width=1, limits={"max_requests": 4})()
    assert len(run.texts) == 4
    assert len(run.sink.rows) <= 1
    assert run.sink.failed == {}


def test_a_row_is_counted_as_failed_once(tmp_path):
    """`max_failures` counts rows, not the items in them."""

    async def reply(_step, _text, _watch):
        raise RowError("no", code=Code.REFUSED)

    fan = '  fan: {model: m, samples: 3, prompt: "fan {{ row.n }}"}\n'
    run = FanOutRun(tmp_path, reply, fan, rows=[1, 2], limits={"max_failures": 2})()
    assert (run.budget.failed, run.budget.error, len(run.texts)) == (2, None, 6)
