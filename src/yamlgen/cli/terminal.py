"""A guard in front of the terminal: control characters and invisible characters are printed as JSON escapes.

Names, answers, rows and error messages come from third parties. An escape sequence in them could set the title, clear
the screen or fake a line; a bidirectional control character changes the order of a text. Therefore both standard
streams, if they are terminals, are replaced by streams that escape all of that, whatever prints: a command, click, a
traceback, a warning, a user's function. Pipes and files receive the bytes unchanged.

Our own output has two ways around the guard: `style` marks colours with a token that no input can contain, and the live
display draws on the stream beneath, while everything else that is printed meanwhile goes through `above`.
"""

from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, TextIO

from yamlgen.environment import variable
from yamlgen.visible_text import visible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_COLOURS: Final = {"red": 31, "yellow": 33, "blue": 34}
_MARK: Final = f"\ufdd0{os.urandom(8).hex()}["
"""Begins a colour code; random in each process, so that no input can forge it."""


def style(text: str, *, fg: str, bold: bool = False) -> str:
    """Return a string for stderr, in colour if that is a terminal whose user wants colours."""
    if _guard_of(sys.stderr) is None or variable("NO_COLOR") or variable("TERM") == "dumb":
        return text
    return f"{_MARK}{_COLOURS[fg]}{';1' if bold else ''}m{text}{_MARK}0m"


def terminal_width() -> int | None:
    """Return how many columns the terminal of stderr has; `None` if stderr is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stderr.isatty() else None


def guard() -> None:
    """Guard each standard stream that is a terminal, until the process ends."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream.isatty() and _guard_of(stream) is None:
            stream.flush()
            guarded = io.TextIOWrapper(
                _Guard(stream), encoding=stream.encoding, errors="backslashreplace", line_buffering=True
            )
            setattr(sys, name, guarded)
            sys.excepthook = _print_exception


def beneath(stream: TextIO) -> TextIO:
    """Return the stream beneath a guarded stream, for output that is escaped already; any other stream itself."""
    guarded = _guard_of(stream)
    return stream if guarded is None else guarded.beneath


@contextmanager
def above(stream: TextIO, say: Callable[[str], None]) -> Iterator[None]:
    """Pass what is printed to a guarded stream to `say`: whole lines, escaped, without the last line feed."""
    guarded = _guard_of(stream)
    if guarded is None:
        yield
        return
    stream.flush()
    guarded.say = say
    try:
        yield
    finally:
        stream.flush()
        guarded.say = None
        guarded.write(b"")


class _Guard(io.BufferedIOBase):
    """A stream that escapes the bytes on their way to a terminal."""

    def __init__(self, beneath: TextIO) -> None:
        super().__init__()
        self.beneath = beneath
        self.say: Callable[[str], None] | None = None
        self._decoder = codecs.getincrementaldecoder(beneath.encoding)("backslashreplace")
        self._kept = ""
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.beneath.name

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self.beneath.isatty()

    def fileno(self) -> int:
        return self.beneath.fileno()

    def write(self, buffer: ReadableBuffer, /) -> int:
        data = bytes(buffer)
        text = visible(self._decoder.decode(data)).replace(_MARK, "\x1b[")
        say = self.say  # another thread may reset it
        if say is not None:
            with self._lock:
                whole, line_end, self._kept = (self._kept + text).rpartition("\n")
            if line_end:
                say(whole)
            return len(data)
        text, self._kept = self._kept + text, ""
        self.beneath.buffer.write(text.encode(self.beneath.encoding, "backslashreplace"))
        self.beneath.buffer.flush()
        return len(data)


def _guard_of(stream: TextIO) -> _Guard | None:
    buffer = getattr(stream, "buffer", None)
    return buffer if isinstance(buffer, _Guard) else None


def _print_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an exception as the interpreter does, but without colours, which would be escaped."""
    import traceback  # noqa: PLC0415 - only after an error

    traceback.print_exception(kind, error, trace)
