"""The head of an input, read once before a run reads all of it.

It provides the columns, the first rows, warnings, and the errors that a run would raise for these rows. If a caller
needs more rows than the head contains, they are read from the file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import BinaryIO, Final

from yamlgen.data.source import Source, no_rows
from yamlgen.errors import YamlgenError
from yamlgen.formats.format import AnomalyLog, NumberedRow, Rows
from yamlgen.parsing.project_folder import is_file
from yamlgen.schemas.types import observed
from yamlgen.value_objects import JSON, Columns, Row

PEEK: Final = 100
"""How many rows determine the columns of an input without a header."""

_EXAMINED: Final = 1000
_MOST_BYTES: Final = 4 << 20
"""The most rows and bytes that are examined before a run."""

_LOOK: Final = 1 << 20
"""How many bytes are searched for anomalies."""


@dataclass(frozen=True, slots=True)
class InputHead:
    """The first part of an input; empty if the input is missing or can be read only once.

    Attributes:
        source: the input.
        rows: its first rows, each with its line (for inline rows: its number).
        error: the error after the last of these rows, or the error of opening the file.
        is_cut: whether more of the file follows.
        columns: what is known of the columns; `None` if there are no rows, or the file is missing or broken.
        anomalies: warnings about the first megabyte.
    """

    source: Source
    rows: tuple[NumberedRow, ...] = ()
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

    def first(self, limit: int) -> Iterator[Row]:
        """Yield the first rows, up to a broken one; rows beyond the head are read from the file on demand."""
        yield from (row for _, row in self.rows[:limit])
        if self.is_cut and len(self.rows) < limit:
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
        kept, error = _taken(source.numbered(), None)
        types = {} if error else _types(kept)
        columns = Columns(tuple(types), closed=True, types=types, least=min(len(kept), PEEK)) if types else None
        return InputHead(source, kept, error, columns=columns)
    try:
        with source.opened() as file:
            return _head(source, file, rows)
    except YamlgenError as error:
        return InputHead(source, error=error)


def _is_readable(source: Source) -> bool:
    """Check whether the input exists and can be read more than once."""
    return source.rows_inline is not None or (source.path is not None and is_file(source.path))


def _head(source: Source, file: BinaryIO, limit: int) -> InputHead:
    head = file.read(_MOST_BYTES + 1)
    is_cut = len(head) > _MOST_BYTES
    content = io.BytesIO(head[:_MOST_BYTES])
    rows, error = _taken(source.parsed(content), limit)
    if is_cut and not content.read(1):  # the last row is broken only because it was cut
        error = None
    columns = _columns(source, file if is_cut else content, rows, error, is_cut=is_cut)
    return InputHead(source, rows, error, is_cut or len(rows) == limit, columns, _anomalies(source, head[:_LOOK]))


def _taken(rows: Rows, limit: int | None) -> tuple[tuple[NumberedRow, ...], YamlgenError | None]:
    """Return the first `limit` rows, and the error that ended them early, if any."""
    taken: list[NumberedRow] = []
    try:
        taken.extend(islice(rows, limit))
    except YamlgenError as error:
        return tuple(taken), error
    return tuple(taken), None


def _columns(
    source: Source, file: BinaryIO, rows: tuple[NumberedRow, ...], error: YamlgenError | None, *, is_cut: bool
) -> Columns | None:
    """Determine the columns from the file's header or from its first rows."""
    try:
        file.seek(0)
        header = source.kind().columns(file, source.reading())
        if is_cut and len(rows) < PEEK:
            file.seek(0)
            rows, error = _taken(source.parsed(file), PEEK)
    except YamlgenError:
        return None
    peeked, has_header = rows[:PEEK], header is not None
    if header is None:
        header = {} if error is not None and len(peeked) < PEEK else _types(peeked)
    return Columns(tuple(header), has_header, header, has_header, len(peeked)) if header else None


def _types(rows: tuple[NumberedRow, ...]) -> dict[str, JSON]:
    """Return the columns of the rows, each with the type of its values."""
    columns: dict[str, list[JSON]] = {}
    for _, row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return {name: observed(values) for name, values in columns.items()}


def _anomalies(source: Source, head: bytes) -> tuple[str, ...]:
    kind, odd, rows = source.kind(), AnomalyLog(), 0
    if not kind.may_be_odd(head):
        return ()
    with suppress(YamlgenError):
        for _ in kind.read(io.BytesIO(head), replace(source.reading(odd), id=None)):
            rows += 1
    return odd.told(source.name()) if rows else ()
