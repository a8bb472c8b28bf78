"""Rows as bytes: a JSON line for each, and the formats that are made of such lines.

Every format is made line by line, and CSV in two passes (its header is all columns of all rows), so that no file is
ever held in memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath
from typing import TypeAlias

from yamlgen.canonical import encoded
from yamlgen.language.formats import delimiter_of, format_of
from yamlgen.ports import JSON

Lines: TypeAlias = Callable[[], Iterable[bytes]]
"""JSON lines, UTF-8, each with its line end, in input order; the same ones whenever it is called."""


def formatted(lines: Lines, path: PurePath) -> Iterable[bytes]:
    """What a file at `path` holds, in the format that its ending tells, piece by piece."""
    kind = format_of(path)
    if kind == "csv":
        return _csv(lines, delimiter_of(path))
    return _array(lines()) if kind == "json" else lines()


def _array(lines: Iterable[bytes]) -> Iterator[bytes]:
    before = b"[\n"
    for line in lines:
        yield before + line.rstrip(b"\n")
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _csv(lines: Lines, delimiter: str) -> Iterator[bytes]:
    """RFC 4180 but for its line end, which is LF: every reader takes it, and a diff shows no `^M`."""
    columns: dict[str, None] = {}
    for line in lines():
        columns.update(dict.fromkeys(json.loads(line)))
    special = re.compile(f'[{re.escape(delimiter)}"\r\n\ufeff]')

    def record(values: Iterable[JSON]) -> bytes:
        cells = [_cell(value, special) for value in values]
        return encoded((delimiter.join(cells) if cells != [""] else '""') + "\n")

    if columns:
        yield record(columns)
    for line in lines():
        row = json.loads(line)
        yield record(row.get(column) for column in columns)


def _cell(value: JSON, special: re.Pattern[str]) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return '"' + text.replace('"', '""') + '"' if special.search(text) else text
