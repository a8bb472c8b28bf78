"""Rows in: JSONL, CSV, a JSON array, standard input, rows written in the pipeline itself.

Owns what a well-formed input is. A run spends money on every row, so `Source.scan` reads everything once before
the first request and refuses what is broken, with the file and the line; afterwards `Source.rows` streams, held to
what was read then (see `snapshot`). What must be known of all rows, who they are, is on disk (see `seen`), so that
memory does not grow; only a duplicate makes the file be read again, to say where its first is.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NoReturn

from yamlgen.caller import option
from yamlgen.canonical_json import short_digest
from yamlgen.data.digest_counter import Seen
from yamlgen.data.inline_rows import inline_rows
from yamlgen.data.row_identity import id_identity, row_identity
from yamlgen.data.snapshot import Snapshot, changed, record
from yamlgen.errors import Code, EnvironmentProblem, UsageError, YamlgenError, near
from yamlgen.formats.format import FileReading, Format, Oddities, Rows
from yamlgen.formats.strict_json import brief
from yamlgen.formats.table import ENDINGS, FORMATS, NAMES, STREAMED, format_of
from yamlgen.parsing.project_folder import is_pipe, unusable
from yamlgen.pipeline.language import Input
from yamlgen.schemas.types import observed
from yamlgen.values import JSON, Columns, InputRow, Row

_PEEK = 100
"""How many rows tell the columns of an input that has no header."""

_LOOK = 1 << 20
_EXAMINED = 1000
_MOST_EXAMINED = 4 << 20
"""How many rows, and bytes, are examined before a run."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from: a value, picklable, with no open file.

    Attributes:
        rows_inline: the rows themselves, written in the pipeline.
        path: the file; `None` with `rows_inline` `None` is standard input, which `spooled` makes readable.
        format: its name; `None` goes by the path's ending, standard input is JSONL.
        delimiter: what separates cells; `None` goes by the format.
        id: the column that every row must have, with a value of its own (a string or a number).
        shown: how messages name the input: its path as the user knows it.
        snapshot: what the file held at its scan, to which every later reading is held.
        told: what the user should know of what its scan read, as sentences.
    """

    rows_inline: tuple[Row, ...] | None = None
    path: Path | None = None
    format: str | None = None
    delimiter: str | None = None
    id: str | None = None
    shown: str = ""
    snapshot: Snapshot | None = None
    told: tuple[str, ...] = ()

    def columns(self) -> Columns | None:
        """What can be known of the columns at the cost of a look: by the file's header, or by the first 100 rows.

        Returns:
            `None` where nothing is known: standard input, no rows, a file that is missing or broken. The run says why.
        """
        if self.rows_inline is None and (self.path is None or is_pipe(self.path)):
            return None
        try:
            header = self._header()
            closed = header is not None or self.rows_inline is not None
            types = self._types(None if closed else _PEEK) if header is None else header
        except YamlgenError:
            return None
        return Columns(tuple(types), closed, types, header is not None, self._least()) if types else None

    def _least(self) -> int:
        """How many rows there are at least: of many, and of those before a broken one, the first are counted."""
        count = 0
        with suppress(YamlgenError):
            for _ in islice(self._numbered(), _PEEK):
                count += 1
        return count

    def oddities(self) -> tuple[str, ...]:
        """What the user should know of the first megabyte of a file, as sentences; what is broken the run tells."""
        odd, rows = Oddities(), 0
        with suppress(YamlgenError):
            if self.path is not None and not is_pipe(self.path) and self.kind().has_oddities:
                with self._file() as file:
                    head = io.BytesIO(file.read(_LOOK))
                for _ in self.kind().read(head, replace(self._reading(odd), id=None)):
                    rows += 1
        return odd.told(self.name()) if rows else ()

    def scan(self, taken: frozenset[str] = frozenset()) -> tuple[Source, int]:
        """Read everything once, check it, and count the rows (none at all is 0, and the caller's decision).

        Args:
            taken: names that no column may have, because a step's output is written under them.

        Returns:
            The source, held to what was read, and how many rows it has.

        Raises:
            EnvironmentProblem: the input is missing or cannot be read, or there is no room for temporary files.
            UsageError: the input is broken, a row is not an object or has a column of a step's name, or an id is
                missing or not unique.
        """
        number = 0
        read: list[Snapshot] = []
        odd = Oddities()
        with Seen() as seen:
            for number, (line, row) in enumerate(self._numbered(read.append, odd), start=1):
                self._admit(row, line, number, taken, seen)
        scanned = replace(self, snapshot=read[0] if read else self.snapshot, told=odd.told(self.name()))
        return scanned, number

    def fault(self, taken: frozenset[str] = frozenset()) -> YamlgenError | None:
        """What `scan` would refuse in the first 1,000 rows, or 4 MB; `None` where nothing can be read yet.

        Args:
            taken: names that no column may have.
        """
        if self.rows_inline is None and (self.path is None or is_pipe(self.path) or not self.path.is_file()):
            return None
        number = 0
        try:
            with Seen() as seen, self._head() as (head, is_cut):
                rows = self._parsed(head)
                while number < _EXAMINED and (found := self._next(rows, head, is_cut=is_cut)) is not None:
                    number += 1
                    line, row = found
                    self._admit(row, line, number, taken, seen)
        except YamlgenError as error:
            return error
        return None if number or is_cut else no_rows(self)

    @staticmethod
    def _next(rows: Rows, head: BinaryIO, *, is_cut: bool) -> tuple[int, dict[str, JSON]] | None:
        """The next row of a beginning; none where it is broken only because it was cut."""
        try:
            return next(rows, None)
        except UsageError:
            if is_cut and not head.read(1):
                return None
            raise

    def rows(self, limit: int | None = None, columns: frozenset[str] | None = None) -> Iterator[InputRow]:
        """The rows in order, the first `limit` of them; uniqueness of ids is left to `scan`.

        Args:
            limit: how many; `None` is all.
            columns: those that the pipeline refers to, by which rows without an id are told apart; `None` is all.

        Raises:
            EnvironmentProblem: the input is missing, cannot be read or is not what was scanned, or there is no room
                for temporary files. No row comes out of a part of the file that has changed.
            UsageError: the input is broken at the row that would come next, or that row has no id.
        """
        with Seen() as seen:
            for index, (line, row) in enumerate(islice(self._numbered(), limit)):
                if self.id is None:
                    yield InputRow(index, row, row_identity(row, columns, seen))
                else:
                    yield InputRow(index, row, self._identity(self.id, row, line, index + 1))

    def beginning(self, limit: int) -> Iterator[Row]:
        """The first rows, before one that is broken; none of what can be read only once."""
        if self.rows_inline is not None or (self.path is not None and self.path.is_file()):
            with suppress(YamlgenError):
                for _, row in islice(self._numbered(), limit):
                    yield row

    def verify(self) -> str | None:
        """Hold the file against its scan once more, when all rows are done.

        Returns:
            What the user should know: that the file has grown.

        Raises:
            EnvironmentProblem: it is missing, cannot be read, or is not what was scanned.
        """
        if self.snapshot is None:
            return None
        more = self.snapshot.verify(self._opened, self.name())
        if not more:
            return None
        return f"the input {self.name()} grew by {more:,} bytes during the run; run again for the rows in them"

    def kind(self) -> Format:
        """The format, by `format` or by the path's ending.

        Raises:
            UsageError: neither says it.
        """
        by_ending = STREAMED if self.path is None else format_of(self.path)
        kind = FORMATS.get(self.format) if self.format else by_ending
        if kind is None:
            what = f"unknown format `{self.format}`" if self.format else "its ending tells no format"
            hint = f"known endings are {ENDINGS}; or name it with {NAMES}"
            raise UsageError(f"cannot read {self.name()}: {what}", code=Code.BAD_INPUT, hint=hint)
        return kind

    def separator(self) -> str | None:
        """What separates cells, by `delimiter` or by the format; `None` where it has none.

        Raises:
            UsageError: `delimiter` cannot do so.
        """
        if self.delimiter is None:
            return self.kind().delimiter(self.path)
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            message = f"the delimiter {brief(self.delimiter)} cannot separate cells"
            raise UsageError(message, code=Code.BAD_INPUT, hint='it is one character: "," or ";" or "\\t"')
        return self.delimiter

    def name(self) -> str:
        """How messages name the input."""
        unnamed = "standard input" if self.rows_inline is None else "the rows"
        return self.shown or str(self.path or unnamed)

    def _numbered(self, keep: Callable[[Snapshot], None] | None = None, odd: Oddities | None = None) -> Rows:
        """Each row with its line (its number, for rows written inline).

        Args:
            keep: is told at the end what was read.
            odd: takes note of what is odd.
        """
        if self.rows_inline is not None:
            yield from inline_rows(self.rows_inline, self.name())
            return
        self.kind()
        with self._file(keep) as file:
            yield from self._parsed(file, odd)

    def _parsed(self, file: BinaryIO, odd: Oddities | None = None) -> Rows:
        if self.rows_inline is not None:
            return inline_rows(self.rows_inline, self.name())
        return self.kind().read(file, self._reading(odd))

    def _reading(self, odd: Oddities | None = None) -> FileReading:
        has_cells = self.kind().delimiter(self.path) is not None
        return FileReading(self.name(), self.separator() if has_cells else None, self.id, oddities=odd or Oddities())

    @contextmanager
    def _head(self) -> Iterator[tuple[BinaryIO, bool]]:
        """The beginning of the file, and whether more follows it."""
        if self.rows_inline is not None:
            yield io.BytesIO(), False
            return
        with self._file() as file:
            head = file.read(_MOST_EXAMINED + 1)
        yield io.BytesIO(head[:_MOST_EXAMINED]), len(head) > _MOST_EXAMINED

    def _admit(self, row: Row, line: int, number: int, taken: frozenset[str], seen: Seen) -> None:
        """Refuse a row that has a column of a step's name, or no id of its own."""
        if not taken.isdisjoint(row):
            name = min(taken.intersection(row))
            message = f"{self._place(line, number)}: the column `{name}` is named like a step"
            hint = "both would be written under that name: rename one of them"
            raise UsageError(message, code=Code.NAME_TAKEN, hint=hint)
        if self.id is None:
            return
        identity = self._identity(self.id, row, line, number)
        if seen.count(short_digest(identity)):
            self._refuse_duplicate(self.id, identity, self._place(line, number))

    def _types(self, limit: int | None) -> dict[str, JSON]:
        """The columns of the first `limit` rows, each with a JSON Schema of the values that are there."""
        columns: dict[str, list[JSON]] = {}
        for _, row in islice(self._numbered(), limit):
            for name, value in row.items():
                columns.setdefault(name, []).append(value)
        return {name: observed(values) for name, values in columns.items()}

    def _header(self) -> Mapping[str, JSON] | None:
        """The columns that the file names before its rows; `None` where none are named there."""
        if self.rows_inline is not None:
            return None
        with self._file() as file:
            return self.kind().columns(file, self._reading())

    @contextmanager
    def _file(self, keep: Callable[[Snapshot], None] | None = None) -> Iterator[BinaryIO]:
        if self.snapshot is not None:
            yield self.snapshot.held(self._opened, self.name())
            return
        with self._opened() as file:
            if keep is None:
                yield file
                return
            recorded, snapshot = record(file)
            yield recorded
            keep(snapshot())

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if self.path is None:
            message = "standard input has not been read yet"
            raise EnvironmentProblem(message, code=Code.MISSING_INPUT, hint="`spooled` makes it readable")
        if no_path := unusable(self.path, self.name()):
            raise EnvironmentProblem(
                no_path, code=Code.MISSING_INPUT, hint=f"name a file with {option('input', 'PATH')}"
            )
        try:
            if self.snapshot is not None and not self.path.is_file():  # to open a pipe would wait for its writer
                raise changed(self.name(), "no file is there now")
            with self.path.open("rb") as file:
                yield file
        except FileNotFoundError as error:
            other = f"name another with {option('input', 'PATH')}"
            hint = f"put it there, or {other}; a pipeline's paths are relative to its file"
            raise EnvironmentProblem(f"no input at {self.name()}", code=Code.MISSING_INPUT, hint=hint) from error
        except OSError as error:
            raise self.unreadable(error) from error

    def unreadable(self, error: OSError) -> EnvironmentProblem:
        """What to tell of an input that the system does not open."""
        message = f"cannot read {self.name()}: {error.strerror or error}"
        hint = f"the input is one file that you may read; name another with {option('input', 'PATH')}"
        return EnvironmentProblem(message, code=Code.MISSING_INPUT, hint=hint)

    def _place(self, line: int, number: int) -> str:
        if self.rows_inline is not None:
            return f"{self.name()}, row {number}"
        return self.kind().place(self._reading(), line, number)

    def _identity(self, name: str, row: Row, line: int, number: int) -> str:
        identity = id_identity(row.get(name))
        if identity is None:
            problem = f"is {brief(row[name])}, which is no id" if name in row else "is missing"
            hint = f"`id: {name}` says that each row has one of its own: a number, or a string that is not empty"
            raise UsageError(f"{self._place(line, number)}: `{name}` {problem}", code=Code.BAD_INPUT, hint=hint)
        return identity

    def _refuse_duplicate(self, name: str, identity: str, place: str) -> NoReturn:
        rows = enumerate(self._numbered(), start=1)
        same = (((line, number), row) for number, (line, row) in rows if id_identity(row.get(name)) == identity)
        first, row = next(same, (None, None))
        if first is None or row is None:
            raise changed(self.name(), f"the first row with the `{name}` of {place} is gone")
        message = f"{place}: `{name}` {brief(row[name])} is already that of {self._place(*first)}"
        raise UsageError(message, code=Code.DUPLICATE_ID, hint="an id belongs to one row; rename or remove one of them")


def no_rows(source: Source) -> UsageError:
    """The refusal of an input that is empty."""
    hint = f"a run needs at least one; name another input with {option('input', 'PATH')}"
    return UsageError(f"{source.name()} has no rows", code=Code.NO_ROWS, hint=hint)


def source_of(spec: Input, file: Path, shown: str) -> Source:
    """The rows that a pipeline's `input` names.

    Args:
        spec: the input as written.
        file: the pipeline's file, from which its path is reckoned.
        shown: that file as the user named it.
    """
    if spec.rows is not None:
        return Source(rows_inline=tuple(spec.rows), id=spec.id, shown=shown)
    if spec.path in (None, "-"):
        return Source(format=spec.format, delimiter=spec.delimiter, id=spec.id, shown="standard input")
    name = str(spec.path)
    named = near(Path(shown).parent / name)
    return Source(path=file.parent / name, format=spec.format, delimiter=spec.delimiter, id=spec.id, shown=named)
