"""One column of a file, whole: what a `draw` step draws from, read as an input is read.

Each row is as likely as any other, so a row that has nothing there (no such key, null, an empty cell) is neither
drawn nor passed over in silence: it is refused, with its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.formats.format import ReadContext
from yamlgen.formats.format_table import ENDINGS, format_of
from yamlgen.parsing.yaml_parser import absence
from yamlgen.suggestions import suggestion
from yamlgen.value_objects import JSON, Row

_KNOWN = f"the path's ending tells the format; known are {ENDINGS}"


def read_column(path: Path, shown: str, name: str, tell: Callable[[str], object] = bool) -> tuple[JSON, ...]:
    """The values of the column `name`, row by row; at least one.

    Args:
        path: a file whose ending tells its format.
        shown: how messages name it.
        name: the column.
        tell: is told what the user should know of the file, each as a sentence.

    Raises:
        UsageError: the ending tells no format, the file is broken or has no rows, no row has the column, or one has
            nothing there.
        EnvironmentProblem: there is no such file, or it cannot be read.
    """
    kind = format_of(path)
    if kind is None:
        raise UsageError(f"cannot read {shown}: its ending tells no format", code=Code.WRONG_VALUE, hint=_KNOWN)
    reading = ReadContext(shown, kind.delimiter(path), format_hint=_KNOWN)
    try:
        if (absent := absence(path, shown, "the pipeline's file")) is not None:
            raise EnvironmentProblem(absent[0], code=Code.MISSING_FILE, hint=absent[1])
        with path.open("rb") as file:
            rows = enumerate(kind.read(file, reading), start=1)
            values = _values(((kind.place(reading, line, number), row) for number, (line, row) in rows), shown, name)
    except OSError as error:
        message = f"cannot read {shown}: {error.strerror or error}"
        raise EnvironmentProblem(message, code=Code.MISSING_FILE, hint="it must be a file that you may read") from error
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
        raise UsageError(f"{shown} has no rows", code=Code.BAD_DRAW, hint="a draw needs at least one to draw from")
    if name not in known:
        message = f"{shown} has no column `{name}`"
        raise UsageError(message, code=Code.UNKNOWN_COLUMN, hint=suggestion(name, known, "columns"))
    if lack:
        raise UsageError(lack, code=Code.BAD_DRAW, hint="every row may be drawn: fill it in, or take the row out")
    return tuple(values)
