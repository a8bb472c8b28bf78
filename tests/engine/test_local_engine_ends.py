"""The local engine: runs that are halted, that meet an error, that are cancelled."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from fake_engine import ONE, PAID, SIDE, TWO, FakeRun, ResultSink, echo, refused
from yamlgen.cancellation import Cancellation, Cancelled
from yamlgen.engine.local_engine import LocalEngine
from yamlgen.errors import Code, EnvironmentProblem, RunStopped
from yamlgen.events import AnswerReceived, RowFailed, RowFinished, RunDraining, StepFinished


def halting(after):
    """A reply that halts the run during the `after`-th answer and goes on answering."""
    holder = {}

    async def reply(_step, text, _watch):
        run = holder["run"]
        run.cancellation.check()
        if len(run.models.asked) == after:
            run.cancellation.request("enough")
        await asyncio.sleep(0.01)
        return text

    return holder, reply


def test_a_halt_between_two_steps_leaves_the_row_undone(tmp_path):
    """What is in flight comes home; a row that was cut off between its steps is neither finished nor failed."""
    holder, reply = halting(after=2)
    run = holder["run"] = FakeRun(tmp_path, reply, ONE + TWO, rows=100, concurrency=2)
    run()
    assert (run.sink.rows, run.sink.failed) == ({}, {})
    assert len(run.of(StepFinished)) == len(run.of(AnswerReceived)) == 2
    assert run.of(RowFailed) == []
    assert len(run.models.asked) < 20


def test_a_halt_is_no_failure(tmp_path):
    """Rows that were not begun are neither finished nor failed, and no row is told to have failed."""
    holder, reply = halting(after=1)
    run = holder["run"] = FakeRun(tmp_path, reply, rows=100, concurrency=1)
    run()
    assert list(run.sink.rows) == [0]
    assert run.sink.failed == {}
    assert run.of(RowFailed) == []


def test_a_halt_between_reasks_is_no_failure_either(tmp_path):
    """A row that was halted after an invalid answer is undone; that answer was told, so it is in the store."""

    async def reply(_step, _text, watch):
        watch.received(PAID, cause="first")
        run.cancellation.request("enough")
        run.cancellation.check()

    run = FakeRun(tmp_path, reply, rows=1)
    run()
    assert (run.sink.rows, run.sink.failed) == ({}, {})
    assert len(run.of(AnswerReceived)) == 1
    assert run.of(RowFailed) == []


def test_a_failed_row_is_kept_in_a_halted_run(tmp_path):
    """A row that failed by itself while the run was ending is set aside as ever, whatever its other step missed."""

    async def reply(step, _text, _watch):
        run.cancellation.request("enough")
        if step == "side":
            run.cancellation.check()
        raise refused()

    run = FakeRun(tmp_path, reply, ONE + SIDE, rows=1)
    run()
    assert list(run.sink.failed[0].failures) == ["one"]
    assert run.of(RowFailed) == [RowFailed(0, "one", "YG504", "no")]
    assert run.undone


def test_a_fatal_error_ends_the_run_and_keeps_what_is_finished(tmp_path):
    """A rejected key ends all: what is in flight comes home, nothing new is asked, the first error is raised."""

    async def reply(step, text, watch):
        number = int(text.split()[1])
        run.cancellation.check()
        if number == 3:
            raise RunStopped("the API rejected the key", code=Code.KEY_REJECTED)
        await asyncio.sleep(0.02 if number > 3 else 0)
        return await echo(step, text, watch)

    run = FakeRun(tmp_path, reply, rows=1000, concurrency=4)
    with pytest.raises(RunStopped, match="rejected the key"):
        run()
    assert {0, 1, 2} <= set(run.sink.rows)
    assert len(run.models.asked) < 50
    assert run.sink.failed == {}
    assert run.of(RunDraining) == [RunDraining("the API rejected the key")]
    assert run.cancellation.reason == "the API rejected the key"


def test_only_the_first_fatal_error_is_told(tmp_path):
    """Ten rows that meet the same wall are one sentence."""

    async def reply(_step, text, _watch):
        raise RunStopped(f"stop {text}", code=Code.KEY_REJECTED)

    run = FakeRun(tmp_path, reply, rows=10)
    with pytest.raises(RunStopped, match="stop one 0"):
        run()
    assert len(run.of(RunDraining)) == 1


def test_a_fatal_error_is_no_failure_of_its_row(tmp_path):
    """The row that met the wall in its second step is undone: the next run goes on from its first."""

    async def reply(step, text, watch):
        if step == "two":
            raise RunStopped("stop", code=Code.UNKNOWN_MODEL)
        return await echo(step, text, watch)

    run = FakeRun(tmp_path, reply, ONE + TWO, rows=1)
    with pytest.raises(RunStopped):
        run()
    assert run.of(StepFinished) == [StepFinished(0, "one")]
    assert (run.sink.rows, run.sink.failed) == ({}, {})
    assert run.of(RowFailed) == []


def test_a_full_disk_ends_the_run(tmp_path):
    """A sink that cannot keep a row stops new requests, and says so once."""

    class Full(ResultSink):
        async def add(self, outcome):
            if outcome.row.index:
                raise EnvironmentProblem("the disk is full", code=Code.DISK)
            await super().add(outcome)

    run = FakeRun(tmp_path, echo, rows=1000, concurrency=2)
    run.sink = Full()
    with pytest.raises(EnvironmentProblem, match="the disk is full"):
        run()
    assert list(run.sink.rows) == [0]
    assert run.of(RowFinished) == [RowFinished(0)]
    assert len(run.of(RunDraining)) == 1
    assert len(run.models.asked) < 50


def test_an_input_that_breaks_ends_the_run(tmp_path):
    """When the input fails midway, the rows under way come home, and its error is the one that is raised."""

    def rows():
        yield from ({"n": n} for n in range(50))
        raise EnvironmentProblem("the input changed", code=Code.BAD_INPUT)

    async def reply(step, text, watch):
        await asyncio.sleep(0.01)
        return await echo(step, text, watch)

    run = FakeRun(tmp_path, reply, rows=rows(), concurrency=4)
    with pytest.raises(EnvironmentProblem, match="the input changed"):
        run()
    assert len(run.sink.rows) > 40
    assert run.sink.failed == {}


def test_cancelling_is_cancelling(tmp_path):
    """A second Ctrl-C waits for nothing: rows under way are undone, and no task is left behind."""

    async def reply(step, text, _watch):
        if step == "two":
            await asyncio.sleep(60)
        return text

    async def main():
        run = FakeRun(tmp_path, reply, ONE + TWO, rows=10)
        task = asyncio.ensure_future(run.engine())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return run

    run = asyncio.run(main())
    assert len(run.of(AnswerReceived)) == 10
    assert (run.sink.rows, run.sink.failed) == ({}, {})


def test_a_listener_that_fails_is_heard(tmp_path):
    """An error of whoever watches the run is not swallowed."""
    run = FakeRun(tmp_path, echo, rows=3)

    async def main():
        cancellation = Cancellation()

        def emit(event):
            if isinstance(event, StepFinished):
                raise ZeroDivisionError("in the callback")

        await LocalEngine(run.plan, run.models, run.sink, emit, cancellation).run(run.rows)

    with pytest.raises(ZeroDivisionError, match="in the callback"):
        asyncio.run(main())


@pytest.mark.parametrize("processes", [0, 1])
def test_a_halt_begins_no_function_that_waits_for_a_worker(tmp_path, processes):
    """Functions that run come home; the others are not called, although their rows have begun."""
    (tmp_path / "notes.py").write_text("def note(n):\n    open(f'{__file__}.{n}', 'w').close()\n", encoding="utf-8")
    run = FakeRun(tmp_path, echo, '  note: {kind: python, call: "notes:note", args: {n: row.n}}\n', rows=300)
    plan = replace(run.plan, runtime=run.plan.runtime.model_copy(update={"python_workers": processes}))

    async def main():
        cancellation = Cancellation()

        def emit(event):
            if isinstance(event, StepFinished):
                cancellation.request("enough")

        engine = LocalEngine(plan, run.models, run.sink, emit, cancellation)
        await engine.run(run.rows)
        assert engine.undone

    asyncio.run(main())
    assert 1 <= len(run.sink.rows) == len(list(tmp_path.glob("notes.py.*"))) < 100
    assert run.sink.failed == {}


def test_the_switch_keeps_its_first_reason():
    """Who halts first is told; whoever asks afterwards is stopped with that reason."""

    async def main():
        cancellation = Cancellation()
        cancellation.check()
        cancellation.request("first")
        cancellation.request("second")
        with pytest.raises(Cancelled, match="first"):
            cancellation.check()
        with pytest.raises(Cancelled):
            await cancellation.sleep(60)

    asyncio.run(main())


def test_the_switch_lets_sleepers_sleep():
    """Without a halt a sleep is a sleep."""

    async def main():
        with contextlib.suppress(Cancelled):
            started = asyncio.get_running_loop().time()
            await Cancellation().sleep(0.05)
            return asyncio.get_running_loop().time() - started

    assert asyncio.run(main()) >= 0.05
