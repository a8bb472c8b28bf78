"""The import of instructor, which takes half a second: in a thread, while the first answers are awaited.

Requests are built without it, so the first of them is on its way before the import begins. An answer is stored before
it waits for the import, so nothing that was paid for is lost if the import fails.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.system_limits import start

_PACKAGE: Final = "instructor"
_HANDLERS: Final = "yamlgen.claude.instructor_handlers"
_HEAD_START: Final = 0.1
"""Seconds that the first requests have to be written, before the import competes with them for the processor."""

_HINT: Final = "install yamlgen and what it needs again: `pip install --force-reinstall yamlgen`"


class InstructorImport:
    """The import, at most one at a time in a process, for any number of event loops.

    Attributes:
        is_done: whether it has succeeded.
    """

    def __init__(self) -> None:
        self.is_done = False
        self._is_expected = False
        self._lock = threading.Lock()
        self._running: Future[None] | None = None

    def expect(self) -> None:
        """Begin soon, because a request was sent whose answer needs the import. Needs a running event loop."""
        if not self._is_expected:
            self._is_expected = True
            asyncio.get_running_loop().call_later(_HEAD_START, self._try_to_begin)

    async def finished(self) -> None:
        """Begin now, unless it has begun, and wait for its end. A caller that is cancelled does not end it.

        Raises:
            EnvironmentProblem: instructor cannot be imported, or the system's limit on threads is reached.
        """
        try:
            await asyncio.wrap_future(self._begin())
        except EnvironmentProblem:
            raise
        except Exception as error:  # whatever the code of packages raises
            message = f"the package {_PACKAGE} cannot be imported: {type(error).__name__}: {error}"
            raise EnvironmentProblem(message, code=Code.NO_EXTRA, hint=_HINT) from error

    def _try_to_begin(self) -> None:
        with suppress(EnvironmentProblem):  # `finished` begins it again, and reports why it cannot
            self._begin()

    def _begin(self) -> Future[None]:
        with self._lock:
            if self._running is None:
                running: Future[None] = Future()
                running.set_running_or_notify_cancel()  # one that is cancelled would refuse the result
                # Not a daemon: a process that ends would stop it in the middle of an extension module.
                start(lambda: self._run(running), "yamlgen import", daemon=False)
                self._running = running
            return self._running

    def _run(self, running: Future[None]) -> None:
        try:
            import_module(_HANDLERS)
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            self._running = None  # the next answer tries again
            running.set_exception(error)
        else:
            self.is_done = True
            running.set_result(None)


INSTRUCTOR: Final = InstructorImport()
"""The import in this process."""


@cache
def check_installed() -> None:
    """Check that instructor is installed, without importing it, before anything is paid.

    Raises:
        EnvironmentProblem: it is not.
    """
    if find_spec(_PACKAGE) is None:
        message = f"structured output needs the package {_PACKAGE}, which is not installed"
        raise EnvironmentProblem(message, code=Code.NO_EXTRA, hint=_HINT)
