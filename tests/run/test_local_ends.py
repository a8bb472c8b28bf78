"""The local engine: runs that are halted, that meet an error, that are cancelled."""

import asyncio
import contextlib

import pytest

from fakes import ONE, TWO, Run, Sink, echo, refused
from yamlgen.errors import Code, EnvironmentProblem, RunStopped
from yamlgen.events import RowFailed, RunDraining, StepFinished
from yamlgen.halt import Halt, Halted
from yamlgen.run.local import LocalEngine


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


def test_a_fatal_error_keeps_what_its_step_has_paid(tmp_path):
    """The answer before the re-ask that met the wall is kept, though the row did not fail by itself."""

    async def reply(_step, _text, _notice):
        error = RunStopped("stop", code=Code.KEY_REJECTED)
        error.attempts = refused().attempts
        raise error

    run = Run(tmp_path, reply, rows=1)
    with pytest.raises(RunStopped):
        run()
    assert run.sink.failed[0]["code"] == "YG611"
    assert len(run.sink.failed[0]["attempts"]) == 1
    assert run.of(RowFailed) == []


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
