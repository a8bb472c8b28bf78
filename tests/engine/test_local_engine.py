"""The local engine: the order of steps, and failures that stay with their row."""

import asyncio

from fake_engine import JOIN, ONE, PAID, SIDE, TWO, FakeRun, echo, refused, values
from yamlgen.errors import Code
from yamlgen.events import AnswerReceived, RequestRetried, RequestSent, RowFailed, RowFinished, StepFinished
from yamlgen.value_objects import InputRow, Usage


def test_an_outcome_has_the_steps_in_file_order(tmp_path):
    """What came of a row is each step's value in file order, each made from the values it refers to."""
    run = FakeRun(tmp_path, echo, TWO + ONE, rows=2)()
    assert run.sink.rows[1] == {"n": 1, "two": "two<two one<one 1>>", "one": "one<one 1>"}
    assert list(run.sink.rows[1]) == ["n", "two", "one"]
    assert run.sink.failed == {}


def test_a_model_is_told_who_asks(tmp_path):
    """A request is told apart by its step and by its row's identity, which the next run has too."""
    run = FakeRun(tmp_path, echo, ONE + TWO, rows=2)()
    assert sorted((context.step, context.identity) for context in run.models.askers) == [
        ("one", "row 0"),
        ("one", "row 1"),
        ("two", "row 0"),
        ("two", "row 1"),
    ]


def test_each_answer_and_each_row_is_told(tmp_path):
    """One event per answer with what it took, one per value, one per row that is done, after those of its steps."""
    run = FakeRun(tmp_path, echo, ONE + TWO, rows=2)()
    assert len(run.of(StepFinished)) == 4
    assert len(run.of(RequestSent)) == 4
    assert AnswerReceived(1, "two", Usage(1, 2), 0.25, reused=False, seconds=0.5) in run.of(AnswerReceived)
    assert len(run.of(AnswerReceived)) == 4
    assert sorted(event.row for event in run.of(RowFinished)) == [0, 1]
    last = {event.row: number for number, event in enumerate(run.events) if isinstance(event, StepFinished)}
    assert all(run.events.index(event) > last[event.row] for event in run.of(RowFinished))


def test_there_is_no_barrier_between_steps(tmp_path):
    """A row goes on to its second step while another one is still in its first."""

    async def main():
        go = asyncio.Event()

        async def reply(step, text, _watch):
            if (step, text) == ("one", "one 0"):
                await go.wait()
            if (step, text) == ("two", "two one 1"):
                go.set()
            return text

        async with asyncio.timeout(5):
            run = FakeRun(tmp_path, reply, ONE + TWO, rows=2)
            await run.engine()
            return run

    assert len(asyncio.run(main()).sink.rows) == 2


def test_steps_that_need_nothing_of_each_other_run_side_by_side(tmp_path):
    """Two parallel steps of one row are both under way at once."""

    async def main():
        both = asyncio.Barrier(2)

        async def reply(step, text, _watch):
            if step in ("one", "side"):
                await both.wait()
            return text

        async with asyncio.timeout(5):
            run = FakeRun(tmp_path, reply, ONE + SIDE + JOIN, rows=1)
            await run.engine()
            return run

    assert asyncio.run(main()).sink.rows[0]["join"] == "join one 0 side 0"


def test_a_failing_row_leaves_its_siblings(tmp_path):
    """One row is set aside with what is known of it; the others do not watch."""

    async def reply(step, text, watch):
        if text == "two one<one 1>":
            raise refused()
        return await echo(step, text, watch)

    run = FakeRun(tmp_path, reply, ONE + TWO)()
    assert sorted(run.sink.rows) == [0, 2]
    outcome, error = run.sink.failed[1], run.sink.failed[1].failures["two"]
    assert outcome.row == InputRow(1, {"n": 1}, "row 1")
    assert values(outcome) == {"one": "one<one 1>"}
    assert (error.code, error.message, error.request, error.attempts) == ("YG504", "no", {"model": "m"}, (PAID,))
    assert run.of(RowFailed) == [RowFailed(1, "two", "YG504", "no")]


def test_what_needs_a_failed_step_is_not_asked(tmp_path):
    """A step after a failed one costs nothing; one beside it is still asked for, and kept."""

    async def reply(step, text, watch):
        if step == "one":
            raise refused()
        await asyncio.sleep(0.01)
        return await echo(step, text, watch)

    run = FakeRun(tmp_path, reply, ONE + SIDE + JOIN, rows=1)()
    assert [step for step, _ in run.models.asked] == ["one", "side"]
    assert values(run.sink.failed[0]) == {"side": "side<side 0>"}
    assert list(run.sink.failed[0].failures) == ["one"]


def test_two_failures_of_one_row_are_both_told(tmp_path):
    """Each step's error is in the outcome, in file order, with its own attempts; the row is told to fail once."""

    async def reply(step, _text, _watch):
        await asyncio.sleep(0.01 if step == "one" else 0)
        raise refused(Code.TRUNCATED if step == "side" else Code.REFUSED)

    run = FakeRun(tmp_path, reply, ONE + SIDE, rows=1)()
    failures = run.sink.failed[0].failures
    assert [(step, error.code, error.attempts) for step, error in failures.items()] == [
        ("one", "YG504", (PAID,)),
        ("side", "YG505", (PAID,)),
    ]
    assert run.of(RowFailed) == [RowFailed(0, "one", "YG504", "no")]


def test_a_missing_column_sets_its_row_aside(tmp_path):
    """A template that cannot be filled in is the row's failure, and nothing is asked for it."""
    run = FakeRun(tmp_path, echo, rows=[{"n": 0}, {}, {"n": 2}])()
    assert sorted(run.sink.rows) == [0, 2]
    assert run.sink.failed[1].failures["one"].code == "YG501"
    assert run.sink.failed[1].failures["one"].request is None
    assert len(run.models.asked) == 2


def test_an_unexpected_error_costs_one_row(tmp_path):
    """A fault of ours is an internal error of its row, not the end of the run."""

    async def reply(step, text, watch):
        if text == "one 1":
            raise ZeroDivisionError("oh")
        return await echo(step, text, watch)

    run = FakeRun(tmp_path, reply)()
    assert sorted(run.sink.rows) == [0, 2]
    assert run.sink.failed[1].failures["one"].code == "YG599"
    assert "ZeroDivisionError" in run.sink.failed[1].failures["one"].message


def test_retries_are_told_with_their_row(tmp_path):
    """What the model says of its waiting becomes an event of its row and step."""

    async def reply(_step, text, watch):
        watch.retried("overloaded (529)", 0.5)
        return text

    run = FakeRun(tmp_path, reply, rows=1)()
    assert run.of(RequestRetried) == [RequestRetried(0, "one", "overloaded (529)", 0.5)]


def test_the_window_bounds_the_rows_under_way(tmp_path):
    """An input without end is read no further than the rows that are under way."""
    now, most, read = [0], [0], [0]

    def rows():
        for n in range(500):
            read[0] = n
            yield {"n": n}

    async def reply(_step, text, _watch):
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.001)
        assert read[0] <= int(text.split()[1]) + 40
        now[0] -= 1
        return text

    run = FakeRun(tmp_path, reply, rows=rows(), concurrency=4)()
    assert len(run.sink.rows) == 500
    assert 4 <= most[0] <= 40
