"""Rows as Arrow data: the schema of their columns, and their batches.

This module imports pyarrow, which is optional: other modules import this one inside functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import pyarrow as pa

from yamlgen.formats.column_shapes import JSON_TEXT, ColumnShape, as_text, observed_shapes, shapes_of
from yamlgen.formats.format import Lines
from yamlgen.value_objects import JSON

_ROWS: Final = 10_000
_BYTES: Final = 4 << 20
"""The size of a batch in rows, and in bytes of JSON."""

_SCALARS: Final[Mapping[str | None, pa.DataType]] = {
    None: pa.string(),
    JSON_TEXT: pa.string(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
}


_SURROGATE: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}")
"""The escape of a lone surrogate, after whole escapes of backslashes."""


class UnfitError(Exception):
    """The rows do not have the shapes that were supposed."""


def settled(rows: Lines, schema: Mapping[str, Any]) -> Iterator[ArrowColumns]:
    """Yield the columns of rows; a second time, from all rows, if `ArrowColumns.batches` failed with the first.

    Args:
        rows: the rows.
        schema: the JSON Schema of a row, as far as it is known.
    """
    shapes, is_open = shapes_of(schema)
    if not is_open and not any(shape.is_supposed for shape in shapes.values()):
        yield ArrowColumns(shapes)
    yield ArrowColumns(observed_shapes(shapes, _chunks(rows())))


class EncodableRows:
    """Rows whose lone surrogates, which UTF-8 cannot encode, are replaced by U+FFFD.

    Attributes:
        count: how many the last reading has replaced.
        first: the number of the first row with one.

    Args:
        rows: the rows.
    """

    def __init__(self, rows: Lines) -> None:
        self._rows = rows
        self.first = self.count = 0

    def lines(self) -> Iterator[bytes]:
        """Yield the rows; each call begins again."""
        self.first = self.count = 0
        for number, line in enumerate(self._rows(), start=1):
            if b"\\ud" not in line:
                yield line
                continue
            kept, count = _SURROGATE.subn(rb"\1\\ufffd", line)
            self.count += count
            self.first = self.first or (number if count else 0)
            yield kept


def table_of(rows: Lines, schema: Mapping[str, Any]) -> pa.Table:
    """Return rows as a table; `schema` is the JSON Schema of a row, as far as it is known."""
    lines = EncodableRows(rows).lines
    for columns in settled(lines, schema):
        with suppress(UnfitError):
            return pa.Table.from_batches(columns.batches(lines()), columns.schema)
    raise AssertionError  # the second columns fit all rows


class ArrowColumns:
    """The columns of rows.

    Args:
        shapes: their shapes, by name.
    """

    def __init__(self, shapes: Mapping[str, ColumnShape]) -> None:
        self._shapes = shapes
        self.schema = pa.schema([(name, _type(shape)) for name, shape in shapes.items()])

    def batches(self, lines: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
        """Yield rows as batches.

        Raises:
            UnfitError: a row has another column, or a value has another shape.
        """
        for chunk in _chunks(lines):
            if any(not row.keys() <= self._shapes.keys() for row in chunk):
                raise UnfitError
            columns = [self._column(name, chunk) for name in self._shapes]
            yield pa.record_batch(columns, schema=self.schema)

    def _column(self, name: str, chunk: list[dict[str, JSON]]) -> pa.Array:
        shape = self._shapes[name]
        values = [row.get(name) for row in chunk]
        if shape.kind == JSON_TEXT:
            values = list(map(as_text, values))
        elif not shape.fits(values):
            raise UnfitError
        try:
            return pa.array(values, self.schema.field(name).type)
        except (pa.ArrowInvalid, OverflowError) as error:  # a large integer
            raise UnfitError from error


def _chunks(lines: Iterable[bytes]) -> Iterator[list[dict[str, JSON]]]:
    """Yield rows in lists of limited size."""
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        chunk.append(line)
        size += len(line)
        if len(chunk) == _ROWS or size >= _BYTES:
            yield json.loads(b"[%b]" % b",".join(chunk))
            chunk, size = [], 0
    if chunk:
        yield json.loads(b"[%b]" % b",".join(chunk))


def _type(shape: ColumnShape) -> pa.DataType:
    """Return the Arrow type of a shape; a string, if all values are null."""
    if shape.kind == "array":
        return pa.list_(pa.string() if shape.items is None else _type(shape.items))
    if shape.kind == "object":
        return pa.struct([(name, _type(part)) for name, part in shape.members.items()])
    return _SCALARS[shape.kind]
