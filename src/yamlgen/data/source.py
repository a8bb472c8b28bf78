"""The source of rows: files, standard input, rows written in the pipeline itself, or rows of a Python caller.

Owns what a valid input is. A run costs money for every row, so `Source.scan` reads everything once before the first
request, and refuses a broken input with the file and the line. `Source.rows` then streams the rows and checks that they
are what was scanned (see `snapshot`). Row identities are counted on disk (see `occurrence_counter`), so memory does not
grow with the input. A file is read again only to find the first row of a duplicate id.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeAlias

from yamlgen.canonical_json import short_digest
from yamlgen.data.duplicate_detector import DuplicateDetector
from yamlgen.data.inline_rows import inline_rows
from yamlgen.data.input_file import InputFile
from yamlgen.data.input_listing import InputListing
from yamlgen.data.mixed_files import refuse_mixed
from yamlgen.data.row_identity import id_identity, row_identity
from yamlgen.data.row_selection import EVERY_ROW, RowSelection
from yamlgen.data.snapshot import Snapshot, changed
from yamlgen.errors import Code, UsageError, YamlgenError, near
from yamlgen.formats.format import AnomalyLog
from yamlgen.formats.strict_json import brief
from yamlgen.option_names import option
from yamlgen.parsing.project_folder import is_pipe
from yamlgen.value_objects import InputRow, Row

if TYPE_CHECKING:
    from yamlgen.data.row_sample import KeptRows
    from yamlgen.data.sql_query import SqlQuery


class Position(NamedTuple):
    """Where a row of an input comes from.

    Attributes:
        file: the index of its file; 0 for other rows.
        line: its line in the file; for other rows, their number.
        number: its number in the file, from 1.
    """

    file: int
    line: int
    number: int


LocatedRow: TypeAlias = tuple[Position, Row]


@dataclass(frozen=True, slots=True)
class Source:
    """The source of rows: a picklable value without an open file.

    Attributes:
        rows_inline: the rows written in the pipeline, or given by a Python caller; they can be read repeatedly.
        files: the files, in order, if there are no such rows; of a query, its result, which `input_buffer` makes.
        query: the query of which the rows are the result.
        tables: the files that the query has read.
        id: the column with the id of each row, a unique string or number.
        shown: the name of the input in messages: its path as the user wrote it.
        location: the absolute path of a file, or the pattern of several; `None` for other inputs.
        is_given: whether the path or the rows come from the caller, not from the pipeline.
        selection: which of the rows are read.
        listing: the pattern or the folder of the files; `None` for other inputs.
        told: warnings from the scan.
        kept: rows that the scan has kept.
    """

    rows_inline: Iterable[Row] | None = None
    files: tuple[InputFile, ...] = ()
    query: SqlQuery | None = None
    tables: tuple[InputFile, ...] = ()
    id: str | None = None
    shown: str = ""
    location: str | None = None
    is_given: bool = False
    selection: RowSelection = EVERY_ROW
    listing: InputListing | None = None
    told: tuple[str, ...] = ()
    kept: KeptRows | None = field(default=None, repr=False, compare=False)

    @property
    def is_from_python(self) -> bool:
        """Whether a Python caller gave the rows."""
        return self.rows_inline is not None and self.is_given

    @property
    def is_repeatable(self) -> bool:
        """Whether its rows can be read again by another run: not those of standard input or of a Python caller."""
        read = self.files if self.listing is None and self.query is None else ()
        return not (self.is_from_python or any(file.path is None or is_pipe(file.path) for file in read))

    @property
    def file(self) -> InputFile | None:
        """The file, if there is exactly one."""
        return self.files[0] if len(self.files) == 1 else None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths of the files, and of those that a query has read."""
        return tuple(each.path for each in (*self.files, *self.tables) if each.path is not None)

    def listed(self) -> Source:
        """Return the source with the files that exist now."""
        return self if self.listing is None else replace(self, files=self.listing.files())

    def scan(
        self, taken: frozenset[str] = frozenset(), columns: frozenset[str] | None = None, sample: int = 0
    ) -> tuple[Source, int]:
        """Read and check everything once, and count the rows. An empty input is not an error here.

        Args:
            taken: names that no column may have, because the output of a step is written under them.
            columns: the columns that the pipeline refers to, which identify rows without an id; `None`: all.
            sample: keep a sample of at least about so many rows, for `sampled`.

        Returns:
            The source with the snapshots of its files, and the number of rows.

        Raises:
            EnvironmentProblem: the input is missing or cannot be read, or there is no space for temporary files.
            UsageError: the input is broken, a row is not an object, a column has the name of a step, or an id is
                missing or not unique.
        """
        if self.listing is not None and self.files:
            refuse_mixed(self.files)
        read: dict[int, Snapshot] = {}
        odd = [AnomalyLog() for _ in self.files]
        from yamlgen.data.row_sample import RowSampler  # noqa: PLC0415 - only a run has a sample

        # The identity of a row without an id depends on all rows before it.
        sampler = RowSampler(sample) if sample and self.id is not None and self.selection.sample is None else None
        with closing(self.numbered(read, odd)) as rows:
            count = self.admit(rows if sampler is None else sampler.passing(rows), taken)
        files = tuple(replace(file, snapshot=read.get(at, file.snapshot)) for at, file in enumerate(self.files))
        told = tuple(line for file, log in zip(files, odd, strict=True) for line in log.told(file.name()))
        kept = None if sampler is None else sampler.kept()
        scanned = replace(self, files=files, told=(*self.told, *told), kept=kept)
        if self.selection.sample is None:
            return scanned, count if self.selection.limit is None else min(count, self.selection.limit)
        identities = (row.identity for row in scanned.selected(columns))
        selection, count = self.selection.drawn(identities)
        return replace(scanned, selection=selection), count

    def admit(self, rows: Iterable[LocatedRow], taken: frozenset[str]) -> int:
        """Refuse the first row with a column named in `taken` or without a unique id; return the number of rows."""
        if self.id is None:
            return self._count(rows, taken)
        with DuplicateDetector() as seen:
            try:
                number = self._count(rows, taken, seen)
            except YamlgenError:
                if seen.has_duplicates():  # the duplicate comes first
                    self._refuse_first_duplicate(self.id)
                raise
            if seen.has_duplicates():
                self._refuse_first_duplicate(self.id)
        return number

    def _count(self, rows: Iterable[LocatedRow], taken: frozenset[str], seen: DuplicateDetector | None = None) -> int:
        number, name = 0, self.id
        for number, (at, row) in enumerate(rows, start=1):  # noqa: B007 - the count is returned
            if not taken.isdisjoint(row):
                self._refuse_taken(min(taken.intersection(row)), at)
            if seen is None or name is None:
                continue
            identity = id_identity(row.get(name)) or self._identity(name, row, at)
            if seen.add(short_digest(identity)):
                self._refuse_duplicate(name, identity, at)
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
        chosen = self.selection.chosen(self.selected(columns))
        yield from islice(chosen, limit)

    def sampled(self, share: float, limit: int, columns: frozenset[str] | None = None) -> Iterator[InputRow]:
        """Yield the first row, and about `share` of those after it, among the first `limit` rows.

        The input is read only if the scan has not kept them. The arguments and errors are otherwise those of `rows`.
        """
        from yamlgen.data.row_sample import spread  # noqa: PLC0415 - only a run has a sample

        if self.kept is None or self.kept.share < share:
            yield from (row for row in self.rows(limit, columns) if row.index == 0 or spread(row.index) < share)
            return
        for index, row in self.kept.rows:
            if index < limit and (index == 0 or spread(index) < share):
                yield InputRow(index, row, str(id_identity(row.get(str(self.id)))))

    def selected(self, columns: frozenset[str] | None = None) -> Iterator[InputRow]:
        """Yield the rows that fulfil the condition of the selection, before a sample or limit of it."""
        from yamlgen.data.occurrence_counter import OccurrenceCounter  # noqa: PLC0415 - loads SQLite

        name = self.id
        with OccurrenceCounter() as seen, closing(self.numbered()) as rows:
            for index, (at, row) in enumerate(rows):
                if name is None:
                    yield InputRow(index, row, row_identity(row, columns, seen))
                else:
                    yield InputRow(index, row, id_identity(row.get(name)) or self._identity(name, row, at))

    def verify(self) -> str | None:
        """Check once more, when all rows are done, that the files are what was scanned.

        Returns:
            A warning if a file has grown, or if the pattern matches more files now; or `None`.

        Raises:
            EnvironmentProblem: a file is missing, cannot be read, or has changed since the scan.
        """
        new = set(self.listed().paths) - set(self.paths)
        if new:
            named = near(min(new)) + (f" and {len(new) - 1} more" if len(new) > 1 else "")
            return f"{named} appeared in {self.name()} during the run; run again to process the added rows"
        grown = {file.name(): more for file in (*self.files, *self.tables) if (more := file.grown())}
        if not grown:
            return None
        name, more = next(iter(grown.items()))
        others = f" (and {len(grown) - 1} more files too)" if len(grown) > 1 else ""
        return f"the input {name} grew by {more:,} bytes during the run{others}; run again to process the added rows"

    def name(self) -> str:
        """Return the name of the input in messages."""
        if self.shown:
            return self.shown
        if self.rows_inline is not None:
            return "the rows"
        return self.files[0].name() if self.files else "standard input"

    def numbered(
        self, keep: dict[int, Snapshot] | None = None, odd: list[AnomalyLog] | None = None
    ) -> Generator[LocatedRow, None, None]:
        """Yield each row that fulfils the condition of the selection, with its position.

        A file is open until the generator has read it or is closed.

        Args:
            keep: receives a snapshot of each file, by its index, once it is read to its end.
            odd: collects anomalies, one log for each file.
        """
        where, rows = self.selection.where, self._all(keep, odd)
        with closing(rows):
            yield from rows if where is None else where.fulfilled(rows, self.place)

    def place(self, at: Position) -> str:
        """Return the place of a row for messages."""
        if self.rows_inline is not None:
            return f"{self.name()}, row {at.number}"
        return self.files[at.file].place(at.line, at.number)

    def place_of(self, index: int) -> str:
        """Return the place of the row at a position, from 0. The rows before it are read.

        Raises:
            YamlgenError: the input cannot be read.
        """
        with closing(self.numbered()) as rows:
            at, _ = next(islice(rows, index, None), (None, None))
        return f"{self.name()}, row {index + 1}" if at is None else self.place(at)

    def _all(self, keep: dict[int, Snapshot] | None, odd: list[AnomalyLog] | None) -> Generator[LocatedRow, None, None]:
        if self.rows_inline is not None:
            given = enumerate(self.rows_inline, 1)
            for number, row in given if self.is_from_python else inline_rows(self.rows_inline, self.name()):
                yield Position(0, number, number), row
            return
        if self.listing is not None and not self.files:
            raise self.listing.nothing()
        for index, file in enumerate(self.files):
            kept = None if keep is None else partial(keep.__setitem__, index)
            with closing(file.rows(self.id, kept, None if odd is None else odd[index])) as rows:
                for number, (line, row) in enumerate(rows, start=1):
                    yield Position(index, line, number), row

    def _identity(self, name: str, row: Row, at: Position) -> str:
        identity = id_identity(row.get(name))
        if identity is None:
            problem = f"is {brief(row[name])}, which is not a valid id" if name in row else "is missing"
            hint = f"`id: {name}` requires a unique id in each row: a number or a non-empty string"
            raise UsageError(f"{self.place(at)}: `{name}` {problem}", code=Code.BAD_INPUT, hint=hint)
        return identity

    def _refuse_taken(self, name: str, at: Position) -> NoReturn:
        message = f"{self.place(at)}: the column `{name}` has the same name as a step"
        hint = "rename one of them: both would be written under that name"
        raise UsageError(message, code=Code.NAME_TAKEN, hint=hint)

    def _refuse_first_duplicate(self, name: str) -> NoReturn:
        """Refuse the first row whose id an earlier row has: there is one. The rows are read again."""
        from yamlgen.data.occurrence_counter import OccurrenceCounter  # noqa: PLC0415 - loads SQLite

        with OccurrenceCounter() as seen, closing(self.numbered()) as rows:
            for at, row in rows:
                identity = self._identity(name, row, at)
                if seen.count(short_digest(identity)):
                    self._refuse_duplicate(name, identity, at)
        raise changed(self.name(), f"two rows with the same `{name}` no longer exist")

    def _refuse_duplicate(self, name: str, identity: str, at: Position) -> NoReturn:
        with closing(self.numbered()) as rows:
            same = ((first, row) for first, row in rows if id_identity(row.get(name)) == identity)
            first, row = next(same, (None, None))
        if first is None or row is None:
            raise changed(self.name(), f"the first row with the `{name}` of {self.place(at)} no longer exists")
        message = f"{self.place(at)}: `{name}` {brief(row[name])} is already used at {self.place(first)}"
        raise UsageError(message, code=Code.DUPLICATE_ID, hint="ids must be unique: change or remove one of them")


def no_rows(source: Source) -> UsageError:
    """Return the error for an empty input."""
    selection = source.selection
    if source.is_from_python and selection.where is None:
        return UsageError("`rows` is empty", code=Code.NO_ROWS, hint="pass at least one row")
    if selection.where is not None:
        message = f"`input.where` is false for every row of {source.name()}"
        return UsageError(message, code=Code.NO_ROWS, hint="correct the condition, or its parameters")
    if source.query is not None:
        return UsageError(f"{source.name()} returns no rows", code=Code.NO_ROWS, hint="correct its conditions")
    hint = f"add at least one row, or choose another input with {option('input', 'PATH')}"
    return UsageError(f"{source.name()} has no rows", code=Code.NO_ROWS, hint=hint)
