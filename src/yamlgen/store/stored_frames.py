"""What requests of a step, or their responses, share is stored once, as their frame, and each of them without it.

A frame is the words that two texts have in common: the dictionary of the compression of those that follow. When texts
do not fit it, such as those with another long document, two of them make another one. A run goes on with the frames of
the run before it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

from yamlgen.store.codec import compressed, unpacked_text
from yamlgen.store.database import mapped
from yamlgen.store.text_frame import TextFrame, in_common

_MOST: Final = 1_000_000
"""The size of the largest text that has a frame: the compression finds nothing that is more than 2 MB away."""
_SHARE: Final = 8
"""Another frame is made if it saves more than an eighth of a text: it pays for itself within a few texts."""
_REMEMBERED: Final = 16

_FIND: Final = "SELECT id FROM frame WHERE digest = ?"
_ADD: Final = "INSERT INTO frame (digest, text) VALUES (?, ?)"
_TEXT: Final = "SELECT text FROM frame WHERE id = ?"
_NEWEST: Final = "SELECT {}_frame FROM attempt WHERE step = ? AND requested IS ? ORDER BY id DESC LIMIT 1"


class PackedText(NamedTuple):
    """A text in the form in which it is stored.

    Attributes:
        data: its bytes.
        frame: the frame that is needed to read it, or the frame's number in the store; `None` if none is.
    """

    data: bytes
    frame: TextFrame | int | None = None


@dataclass(slots=True)
class _Course:
    """The texts of one kind, of a step and a model.

    Attributes:
        frame: their frame.
        misfit: the last text that did not fit it.
        wait: how many such texts may come until another frame is tried.
        pause: how many may come after the next trial, unless it succeeds.
    """

    frame: TextFrame | None
    misfit: bytes = b""
    wait: int = 0
    pause: int = 0

    def pack(self, text: bytes) -> bytes:
        """Compress a text with the frame, or with a better one, which is theirs from then on."""
        data = compressed(text) if self.frame is None else self.frame.pack(text)
        better = len(data) - 1 - (0 if self.frame is None else len(text) // _SHARE)
        if better < 0:
            return data
        misfit, self.misfit, self.wait = self.misfit, text, self.wait - 1
        if self.wait >= 0 or not misfit:
            return data
        if len(TextFrame(misfit).pack(text)) <= better:  # which takes less time than to find what they share
            other = TextFrame(in_common(misfit, text))
            made = other.pack(text)
            if len(made) <= better:
                self.frame, self.wait, self.pause = other, 0, 0
                return made
        self.wait, self.pause = self.pause, 2 * self.pause + 1
        return data


class StoredFrames:
    """The frames of a store: it reads them, and makes them of what comes.

    Args:
        reader: a read-only connection of this thread.
        path: the database, for messages.
    """

    def __init__(self, reader: sqlite3.Connection, path: Path) -> None:
        self._reader = reader
        self._path = path
        self._courses: dict[tuple[str, str, str | None], _Course] = {}
        self._known = lru_cache(_REMEMBERED)(self._read)

    def frame(self, number: int | None) -> TextFrame | None:
        """Return the frame with a number; `None` without a number.

        Raises:
            EnvironmentProblem: there is none, or it is damaged.
        """
        return None if number is None else self._known(number)

    def pack(self, kind: Literal["request", "response"], step: str, requested: str | None, text: bytes) -> PackedText:
        """Return a text in the form in which it is stored.

        Args:
            kind: what it is.
            step: the step that it belongs to.
            requested: the model that was requested.
            text: its JSON.
        """
        if len(text) > _MOST:
            return PackedText(compressed(text))
        course = self._courses.get((kind, step, requested))
        if course is None:
            course = self._courses[kind, step, requested] = _Course(self._newest(kind, step, requested))
        data, frame = course.pack(text), course.frame
        if frame is not None and frame.number is None:
            with mapped(self._path):
                frame.number = _find(self._reader, frame)
        return PackedText(data, frame and (frame.number or frame))

    def _newest(self, kind: str, step: str, requested: str | None) -> TextFrame | None:
        """Return the frame of the newest text in the store."""
        with mapped(self._path):
            found = self._reader.execute(_NEWEST.format(kind), (step, requested)).fetchone()
        return self.frame(found[0]) if found else None

    def _read(self, number: int) -> TextFrame:
        with mapped(self._path):
            found = self._reader.execute(_TEXT, (number,)).fetchone()
            if found is None:
                message = "the frame of a text is missing"
                raise ValueError(message)
            return TextFrame(unpacked_text(found[0]), number)


def number_of(connection: sqlite3.Connection, frame: TextFrame | int | None) -> int | None:
    """Return the number of a frame in the store, which is added if it is new."""
    if not isinstance(frame, TextFrame):
        return frame
    return _find(connection, frame) or connection.execute(_ADD, (frame.digest, compressed(frame.text))).lastrowid


def _find(connection: sqlite3.Connection, frame: TextFrame) -> int | None:
    found = connection.execute(_FIND, (frame.digest,)).fetchone()
    return found[0] if found else None
