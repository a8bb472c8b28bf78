"""The interface of a file format: its name and extensions, and how it reads and writes rows.

A format handles bytes and rows only, not files or runs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import BinaryIO, Final, Literal, Protocol, TypeAlias

from yamlgen.errors import Code, UsageError
from yamlgen.value_objects import JSON

Lines: TypeAlias = Callable[[], Iterable[bytes]]
"""Returns the rows as UTF-8 JSON lines with line endings, in input order; the same rows on each call."""

NumberedRow: TypeAlias = tuple[int, dict[str, JSON]]
"""A row with its position in the file for messages: in text formats its line, from 1."""

Rows: TypeAlias = Iterator[NumberedRow]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Questionable content that is read anyway: `what` describes how it is read, `fix` what to do."""

    what: str
    fix: str


class AnomalyLog:
    """The anomalies of a file: the count and the first line of each."""

    def __init__(self) -> None:
        self._found: dict[Anomaly, tuple[int, int]] = {}

    def __contains__(self, anomaly: Anomaly) -> bool:
        return anomaly in self._found

    def add(self, anomaly: Anomaly, line: int, count: int) -> None:
        """Record an anomaly that occurs `count` times in a line."""
        first, before = self._found.get(anomaly, (line, 0))
        self._found[anomaly] = first, before + count

    def told(self, shown: str) -> tuple[str, ...]:
        """Return a warning for each anomaly, with its place; `shown` is the name of the file in messages."""
        return tuple(
            f"{shown}:{line}: {anomaly.what}{f' ({count:,} in total)' if count > 1 else ''}; {anomaly.fix}"
            for anomaly, (line, count) in sorted(self._found.items(), key=lambda found: found[0].what)
        )


@dataclass(frozen=True, slots=True)
class ReadContext:
    """The settings for one reading of a file.

    Attributes:
        shown: the name of the file in messages.
        delimiter: the separator of cells; `None` for a format without cells.
        id: a column that every row must have; a format may refuse a file without it before the first row.
        format_hint: the hint if the file seems to be in another format; replaces the format's own hint.
        anomalies: collects anomalies.
    """

    shown: str
    delimiter: str | None = None
    id: str | None = None
    format_hint: str | None = None
    anomalies: AnomalyLog = field(default_factory=AnomalyLog)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The settings for one writing of a file. Formats without cells ignore them.

    Attributes:
        formulas: `escape` puts an apostrophe before strings that spreadsheets execute as formulas.
        delimiter: the separator of cells, which `is_delimiter` accepts; `None`: the default of the extension.
        columns: the columns that every row has, in order, if they are known; a format then needs not look for them.
    """

    formulas: Literal["keep", "escape"] = "keep"
    delimiter: str | None = None
    columns: tuple[str, ...] = ()


UNCHANGED: Final = WriteOptions()
"""The default settings."""


class Format(Protocol):
    """A file format of rows. The defaults suit a format that keeps the types of values and reads row by row.

    Attributes:
        name: its name in `input.format`.
        endings: its file extensions in lower case, the usual one first.
        keeps_types: whether values are read with the types they were written with, rather than as strings.
    """

    name: str
    endings: tuple[str, ...]
    keeps_types: bool = True

    @abstractmethod
    def read(self, file: BinaryIO, reading: ReadContext) -> Rows:
        """Yield the rows of a file.

        Raises:
            UsageError: the file is broken at the next row.
        """

    @abstractmethod
    def write(
        self, rows: Lines, path: PurePath, tell: Callable[[str], object], options: WriteOptions = UNCHANGED
    ) -> Iterable[bytes]:
        """Yield the content of a file at `path` in pieces.

        Args:
            rows: the rows; a format that must know all columns first reads them twice.
            path: the path of the file.
            tell: called at the end with each warning about values that the format cannot represent.
            options: the settings.
        """

    def place(self, reading: ReadContext, line: int, number: int) -> str:  # noqa: ARG002 - for formats that count rows
        """Return the place of a row for messages, from its line and its number (from 1)."""
        return f"{reading.shown}:{line}"

    def delimiter(self, path: PurePath | None) -> str | None:  # noqa: ARG002 - for formats with cells
        """Return the default delimiter for `path` (`None`: standard input); `None` if the format has no cells."""
        return None

    def may_be_odd(self, content: bytes) -> bool:  # noqa: ARG002 - for formats with anomalies
        """Check whether `content` may contain anomalies."""
        return False

    def columns(self, file: BinaryIO, reading: ReadContext) -> Mapping[str, JSON] | None:  # noqa: ARG002 - for headers
        """Return the columns from the file's header, each with its type as a JSON Schema.

        Returns:
            The columns; `None` for a format without a header.
        """
        return None


OBJECT: Final = 'write each row as an object: {"column": value}'


def is_delimiter(text: str) -> bool:
    """Check whether `text` can separate cells: one character that has no other meaning in CSV and is never replaced."""
    return len(text) == 1 and text not in _NOT_DELIMITERS and not "\ud800" <= text <= "\udfff"


_NOT_DELIMITERS: Final = '"\r\n\0\ufeff\ufffd'


def refused(place: str, problem: str, hint: str | None = None, code: Code = Code.BAD_INPUT) -> UsageError:
    """Return the error for a file that is broken at a place."""
    return UsageError(f"{place}: {problem}", code=code, hint=hint)


def cut(text: str) -> str:
    """Return a string for a message, cut to at most 80 characters."""
    text = text.strip()
    return text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004 - one line
