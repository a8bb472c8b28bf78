"""Golden files: the output rows that a case expects, compared field by field.

The order of keys does not matter. Columns that differ from run to run, such as `provenance`, are left out, as are the
values of a row under `redact`: their stand-ins are written and compared.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yamlgen.canonical_json import one_line
from yamlgen.data.input_file import InputFile
from yamlgen.diagnostics import Diagnostic, InvalidPipeline
from yamlgen.errors import Code, near
from yamlgen.excerpts import brief
from yamlgen.option_names import option
from yamlgen.output.atomic_write import replacing
from yamlgen.redaction import redact
from yamlgen.shaping.output_config import Output
from yamlgen.store.codec import text_of
from yamlgen.testing.line_ends import with_lf
from yamlgen.testing.recording_file import has_secret
from yamlgen.testing.suite import CheckedCase
from yamlgen.value_objects import JSON, Row

MOST: Final = 10
"""The number of differences that are reported one by one."""


class _Lacking:
    """A field or a row that one side lacks."""

    def __str__(self) -> str:
        return "nothing"


_LACKING: Final = _Lacking()


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs.

    Attributes:
        row: the id of the row, or its number, from 1.
        field: the field, such as `label.topic`; empty for the whole row.
        expected: the value in the golden file, as JSON; `nothing` if it is missing there.
        found: the value in the output.
    """

    row: str
    field: str
    expected: str
    found: str


def golden_rows(rows: Iterable[Row], output: Output) -> list[Row]:
    """Return the rows of an output as a golden file contains them."""
    added = set(output.added)
    return [{name: value for name, value in row.items() if name not in added} for row in rows]


def read_golden(path: Path) -> list[Row] | None:
    """Return the rows of a golden file, which has a JSON object on each line; `None` if it does not exist.

    Raises:
        UsageError: the file is not JSON lines; with its line.
        EnvironmentProblem: it cannot be read.
    """
    if not path.exists():
        return None
    with closing(InputFile(path, near(path), "jsonl").rows(None)) as rows:
        return [row for _, row in rows]


def write_golden(path: Path, rows: Sequence[Row], case: CheckedCase, secrets: Collection[str] = ()) -> None:
    """Replace a golden file.

    Args:
        path: the file.
        rows: its rows.
        case: its case.
        secrets: what it must not contain, in addition to what looks like an API key.

    Raises:
        InvalidPipeline: a row contains a secret; nothing is written.
        EnvironmentProblem: it cannot be written.
    """
    for number, row in enumerate(rows, start=1):
        if has_secret(json.dumps(row, ensure_ascii=False), secrets):
            message = f"output row {number} of case `{case.name}` contains an API key, so {near(path)} is not written"
            hint = "remove the key from the row or the prompt, and revoke it; if an answer contains it, record it again"
            raise InvalidPipeline((Diagnostic(Code.SECRET, message, case.mark, hint),))
    with replacing(path, f"the golden file {near(path)}") as staging:
        staging.write(path, (f"{one_line(text_of(dict(row)))}\n".encode() for row in rows))
        staging.replace()


def differences(expected: Sequence[Row], found: Sequence[Row], id_column: str | None) -> Iterator[Difference]:
    """Yield each field that differs.

    Rows are matched by their id, if both sides have unique ids; otherwise by their position. CRLF counts as LF.
    """
    expected, found = with_lf(list(expected)), with_lf(list(found))
    left, right = _by_id(expected, id_column), _by_id(found, id_column)
    if left is None or right is None:
        left = {str(number): row for number, row in enumerate(expected, start=1)}
        right = {str(number): row for number, row in enumerate(found, start=1)}
    for name in {**left, **right}:
        for field, one, other in _unequal(left.get(name, _LACKING), right.get(name, _LACKING), ""):
            yield Difference(name, field, _told(one), _told(other))


def update_hint() -> str:
    """Return how to write golden files anew."""
    return f"{option('update')} writes it"


def _by_id(rows: Sequence[Row], column: str | None) -> dict[str, Row] | None:
    if column is None:
        return None
    found = {_told(row[column]).strip('"'): row for row in rows if column in row}
    return found if len(found) == len(rows) else None


def _unequal(one: JSON, other: JSON, at: str) -> Iterator[tuple[str, JSON, JSON]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            inner = f"{at}.{name}" if at else name
            yield from _unequal(one.get(name, _LACKING), other.get(name, _LACKING), inner)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _unequal(left, right, f"{at}[{number}]")
    elif isinstance(one, bool) is not isinstance(other, bool) or one != other:  # True equals 1 in Python
        yield at, one, other


def _told(value: JSON) -> str:
    return str(value) if value is _LACKING else brief(redact(json.dumps(value, ensure_ascii=False)))
