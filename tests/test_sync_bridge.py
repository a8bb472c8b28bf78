"""The one way from synchronous code into asynchronous code."""

import asyncio
import contextvars
import signal
import threading
import time

import pytest

from yamlgen.sync_bridge import wait_for


async def double(value):
    """Twice a value, a moment later."""
    await asyncio.sleep(0.01)
    return value * 2


async def fail():
    """Fail a moment later."""
    await asyncio.sleep(0.01)
    raise ValueError("so")


def test_without_a_loop_the_coroutine_is_run():
    """Plain scripts get the result."""
    assert wait_for(double(21)) == 42


def test_inside_a_running_loop_it_is_run_too():
    """So do notebooks, where a loop is running already."""

    async def main():
        return wait_for(double(21))

    assert asyncio.run(main()) == 42


def test_the_door_may_be_used_inside_itself():
    """Synchronous code called by asynchronous code that was called by synchronous code."""

    async def inner():
        return wait_for(double(1))

    async def main():
        return wait_for(inner())

    assert asyncio.run(main()) == 2


@pytest.mark.parametrize("running", [False, True])
def test_errors_come_through(running):
    """An error arrives as it was raised, with or without a loop."""

    async def main():
        wait_for(fail())

    with pytest.raises(ValueError, match="so"):
        asyncio.run(main()) if running else wait_for(fail())


def test_context_variables_are_seen_inside():
    """What the caller has set holds for the coroutine in its thread."""
    variable = contextvars.ContextVar("variable", default="unset")

    async def look():
        return variable.get()

    async def main():
        variable.set("set")
        return wait_for(look())

    assert asyncio.run(main()) == "set"


def test_no_thread_is_left_behind():
    """The thread ends with the call."""

    async def main():
        before = threading.active_count()
        wait_for(double(1))
        return threading.active_count() - before

    assert asyncio.run(main()) == 0


def test_an_interrupt_cancels_and_waits_for_the_clean_up():
    """Ctrl-C in a notebook ends what is under way, and lets it close its client."""
    closed = []

    async def work():
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.05)
            closed.append(True)

    async def main():
        main_thread = threading.main_thread().ident
        threading.Timer(0.2, signal.pthread_kill, (main_thread, signal.SIGINT)).start()
        wait_for(work())

    loop = asyncio.new_event_loop()
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(main())
    finally:
        loop.close()
    assert closed == [True]
    assert time.monotonic() - started < 5
