"""CSV as in RFC 4180: a header, and texts; what is no text is written as JSON."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath
from typing import BinaryIO, Final

from yamlgen.canonical_json import encoded
from yamlgen.formats.format import Anomaly, AnomalyLog, Format, Lines, ReadContext, Rows, refused
from yamlgen.formats.utf8 import JOINED, MARK, nul, text_of
from yamlgen.value_objects import JSON

_CELL: Final = 1 << 28
"""The longest CSV cell, in characters: an unclosed quote must not take a huge file into memory."""

_NUL: Final = Anomaly("a NUL byte is read as U+FFFD", "write what it stands for")
_MARKED: Final = Anomaly("a byte order mark in the middle of a file is kept in its value", JOINED)

_SPACED: Final = re.compile(r'\s+"')
_JSON: Final = re.compile(r'\{\s*"|\[\s*[{\[]|[\[{]\Z')
_MARKUP: Final = re.compile(r"<(?:!doctype|html|\?xml)\b", re.IGNORECASE)
_PARTED: Final = frozenset(",;|\t")
"""What parts the cells of most tables."""


class Csv(Format):
    """CSV with a header; empty lines are skipped."""

    name = "csv"
    endings = (".csv", ".tsv")
    keeps_types = False

    def read(self, file: BinaryIO, reading: ReadContext) -> Rows:
        """The rows below the header, each with its first line."""
        table = _table(file, reading)
        line, header = next(table, (0, []))
        if header and reading.id is not None and reading.id not in header:
            problem = f"no column `{reading.id}`, the id"
            raise refused(f"{reading.shown}:{line}", problem, f"the columns are {', '.join(header)}")
        for line, cells in table:
            if len(cells) != len(header):
                problem = f"the header has {len(header)} cell{'s' * (len(header) != 1)}, this row {len(cells)}"
                raise refused(f"{reading.shown}:{line}", problem, _evened(header, cells))
            yield line, dict(zip(header, cells, strict=True))

    def columns(self, file: BinaryIO, reading: ReadContext) -> dict[str, JSON]:
        """Those of the header; none where the first line seems to be a title."""
        table = _table(file, reading)
        header, first = (next(table, (0, list[str]()))[1] for _ in range(2))
        is_title = len(header) == 1 < len(first) and _PARTED.isdisjoint(header[0])
        return {} if is_title else {name: {"type": "string"} for name in header}

    def may_be_odd(self, content: bytes) -> bool:
        """Whether there are NUL bytes, or a byte order mark that is not in front."""
        return b"\0" in content or content.find(MARK.encode(), 1) >= 0

    def delimiter(self, path: PurePath | None) -> str:
        """A tab for `.tsv`, else a comma."""
        return "\t" if path is not None and path.suffix.lower() == ".tsv" else ","

    def write(self, rows: Lines, path: PurePath, tell: Callable[[str], object]) -> Iterator[bytes]:
        """In two passes, since the header is all columns of all rows; RFC 4180 but for its line end, which is LF.

        Every reader takes LF, and a diff shows no `^M`. A NUL ends the text, or the file, for many readers of CSV: it
        becomes U+FFFD.
        """
        delimiter = self.delimiter(path)
        columns: dict[str, None] = {}
        for line in rows():
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
        for number, line in enumerate(rows(), start=1):
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


def _evened(header: list[str], cells: list[str]) -> str:
    """The hint for a row that has more cells than the header, or fewer."""
    if any(MARK in cell for cell in cells):
        return JOINED
    if any(_SPACED.match(cell) for cell in cells):
        return "a quote opens a cell right behind the delimiter: take out the space between them"
    if len(cells) < len(header):
        return "each row has a cell for each column, an empty one where it has no value"
    if not any(cells[len(header) :]):
        return "remove the delimiter at the end of the row, or name a column for it"
    if len(header) == 1:
        return "the first line names the columns: is it a title here?"
    return "a cell that holds the delimiter or a line end stands in quotes"


def _table(file: BinaryIO, reading: ReadContext) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line, the header's first and checked."""
    shown, odd = reading.shown, reading.anomalies
    reader = csv.reader(_lines(file, shown, odd), delimiter=reading.delimiter or ",", strict=True)
    header = True
    while True:
        line = reader.line_num + 1
        cells = _cells(reader, f"{shown}:{line}")
        if cells is None:
            return
        if not cells:
            continue
        if header:
            if _NUL in odd:
                raise nul(f"{shown}:{line}")
            _check_header(cells, f"{shown}:{line}")
            header = False
        yield line, cells


def _lines(file: BinaryIO, shown: str, odd: AnomalyLog) -> Iterator[str]:
    for line, raw in enumerate(file, start=1):
        text = text_of(raw, shown, line, nuls=True)
        if "\0" in text:
            odd.add(_NUL, line, text.count("\0"))
            text = text.replace("\0", "\ufffd")
        if MARK in text:
            odd.add(_MARKED, line, text.count(MARK))
        yield text


def _cells(reader: Iterator[list[str]], place: str) -> list[str] | None:
    limit = csv.field_size_limit(_CELL)  # one for the whole process, so it is put back after each row
    try:
        return next(reader, None)
    except csv.Error as error:
        problem = str(error).partition(" - ")[0]
        hint = 'a quote inside a quoted cell is doubled: "say ""yes"""'
        if "unexpected end of data" in problem:
            problem = "a quote is opened here and never closed"
        elif "field larger" in problem:
            problem = f"a cell of more than {_CELL:,} characters; is a quote left open?"
        elif "new-line character" in problem:
            problem = "a CR without its LF, outside of quotes"
            hint = "save the file with LF or CRLF as line ends, or put the cell in quotes"
        elif "expected after" in problem:
            problem = f"{problem[:3].replace(chr(39), '`')} is expected behind a closing quote"
        raise refused(place, f"not CSV: {problem}", hint) from error
    finally:
        csv.field_size_limit(limit)


def _check_header(names: list[str], place: str) -> None:
    if _JSON.match(names[0]):
        kind = "jsonl" if names[0].startswith("{") else "json"
        hint = f"add `format: {kind}` under `input`, or end the file's name in .{kind}"
        raise refused(place, "JSON, and not CSV", hint)
    if _MARKUP.match(names[0]):
        raise refused(place, "HTML or XML, and not CSV", "was a page saved in the place of the file?")
    if names in (["sep="], ["sep=", ""]):
        raise refused(place, "a line for a spreadsheet, `sep=...`", "remove that line")
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name.strip():
            hint = "the first line names each column: give it a name, or leave it out (pandas: `index=False`)"
            raise refused(place, f"column {number} of the header has no name", hint)
        if name in seen:
            raise refused(place, f"two columns are named `{name}`", "each column has a name of its own")
        seen.add(name)
