"""A simulator in this process that can accept no more connections."""

import asyncio
import errno
import os
import resource

import pytest

from yamlgen.claude.accept_failures import ended_by_accept_failure
from yamlgen.claude.connections import affordable
from yamlgen.errors import Code, EnvironmentProblem

SCARCE = OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_the_block_ends_as_what_the_system_lacks():
    """Whatever it waits for; the loop's own handler is back in its place."""

    async def block():
        async with ended_by_accept_failure():
            for _ in range(3):
                context = {"message": "accept", "exception": SCARCE, "socket": None}
                asyncio.get_running_loop().call_exception_handler(context)
            await asyncio.sleep(60)

    async def main():
        with pytest.raises(EnvironmentProblem) as caught:
            await block()
        return caught.value.code, asyncio.get_running_loop().get_exception_handler()

    assert asyncio.run(main()) == (Code.SCARCE, None)


def test_other_failures_go_to_the_loops_handler():
    """Those of callbacks, of tasks, and of sockets for other reasons; a timeout of the block's own stays one."""
    told = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["message"]))
        async with ended_by_accept_failure():
            loop.call_exception_handler({"message": "task", "exception": SCARCE})
            loop.call_exception_handler({"message": "reset", "exception": ConnectionResetError(), "socket": None})
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with ended_by_accept_failure():
                raise TimeoutError

    asyncio.run(main())
    assert told == ["task", "reset"]


@pytest.mark.parametrize(("most", "real", "simulated"), [(256, 192, 96), (66, 2, 1), (18, 1, 1), (4096, 1000, 1000)])
def test_a_simulated_connection_takes_two_files(monkeypatch, most, real, simulated):
    """Both of its ends are in this process."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (most, most))
    assert (affordable(1000), affordable(1000, simulated=True)) == (real, simulated)
