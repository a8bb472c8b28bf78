"""The interface of a file format: its name and extensions, and how it reads and writes rows.

A format handles bytes and rows only, not files or runs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
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
class FileSettings:
    """How the bytes of a file become rows. A format ignores what it does not have.

    Attributes:
        delimiter: the separator of cells; `None`: the default of the format.
        quoting: whether a cell in quotes may contain the delimiter and line breaks; with `none`, quotes are characters.
        header: whether the first row names the columns.
        columns: the columns of a file without a header, in order.
        json_columns: the columns whose cells are JSON.
        encoding: the encoding of text, a name that Python knows.
    """

    delimiter: str | None = None
    quoting: Literal["double", "none"] = "double"
    header: bool = True
    columns: tuple[str, ...] = ()
    json_columns: tuple[str, ...] = ()
    encoding: str = "utf-8"


SETTINGS: Final = frozenset(each.name for each in fields(FileSettings))
"""The names of the settings, which are keys of `input`."""

PLAIN: Final = FileSettings()
"""The default settings."""


@dataclass(frozen=True, slots=True)
class ReadContext:
    """The settings for one reading of a file.

    Attributes:
        shown: the name of the file in messages.
        settings: how its bytes become rows.
        id: a column that every row must have; a format may refuse a file without it before the first row.
        format_hint: the hint if the file seems to be in another format; replaces the format's own hint. The settings of
            such a file cannot be changed.
        anomalies: collects anomalies.
    """

    shown: str
    settings: FileSettings = PLAIN
    id: str | None = None
    format_hint: str | None = None
    anomalies: AnomalyLog = field(default_factory=AnomalyLog)

    def option(self, fix: str, option: str) -> str:
        """Return a fix followed by the option of the input that does the same, if the input can have it."""
        return fix if self.format_hint else f"{fix}, or set {option}"


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The settings for one writing of a file. Formats without cells ignore them.

    Attributes:
        formulas: `escape` puts an apostrophe before strings that spreadsheets execute as formulas.
        delimiter: the separator of cells, which `is_delimiter` accepts; `None`: the default of the format.
        columns: the columns that every row has, in order, if they are known; a format then needs not look for them.
        type: the JSON Schema of a row, as far as it is known, for formats with typed columns.
    """

    formulas: Literal["keep", "escape"] = "keep"
    delimiter: str | None = None
    columns: tuple[str, ...] = ()
    type: Mapping[str, JSON] | None = None


UNCHANGED: Final = WriteOptions()
"""The default settings."""


class Format(Protocol):
    """A file format of rows. The defaults suit a format that keeps the types of values and reads row by row.

    Attributes:
        name: its name in `input.format`.
        endings: its file extensions in lower case, the usual one first.
        keeps_types: whether values are read with the types they were written with, rather than as strings.
        separator: the default separator of cells; `None` if the format has no cells.
        is_random_access: whether a file is read in any order, so that it must be seekable, and is not compressed as a
            whole.
        has_column_types: whether all values of a written column have one type.
    """

    name: str
    endings: tuple[str, ...]
    keeps_types: bool = True
    separator: str | None = None
    is_random_access: bool = False
    has_column_types: bool = False

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

    def settings(self) -> frozenset[str]:
        """Return the names of the settings that files of this format have."""
        if self.separator is not None:
            return SETTINGS
        return frozenset() if self.is_random_access else frozenset({"encoding"})

    def problem(self, path: PurePath | None) -> tuple[Code, str, str] | None:  # noqa: ARG002 - for optional formats
        """Return why a file at `path` cannot be written in this installation: code, fact and fix; `None` if it can."""
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
