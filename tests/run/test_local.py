"""The local engine, with models at the port: the order of steps, failures that stay with their row, early ends."""

import asyncio
import contextlib

import pytest

from yamlgen.api import load
from yamlgen.errors import Code, EnvironmentProblem, RowError, RunStopped
from yamlgen.events import RequestRetried, RowFailed, RowFinished, RunDraining, StepFinished
from yamlgen.halt import Halt, Halted
from yamlgen.ports import Answer, Attempt, Usage
from yamlgen.run.local import LocalEngine

HEAD = "version: 1\ninput: {rows: [{n: 0}]}\noutput: {path: out.jsonl}\nsteps:\n"
ONE = '  one: {model: m, prompt: "one {{ row.n }}"}\n'
TWO = '  two: {model: m, prompt: "two {{ steps.one }}"}\n'
SIDE = '  side: {model: m, prompt: "side {{ row.n }}"}\n'
JOIN = '  join: {model: m, prompt: "join {{ steps.one }} {{ steps.side }}"}\n'

PAID = Attempt({"id": "msg"}, Usage(10, 5), ("$: no",))


class Sink:
    """Keeps rows in memory."""

    def __init__(self):
        self.rows, self.failed = {}, {}

    def add(self, index, record):
        """Keep a finished row."""
        self.rows[index] = dict(record)

    def add_failed(self, index, record):
        """Keep a failed row."""
        self.failed[index] = dict(record)


class Models:
    """One model for every step: a function of the step, the text and the notice, awaited."""

    def __init__(self, reply):
        self.reply = reply
        self.asked = []

    def __getitem__(self, step):
        models = self

        class Fake:
            async def answer(self, prompt, notice):
                text = prompt.messages[-1].content
                models.asked.append((step, text))
                value = await models.reply(step, text, notice)
                return value if isinstance(value, Answer) else Answer(value, (Attempt({}, Usage(1, 2)),))

        return Fake()


class Run:
    """A run of an engine over rows `{n: 0}, {n: 1}, ...`, and all that came of it."""

    def __init__(self, tmp_path, reply, steps=ONE, rows=3, concurrency=20):
        path = tmp_path / "p.yaml"
        path.write_text(HEAD + steps)
        self.plan = load(path).plan()
        self.models, self.sink, self.events, self.halt = Models(reply), Sink(), [], None
        self.concurrency = concurrency
        self.rows = [{"n": n} for n in range(rows)] if isinstance(rows, int) else rows

    async def engine(self):
        """Run it in this loop."""
        self.halt = Halt()
        engine = LocalEngine(self.plan, self.models, self.sink, self.events.append, self.halt, self.concurrency)
        await engine.run(self.rows)

    def __call__(self):
        """Run it."""
        asyncio.run(self.engine())
        return self

    def of(self, kind):
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


async def echo(step, text, _notice):
    """Answer at once."""
    return f"{step}<{text}>"


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


def refused(code=Code.REFUSED):
    """A row's error with one paid attempt."""
    return RowError("no", code=code, request={"model": "m"}, attempts=(PAID,))


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


def halting(after):
    """A reply that halts the run during the `after`-th answer and goes on answering."""
    holder = {}

    async def reply(_step, text, _notice):
        run = holder["run"]
        run.halt.check()
        if len(run.models.asked) == after:
            run.halt.request("enough")
        await asyncio.sleep(0.01)
        return text

    return holder, reply


def test_a_halt_keeps_what_is_paid(tmp_path):
    """A row that was cut off between its steps is kept with what it has, under the code of a stopped run."""
    holder, reply = halting(after=2)
    run = holder["run"] = Run(tmp_path, reply, ONE + TWO, rows=100, concurrency=2)
    run()
    assert run.sink.rows == {}
    assert len(run.sink.failed) == 2
    assert run.sink.failed[0]["steps"] == {"one": "one 0"}
    assert run.sink.failed[0]["step"] == "two"
    assert run.sink.failed[0]["code"] == "YG611"
    assert len(run.models.asked) < 20


def test_a_halt_is_no_failure(tmp_path):
    """Rows that were not begun are neither finished nor failed, and no row is told to have failed."""
    holder, reply = halting(after=1)
    run = holder["run"] = Run(tmp_path, reply, rows=100, concurrency=1)
    run()
    assert list(run.sink.rows) == [0]
    assert run.sink.failed == {}
    assert run.of(RowFailed) == []


def test_a_halt_between_reasks_is_no_failure_either(tmp_path):
    """A row that was halted with an invalid answer is kept with that answer, and is not counted as failed."""

    async def reply(_step, _text, _notice):
        holder.halt.request("enough")
        raise refused(Code.STOPPED)

    holder = Run(tmp_path, reply, rows=1)
    run = holder()
    assert run.sink.failed[0]["code"] == "YG611"
    assert len(run.sink.failed[0]["attempts"]) == 1
    assert run.of(RowFailed) == []


def test_a_fatal_error_ends_the_run_and_keeps_what_is_finished(tmp_path):
    """A rejected key ends all: what is in flight comes home, nothing new is asked, the first error is raised."""

    async def reply(step, text, notice):
        number = int(text.split()[1])
        run.halt.check()
        if number == 3:
            raise RunStopped("the API rejected the key", code=Code.KEY_REJECTED)
        await asyncio.sleep(0.02 if number > 3 else 0)
        return await echo(step, text, notice)

    run = Run(tmp_path, reply, rows=1000, concurrency=4)
    with pytest.raises(RunStopped, match="rejected the key"):
        run()
    assert {0, 1, 2} <= set(run.sink.rows)
    assert len(run.models.asked) < 50
    assert run.sink.failed == {}
    assert run.of(RunDraining) == [RunDraining("the API rejected the key")]
    assert run.halt.reason == "the API rejected the key"


def test_only_the_first_fatal_error_is_told(tmp_path):
    """Ten rows that meet the same wall are one sentence."""

    async def reply(_step, text, _notice):
        raise RunStopped(f"stop {text}", code=Code.KEY_REJECTED)

    run = Run(tmp_path, reply, rows=10)
    with pytest.raises(RunStopped, match="stop one 0"):
        run()
    assert len(run.of(RunDraining)) == 1


def test_a_fatal_error_keeps_what_its_row_has(tmp_path):
    """The row that met the wall in its second step does not lose its first."""

    async def reply(step, text, notice):
        if step == "two":
            raise RunStopped("stop", code=Code.UNKNOWN_MODEL)
        return await echo(step, text, notice)

    run = Run(tmp_path, reply, ONE + TWO, rows=1)
    with pytest.raises(RunStopped):
        run()
    assert run.sink.failed[0]["steps"] == {"one": "one<one 0>"}
    assert run.sink.failed[0]["code"] == "YG611"


def test_a_full_disk_ends_the_run(tmp_path):
    """A sink that cannot keep a row stops new requests, and says so once."""

    class Full(Sink):
        def add(self, index, record):
            if index:
                raise EnvironmentProblem("the disk is full", code=Code.DISK)
            super().add(index, record)

    run = Run(tmp_path, echo, rows=1000, concurrency=2)
    run.sink = Full()
    with pytest.raises(EnvironmentProblem, match="the disk is full"):
        run()
    assert list(run.sink.rows) == [0]
    assert len(run.models.asked) < 50


def test_an_input_that_breaks_ends_the_run(tmp_path):
    """When the input fails midway, the rows under way come home, and its error is the one that is raised."""

    def rows():
        yield from ({"n": n} for n in range(50))
        raise EnvironmentProblem("the input changed", code=Code.BAD_INPUT)

    async def reply(step, text, notice):
        await asyncio.sleep(0.01)
        return await echo(step, text, notice)

    run = Run(tmp_path, reply, rows=rows(), concurrency=4)
    with pytest.raises(EnvironmentProblem, match="the input changed"):
        run()
    assert len(run.sink.rows) > 40
    assert run.sink.failed == {}


def test_cancelling_is_cancelling(tmp_path):
    """A second Ctrl-C waits for nothing; what was paid before is still kept, and no task is left behind."""

    async def reply(step, text, _notice):
        if step == "two":
            await asyncio.sleep(60)
        return text

    async def main():
        run = Run(tmp_path, reply, ONE + TWO, rows=10)
        task = asyncio.ensure_future(run.engine())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return run

    run = asyncio.run(main())
    assert run.sink.rows == {}
    assert len(run.sink.failed) == 10
    assert {record["code"] for record in run.sink.failed.values()} == {"YG611"}


def test_a_listener_that_fails_is_heard(tmp_path):
    """An error of whoever watches the run is not swallowed."""
    run = Run(tmp_path, echo, rows=3)

    async def main():
        halt = Halt()

        def emit(event):
            if isinstance(event, StepFinished):
                raise ZeroDivisionError("in the callback")

        await LocalEngine(run.plan, run.models, run.sink, emit, halt, 4).run(run.rows)

    with pytest.raises(ZeroDivisionError, match="in the callback"):
        asyncio.run(main())


def test_the_switch_keeps_its_first_reason():
    """Who halts first is told; whoever asks afterwards is stopped with that reason."""

    async def main():
        halt = Halt()
        halt.check()
        halt.request("first")
        halt.request("second")
        with pytest.raises(Halted, match="first"):
            halt.check()
        with pytest.raises(Halted):
            await halt.sleep(60)

    asyncio.run(main())


def test_the_switch_lets_sleepers_sleep():
    """Without a halt a sleep is a sleep."""

    async def main():
        with contextlib.suppress(Halted):
            started = asyncio.get_running_loop().time()
            await Halt().sleep(0.05)
            return asyncio.get_running_loop().time() - started

    assert asyncio.run(main()) >= 0.05
