"""A table that a Python caller gives in place of the input: of pandas, polars, Arrow, or any with an Arrow stream.

The table stays Arrow data; its rows are made in small batches while they are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, Protocol, runtime_checkable

from yamlgen.errors import Code, UsageError
from yamlgen.value_objects import JSON, Row

_BATCH: Final = 2_000
_INDEX: Final = re.compile(r"__index_level_\d+__")
"""The column of the index of a DataFrame that has no name."""


@runtime_checkable
class ArrowStream(Protocol):
    """A table with the Arrow C stream interface."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Return the stream."""


@dataclass(frozen=True, slots=True)
class GivenTable:
    """The rows of an Arrow table; they can be read repeatedly.

    Attributes:
        table: a `pyarrow.Table`.
        shown: its name in messages.
    """

    table: Any
    shown: str

    def __iter__(self) -> Iterator[Row]:
        from yamlgen.formats.arrow_rows import rows_of  # noqa: PLC0415 - pyarrow is optional

        return rows_of(self.table.to_batches(_BATCH), self.shown)

    def types(self) -> Mapping[str, JSON]:
        """Return the columns, each with a JSON Schema of its values.

        Raises:
            UsageError: two columns have the same name.
        """
        from yamlgen.formats.arrow_rows import column_types  # noqa: PLC0415 - pyarrow is optional

        schema = self.table.schema
        for at, column in enumerate(self.table.columns):
            schema = schema.set(at, schema.field(at).with_nullable(column.null_count > 0))
        return column_types(schema, self.shown)


def given_table(rows: object, shown: str) -> GivenTable | None:
    """Return the rows of a table; `None` for what is not a table, or if pyarrow is not installed.

    A stream that can be read only once is read into memory.

    Raises:
        UsageError: the table cannot be read as Arrow data, or two columns have the same name.
    """
    if not isinstance(rows, ArrowStream) and not hasattr(rows, "__arrow_c_array__"):
        return None
    if find_spec("pyarrow") is None:
        return None
    import pyarrow as pa  # noqa: PLC0415 - optional

    try:
        table = pa.table(rows)
    except (pa.ArrowException, TypeError, ValueError) as error:
        message = f"`rows` cannot be read as an Arrow table: {' '.join(str(error).split())}"
        hint = "convert each column to values of one type, or pass a list of mappings"
        raise UsageError(message, code=Code.BAD_INPUT, hint=hint) from error
    made = GivenTable(table.drop_columns([name for name in table.column_names if _INDEX.fullmatch(name)]), shown)
    made.types()  # refuses two columns of one name
    return made
