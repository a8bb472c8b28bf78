"""A step that is done several times for a row: its cases, their order, and how they are numbered."""

import asyncio
from dataclasses import replace

import pytest
from fan_out_runs import LIST, FanOutRun, repeat

from yamlgen.errors import Code, RowError
from yamlgen.events import RowFinished
from yamlgen.steps import fan_out

ALIASES = "models: {a: {id: m}, b: {id: m, max_tokens: 99}, c: {id: m}}\n"


def test_values_stand_in_the_order_of_their_items(tmp_path):
    """Whichever item is answered first, the list is that of the items."""

    async def reply(_step, text, _watch):
        await asyncio.sleep(0.02 - 0.005 * int(text.split()[1]))
        return text

    run = FanOutRun(tmp_path, reply)()
    assert run.value() == ["fan 0", "fan 1", "fan 2", "fan 3"]


def test_items_combinations_and_samples_are_nested_in_this_order(tmp_path):
    """The value is a list of items, each a list of labelled combinations, each with a list of samples."""
    step = (
        "  fan: {model: m, for_each: steps.list.all, matrix: {tone: [dry, warm], size: [1]}, samples: 2, "
        'prompt: "{{ item }} {{ item_index }} {{ matrix.tone }} {{ matrix.size }}"}\n'
    )
    run = FanOutRun(tmp_path, repeat, LIST + step, rows=[2])()
    assert run.value() == [
        [{"tone": tone, "size": 1, "output": [f"{item} {item} {tone} 1"] * 2} for tone in ("dry", "warm")]
        for item in range(2)
    ]
    assert run.samples == [0, 1] * 4


def test_samples_of_a_matrix_stand_below_its_labels(tmp_path):
    """Without `for_each` the value is the list of combinations."""
    step = '  fan: {model: m, matrix: {tone: [dry, warm]}, samples: 1, prompt: "{{ matrix.tone }}"}\n'
    run = FanOutRun(tmp_path, repeat, step)()
    assert run.value() == [{"tone": "dry", "output": ["dry"]}, {"tone": "warm", "output": ["warm"]}]


def test_one_sample_is_a_list(tmp_path):
    """`samples: 1` gives a list of one, so that the shape does not hang on the number."""
    run = FanOutRun(tmp_path, repeat, '  fan: {model: m, samples: 1, prompt: "fan"}\n')()
    assert run.value() == ["fan"]


def test_an_empty_list_is_a_value(tmp_path):
    """A row without items asks nothing, and finishes with an empty list."""
    run = FanOutRun(tmp_path, repeat, rows=[0])()
    assert (run.value(), run.texts) == ([], [])
    assert run.of(RowFinished) == [RowFinished(0)]


def test_nothing_is_asked_for_an_empty_list_times_a_matrix(tmp_path):
    """No item, no combination: the value is an empty list."""
    step = '  fan: {model: m, for_each: steps.list.all, matrix: {t: [1, 2]}, samples: 2, prompt: "{{ item }}"}\n'
    run = FanOutRun(tmp_path, repeat, LIST + step, rows=[0])()
    assert (run.value(), run.texts) == ([], [])


@pytest.mark.parametrize("width", [1, 2, 1000])
def test_equal_requests_are_numbered_in_the_order_of_their_cases(tmp_path, width):
    """The same request of a row is told apart by a number from 0, whichever comes home first; others begin at 0."""

    async def reply(_step, text, _watch):
        await asyncio.sleep(0.01 if text == "a" else 0)
        return text

    step = "  fan: {model: m, for_each: \"['a', 'b', 'a', 'a', 'b']\", prompt: '{{ item }}'}\n"
    run = FanOutRun(tmp_path, reply, step, width=width)()
    assert list(zip(run.texts, run.samples, strict=True)) == [("a", 0), ("b", 0), ("a", 1), ("a", 2), ("b", 1)]


def test_samples_of_equal_items_are_numbered_through(tmp_path):
    """Two equal items with two samples each are four answers."""
    step = "  fan: {model: m, for_each: \"['a', 'a']\", samples: 2, prompt: '{{ item }}'}\n"
    assert FanOutRun(tmp_path, repeat, step)().samples == [0, 1, 2, 3]


def test_combinations_that_the_prompt_does_not_show_are_numbered(tmp_path):
    """A matrix that no template refers to asks for an answer each."""
    assert FanOutRun(tmp_path, repeat, '  fan: {model: m, matrix: {t: [1, 2, 3]}, prompt: "x"}\n')().samples == [
        0,
        1,
        2,
    ]


@pytest.mark.parametrize(("names", "samples"), [("[a, b]", [0, 0]), ("[a, c]", [0, 1])], ids=["unlike", "alike"])
def test_models_that_are_alike_ask_the_same(tmp_path, names, samples):
    """Two aliases with the same settings send equal requests, which are numbered; others send requests of their own."""
    step = f'  fan: {{matrix: {{model: {names}}}, prompt: "x"}}\n'
    run = FanOutRun(tmp_path, repeat, step + ALIASES)()
    assert run.samples == samples
    assert len({variant for variant, _ in run.models.asked}) == 2


def test_the_numbers_of_a_row_are_its_own(tmp_path):
    """Each row's requests are numbered from 0, and so are those of each step."""
    steps = "".join(f'  {name}: {{model: m, samples: 2, prompt: "x"}}\n' for name in ("fan", "more"))
    run = FanOutRun(tmp_path, repeat, steps, rows=[1, 1])()
    assert sorted((context.identity, context.step, context.sample) for context in run.models.askers) == [
        (row, step, sample) for row in ("row 0", "row 1") for step in ("fan", "more") for sample in (0, 1)
    ]


def test_a_request_of_one_alone_has_the_number_0(tmp_path):
    """A step without a list asks as its first sample does, so that the answer is the same one."""
    assert FanOutRun(tmp_path, repeat, '  fan: {model: m, prompt: "x"}\n')().samples == [0]


@pytest.mark.parametrize("width", [1, 3])
def test_the_width_bounds_what_is_under_way(tmp_path, width):
    """Of one step no more items are under way for a row than the run may have in flight, and never fewer."""
    now = most = 0

    async def reply(_step, text, _watch):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return text

    run = FanOutRun(tmp_path, reply, rows=[20], width=width)()
    assert (most, len(run.value())) == (width, 20)


def test_a_slow_item_holds_back_no_other(tmp_path):
    """There is no barrier between the items: while one waits, all others come home."""

    async def main():
        go = asyncio.Event()

        async def reply(_step, text, _watch):
            if text == "fan 0":
                await go.wait()
            if text == "fan 9":
                go.set()
            return text

        async with asyncio.timeout(5):
            run = FanOutRun(tmp_path, reply, rows=[10], width=2)
            await run.engine()
            return run

    assert len(asyncio.run(main()).value()) == 10


def test_expressions_let_others_have_their_turn(tmp_path):
    """A long list that waits for nothing does not keep the loop: a request beside it is sent, and a signal heard."""

    async def main():
        turns = 0

        async def count():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        step = "  fan: {kind: compute, for_each: steps.list.all, values: {more: item + 1}}\n"
        run = FanOutRun(tmp_path, repeat, LIST + step, rows=[3000])
        counting = asyncio.create_task(count())
        await run.engine()
        counting.cancel()
        return run, turns

    run, turns = asyncio.run(main())
    assert run.value()[-1] == {"more": 3000}
    assert turns > 30


def test_a_list_that_is_too_long_fails_its_row(tmp_path, monkeypatch):
    """More items than any row may have set the row aside before anything is asked for it; its siblings go on."""
    monkeypatch.setattr(fan_out, "MOST_ITEMS", 3)
    run = FanOutRun(tmp_path, repeat, rows=[4, 3])()
    assert run.error().message.startswith("`for_each: steps.list.all` has 4 items, more than 3 (step `fan`, ")
    assert (run.error().code, run.error().parts, len(run.value(row=1))) == (Code.ROW_TEMPLATE, (), 3)
    assert len(run.texts) == 3


def test_a_list_that_is_none_is_the_rows_failure(tmp_path):
    """What turns out to be no list, against what was known of the input, has no cases."""
    step = replace(FanOutRun(tmp_path, repeat).plan.steps[1], for_each="row.n")
    with pytest.raises(RowError, match=r"`for_each: row\.n` must be a list, not a number") as raised:
        step.cases({"row": {"n": 4}})
    assert raised.value.code == Code.ROW_TEMPLATE


def test_each_kind_can_be_done_for_items(tmp_path):
    """Expressions, functions and draws are done for each item; draws differ by the item's place and sample."""
    (tmp_path / "work.py").write_text("def work(item): return item * 2\n")
    steps = (
        "  sums: {kind: compute, for_each: steps.list.all, values: {next: item + 1, at: item_index}}\n"
        "  calls: {kind: python, call: work:work, for_each: steps.list.all, args: {item: item}}\n"
        "  dice: {kind: draw, for_each: steps.list.all, samples: 2, draws: {eye: {integer: [1, 1000000]}}}\n"
    )
    run = FanOutRun(tmp_path, repeat, LIST + steps, rows=[3])()
    assert run.value("sums") == [{"next": item + 1, "at": item} for item in range(3)]
    assert run.value("calls") == [0, 2, 4]
    eyes = [sample["eye"] for item in run.value("dice") for sample in item]
    assert len(set(eyes)) == 6
    assert FanOutRun(tmp_path, repeat, LIST + steps, rows=[3])().value("dice") == run.value("dice")
