"""What a format of rows is: how it is named, how its bytes become rows, and how rows become its bytes.

A format sees bytes and rows alone; which file they are in, and what a run makes of them, is other rooms' business.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import BinaryIO, Final, Protocol, TypeAlias

from yamlgen.errors import Code, UsageError
from yamlgen.value_objects import JSON

Lines: TypeAlias = Callable[[], Iterable[bytes]]
"""Rows as JSON lines, UTF-8, each with its line end, in input order; the same ones whenever it is called."""

NumberedRow: TypeAlias = tuple[int, dict[str, JSON]]
"""A row with the place in the file from which messages count: for a text its line, from 1."""

Rows: TypeAlias = Iterator[NumberedRow]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What a file should not hold and is read all the same: what becomes of it, and what to do."""

    what: str
    fix: str


class AnomalyLog:
    """The anomalies of a file: how often each stands there, and in which line first."""

    def __init__(self) -> None:
        self._found: dict[Anomaly, tuple[int, int]] = {}

    def __contains__(self, anomaly: Anomaly) -> bool:
        return anomaly in self._found

    def add(self, anomaly: Anomaly, line: int, count: int) -> None:
        """Take note of what stands in a line, `count` times."""
        first, before = self._found.get(anomaly, (line, 0))
        self._found[anomaly] = first, before + count

    def told(self, shown: str) -> tuple[str, ...]:
        """A sentence on each, with its place; `shown` is how messages name the file."""
        return tuple(
            f"{shown}:{line}: {anomaly.what}{f' ({count:,} in all)' if count > 1 else ''}; {anomaly.fix}"
            for anomaly, (line, count) in sorted(self._found.items(), key=lambda found: found[0].what)
        )


@dataclass(frozen=True, slots=True)
class ReadContext:
    """One reading of a file.

    Attributes:
        shown: how messages name the file.
        delimiter: what separates cells; `None` for a format without cells.
        id: a column that every row must have; a format may refuse a file without it before its first row.
        format_hint: what to do where the file is in another format, in place of what the format itself advises.
        anomalies: takes note of what is odd.
    """

    shown: str
    delimiter: str | None = None
    id: str | None = None
    format_hint: str | None = None
    anomalies: AnomalyLog = field(default_factory=AnomalyLog)


class Format(Protocol):
    """A format of rows; what has a value here suits a format that reads values with their types, row by row.

    Attributes:
        name: what `input.format` calls it.
        endings: the ends of its files' names, in lower case, the usual one first.
        keeps_types: whether each value is read as what it was when it was written, and not as a text.
    """

    name: str
    endings: tuple[str, ...]
    keeps_types: bool = True

    @abstractmethod
    def read(self, file: BinaryIO, reading: ReadContext) -> Rows:
        """The rows of a file.

        Raises:
            UsageError: the file is broken at the row that would come next.
        """

    @abstractmethod
    def write(self, rows: Lines, path: PurePath, tell: Callable[[str], object]) -> Iterable[bytes]:
        """What a file at `path` holds, piece by piece; never all of it at once.

        Args:
            rows: the rows; asked for twice by a format that must know all columns first.
            path: the file's name.
            tell: is told at the end what of the rows the format cannot hold, as a sentence.
        """

    def place(self, reading: ReadContext, line: int, number: int) -> str:  # noqa: ARG002 - for those who count rows
        """Where a row is, for messages: `line` as it was read, and which row it is, from 1."""
        return f"{reading.shown}:{line}"

    def delimiter(self, path: PurePath | None) -> str | None:  # noqa: ARG002 - for those who have cells
        """What separates the cells of a file at `path`, or of standard input; `None` where there are no cells."""
        return None

    def may_be_odd(self, content: bytes) -> bool:  # noqa: ARG002 - for those who read what is odd
        """Whether a reading of `content` may take note of something odd."""
        return False

    def columns(self, file: BinaryIO, reading: ReadContext) -> Mapping[str, JSON] | None:  # noqa: ARG002 - for headers
        """The columns that every row has, by what the file says before its rows, each with its type as a JSON Schema.

        Returns:
            `None` for a format that says nothing before its rows.
        """
        return None


OBJECT: Final = 'a row is an object, {"column": value}'


def refused(place: str, problem: str, hint: str | None = None, code: Code = Code.BAD_INPUT) -> UsageError:
    """The refusal of a file that is broken at a place."""
    return UsageError(f"{place}: {problem}", code=code, hint=hint)


def cut(text: str) -> str:
    """A text in a message, no longer than a line."""
    text = text.strip()
    return text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004 - a line
