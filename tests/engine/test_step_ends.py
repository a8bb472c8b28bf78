"""A step that is halted, cancelled, or meets a fatal error in the middle of its items."""

import asyncio
from contextlib import suppress

import pytest
from fan_out_runs import FAN, LIST, NULLS, FanOutRun

from fake_engine import refused
from yamlgen.cancellation import Cancelled
from yamlgen.errors import Code, RunStopped
from yamlgen.events import ItemFailed, StepFinished


def test_a_halt_in_the_middle_leaves_the_row_undone(tmp_path):
    """What is in flight comes home, no other item is begun, and the row is neither finished nor failed."""

    async def reply(_step, text, _watch):
        if text == "fan 4":
            run.cancellation.request("enough")
        await asyncio.sleep(0.01)
        return text

    run = FanOutRun(tmp_path, reply, rows=[100], width=3)
    run()
    assert run.texts == [f"fan {item}" for item in range(5)]
    assert (run.sink.rows, run.sink.failed, run.of(ItemFailed)) == ({}, {}, [])


@pytest.mark.parametrize("steps", [FAN, NULLS], ids=["fail", "null"])
def test_a_failed_item_of_a_halted_step_fails_nothing(tmp_path, steps):
    """While other items of it are unasked, a row is not set aside for one that failed, and none is null."""

    async def reply(_step, text, _watch):
        if text == "fan 0":
            raise refused()
        run.cancellation.request("enough")
        raise Cancelled

    run = FanOutRun(tmp_path, reply, steps)
    run()
    assert (run.sink.rows, run.sink.failed, run.of(ItemFailed)) == ({}, {}, [])


def test_a_halt_begins_no_further_call(tmp_path):
    """A run that is to end calls an author's function for no further item, though it sends nothing."""
    (tmp_path / "work.py").write_text("import time\ndef work(item):\n    time.sleep(0.01)\n    return item\n")
    step = "  fan: {kind: python, call: work:work, for_each: steps.list.all, args: {item: item}}\n"
    asking = '  ask: {model: m, prompt: "x"}\n'

    async def reply(_step, _text, _watch):
        await asyncio.sleep(0.1)
        run.cancellation.request("enough")
        run.cancellation.check()

    run = FanOutRun(tmp_path, reply, LIST + step + asking, rows=[2000], width=2)
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

    run = FanOutRun(tmp_path, reply, rows=[50, 50, 50], width=4)
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
        raise Cancelled

    with pytest.raises(RunStopped, match="no credit"):
        FanOutRun(tmp_path, reply)()


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

        run = FanOutRun(tmp_path, reply, rows=[50], width=3)
        task = asyncio.create_task(run.engine())
        async with asyncio.timeout(5):
            await begun.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return run, under_way, asyncio.all_tasks() - {asyncio.current_task()}

    run, under_way, left = asyncio.run(main())
    assert (under_way, left, run.sink.rows, run.sink.failed) == (0, set(), {}, {})
