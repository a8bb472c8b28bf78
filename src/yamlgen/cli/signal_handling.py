"""What Ctrl-C and SIGTERM do to a run: the first asks it to stop, the second ends it whatever it is busy with.

Python comes to a handler between two of its instructions and in the main thread alone, so a function that computes on
without an end, or a loop that stands still, would hear no signal at all. So each handler is for one signal, and the
kernel ends the process at the next, unless the event loop has shown by then that it still hears. (Code in C that takes
the interpreter's lock only after that ends at the third, and so does one that is sent two different signals.)
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Final, Self, TypeVar

from yamlgen.errors import Code, YamlgenError
from yamlgen.exit_codes import ExitCode

CODES: Final = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}
"""The exit codes of a run that a signal has ended."""
_TO_HEAR: Final = 2.0
"""Seconds that the loop has to hear a signal."""
_TO_END: Final = 4.0
"""Seconds that a run which has heard the second signal has to end."""
_SHOW_CURSOR: Final = b"\x1b[?25h"

T = TypeVar("T")
_Handler = Callable[[int, FrameType | None], Any]


class SignalHandler:
    """The signals of one run, from before its first request until its end; on the main thread, as a context.

    Raises:
        YamlgenError: Ctrl-C before the run began, as when standard input never ends.
    """

    def __init__(self) -> None:
        self.received: list[signal.Signals] = []
        self._sent = threading.Event(), threading.Event()  # the first signal, and the second
        self._heard = threading.Event(), threading.Event()
        self._over = threading.Event()
        self._main: asyncio.Task[Any] | None = None

    def __enter__(self) -> Self:
        """Let Ctrl-C end at once what comes before the run."""
        self._before = {number: signal.getsignal(number) or signal.SIG_DFL for number in CODES}
        _set_once(signal.SIGINT, self._interrupt)  # not Python's own: `asyncio.run` would replace it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the signals as they were."""
        self._over.set()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
            raise interrupted("stopped: Ctrl-C", "nothing was sent", signal.SIGINT) from None

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns, in an event loop of its own."""

        async def whole() -> T:
            self._main = asyncio.current_task()
            return await coroutine

        return asyncio.run(whole())

    def begin(self, stop: Callable[[signal.Signals], None], cancel: Callable[[], Any]) -> None:
        """Hear the signals on this event loop from now on.

        Args:
            stop: called at the first.
            cancel: called at the second.
        """
        loop = asyncio.get_running_loop()
        is_watched = True
        try:
            threading.Thread(target=self._watch, name="yamlgen signals", daemon=True).start()
        except RuntimeError:  # no more threads: then the kernel ends the process at the second signal
            is_watched = False

        def hear(number: signal.Signals) -> None:  # in the loop's turn, where it has one
            self.received.append(number)
            if len(self.received) > 1:
                self._heard[1].set()
                cancel()
                return
            self._heard[0].set()
            for each in CODES if is_watched else ():
                _set_once(each, self._second)
            stop(number)

        for number in CODES:
            loop.add_signal_handler(number, hear, number)
            _set_once(number, self._first)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Ctrl-C before the run."""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop is running
            raise KeyboardInterrupt from None
        if self._main is None or task is self._main:
            raise KeyboardInterrupt
        # In a row's task, or in none, the exception would leave its traceback behind.
        self._main.get_loop().call_soon_threadsafe(self._main.cancel)

    def _first(self, _number: int, _frame: FrameType | None) -> None:
        """The first signal, as soon as Python comes to it."""
        self._note(0)
        with suppress(OSError):
            if sys.stderr.isatty():
                os.write(2, _SHOW_CURSOR)  # a display that hides it may not come to an end

    def _second(self, _number: int, _frame: FrameType | None) -> None:
        self._note(1)

    def _note(self, which: int) -> None:
        for number in CODES:
            signal.signal(number, signal.SIG_DFL)
        self._sent[which].set()

    def _watch(self) -> None:
        """Tell of a run that does not hear the first signal, and end the process if it does not end at the second."""
        self._sent[0].wait()
        if not self._heard[0].wait(_TO_HEAR):
            _write("the run is busy and does not hear this: Ctrl-C again ends it, and what was finished is kept")
        self._sent[1].wait()
        if self._heard[1].wait(_TO_HEAR):
            self._over.wait(_TO_END)
        if not self._over.is_set():
            _write("error[YG611]: cancelled\n  = what was finished is kept in the store")
            os._exit(CODES[self.received[0]])


def _write(text: str) -> None:
    """Write to standard error what the main thread cannot; at a terminal behind what stands on the line already."""
    with suppress(OSError):
        os.write(2, f"{chr(10) if os.isatty(2) else ''}{text}\n".encode())


def interrupted(message: str, hint: str, number: signal.Signals) -> YamlgenError:
    """The error of a run that a signal has ended."""
    return YamlgenError(message, code=Code.STOPPED, hint=hint).replace(exit_code=CODES[number])


def _set_once(number: signal.Signals, handler: _Handler) -> None:
    """Set a handler for one signal; the next has its default, and no Python is needed for that."""
    signal.signal(number, handler)
    import ctypes  # noqa: PLC0415 - for runs only

    is_linux = sys.platform == "linux"
    mask, resets = (ctypes.c_byte * 128, 0x80000000) if is_linux else (ctypes.c_byte * 4, 0x4)

    class Action(ctypes.Structure):
        """C's `struct sigaction`."""

        _fields_ = (
            ("handler", ctypes.c_void_p),
            ("mask", mask),
            ("flags", ctypes.c_uint),
            ("restorer", ctypes.c_void_p),
        )

    if not is_linux and sys.platform != "darwin":
        return
    action, library = Action(), ctypes.CDLL(None)
    if library.sigaction(int(number), None, ctypes.byref(action)) == 0:
        action.flags |= resets
        library.sigaction(int(number), ctypes.byref(action), None)
