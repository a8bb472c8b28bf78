"""The local engine: the order of steps, and failures that stay with their row."""

import asyncio

from fakes import JOIN, ONE, SIDE, TWO, Run, echo, refused
from yamlgen.errors import Code
from yamlgen.events import RequestRetried, RowFailed, RowFinished, StepFinished
from yamlgen.ports import Usage


def test_a_record_is_the_row_then_the_steps(tmp_path):
    """The row's columns come first, then each step's value in file order, each from the values it refers to."""
    run = Run(tmp_path, echo, TWO + ONE, rows=2)()
    assert run.sink.rows[1] == {"n": 1, "two": "two<two one<one 1>>", "one": "one<one 1>"}
    assert list(run.sink.rows[1]) == ["n", "two", "one"]
    assert run.sink.failed == {}


def test_each_answer_and_each_row_is_told(tmp_path):
    """One event per answer with its tokens, one per row that is done, and the row's after its answers'."""
    run = Run(tmp_path, echo, ONE + TWO, rows=2)()
    assert len(run.of(StepFinished)) == 4
    assert {event.usage for event in run.of(StepFinished)} == {Usage(1, 2)}
    assert sorted(event.row for event in run.of(RowFinished)) == [0, 1]
    last = {event.row: number for number, event in enumerate(run.events) if isinstance(event, StepFinished)}
    assert all(run.events.index(event) > last[event.row] for event in run.of(RowFinished))


def test_there_is_no_barrier_between_steps(tmp_path):
    """A row goes on to its second step while another one is still in its first."""

    async def main():
        go = asyncio.Event()

        async def reply(step, text, _notice):
            if (step, text) == ("one", "one 0"):
                await go.wait()
            if (step, text) == ("two", "two one 1"):
                go.set()
            return text

        async with asyncio.timeout(5):
            run = Run(tmp_path, reply, ONE + TWO, rows=2)
            await run.engine()
            return run

    assert len(asyncio.run(main()).sink.rows) == 2


def test_steps_that_need_nothing_of_each_other_run_side_by_side(tmp_path):
    """Two parallel steps of one row are both under way at once."""

    async def main():
        both = asyncio.Barrier(2)

        async def reply(step, text, _notice):
            if step in ("one", "side"):
                await both.wait()
            return text

        async with asyncio.timeout(5):
            run = Run(tmp_path, reply, ONE + SIDE + JOIN, rows=1)
            await run.engine()
            return run

    assert asyncio.run(main()).sink.rows[0]["join"] == "join one 0 side 0"


def test_a_failing_row_leaves_its_siblings(tmp_path):
    """One row is set aside with what is known of it; the others do not notice."""

    async def reply(step, text, notice):
        if text == "two one<one 1>":
            raise refused()
        return await echo(step, text, notice)

    run = Run(tmp_path, reply, ONE + TWO)()
    assert sorted(run.sink.rows) == [0, 2]
    assert run.sink.failed == {
        1: {
            "row": {"n": 1},
            "steps": {"one": "one<one 1>"},
            "step": "two",
            "code": "YG504",
            "message": "no",
            "request": {"model": "m"},
            "attempts": [
                {
                    "response": {"id": "msg"},
                    "errors": ["$: no"],
                    "usage": {
                        "input_tokens": 10,
                        "output_tokens": 5,
                        "cache_creation_input_tokens": 0,
                        "cache_read_input_tokens": 0,
                    },
                }
            ],
        }
    }
    assert run.of(RowFailed) == [RowFailed(1, "two", "YG504", "no", Usage(10, 5), 1)]


def test_what_needs_a_failed_step_is_not_asked(tmp_path):
    """A step after a failed one costs nothing; one beside it is still asked for, and kept."""

    async def reply(step, text, notice):
        if step == "one":
            raise refused()
        await asyncio.sleep(0.01)
        return await echo(step, text, notice)

    run = Run(tmp_path, reply, ONE + SIDE + JOIN, rows=1)()
    assert [step for step, _ in run.models.asked] == ["one", "side"]
    assert run.sink.failed[0]["steps"] == {"side": "side<side 0>"}


def test_two_failures_of_one_row_are_both_told(tmp_path):
    """The second stands under `also`, with its own attempts; the row counts once, its tokens all."""

    async def reply(step, _text, _notice):
        await asyncio.sleep(0.01 if step == "side" else 0)
        raise refused(Code.TRUNCATED if step == "side" else Code.REFUSED)

    run = Run(tmp_path, reply, ONE + SIDE, rows=1)()
    record = run.sink.failed[0]
    assert (record["step"], record["code"]) == ("one", "YG504")
    assert [(other["step"], other["code"], len(other["attempts"])) for other in record["also"]] == [
        ("side", "YG505", 1)
    ]
    assert run.of(RowFailed) == [RowFailed(0, "one", "YG504", "no", Usage(20, 10), 2)]


def test_a_missing_column_sets_its_row_aside(tmp_path):
    """A template that cannot be filled in is the row's failure, and nothing is asked for it."""
    run = Run(tmp_path, echo, rows=[{"n": 0}, {}, {"n": 2}])()
    assert sorted(run.sink.rows) == [0, 2]
    assert run.sink.failed[1]["code"] == "YG501"
    assert run.sink.failed[1]["request"] is None
    assert len(run.models.asked) == 2


def test_an_unexpected_error_costs_one_row(tmp_path):
    """A fault of ours is an internal error of its row, not the end of the run."""

    async def reply(step, text, notice):
        if text == "one 1":
            raise ZeroDivisionError("oh")
        return await echo(step, text, notice)

    run = Run(tmp_path, reply)()
    assert sorted(run.sink.rows) == [0, 2]
    assert run.sink.failed[1]["code"] == "YG599"
    assert "ZeroDivisionError" in run.sink.failed[1]["message"]


def test_retries_are_told_with_their_row(tmp_path):
    """What the model says of its waiting becomes an event of its row and step."""

    async def reply(_step, text, notice):
        notice("overloaded (529)", 0.5)
        return text

    run = Run(tmp_path, reply, rows=1)()
    assert run.of(RequestRetried) == [RequestRetried(0, "one", "overloaded (529)", 0.5)]


def test_the_window_bounds_the_rows_under_way(tmp_path):
    """An input without end is read no further than the rows that are under way."""
    now, most, read = [0], [0], [0]

    def rows():
        for n in range(500):
            read[0] = n
            yield {"n": n}

    async def reply(_step, text, _notice):
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.001)
        assert read[0] <= int(text.split()[1]) + 40
        now[0] -= 1
        return text

    run = Run(tmp_path, reply, rows=rows(), concurrency=4)()
    assert len(run.sink.rows) == 500
    assert 4 <= most[0] <= 40
