"""Rows as bytes: a JSON line for each, and the formats that are made of such lines.

Every format is made line by line, and CSV in two passes (its header is all columns of all rows), so that no file is
ever held in memory.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath
from typing import TypeAlias

from yamlgen.canonical_json import encoded
from yamlgen.formats.table import delimiter_of, format_of
from yamlgen.values import JSON

Lines: TypeAlias = Callable[[], Iterable[bytes]]
"""JSON lines, UTF-8, each with its line end, in input order; the same ones whenever it is called."""


def formatted(lines: Lines, path: PurePath, tell: Callable[[str], object] = bool) -> Iterable[bytes]:
    """What a file at `path` holds, in the format that its ending tells, piece by piece.

    Args:
        lines: the rows.
        path: the file.
        tell: is told at the end what of the rows the format cannot hold, as a sentence.
    """
    kind = format_of(path)
    if kind == "csv":
        return _csv(lines, delimiter_of(path), tell)
    return _array(lines()) if kind == "json" else lines()


def _array(lines: Iterable[bytes]) -> Iterator[bytes]:
    before = b"[\n"
    for line in lines:
        yield before + line.rstrip(b"\n")
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _csv(lines: Lines, delimiter: str, tell: Callable[[str], object]) -> Iterator[bytes]:
    """RFC 4180 but for its line end, which is LF: every reader takes it, and a diff shows no `^M`.

    A NUL ends the text, or the file, for many readers of CSV: it becomes U+FFFD.
    """
    columns: dict[str, None] = {}
    for line in lines():
        columns.update(dict.fromkeys(json.loads(line)))
    special = re.compile(f'[{re.escape(delimiter)}"\r\n\ufeff]')

    nuls: Counter[int] = Counter()

    def record(number: int, values: Iterable[JSON]) -> bytes:
        cells = [_cell(value, special) for value in values]
        text = delimiter.join(cells) if cells != [""] else '""'
        if "\0" in text:
            nuls[number] = text.count("\0")
            text = text.replace("\0", "\ufffd")
        return encoded(text + "\n")

    if columns:
        yield record(0, columns)
    for number, line in enumerate(lines(), start=1):
        row = json.loads(line)
        yield record(number, (row.get(column) for column in columns))
    if nuls:
        where = f"row {min(nuls):,} of the output" if min(nuls) else "the header"
        tell(f"a NUL, which CSV cannot hold, is written as U+FFFD: {nuls.total():,} in all, the first in {where}")


def _cell(value: JSON, special: re.Pattern[str]) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return '"' + text.replace('"', '""') + '"' if special.search(text) else text
