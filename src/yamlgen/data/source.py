"""Rows in: JSONL, CSV, a JSON array, standard input, rows written in the pipeline itself.

Owns what a well-formed input is. A run spends money on every row, so `Source.scan` reads everything once before
the first request and refuses what is broken, with the file and the line; afterwards `Source.rows` streams, held to
what was read then (see `snapshot`). What must be known of all rows, who they are, is on disk (see `seen`), so that
memory does not grow; only a duplicate makes the file be read again, to say where its first is.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NoReturn

from yamlgen.canonical_json import short_digest
from yamlgen.data.inline_rows import inline_rows
from yamlgen.data.occurrence_counter import OccurrenceCounter
from yamlgen.data.row_identity import id_identity, row_identity
from yamlgen.data.snapshot import Snapshot, changed, record
from yamlgen.errors import Code, EnvironmentProblem, UsageError, near
from yamlgen.formats.format import AnomalyLog, Format, NumberedRow, ReadContext, Rows
from yamlgen.formats.format_table import ENDINGS, FORMATS, NAMES, STREAMED, format_of
from yamlgen.formats.strict_json import brief
from yamlgen.option_names import option
from yamlgen.parsing.project_folder import unusable
from yamlgen.pipeline.pipeline_model import Input
from yamlgen.value_objects import InputRow, Row


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
        read: list[Snapshot] = []
        odd = AnomalyLog()
        with closing(self.numbered(read.append, odd)) as rows:
            count = self.admit(rows, taken)
        scanned = replace(self, snapshot=read[0] if read else self.snapshot, told=odd.told(self.name()))
        return scanned, count

    def admit(self, rows: Iterable[NumberedRow], taken: frozenset[str]) -> int:
        """Refuse the first row that has a column named in `taken`, or no id of its own; how many rows there are."""
        number = 0
        with OccurrenceCounter() as seen:
            for number, (line, row) in enumerate(rows, start=1):
                if not taken.isdisjoint(row):
                    name = min(taken.intersection(row))
                    message = f"{self._place(line, number)}: the column `{name}` is named like a step"
                    hint = "both would be written under that name: rename one of them"
                    raise UsageError(message, code=Code.NAME_TAKEN, hint=hint)
                if self.id is None:
                    continue
                identity = self._identity(self.id, row, line, number)
                if seen.count(short_digest(identity)):
                    self._refuse_duplicate(self.id, identity, self._place(line, number))
        return number

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
        with OccurrenceCounter() as seen, closing(self.numbered()) as rows:
            for index, (line, row) in enumerate(islice(rows, limit)):
                if self.id is None:
                    yield InputRow(index, row, row_identity(row, columns, seen))
                else:
                    yield InputRow(index, row, self._identity(self.id, row, line, index + 1))

    def verify(self) -> str | None:
        """Hold the file against its scan once more, when all rows are done.

        Returns:
            What the user should know: that the file has grown.

        Raises:
            EnvironmentProblem: it is missing, cannot be read, or is not what was scanned.
        """
        if self.snapshot is None:
            return None
        more = self.snapshot.verify(self.opened, self.name())
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

    def numbered(
        self, keep: Callable[[Snapshot], None] | None = None, odd: AnomalyLog | None = None
    ) -> Generator[NumberedRow, None, None]:
        """Each row with its line (its number, for rows written inline); the file is open until it is closed.

        Args:
            keep: is told at the end what was read.
            odd: takes note of what is odd.
        """
        if self.rows_inline is not None:
            yield from inline_rows(self.rows_inline, self.name())
            return
        self.kind()
        with self._file(keep) as file:
            yield from self.parsed(file, odd)

    def parsed(self, file: BinaryIO, odd: AnomalyLog | None = None) -> Rows:
        """The rows of an open file, each with its line."""
        return self.kind().read(file, self.reading(odd))

    def reading(self, odd: AnomalyLog | None = None) -> ReadContext:
        """How the format is to read the file; `odd` takes note of what is odd."""
        has_cells = self.kind().delimiter(self.path) is not None
        return ReadContext(self.name(), self.separator() if has_cells else None, self.id, anomalies=odd or AnomalyLog())

    @contextmanager
    def _file(self, keep: Callable[[Snapshot], None] | None = None) -> Iterator[BinaryIO]:
        if self.snapshot is not None:
            yield self.snapshot.held(self.opened, self.name())
            return
        with self.opened() as file:
            if keep is None:
                yield file
                return
            recorded, snapshot = record(file)
            yield recorded
            keep(snapshot())

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file, as it is now.

        Raises:
            EnvironmentProblem: it is missing or cannot be read; so for what is read of it in the context.
        """
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
        return self.kind().place(self.reading(), line, number)

    def _identity(self, name: str, row: Row, line: int, number: int) -> str:
        identity = id_identity(row.get(name))
        if identity is None:
            problem = f"is {brief(row[name])}, which is no id" if name in row else "is missing"
            hint = f"`id: {name}` says that each row has one of its own: a number, or a string that is not empty"
            raise UsageError(f"{self._place(line, number)}: `{name}` {problem}", code=Code.BAD_INPUT, hint=hint)
        return identity

    def _refuse_duplicate(self, name: str, identity: str, place: str) -> NoReturn:
        with closing(self.numbered()) as rows:
            numbered = enumerate(rows, start=1)
            same = (((line, number), row) for number, (line, row) in numbered if id_identity(row.get(name)) == identity)
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
