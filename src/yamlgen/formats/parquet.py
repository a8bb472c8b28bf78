"""Parquet, by pyarrow, which is optional: typed columns, nested values, files of any size in little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import chain
from pathlib import PurePath
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from yamlgen.errors import Code, UsageError
from yamlgen.formats.byte_layers import compression_of
from yamlgen.formats.format import UNCHANGED, Format, Lines, ReadContext, Rows, WriteOptions, refused
from yamlgen.value_objects import JSON

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet as pq

INSTALL: Final = "install it: `pip install 'yamlgen[sql]'`"
"""The fix if a package that Parquet, Arrow tables or SQL need is missing."""

_MARK: Final = b"PAR1"
_SHORTEST: Final = 12
"""The bytes at both ends of a file, and the size of the shortest file in bytes."""

_READ: Final = 4 << 20
_MOST_READ: Final = 2_000
"""How much is read at once: about so many uncompressed bytes, and at most so many rows."""

_GROUP: Final = 64 << 20
_MOST_GROUP: Final = 122_880
"""The size of a written row group in bytes of memory, and in rows."""

_PIECE: Final = 1 << 20


class Parquet(Format):
    """Parquet; values are nested, and columns have types."""

    name = "parquet"
    endings = (".parquet",)
    is_random_access = True
    has_column_types = True

    def problem(self, path: PurePath | None) -> tuple[Code, str, str] | None:
        """Return that pyarrow is not installed, or that Parquet is not compressed as a whole."""
        if compression_of(path) is not None:
            way = "write a path that ends with `.parquet`"
            return Code.UNKNOWN_FORMAT, "Parquet is compressed inside, not as a whole", way
        if find_spec("pyarrow") is None:
            return Code.NO_EXTRA, "Parquet needs the package pyarrow, which is not installed", INSTALL
        return None

    def read(self, file: BinaryIO, reading: ReadContext) -> Rows:
        """Yield the rows, each with its number."""
        with _opened(file, reading.shown) as found:
            from yamlgen.formats.arrow_rows import column_types, rows_of  # noqa: PLC0415 - pyarrow is optional

            column_types(found.schema_arrow, reading.shown)
            yield from enumerate(rows_of(_batches(found), reading.shown), start=1)

    def place(self, reading: ReadContext, line: int, number: int) -> str:  # noqa: ARG002
        """Return the place with the row number."""
        return f"{reading.shown}, row {number}"

    def columns(self, file: BinaryIO, reading: ReadContext) -> Mapping[str, JSON]:
        """Return the columns of the schema. Null is a value of those that may contain it, as the statistics show."""
        with _opened(file, reading.shown) as found:
            from yamlgen.formats.arrow_rows import column_types  # noqa: PLC0415 - pyarrow is optional

            return column_types(_solid(found), reading.shown)

    def write(
        self,
        rows: Lines,
        path: PurePath,  # noqa: ARG002
        tell: Callable[[str], object],
        options: WriteOptions = UNCHANGED,
    ) -> Iterator[bytes]:
        """Write row groups of limited size; the same rows are the same bytes.

        The columns have the types that the schema of the rows declares. What it leaves open is determined from all rows
        first. If a value does not fit its type after all, the types are determined from all rows too.
        """
        from yamlgen.formats.arrow_table import EncodableRows, UnfitError, settled  # noqa: PLC0415 - pyarrow is optional

        encodable = EncodableRows(rows)
        with TemporaryFile() as file:
            for columns in settled(encodable.lines, options.type or {}):
                file.seek(0)
                file.truncate()
                try:
                    _write(file, columns.schema, columns.batches(encodable.lines()))
                except UnfitError:
                    continue
                break
            file.seek(0)
            while piece := file.read(_PIECE):
                yield piece
        if encodable.count:
            what = f"Parquet cannot contain lone surrogates: {encodable.count:,} became U+FFFD"
            tell(f"{what}, the first in row {encodable.first:,} of the output")


@contextmanager
def _opened(file: BinaryIO, shown: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file, and convert the errors of pyarrow, also while it is read in the context."""
    if problem := Parquet().problem(None):
        code, fact, way = problem
        raise UsageError(f"cannot read {shown}: {fact}", code=code, hint=way)
    import pyarrow as pa  # noqa: PLC0415 - optional
    from pyarrow import parquet as pq  # noqa: PLC0415

    _check_ends(file, shown)
    try:
        yield pq.ParquetFile(file, buffer_size=_PIECE, pre_buffer=False)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the file system, not of pyarrow
            raise
        message = " ".join(str(error).split())
        raise refused(shown, f"a damaged Parquet file: {message}", "copy or download it again") from error


def _check_ends(file: BinaryIO, shown: str) -> None:
    """Refuse what does not begin or end as a Parquet file."""
    begun = file.read(4)
    length = file.seek(0, 2)
    file.seek(max(0, length - 4))
    ended = file.read(4)
    file.seek(0)
    if begun[:2] == b"\x1f\x8b" or begun == b"\x28\xb5\x2f\xfd":
        hint = "decompress the file: Parquet is compressed inside"
        raise refused(shown, "not a Parquet file: it is compressed as a whole", hint)
    if b"PARE" in (begun, ended):
        raise refused(shown, "an encrypted Parquet file", "decrypt it first")
    if begun != _MARK:
        raise refused(shown, "not a Parquet file", "set `format` to the format of the file")
    if ended != _MARK or length < _SHORTEST:
        raise refused(shown, "the Parquet file ends too early", "it was cut short: copy or download it again")


def _batches(found: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """Yield the content in batches of limited size."""
    size = sum(found.metadata.row_group(at).total_byte_size for at in range(found.metadata.num_row_groups))
    rows = max(1, min(_MOST_READ, _READ * found.metadata.num_rows // max(1, size)))
    yield from found.iter_batches(rows, use_threads=False)


def _solid(found: pq.ParquetFile) -> pa.Schema:
    """Return the schema, with the columns that contain no null, by their statistics, as not nullable."""
    import pyarrow as pa  # noqa: PLC0415 - optional

    file = found.metadata
    next(found.iter_batches(1, use_threads=False), None)  # an error if columns are encrypted; below, the process aborts
    leaves = {found.schema.column(at).path: at for at in range(file.num_columns)}
    groups = [file.row_group(group) for group in range(file.num_row_groups)]
    made = []
    for field in found.schema_arrow:
        at = leaves.get(field.name)
        kind = None if at is None else found.schema.column(at).physical_type
        is_solid = at is not None and all(_has_no_null(group.column(at), kind) for group in groups)
        made.append(field.with_nullable(field.nullable and not is_solid))
    return pa.schema(made)


def _has_no_null(column: Any, kind: str | None) -> bool:
    if column.physical_type != kind:  # damaged: reading its statistics would abort the process
        return False
    found = column.statistics
    return found is not None and found.has_null_count and found.null_count == 0


def _write(file: BinaryIO, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    import pyarrow as pa  # noqa: PLC0415 - optional
    from pyarrow import parquet as pq  # noqa: PLC0415

    with pq.ParquetWriter(file, schema, compression="zstd", write_page_index=False) as writer:
        waiting: list[pa.RecordBatch] = []
        rows = size = 0
        for batch in chain(batches, [None]):
            if waiting and (batch is None or rows + batch.num_rows > _MOST_GROUP or size >= _GROUP):
                writer.write_table(pa.Table.from_batches(waiting, schema), row_group_size=max(1, rows))
                waiting, rows, size = [], 0, 0
            if batch is not None:
                waiting.append(batch)
                rows += batch.num_rows
                size += batch.nbytes
