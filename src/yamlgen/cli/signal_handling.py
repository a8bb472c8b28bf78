"""Ctrl-C and SIGTERM during a run: the first requests a stop, the second ends the run, whatever it is doing.

Python runs a handler between two instructions, and only in the main thread. A function that computes forever, or a
blocked event loop, would never receive a signal. Therefore each handler serves one signal, and the kernel ends the
process at the next, unless the event loop has shown that it still reacts. (C code that takes the interpreter's lock
after that ends at the third signal, and so does a process that receives two different signals.)
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
"""The exit codes of a run that a signal ended."""
_TO_HEAR: Final = 2.0
"""Seconds for the event loop to react to a signal."""
_TO_END: Final = 4.0
"""Seconds for a run to end after it has reacted to the second signal."""
_SHOW_CURSOR: Final = b"\x1b[?25h"

T = TypeVar("T")
_Handler = Callable[[int, FrameType | None], Any]


class SignalHandler:
    """Handles the signals of one run, from before its first request until its end; a context of the main thread.

    Raises:
        YamlgenError: Ctrl-C was pressed before the run began, for example while standard input was being read.
    """

    def __init__(self) -> None:
        self.received: list[signal.Signals] = []
        self._sent = threading.Event(), threading.Event()  # the first signal, and the second
        self._heard = threading.Event(), threading.Event()
        self._over = threading.Event()
        self._first_sent: signal.Signals | None = None
        self._kept = "nothing was sent"
        self._main: asyncio.Task[Any] | None = None

    def __enter__(self) -> Self:
        """Let Ctrl-C end the preparation of the run at once."""
        self._before = {number: signal.getsignal(number) or signal.SIG_DFL for number in CODES}
        _set_once(signal.SIGINT, self._interrupt)  # `asyncio.run` would replace Python's own handler
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the previous handlers."""
        self._over.set()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
            raise interrupted("stopped: Ctrl-C", self._kept, signal.SIGINT) from None

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns, run in an event loop of its own."""

        async def whole() -> T:
            self._main = asyncio.current_task()
            return await coroutine

        return asyncio.run(whole())

    def begin(self, stop: Callable[[signal.Signals], None], cancel: Callable[[], Any]) -> None:
        """Handle the signals on this event loop from now on.

        Args:
            stop: called at the first signal.
            cancel: called at the second signal.
        """
        loop = asyncio.get_running_loop()
        is_watched = True
        try:
            threading.Thread(target=self._watch, name="yamlgen signals", daemon=True).start()
        except RuntimeError:  # no more threads: the kernel then ends the process at the second signal
            is_watched = False

        def hear(number: signal.Signals) -> None:  # called by the event loop
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

    def pause(self) -> None:
        """Let Ctrl-C end at once what comes between a run and the next, until that begins.

        Raises:
            YamlgenError: a signal has requested a stop, but the run was finished.
        """
        self._kept = "finished answers are in the store"
        for number in CODES:
            asyncio.get_running_loop().remove_signal_handler(number)
        _set_once(signal.SIGINT, self._interrupt)
        if self._first_sent is not None:
            name = "Ctrl-C" if self._first_sent is signal.SIGINT else "SIGTERM"
            raise interrupted(f"stopped: {name}", self._kept, self._first_sent)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Handle Ctrl-C before the run."""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop is running
            raise KeyboardInterrupt from None
        if self._main is None or task is self._main:
            raise KeyboardInterrupt
        # In another task, or outside of tasks, the exception would print a traceback.
        self._main.get_loop().call_soon_threadsafe(self._main.cancel)

    def _first(self, number: int, _frame: FrameType | None) -> None:
        """Handle the first signal, as soon as Python can."""
        self._first_sent = signal.Signals(number)
        self._note(0)
        with suppress(OSError):
            if sys.stderr.isatty():
                os.write(2, _SHOW_CURSOR)  # the live display that hides it may never end

    def _second(self, _number: int, _frame: FrameType | None) -> None:
        self._note(1)

    def _note(self, which: int) -> None:
        for number in CODES:
            signal.signal(number, signal.SIG_DFL)
        self._sent[which].set()

    def _watch(self) -> None:
        """Warn about a run that does not react to the first signal; end the process if it ignores the second."""
        self._sent[0].wait()
        if not self._heard[0].wait(_TO_HEAR):
            _write("the run is busy and does not react; press Ctrl-C again to end it (finished answers are stored)")
        self._sent[1].wait()
        if self._heard[1].wait(_TO_HEAR):
            self._over.wait(_TO_END)
        if not self._over.is_set():
            _write("error[YG611]: cancelled\n  = finished answers are in the store")
            os._exit(CODES[self.received[0]])


def _write(text: str) -> None:
    """Write to standard error from another thread; at a terminal, on a new line."""
    with suppress(OSError):
        os.write(2, f"{chr(10) if os.isatty(2) else ''}{text}\n".encode())


def interrupted(message: str, hint: str, number: signal.Signals) -> YamlgenError:
    """Return the error of a run that a signal ended."""
    return YamlgenError(message, code=Code.STOPPED, hint=hint).replace(exit_code=CODES[number])


def _set_once(number: signal.Signals, handler: _Handler) -> None:
    """Set a handler for one signal; the kernel then restores the default."""
    signal.signal(number, handler)
    import ctypes  # noqa: PLC0415 - only for runs

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
