"""The source of rows: JSONL, CSV, a JSON array, standard input, or rows written in the pipeline itself.

Owns what a valid input is. A run costs money for every row, so `Source.scan` reads everything once before the first
request, and refuses a broken input with the file and the line. `Source.rows` then streams the rows and checks that they
are what was scanned (see `snapshot`). Row identities are counted on disk (see `occurrence_counter`), so memory does not
grow with the input. The file is read again only to find the first row of a duplicate id.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NoReturn

from yamlgen.canonical_json import short_digest
from yamlgen.data.given_rows import SHOWN, copied
from yamlgen.data.inline_rows import inline_rows
from yamlgen.data.occurrence_counter import OccurrenceCounter
from yamlgen.data.row_identity import id_identity, row_identity
from yamlgen.data.snapshot import Snapshot, changed, record
from yamlgen.errors import Code, EnvironmentProblem, UsageError, near
from yamlgen.formats.format import AnomalyLog, Format, NumberedRow, ReadContext, Rows, is_delimiter
from yamlgen.formats.format_table import ENDINGS, FORMATS, NAMES, STREAMED, format_of
from yamlgen.formats.strict_json import brief
from yamlgen.option_names import option
from yamlgen.parsing.project_folder import unusable
from yamlgen.parsing.similar_paths import neighbour
from yamlgen.pipeline.pipeline_model import Input
from yamlgen.value_objects import JSON, InputRow, Row


@dataclass(frozen=True, slots=True)
class Source:
    """The source of rows: a picklable value without an open file.

    Attributes:
        rows_inline: the rows written in the pipeline, or given by a Python caller.
        path: the file; if `path` and `rows_inline` are `None`, standard input, which `buffered` makes readable.
        format: the name of the format; `None`: by the path's extension, JSONL for standard input.
        delimiter: the separator of cells; `None`: the default of the format.
        id: the column with the id of each row, a unique string or number.
        shown: the name of the input in messages: its path as the user wrote it.
        is_given: whether the path or the rows come from the caller, not from the pipeline.
        snapshot: the content of the file when it was scanned; every later reading is checked against it.
        told: warnings from the scan.
    """

    rows_inline: tuple[Row, ...] | None = None
    path: Path | None = None
    format: str | None = None
    delimiter: str | None = None
    id: str | None = None
    shown: str = ""
    is_given: bool = False
    snapshot: Snapshot | None = None
    told: tuple[str, ...] = ()

    @property
    def is_from_python(self) -> bool:
        """Whether a Python caller gave the rows."""
        return self.rows_inline is not None and self.is_given

    def scan(self, taken: frozenset[str] = frozenset()) -> tuple[Source, int]:
        """Read and check everything once, and count the rows. An empty input is not an error here.

        Args:
            taken: names that no column may have, because the output of a step is written under them.

        Returns:
            The source with its snapshot, and the number of rows.

        Raises:
            EnvironmentProblem: the input is missing or cannot be read, or there is no space for temporary files.
            UsageError: the input is broken, a row is not an object, a column has the name of a step, or an id is
                missing or not unique.
        """
        read: list[Snapshot] = []
        odd = AnomalyLog()
        with closing(self.numbered(read.append, odd)) as rows:
            count = self.admit(rows, taken)
        scanned = replace(self, snapshot=read[0] if read else self.snapshot, told=odd.told(self.name()))
        return scanned, count

    def admit(self, rows: Iterable[NumberedRow], taken: frozenset[str]) -> int:
        """Refuse the first row with a column named in `taken` or without a unique id; return the number of rows."""
        number = 0
        with OccurrenceCounter() as seen:
            for number, (line, row) in enumerate(rows, start=1):
                if not taken.isdisjoint(row):
                    name = min(taken.intersection(row))
                    message = f"{self._place(line, number)}: the column `{name}` has the same name as a step"
                    hint = "rename one of them: both would be written under that name"
                    raise UsageError(message, code=Code.NAME_TAKEN, hint=hint)
                if self.id is None:
                    continue
                identity = self._identity(self.id, row, line, number)
                if seen.count(short_digest(identity)):
                    self._refuse_duplicate(self.id, identity, self._place(line, number))
        return number

    def rows(self, limit: int | None = None, columns: frozenset[str] | None = None) -> Iterator[InputRow]:
        """Yield the first `limit` rows in order. `scan` checks that ids are unique, this does not.

        Args:
            limit: how many rows; `None`: all.
            columns: the columns that the pipeline refers to, which identify rows without an id; `None`: all.

        Raises:
            EnvironmentProblem: the input is missing, cannot be read or has changed since the scan, or there is no space
                for temporary files. No row is read from a changed part of the file.
            UsageError: the next row is broken or has no id.
        """
        with OccurrenceCounter() as seen, closing(self.numbered()) as rows:
            for index, (line, row) in enumerate(islice(rows, limit)):
                if self.id is None:
                    yield InputRow(index, row, row_identity(row, columns, seen))
                else:
                    yield InputRow(index, row, self._identity(self.id, row, line, index + 1))

    def verify(self) -> str | None:
        """Check once more, when all rows are done, that the file is what was scanned.

        Returns:
            A warning if the file has grown, or `None`.

        Raises:
            EnvironmentProblem: the file is missing, cannot be read, or has changed since the scan.
        """
        if self.snapshot is None:
            return None
        more = self.snapshot.verify(self.opened, self.name())
        if not more:
            return None
        return f"the input {self.name()} grew by {more:,} bytes during the run; run again to process the added rows"

    def kind(self) -> Format:
        """Return the format, from `format` or the path's extension.

        Raises:
            UsageError: the format is unknown.
        """
        by_ending = STREAMED if self.path is None else format_of(self.path)
        kind = FORMATS.get(self.format) if self.format else by_ending
        if kind is None:
            what = f"unknown format `{self.format}`" if self.format else "it has no known extension"
            hint = f"known extensions are {ENDINGS}; or set {NAMES}"
            raise UsageError(f"cannot read {self.name()}: {what}", code=Code.BAD_INPUT, hint=hint)
        return kind

    def separator(self) -> str | None:
        """Return the separator of cells, from `delimiter` or the format; `None` if the format has no cells.

        Raises:
            UsageError: `delimiter` is invalid.
        """
        if self.delimiter is None:
            return self.kind().delimiter(self.path)
        if not is_delimiter(self.delimiter):
            message = f"the delimiter {brief(self.delimiter)} is invalid"
            raise UsageError(message, code=Code.BAD_INPUT, hint='write one character, such as ",", ";" or "\\t"')
        return self.delimiter

    def name(self) -> str:
        """Return the name of the input in messages."""
        unnamed = "standard input" if self.rows_inline is None else "the rows"
        return self.shown or str(self.path or unnamed)

    def numbered(
        self, keep: Callable[[Snapshot], None] | None = None, odd: AnomalyLog | None = None
    ) -> Generator[NumberedRow, None, None]:
        """Yield each row with its line (for inline rows: its number). The file is open until the generator is closed.

        Args:
            keep: called at the end with a snapshot of the file.
            odd: collects anomalies.
        """
        if self.rows_inline is not None:
            is_checked = self.is_from_python
            yield from enumerate(self.rows_inline, 1) if is_checked else inline_rows(self.rows_inline, self.name())
            return
        self.kind()
        with self._file(keep) as file:
            yield from self.parsed(file, odd)

    def parsed(self, file: BinaryIO, odd: AnomalyLog | None = None) -> Rows:
        """Return the rows of an open file, each with its line."""
        return self.kind().read(file, self.reading(odd))

    def reading(self, odd: AnomalyLog | None = None) -> ReadContext:
        """Return the settings for reading the file; `odd` collects anomalies."""
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
        """Open the file in its current state.

        Raises:
            EnvironmentProblem: the file is missing or cannot be read, also while it is read in the context.
        """
        if self.path is None:
            message = "standard input has not been read yet"
            raise EnvironmentProblem(message, code=Code.MISSING_INPUT, hint="`buffered` makes it readable")
        if no_path := unusable(self.path, self.name()):
            raise EnvironmentProblem(
                no_path, code=Code.MISSING_INPUT, hint=f"choose a file with {option('input', 'PATH')}"
            )
        try:
            if self.snapshot is not None and not self.path.is_file():  # opening a pipe would wait for its writer
                raise changed(self.name(), "there is no longer a file at this path")
            with self.path.open("rb") as file:
                yield file
        except FileNotFoundError as error:
            other = f"choose another file with {option('input', 'PATH')}"
            hint = f"create it, or {other}; paths are relative to the pipeline file"
            if self.is_given:
                way = "check the path: it is relative to the current directory"
                hint = neighbour(self.path, self.name()) or way
            raise EnvironmentProblem(
                f"the input {self.name()} does not exist", code=Code.MISSING_INPUT, hint=hint
            ) from error
        except OSError as error:
            raise self.unreadable(error) from error

    def unreadable(self, error: OSError) -> EnvironmentProblem:
        """Return the error for an input that cannot be opened."""
        message = f"cannot read {self.name()}: {error.strerror or error}"
        hint = f"check that it is a file that you may read, or choose another with {option('input', 'PATH')}"
        return EnvironmentProblem(message, code=Code.MISSING_INPUT, hint=hint)

    def place_of(self, index: int) -> str:
        """Return the place of the row at a position, from 0. The rows before it are read.

        Raises:
            YamlgenError: the file cannot be read.
        """
        with closing(self.numbered()) as rows:
            line, _ = next(islice(rows, index, None), (index + 1, None))
        return self._place(line, index + 1)

    def _place(self, line: int, number: int) -> str:
        if self.rows_inline is not None:
            return f"{self.name()}, row {number}"
        return self.kind().place(self.reading(), line, number)

    def _identity(self, name: str, row: Row, line: int, number: int) -> str:
        identity = id_identity(row.get(name))
        if identity is None:
            problem = f"is {brief(row[name])}, which is not a valid id" if name in row else "is missing"
            hint = f"`id: {name}` requires a unique id in each row: a number or a non-empty string"
            raise UsageError(f"{self._place(line, number)}: `{name}` {problem}", code=Code.BAD_INPUT, hint=hint)
        return identity

    def _refuse_duplicate(self, name: str, identity: str, place: str) -> NoReturn:
        with closing(self.numbered()) as rows:
            numbered = enumerate(rows, start=1)
            same = (((line, number), row) for number, (line, row) in numbered if id_identity(row.get(name)) == identity)
            first, row = next(same, (None, None))
        if first is None or row is None:
            raise changed(self.name(), f"the first row with the `{name}` of {place} no longer exists")
        message = f"{place}: `{name}` {brief(row[name])} is already used at {self._place(*first)}"
        raise UsageError(message, code=Code.DUPLICATE_ID, hint="ids must be unique: change or remove one of them")


def no_rows(source: Source) -> UsageError:
    """Return the error for an empty input."""
    if source.is_from_python:
        return UsageError("`rows` is empty", code=Code.NO_ROWS, hint="pass at least one row")
    hint = f"add at least one row, or choose another input with {option('input', 'PATH')}"
    return UsageError(f"{source.name()} has no rows", code=Code.NO_ROWS, hint=hint)


def source_of(
    spec: Input, file: Path, shown: str, *, is_given: bool = False, rows: Iterable[Mapping[str, JSON]] | None = None
) -> Source:
    """Return the source for a pipeline's `input`.

    Args:
        spec: the input as written.
        file: the pipeline file, which the input's path is relative to.
        shown: the pipeline file as the user wrote it.
        is_given: whether the path comes from the caller, not from the pipeline.
        rows: the rows of a Python caller, in place of the input; they are copied.

    Raises:
        UsageError: a value of `rows` is not a row.
    """
    if rows is not None:
        return Source(rows_inline=copied(rows), id=spec.id, shown=SHOWN, is_given=True)
    if spec.rows is not None:
        return Source(rows_inline=tuple(spec.rows), id=spec.id, shown=shown)
    if spec.path in (None, "-"):
        return Source(format=spec.format, delimiter=spec.delimiter, id=spec.id, shown="standard input")
    name = str(spec.path)
    named = near(Path(shown).parent / name)
    path, form = file.parent / name, spec.format
    return Source(path=path, format=form, delimiter=spec.delimiter, id=spec.id, shown=named, is_given=is_given)
