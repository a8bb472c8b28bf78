"""The head of an input, read once before a run reads all of it.

It provides the columns, the first rows, warnings, and the errors that a run would raise for these rows. If a caller
needs more rows than the head contains, they are read from the file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import BinaryIO, Final

from yamlgen.data.given_table import GivenTable
from yamlgen.data.input_file import InputFile
from yamlgen.data.mixed_files import refuse_mixed
from yamlgen.data.row_selection import RowCondition
from yamlgen.data.source import LocatedRow, Position, Source, no_rows
from yamlgen.errors import YamlgenError
from yamlgen.formats.format import AnomalyLog, Rows
from yamlgen.parsing.project_folder import is_confined, is_file, is_pointer
from yamlgen.schemas.types import observed
from yamlgen.value_objects import JSON, Columns, Row

PEEK: Final = 100
"""How many rows determine the columns of an input without a header."""

_EXAMINED: Final = 1000
_MOST_BYTES: Final = 4 << 20
"""The most rows and bytes that are examined before a run."""

_MOST_IN_EDITOR: Final = 64 << 20
"""The most bytes of a file that are read for the columns in an editor, which checks after each pause in typing."""

_LOOK: Final = 1 << 20
"""How many bytes are searched for anomalies."""


@dataclass(frozen=True, slots=True)
class InputHead:
    """The first part of an input; empty if the input is missing or can be read only once.

    Attributes:
        source: the input.
        rows: its first rows, each with its position.
        error: the error after the last of these rows, or the error of opening the file.
        is_cut: whether more of the file follows.
        columns: what is known of the columns; `None` if there are no rows, or the file is missing or broken.
        anomalies: warnings about the first megabyte.
    """

    source: Source
    rows: tuple[LocatedRow, ...] = ()
    error: YamlgenError | None = None
    is_cut: bool = False
    columns: Columns | None = None
    anomalies: tuple[str, ...] = ()

    def fault(self, taken: frozenset[str] = frozenset()) -> YamlgenError | None:
        """Return the error that `Source.scan` would raise for the first 1,000 rows, or `None`.

        It is also `None` if the input cannot be read yet.

        Args:
            taken: names that no column may have.
        """
        if not _is_readable(self.source):
            return None
        try:
            self.source.admit(self.rows[:_EXAMINED], taken)
        except YamlgenError as error:
            return error
        if self.error is not None and len(self.rows) < _EXAMINED:
            return self.error
        return None if self.rows or self.is_cut else no_rows(self.source)

    def fulfilling(self, where: RowCondition | None) -> InputHead:
        """Return the head with the rows that fulfil a condition, and their columns; `None`: it is not known which."""
        if where is None:
            columns = None if self.columns is None else replace(self.columns, least=0)
            if columns is not None and not columns.complete:
                columns = replace(columns, types={})
            return replace(self, rows=(), is_cut=True, columns=columns)
        source = replace(self.source, selection=replace(self.source.selection, where=where))
        rows, error = _taken(where.fulfilled(self.rows, source.place), None)
        if error is not None:
            return replace(self, source=source, rows=rows, error=error)
        columns = None if self.columns is None else _columns_of(rows, self.columns)
        return replace(self, source=source, rows=rows, columns=columns)

    def at_most(self, count: int | None) -> InputHead:
        """Return the head of an input of which at most `count` rows are read; `None`: all."""
        if count is None or self.columns is None:
            return self
        return replace(self, columns=replace(self.columns, least=min(count, self.columns.least)))

    def first(self, limit: int) -> Iterator[Row]:
        """Yield the first rows, up to a broken one; rows beyond the head are read on demand, but not in an editor."""
        yield from (row for _, row in self.rows[:limit])
        if self.is_cut and len(self.rows) < limit and not is_confined():
            with suppress(YamlgenError), closing(self.source.numbered()) as rows:
                yield from (row for _, row in islice(rows, len(self.rows), limit))


def read_head(source: Source, rows: int = PEEK) -> InputHead:
    """Read the head of an input.

    Args:
        source: the input.
        rows: how many rows of a file to read, at least `PEEK`; fewer if they exceed 4 MB.
    """
    if not _is_readable(source):
        return InputHead(source)
    if source.rows_inline is not None:
        return _head_of_given(source, rows)
    heads: list[InputHead] = []
    header: Mapping[str, JSON] | None = None
    count = 0
    try:
        if source.listing is not None:
            header = refuse_mixed(source.files[:_EXAMINED])
        for index, file in enumerate(source.files[:_EXAMINED]):
            with file.opened() as opened:
                heads.append(_head_of_file(source, index, opened, rows - count))
            count += len(heads[-1].rows)
            if heads[-1].error is not None or heads[-1].is_cut or count >= rows:
                break
    except YamlgenError as error:
        return replace(_joined(source, heads, header), error=error)
    made = _joined(source, heads, header)
    return replace(made, is_cut=made.is_cut or len(heads) < len(source.files))


def _is_readable(source: Source) -> bool:
    """Check whether the input exists and can be read more than once."""
    return source.rows_inline is not None or (
        bool(source.files)
        and all(map(is_file, source.paths))
        and bool(source.paths)
        and not any(map(is_pointer, source.paths))
    )


def _head_of_given(source: Source, limit: int) -> InputHead:
    given, most = source.rows_inline, None if isinstance(source.rows_inline, tuple) else limit
    kept, error = _taken(source.numbered(), most)
    is_table, least = isinstance(given, GivenTable), min(len(kept), PEEK)
    types = given.types() if isinstance(given, GivenTable) else {} if error else _types(kept)
    columns = Columns(tuple(types), closed=True, types=types, complete=is_table, least=least) if types else None
    return InputHead(source, kept, error, is_cut=len(kept) == most, columns=columns)


def _head_of_file(source: Source, index: int, opened: BinaryIO, limit: int) -> InputHead:
    file = source.files[index]
    content = file.content(opened)
    if file.kind().is_random_access:
        rows, error = _taken(_located(file.parsed(content, source.id), index), limit)
        columns = _columns(file, content, rows, error, source.id, is_cut=False)
        return InputHead(source, rows, error, len(rows) == limit, columns)
    head = content.read(_MOST_BYTES + 1)
    is_cut = len(head) > _MOST_BYTES
    part = io.BytesIO(head[:_MOST_BYTES])
    rows, error = _taken(_located(file.parsed(part, source.id), index), limit)
    if is_cut and not part.read(1):  # the last row is broken only because it was cut
        error = None
    columns = _columns(file, part, rows, error, source.id, is_cut=is_cut)
    return InputHead(source, rows, error, is_cut or len(rows) == limit, columns, _anomalies(file, head[:_LOOK]))


def _joined(source: Source, heads: Sequence[InputHead], header: Mapping[str, JSON] | None) -> InputHead:
    """Return the head of several files.

    Args:
        source: the input.
        heads: the heads of its first files.
        header: the columns that the headers of all of them name; `None` if the files have no headers.
    """
    if len(heads) == 1:
        return heads[0]
    rows = tuple(row for head in heads for row in head.rows)
    columns = next((head.columns for head in heads if head.columns is not None), None)
    if columns is not None and header:
        types = {**columns.types, **{name: schema for name, schema in header.items() if name in columns.types}}
        columns = replace(columns, types=types, least=min(len(rows), PEEK))
    elif columns is not None:
        columns = _columns_of(rows, columns)
    return InputHead(
        source,
        rows,
        heads[-1].error if heads else None,
        any(head.is_cut for head in heads),
        columns,
        tuple(line for head in heads for line in head.anomalies),
    )


def _columns_of(rows: tuple[LocatedRow, ...], known: Columns) -> Columns | None:
    """Return the columns of rows, if these are not known from a header."""
    peeked = rows[:PEEK]
    types = known.types if known.complete else _types(peeked)
    if (types, len(peeked)) == (known.types, known.least):
        return known
    return replace(known, names=tuple(types), types=types, least=len(peeked)) if types else None


def _located(rows: Rows, file: int) -> Iterator[LocatedRow]:
    return ((Position(file, line, number), row) for number, (line, row) in enumerate(rows, start=1))


def _taken(rows: Iterator[LocatedRow], limit: int | None) -> tuple[tuple[LocatedRow, ...], YamlgenError | None]:
    """Return the first `limit` rows, and the error that ended them early, if any."""
    taken: list[LocatedRow] = []
    try:
        taken.extend(islice(rows, limit))
    except YamlgenError as error:
        return tuple(taken), error
    return tuple(taken), None


def _columns(
    file: InputFile,
    content: BinaryIO,
    rows: tuple[LocatedRow, ...],
    error: YamlgenError | None,
    id: str | None,  # noqa: A002 - the YAML key
    *,
    is_cut: bool,
) -> Columns | None:
    """Determine the columns from the file's header or from its first rows."""
    try:
        content.seek(0)
        header = file.kind().columns(content, file.reading(id))
        if is_cut and len(rows) < PEEK:
            with file.opened() as opened:
                content = file.content(opened)
                content = io.BytesIO(content.read(_MOST_IN_EDITOR)) if is_confined() else content
                rows, error = _taken(_located(file.parsed(content, id), 0), PEEK)
    except YamlgenError:
        return None
    peeked, has_header = rows[:PEEK], header is not None
    if header is None:
        header = {} if error is not None and len(peeked) < PEEK else _types(peeked)
    elif header:
        header = {**{name: observed([value]) for name, value in file.added.items()}, **header}
    supposed = frozenset(file.settings.json_columns if has_header and header else ()) & header.keys()
    header = {**header, **{name: schema for name, schema in _types(peeked).items() if name in supposed}}
    return Columns(tuple(header), has_header, header, has_header, len(peeked), supposed) if header else None


def _types(rows: tuple[LocatedRow, ...]) -> dict[str, JSON]:
    """Return the columns of the rows, each with the type of its values."""
    columns: dict[str, list[JSON]] = {}
    for _, row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return {name: observed(values) for name, values in columns.items()}


def _anomalies(file: InputFile, head: bytes) -> tuple[str, ...]:
    kind, odd, rows = file.kind(), AnomalyLog(), 0
    if not kind.may_be_odd(head):
        return ()
    with suppress(YamlgenError):
        for _ in kind.read(io.BytesIO(head), file.reading(None, odd)):
            rows += 1
    return odd.told(file.name()) if rows else ()
