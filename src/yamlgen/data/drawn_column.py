"""Reads one whole column of a file, which a `draw` step draws from.

Files are read as inputs are. Each row is equally likely to be drawn, so a row without a value (no such key, null, an
empty cell) is refused with its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.formats.byte_layers import unpacked
from yamlgen.formats.format import ReadContext
from yamlgen.formats.format_table import ENDINGS, format_of
from yamlgen.parsing.yaml_parser import absence
from yamlgen.suggestions import suggestion
from yamlgen.value_objects import JSON, Row

_KNOWN = f"the extension must match the format; known extensions: {ENDINGS}"


def read_column(path: Path, shown: str, name: str, tell: Callable[[str], object] = bool) -> tuple[JSON, ...]:
    """Return the values of the column `name`, in the order of the rows; at least one.

    Args:
        path: the file; its extension determines its format.
        shown: the name of the file in messages.
        name: the column.
        tell: called with each warning about the file.

    Raises:
        UsageError: the extension is unknown, the file is broken or has no rows, no row has the column, or a row has no
            value in it.
        EnvironmentProblem: the file does not exist or cannot be read.
    """
    kind = format_of(path)
    if kind is None:
        raise UsageError(f"cannot read {shown}: it has no known extension", code=Code.WRONG_VALUE, hint=_KNOWN)
    reading = ReadContext(shown, format_hint=_KNOWN)
    try:
        if (absent := absence(path, shown, "the pipeline file")) is not None:
            raise EnvironmentProblem(absent[0], code=Code.MISSING_FILE, hint=absent[1])
        with path.open("rb") as file:
            content = file if kind.is_random_access else unpacked(file, path, shown)
            rows = enumerate(kind.read(content, reading), start=1)
            values = _values(((kind.place(reading, line, number), row) for number, (line, row) in rows), shown, name)
    except OSError as error:
        message = f"cannot read {shown}: {error.strerror or error}"
        raise EnvironmentProblem(
            message, code=Code.MISSING_FILE, hint="check that it is a file that you may read"
        ) from error
    for message in reading.anomalies.told(shown):
        tell(message)
    return values


def _values(rows: Iterator[tuple[str, Row]], shown: str, name: str) -> tuple[JSON, ...]:
    values: list[JSON] = []
    known: dict[str, None] = {}
    lack = ""
    for place, row in rows:
        known.update(dict.fromkeys(row))
        value = row.get(name)
        if value in (None, "") and not lack:
            what = "is missing" if name not in row else "is null" if value is None else "is empty"
            lack = f"{place}: `{name}` {what}"
        values.append(value)
    if not values:
        raise UsageError(f"{shown} has no rows", code=Code.BAD_DRAW, hint="add at least one row to draw from")
    if name not in known:
        message = f"{shown} has no column `{name}`"
        raise UsageError(message, code=Code.UNKNOWN_COLUMN, hint=suggestion(name, known, "columns"))
    if lack:
        raise UsageError(lack, code=Code.BAD_DRAW, hint="fill in the value, or remove the row: every row can be drawn")
    return tuple(values)
