"""A step that is done several times for a row: its cases, how they are numbered, and what becomes of those that fail."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from fanned import FAN, LIST, NULLS, Fanned, repeat

from fakes import PAID, refused
from yamlgen.errors import Code, RowError, RunStopped
from yamlgen.events import ItemFailed, RequestSent, RowFailed, RowFinished, StepFinished
from yamlgen.halt import Halted
from yamlgen.language import plan as planned

ALIASES = "models: {a: {id: m}, b: {id: m, max_tokens: 99}, c: {id: m}}\n"


def failing(*texts, code=Code.REFUSED):
    """A reply that refuses these texts."""

    async def reply(_step, text, _watch):
        if text in texts:
            raise refused(code)
        return text

    return reply


def test_values_stand_in_the_order_of_their_items(tmp_path):
    """Whichever item is answered first, the list is that of the items."""

    async def reply(_step, text, _watch):
        await asyncio.sleep(0.02 - 0.005 * int(text.split()[1]))
        return text

    run = Fanned(tmp_path, reply)()
    assert run.value() == ["fan 0", "fan 1", "fan 2", "fan 3"]


def test_items_combinations_and_samples_are_nested_in_this_order(tmp_path):
    """The value is a list of items, each a list of labelled combinations, each with a list of samples."""
    step = (
        "  fan: {model: m, for_each: steps.list.all, matrix: {tone: [dry, warm], size: [1]}, samples: 2, "
        'prompt: "{{ item }} {{ item_index }} {{ matrix.tone }} {{ matrix.size }}"}\n'
    )
    run = Fanned(tmp_path, repeat, LIST + step, rows=[2])()
    assert run.value() == [
        [{"tone": tone, "size": 1, "output": [f"{item} {item} {tone} 1"] * 2} for tone in ("dry", "warm")]
        for item in range(2)
    ]
    assert run.samples == [0, 1] * 4


def test_samples_of_a_matrix_stand_below_its_labels(tmp_path):
    """Without `for_each` the value is the list of combinations."""
    step = '  fan: {model: m, matrix: {tone: [dry, warm]}, samples: 1, prompt: "{{ matrix.tone }}"}\n'
    run = Fanned(tmp_path, repeat, step)()
    assert run.value() == [{"tone": "dry", "output": ["dry"]}, {"tone": "warm", "output": ["warm"]}]


def test_one_sample_is_a_list(tmp_path):
    """`samples: 1` gives a list of one, so that the shape does not hang on the number."""
    run = Fanned(tmp_path, repeat, '  fan: {model: m, samples: 1, prompt: "fan"}\n')()
    assert run.value() == ["fan"]


def test_an_empty_list_is_a_value(tmp_path):
    """A row without items asks nothing, and finishes with an empty list."""
    run = Fanned(tmp_path, repeat, rows=[0])()
    assert (run.value(), run.texts) == ([], [])
    assert run.of(RowFinished) == [RowFinished(0)]


def test_nothing_is_asked_for_an_empty_list_times_a_matrix(tmp_path):
    """No item, no combination: the value is an empty list."""
    step = '  fan: {model: m, for_each: steps.list.all, matrix: {t: [1, 2]}, samples: 2, prompt: "{{ item }}"}\n'
    run = Fanned(tmp_path, repeat, LIST + step, rows=[0])()
    assert (run.value(), run.texts) == ([], [])


@pytest.mark.parametrize("width", [1, 2, 1000])
def test_equal_requests_are_numbered_in_the_order_of_their_cases(tmp_path, width):
    """The same request of a row is told apart by a number from 0, whichever comes home first; another one begins at 0."""

    async def reply(_step, text, _watch):
        await asyncio.sleep(0.01 if text == "a" else 0)
        return text

    step = "  fan: {model: m, for_each: \"['a', 'b', 'a', 'a', 'b']\", prompt: '{{ item }}'}\n"
    run = Fanned(tmp_path, reply, step, width=width)()
    assert list(zip(run.texts, run.samples, strict=True)) == [("a", 0), ("b", 0), ("a", 1), ("a", 2), ("b", 1)]


def test_samples_of_equal_items_are_numbered_through(tmp_path):
    """Two equal items with two samples each are four answers."""
    step = "  fan: {model: m, for_each: \"['a', 'a']\", samples: 2, prompt: '{{ item }}'}\n"
    assert Fanned(tmp_path, repeat, step)().samples == [0, 1, 2, 3]


def test_combinations_that_the_prompt_does_not_show_are_numbered(tmp_path):
    """A matrix that no template refers to asks for an answer each."""
    assert Fanned(tmp_path, repeat, '  fan: {model: m, matrix: {t: [1, 2, 3]}, prompt: "x"}\n')().samples == [0, 1, 2]


@pytest.mark.parametrize(("names", "samples"), [("[a, b]", [0, 0]), ("[a, c]", [0, 1])], ids=["unlike", "alike"])
def test_models_that_are_alike_ask_the_same(tmp_path, names, samples):
    """Two aliases with the same settings send equal requests, which are numbered; others send requests of their own."""
    step = f'  fan: {{matrix: {{model: {names}}}, prompt: "x"}}\n'
    run = Fanned(tmp_path, repeat, step + ALIASES)()
    assert run.samples == samples
    assert len({variant for variant, _ in run.models.asked}) == 2


def test_the_numbers_of_a_row_are_its_own(tmp_path):
    """Each row's requests are numbered from 0, and so are those of each step."""
    steps = "".join(f'  {name}: {{model: m, samples: 2, prompt: "x"}}\n' for name in ("fan", "more"))
    run = Fanned(tmp_path, repeat, steps, rows=[1, 1])()
    assert sorted((asker.identity, asker.step, asker.sample) for asker in run.models.askers) == [
        (row, step, sample) for row in ("row 0", "row 1") for step in ("fan", "more") for sample in (0, 1)
    ]


def test_a_request_of_one_alone_has_the_number_0(tmp_path):
    """A step without a list asks as its first sample does, so that the answer is the same one."""
    assert Fanned(tmp_path, repeat, '  fan: {model: m, prompt: "x"}\n')().samples == [0]


def test_one_failed_item_fails_the_step(tmp_path):
    """The row is set aside with the item's error, which says which item it was; the other items were asked."""
    run = Fanned(tmp_path, failing("fan 2"))()
    error = run.error()
    assert (error.message, error.code, error.request) == ("item 3: no", Code.REFUSED, {"model": "m"})
    assert [part.message for part in error.parts] == ["item 3: no"]
    assert sorted(run.texts) == ["fan 0", "fan 1", "fan 2", "fan 3"]
    assert run.of(RowFailed) == [RowFailed(0, "fan", "YG504", "item 3: no")]


def test_the_attempts_of_all_items_are_the_rows(tmp_path):
    """What was paid for a failed row counts the items that went well, too, in the order of the items."""
    error = Fanned(tmp_path, failing("fan 1"))().error()
    assert [attempt is PAID for attempt in error.attempts] == [False, True, False, False]
    assert [part.attempts for part in error.parts] == [(PAID,)]


def test_several_failures_are_told_by_the_first(tmp_path):
    """The message counts the others; each is a part with its own code."""
    codes = {"fan 1": Code.TRUNCATED, "fan 3": Code.REFUSED}

    async def reply(_step, text, _watch):
        if text in codes:
            raise refused(codes[text])
        return text

    error = Fanned(tmp_path, reply)().error()
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
    error = Fanned(tmp_path, failing("1 warm"), LIST + step, rows=[2])().error()
    assert error.message == "item 2, tone=warm, sample 1: no (and 1 more of 8)"


def test_a_failed_item_is_null_where_that_is_wanted(tmp_path):
    """With `on_item_error: "null"` the row goes on; each null is told with its item, its code and its reason."""
    run = Fanned(tmp_path, failing("fan 0", "fan 2"), NULLS)()
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
    run = Fanned(tmp_path, reply, step, width=1)
    assert run().value() == [{"t": "dry", "output": ["dry", "dry"]}, {"t": "warm", "output": ["warm", None]}]
    assert [event.item for event in run.of(ItemFailed)] == [3]


def test_all_items_may_be_null(tmp_path):
    """A row of which every item failed is a row of nulls, where nulls are wanted."""
    run = Fanned(tmp_path, failing("fan 0", "fan 1"), NULLS, rows=[2])()
    assert (run.value(), len(run.of(ItemFailed))) == ([None, None], 2)


@pytest.mark.parametrize("steps", [FAN, NULLS], ids=["fail", "null"])
def test_a_fault_of_ours_costs_one_item(tmp_path, steps):
    """An unexpected error of one item is that item's, as an internal one; the others are asked."""

    async def reply(_step, text, _watch):
        if text == "fan 1":
            raise ZeroDivisionError("oh")
        return text

    run = Fanned(tmp_path, reply, steps)()
    assert len(run.texts) == 4
    if steps is FAN:
        assert (run.error().code, run.error().hint) == (Code.INTERNAL, "please report this")
        assert run.error().message == "item 2: ZeroDivisionError: oh"
    else:
        assert run.value() == ["fan 0", None, "fan 2", "fan 3"]


def test_an_item_whose_template_cannot_be_filled_in_fails_alone(tmp_path):
    """What one item lacks is that item's failure, and nothing is asked for it; the others are asked."""
    step = '  fan: {model: m, for_each: steps.list.all, prompt: "fan {{ [5, 6][item] }}"}\n'
    run = Fanned(tmp_path, repeat, LIST + step.replace("{model", '{on_item_error: "null", model'), rows=[3])()
    assert run.value() == ["fan 5", "fan 6", None]
    assert [(event.item, event.code) for event in run.of(ItemFailed)] == [(2, "YG501")]
    assert len(run.of(RequestSent)) == 2


@pytest.mark.parametrize("steps", [FAN, NULLS], ids=["fail", "null"])
def test_an_item_without_an_answer_leaves_the_step_undone(tmp_path, steps):
    """Where the run may not ask, the missing item is told before the failed ones, and none of them is null yet."""

    async def reply(_step, text, _watch):
        if text in ("fan 1", "fan 2"):
            raise RowError("none", code=Code.NOT_STORED if text == "fan 2" else Code.REFUSED)
        return text

    run = Fanned(tmp_path, reply, steps)()
    assert (run.error().code, run.error().message) == (Code.NOT_STORED, "item 3: none (and 1 more of 4)")
    assert [part.code for part in run.error().parts] == [Code.REFUSED, Code.NOT_STORED]
    assert run.of(ItemFailed) == []


def test_a_halt_in_the_middle_leaves_the_row_undone(tmp_path):
    """What is in flight comes home, no other item is begun, and the row is neither finished nor failed."""

    async def reply(_step, text, _watch):
        if text == "fan 4":
            run.halt.request("enough")
        await asyncio.sleep(0.01)
        return text

    run = Fanned(tmp_path, reply, rows=[100], width=3)
    run()
    assert run.texts == [f"fan {item}" for item in range(5)]
    assert (run.sink.rows, run.sink.failed, run.of(ItemFailed)) == ({}, {}, [])


@pytest.mark.parametrize("steps", [FAN, NULLS], ids=["fail", "null"])
def test_a_failed_item_of_a_halted_step_fails_nothing(tmp_path, steps):
    """While other items of it are unasked, a row is not set aside for one that failed, and none is null."""

    async def reply(_step, text, _watch):
        if text == "fan 0":
            raise refused()
        run.halt.request("enough")
        raise Halted

    run = Fanned(tmp_path, reply, steps)
    run()
    assert (run.sink.rows, run.sink.failed, run.of(ItemFailed)) == ({}, {}, [])


def test_a_halt_begins_no_further_call(tmp_path):
    """A run that is to end calls an author's function for no further item, though it sends nothing."""
    (tmp_path / "work.py").write_text("import time\ndef work(item):\n    time.sleep(0.01)\n    return item\n")
    step = "  fan: {kind: python, call: work:work, for_each: steps.list.all, args: {item: item}}\n"
    asking = '  ask: {model: m, prompt: "x"}\n'

    async def reply(_step, _text, _watch):
        await asyncio.sleep(0.1)
        run.halt.request("enough")
        run.halt.check()

    run = Fanned(tmp_path, reply, LIST + step + asking, rows=[2000], width=2)
    run()
    assert (run.sink.rows, run.sink.failed) == ({}, {})
    assert [event.step for event in run.of(StepFinished)] == ["list"]


def test_a_fatal_error_of_an_item_ends_the_run_at_once(tmp_path):
    """When one item meets what no request can pass, no other item of any row is begun any more."""

    async def reply(_step, text, _watch):
        await asyncio.sleep(0.01 if text == "fan 1" else 0.05)
        if text == "fan 1":
            raise RunStopped("the API rejected the key", code=Code.KEY_REJECTED)
        return text

    run = Fanned(tmp_path, reply, rows=[50, 50, 50], width=4)
    with pytest.raises(RunStopped, match="rejected the key"):
        run()
    assert sorted(run.texts) == sorted(f"fan {item}" for item in range(4) for _ in range(3))
    assert (run.sink.rows, run.sink.failed) == ({}, {})


def test_a_fatal_error_is_told_before_the_halt_that_it_causes(tmp_path):
    """Of items that were stopped and the one that stopped them, the latter's error ends the run."""

    async def reply(_step, text, _watch):
        if text == "fan 3":
            raise RunStopped("no credit", code=Code.KEY_REJECTED)
        await asyncio.sleep(0.01)
        raise Halted

    with pytest.raises(RunStopped, match="no credit"):
        Fanned(tmp_path, reply)()


def test_a_cancelled_run_cancels_every_item(tmp_path):
    """A run that is cancelled in the middle of a list leaves no item at work, and no row."""

    async def main():
        under_way, begun = 0, asyncio.Event()

        async def reply(_step, _text, _watch):
            nonlocal under_way
            under_way += 1
            if under_way == 3:
                begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                under_way -= 1

        run = Fanned(tmp_path, reply, rows=[50], width=3)
        task = asyncio.create_task(run.engine())
        async with asyncio.timeout(5):
            await begun.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return run, under_way, asyncio.all_tasks() - {asyncio.current_task()}

    run, under_way, left = asyncio.run(main())
    assert (under_way, left, run.sink.rows, run.sink.failed) == (0, set(), {}, {})


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

    run = Fanned(tmp_path, reply, rows=[20], width=width)()
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
            run = Fanned(tmp_path, reply, rows=[10], width=2)
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
        run = Fanned(tmp_path, repeat, LIST + step, rows=[3000])
        counting = asyncio.create_task(count())
        await run.engine()
        counting.cancel()
        return run, turns

    run, turns = asyncio.run(main())
    assert run.value()[-1] == {"more": 3000}
    assert turns > 30


def test_a_list_that_is_too_long_fails_its_row(tmp_path, monkeypatch):
    """More items than any row may have set the row aside before anything is asked for it; its siblings go on."""
    monkeypatch.setattr(planned, "MOST_ITEMS", 3)
    run = Fanned(tmp_path, repeat, rows=[4, 3])()
    assert run.error().message == "`for_each: steps.list.all` gives 4 items, more than 3"
    assert (run.error().code, run.error().parts, len(run.value(row=1))) == (Code.ROW_TEMPLATE, (), 3)
    assert len(run.texts) == 3


def test_a_list_that_is_none_is_the_rows_failure(tmp_path):
    """What turns out to be no list, against what was known of the input, has no cases."""
    step = replace(Fanned(tmp_path, repeat).plan.steps[1], for_each="row.n")
    with pytest.raises(RowError, match="`for_each: row.n` gives no list, but a number") as raised:
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
    run = Fanned(tmp_path, repeat, LIST + steps, rows=[3])()
    assert run.value("sums") == [{"next": item + 1, "at": item} for item in range(3)]
    assert run.value("calls") == [0, 2, 4]
    eyes = [sample["eye"] for item in run.value("dice") for sample in item]
    assert len(set(eyes)) == 6
    assert Fanned(tmp_path, repeat, LIST + steps, rows=[3])().value("dice") == run.value("dice")
