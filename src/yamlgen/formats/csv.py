"""CSV as in RFC 4180: a header, and string values; values of other types are written as JSON."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath
from typing import BinaryIO, Final

from yamlgen.canonical_json import storable
from yamlgen.formats.format import (
    UNCHANGED,
    Anomaly,
    AnomalyLog,
    Format,
    Lines,
    ReadContext,
    Rows,
    WriteOptions,
    refused,
)
from yamlgen.formats.utf8 import JOINED, MARK, nul, text_of
from yamlgen.value_objects import JSON

_CELL: Final = 1 << 28
"""The maximum length of a cell in characters, so that an unclosed quote does not load a huge file into memory."""

_NUL: Final = Anomaly("a NUL byte is read as U+FFFD", "replace it with the intended character")
_MARKED: Final = Anomaly("a byte order mark in the middle of the file stays part of the value", JOINED)

_SPACED: Final = re.compile(r'\s+"')
_JSON: Final = re.compile(r'\{\s*"|\[\s*[{\[]|[\[{]\Z')
_MARKUP: Final = re.compile(r"<(?:!doctype|html|\?xml)\b", re.IGNORECASE)
_FORMULA: Final = re.compile(r"(?![+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z)[=+\-@\t\r]")
"""The beginning of a string that a spreadsheet executes as a formula, unless the string is a number."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_UNKNOWN: Final = "\ufffd"
_PARTED: Final = frozenset(",;|\t")
"""Common delimiters."""


class Csv(Format):
    """CSV with a header; empty lines are skipped."""

    name = "csv"
    endings = (".csv", ".tsv")
    keeps_types = False

    def read(self, file: BinaryIO, reading: ReadContext) -> Rows:
        """Yield the rows after the header, each with its first line."""
        table = _table(file, reading)
        line, header = next(table, (0, []))
        if header and reading.id is not None and reading.id not in header:
            problem = f"the id column `{reading.id}` is missing"
            raise refused(f"{reading.shown}:{line}", problem, f"the columns are {', '.join(header)}")
        for line, cells in table:
            if len(cells) != len(header):
                problem = f"the header has {len(header)} cell{'s' * (len(header) != 1)}, but this row has {len(cells)}"
                raise refused(f"{reading.shown}:{line}", problem, _evened(header, cells))
            yield line, dict(zip(header, cells, strict=True))

    def columns(self, file: BinaryIO, reading: ReadContext) -> dict[str, JSON]:
        """Return the columns of the header; none if the first line seems to be a title."""
        table = _table(file, reading)
        header, first = (next(table, (0, list[str]()))[1] for _ in range(2))
        is_title = len(header) == 1 < len(first) and _PARTED.isdisjoint(header[0])
        return {} if is_title else {name: {"type": "string"} for name in header}

    def may_be_odd(self, content: bytes) -> bool:
        """Check for NUL bytes, or a byte order mark that is not at the beginning."""
        return b"\0" in content or content.find(MARK.encode(), 1) >= 0

    def delimiter(self, path: PurePath | None) -> str:
        """Return a tab for `.tsv`, otherwise a comma."""
        return "\t" if path is not None and path.suffix.lower() == ".tsv" else ","

    def write(
        self, rows: Lines, path: PurePath, tell: Callable[[str], object], options: WriteOptions = UNCHANGED
    ) -> Iterator[bytes]:
        """Write CSV as in RFC 4180, but with LF line endings, in two passes if the columns are unknown.

        Every reader accepts LF, and diffs show no `^M`. Many CSV readers end the cell or the file at a NUL, and UTF-8
        cannot encode a lone surrogate, so both are written as U+FFFD. In JSON inside a cell both are escapes.
        """
        columns = dict.fromkeys(options.columns)
        for line in () if columns else rows():
            columns.update(dict.fromkeys(json.loads(line)))
        table = _TableWriter(options.delimiter or self.delimiter(path), escapes=options.formulas == "escape")
        if columns:
            yield table.record(0, columns)
        for number, line in enumerate(rows(), start=1):
            row = json.loads(line)
            yield table.record(number, (row.get(column) for column in columns))
        for warning in table.warnings(columns):
            tell(warning)


class _TableWriter:
    """Makes records, and counts what CSV cannot contain."""

    def __init__(self, delimiter: str, *, escapes: bool) -> None:
        self._delimiter = delimiter
        self._escapes = escapes
        self._special = re.compile(f'[{re.escape(delimiter)}"\r\n{MARK}]')
        self._lost: dict[str, tuple[int, int]] = {}

    def record(self, number: int, values: Iterable[JSON]) -> bytes:
        """Return the record of a row with this number; 0 is the header."""
        cells = [self._cell(value) for value in values]
        text = self._delimiter.join(cells) if cells != [""] else '""'
        if "\0" in text:
            self._count("NUL characters", number, text.count("\0"))
            text = text.replace("\0", _UNKNOWN)
        try:
            return f"{text}\n".encode()
        except UnicodeEncodeError:
            text, count = _SURROGATE.subn(_UNKNOWN, text)
            self._count("lone surrogates", number, count)
            return f"{text}\n".encode()

    def warnings(self, columns: Iterable[str]) -> Iterator[str]:
        """Yield a warning for each kind of replaced character, and for columns that have the same name then."""
        for what, (first, count) in self._lost.items():
            where = f"row {first:,} of the output" if first else "the header"
            yield f"CSV cannot contain {what}: {count:,} became U+FFFD, the first in {where}"
        names = Counter(_SURROGATE.sub(_UNKNOWN, self._text(name)).replace("\0", _UNKNOWN) for name in columns)
        for name, count in names.items():
            if count > 1:
                yield f"{count} columns of the output have the name `{name}` in CSV: rename them"

    def _cell(self, value: JSON) -> str:
        text = self._text(value)
        return '"' + text.replace('"', '""') + '"' if self._special.search(text) else text

    def _text(self, value: JSON) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            return storable(json.dumps(value, ensure_ascii=False))
        return f"'{value}" if self._escapes and _FORMULA.match(value) else value

    def _count(self, what: str, number: int, count: int) -> None:
        first, before = self._lost.get(what, (number, 0))
        self._lost[what] = first, before + count


def _evened(header: list[str], cells: list[str]) -> str:
    """Return the hint for a row whose number of cells differs from the header's."""
    if any(MARK in cell for cell in cells):
        return JOINED
    if any(_SPACED.match(cell) for cell in cells):
        return "an opening quote must directly follow the delimiter: remove the space between them"
    if len(cells) < len(header):
        return "write one cell for each column; leave it empty if there is no value"
    if not any(cells[len(header) :]):
        return "remove the delimiter at the end of the row, or add a column to the header"
    if len(header) == 1:
        return "the first line must contain the column names: is it a title?"
    return "put a cell that contains the delimiter or a line break in quotes"


def _table(file: BinaryIO, reading: ReadContext) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row with its line, first those of the header, which is checked."""
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
    limit = csv.field_size_limit(_CELL)  # the limit is global to the process, so it is restored after each row
    try:
        return next(reader, None)
    except csv.Error as error:
        problem = str(error).partition(" - ")[0]
        hint = 'double each quote inside a quoted cell: "say ""yes"""'
        if "unexpected end of data" in problem:
            problem = "a quote is opened here and never closed"
        elif "field larger" in problem:
            problem = f"a cell has more than {_CELL:,} characters; is a closing quote missing?"
        elif "new-line character" in problem:
            problem = "a CR without LF outside quotes"
            hint = "save the file with LF or CRLF line endings, or put the cell in quotes"
        elif "expected after" in problem:
            problem = f"{problem[:3].replace(chr(39), '`')} is expected after a closing quote"
        raise refused(place, f"not CSV: {problem}", hint) from error
    finally:
        csv.field_size_limit(limit)


def _check_header(names: list[str], place: str) -> None:
    if _JSON.match(names[0]):
        kind = "jsonl" if names[0].startswith("{") else "json"
        hint = f"add `format: {kind}` under `input`, or use the extension .{kind}"
        raise refused(place, "the file is JSON, not CSV", hint)
    if _MARKUP.match(names[0]):
        raise refused(place, "the file is HTML or XML, not CSV", "was a web page saved instead of the file?")
    if names in (["sep="], ["sep=", ""]):
        raise refused(place, "the line `sep=...` is for spreadsheets and is not CSV", "remove that line")
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name.strip():
            hint = "add a name, or leave the column out (pandas: `index=False`); the first line must name each column"
            raise refused(place, f"column {number} of the header has no name", hint)
        if name in seen:
            raise refused(place, f"two columns are named `{name}`", "give each column a different name")
        seen.add(name)
