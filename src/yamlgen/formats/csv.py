"""CSV as in RFC 4180, and TSV: a header, and string values; values of other types are written as JSON."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import PurePath
from typing import BinaryIO, Final

from yamlgen.canonical_json import storable
from yamlgen.formats.format import (
    UNCHANGED,
    Anomaly,
    Format,
    Lines,
    ReadContext,
    Rows,
    WriteOptions,
    is_delimiter,
    refused,
)
from yamlgen.formats.strict_json import decode_cell
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

_BETWEEN: Final = re.compile(r'"(?:[^"]|"")*"([^"\w\r\n])"')
"""A quoted cell at the beginning of a line, the character after it, and the quote of another cell."""

_SPREADSHEET: Final = re.compile(r'("?)sep=([^\r\n]*?)\1\r?\n?')
"""A first line that sets the delimiter for a spreadsheet."""

_INDEX: Final = ("index", "level_0")
"""The names of a first column without a name: those of pandas' `reset_index`. Its `to_csv` writes such a column."""

_HEADLESS: Final = "`header: false` and `columns` if the file has no header"
_QUOTED: Final = "put a cell that contains the delimiter or a line break in quotes"
_UNQUOTED: Final = "`quoting: none` if quotes are characters like others"


class Csv(Format):
    """CSV with a header, unless the settings name the columns; empty lines are skipped."""

    name = "csv"
    endings: tuple[str, ...] = (".csv",)
    keeps_types = False
    separator = ","

    def read(self, file: BinaryIO, reading: ReadContext) -> Rows:
        """Yield the rows after the header, each with its first line."""
        table, nested = self._table(file, reading), reading.settings.json_columns
        line, header = next(table)
        for name in () if not header else nested if reading.id is None else (reading.id, *nested):
            if name not in header:
                what = "id column" if name == reading.id else "JSON column"
                problem = f"the {what} `{name}` is missing"
                raise refused(f"{reading.shown}:{line}", problem, f"the columns are {', '.join(header)}")
        for number, (line, cells) in enumerate(table, start=1):
            if len(cells) != len(header):
                raise refused(f"{reading.shown}:{line}", *_uneven(header, cells, reading, number))
            row: dict[str, JSON] = dict(zip(header, cells, strict=True))
            for name in nested:
                row[name] = decode_cell(str(row[name]), f"{reading.shown}:{line}", name)
            yield line, row

    def columns(self, file: BinaryIO, reading: ReadContext) -> dict[str, JSON]:
        """Return the columns of the header; none if the first line seems to be a title."""
        table = self._table(file, reading)
        header, first = (next(table, (0, list[str]()))[1] for _ in range(2))
        is_title = len(header) == 1 < len(first) and _PARTED.isdisjoint(header[0]) and reading.settings.header
        return {} if is_title else {name: {"type": "string"} for name in header}

    def may_be_odd(self, content: bytes) -> bool:
        """Check for NUL bytes, or a byte order mark that is not at the beginning."""
        return b"\0" in content or content.find(MARK.encode(), 1) >= 0

    def write(
        self,
        rows: Lines,
        path: PurePath,  # noqa: ARG002
        tell: Callable[[str], object],
        options: WriteOptions = UNCHANGED,
    ) -> Iterator[bytes]:
        """Write CSV as in RFC 4180, but with LF line endings, in two passes if the columns are unknown.

        Every reader accepts LF, and diffs show no `^M`. Many CSV readers end the cell or the file at a NUL, and UTF-8
        cannot encode a lone surrogate, so both are written as U+FFFD. In JSON inside a cell both are escapes.
        """
        columns = dict.fromkeys(options.columns)
        for line in () if columns else rows():
            columns.update(dict.fromkeys(json.loads(line)))
        table = _TableWriter(options.delimiter or self.separator, escapes=options.formulas == "escape")
        if columns:
            yield table.record(0, columns)
        for number, line in enumerate(rows(), start=1):
            row = json.loads(line)
            yield table.record(number, (row.get(column) for column in columns))
        for warning in table.warnings(columns):
            tell(warning)

    def _table(self, file: BinaryIO, reading: ReadContext) -> Iterator[tuple[int, list[str]]]:
        """Yield the columns, then the cells of each row with its line. There are no columns in an empty file."""
        shown, odd, settings = reading.shown, reading.anomalies, reading.settings
        lines = _lines(file, reading)
        first = next(lines, "")
        separator = _spreadsheet_separator(first, shown)
        skipped, lines = (1, lines) if separator else (0, chain([first], lines))
        reader = csv.reader(
            lines,
            delimiter=settings.delimiter or separator or self.separator,
            quoting=csv.QUOTE_NONE if settings.quoting == "none" else csv.QUOTE_MINIMAL,
            strict=True,
        )
        has_header = settings.header
        if not has_header:
            yield 1, list(settings.columns)
        while True:
            line = reader.line_num + 1 + skipped
            cells = self._cells(reader, line, reading, first)
            if cells is None:
                break
            if not cells:
                continue
            if has_header:
                if _NUL in odd:
                    raise nul(f"{shown}:{line}")
                cells = self._named(cells, f"{shown}:{line}", reading)
                has_header = False
            yield line, cells
        if has_header:
            yield 1, []

    def _cells(self, reader: Iterator[list[str]], line: int, reading: ReadContext, first: str) -> list[str] | None:
        limit = csv.field_size_limit(_CELL)  # the limit is global to the process, so it is restored after each row
        try:
            return next(reader, None)
        except csv.Error as error:
            problem = str(error).partition(" - ")[0]
            hint = reading.option('double each quote inside a quoted cell: "say ""yes"""', _UNQUOTED)
            if "unexpected end of data" in problem:
                problem = "a quote is opened here and never closed"
            elif "field larger" in problem:
                problem = f"a cell has more than {_CELL:,} characters; is a closing quote missing?"
            elif "new-line character" in problem:
                problem = "a CR without LF outside quotes"
                hint = "save the file with LF or CRLF line endings, or put the cell in quotes"
            elif "expected after" in problem:
                problem = f"{problem[:3].replace(chr(39), '`')} is expected after a closing quote"
                between = _BETWEEN.match(first)
                if between is not None and line == 1 and not reading.format_hint:
                    hint = f"set `delimiter: {json.dumps(between[1])}`"
            raise refused(f"{reading.shown}:{line}", f"not {self.name.upper()}: {problem}", hint) from error
        finally:
            csv.field_size_limit(limit)

    def _named(self, names: list[str], place: str, reading: ReadContext) -> list[str]:
        """Return the columns of a header, which is checked."""
        if _JSON.match(names[0]):
            kind = "jsonl" if names[0].startswith("{") else "json"
            hint = reading.format_hint or f"set `format: {kind}`, or use the extension .{kind}"
            raise refused(place, f"the file is JSON, not {self.name.upper()}", hint)
        if _MARKUP.match(names[0]):
            hint = "was a web page saved instead of the file?"
            raise refused(place, f"the file is HTML or XML, not {self.name.upper()}", hint)
        if names[0] == "" and len(names) > 1:
            names = [next((name for name in _INDEX if name not in names), ""), *names[1:]]
        seen: set[str] = set()
        for number, name in enumerate(names, start=1):
            if not name.strip():
                hint = "remove the delimiter at the end of each line, or add a name"
                if number < len(names):
                    hint = reading.option("add a name, or leave the column out", _HEADLESS)
                raise refused(place, f"column {number} of the header has no name", hint)
            if name in seen:
                hint = reading.option("give each column a different name", _HEADLESS)
                raise refused(place, f"two columns are named `{name}`", hint)
            seen.add(name)
        return names


class Tsv(Csv):
    """CSV with tabs between the cells."""

    name = "tsv"
    endings = (".tsv",)
    separator = "\t"


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


def _uneven(header: list[str], cells: list[str], reading: ReadContext, number: int) -> tuple[str, str]:
    """Return the fact and the fix for a row whose number of cells differs from the number of columns."""
    fix = _evened(header, cells, reading)
    if number == 1 and len(cells) == len(header) + 1 > 2 and fix.startswith(_QUOTED):  # noqa: PLR2004 - two columns
        fix = f"if each row begins with its name, as in files of R, add a name before the header; or {fix}"
    elif number == 1 and fix.startswith(_QUOTED):
        fix = f"{fix}; or remove the first line if it is not the names of the columns"
    count = f"{len(header)} cell{'s' * (len(header) != 1)}"
    if not reading.settings.header:
        named = f"`columns` names {len(header)} column{'s' * (len(header) != 1)}"
        return f"{named}, but this row has {len(cells)} cell{'s' * (len(cells) != 1)}", fix
    return f"the header has {count}, but this row has {len(cells)}", fix


def _evened(header: list[str], cells: list[str], reading: ReadContext) -> str:
    if any(MARK in cell for cell in cells):
        return JOINED
    if any(_JSON.match(cell) for cell in cells):
        return "put JSON in quotes, and double each quote in it"
    if any(_SPACED.match(cell) for cell in cells) and reading.settings.quoting == "double":
        return "an opening quote must directly follow the delimiter: remove the space between them"
    if not reading.settings.header:
        return "write one cell for each column, or correct `columns` or `delimiter`"
    if len(cells) < len(header):
        return "write one cell for each column; leave it empty if there is no value"
    if not any(cells[len(header) :]):
        return "remove the delimiter at the end of the row, or add a column to the header"
    if len(header) == 1:
        return "the first line must contain the column names: is it a title?"
    return f"remove `quoting: none`, and {_QUOTED}" if reading.settings.quoting == "none" else _QUOTED


def _spreadsheet_separator(line: str, shown: str) -> str | None:
    """Return the delimiter that a first line sets; `None` if it is another line."""
    found = _SPREADSHEET.fullmatch(line)
    if found is None or len(found[2]) > 1:
        return None
    if not is_delimiter(found[2]):
        raise refused(f"{shown}:1", "the line `sep=` names no delimiter", "add it, as in `sep=;`, or remove the line")
    return found[2]


def _lines(file: BinaryIO, reading: ReadContext) -> Iterator[str]:
    for line, raw in enumerate(file, start=1):
        text = text_of(raw, reading, line, nuls=True)
        if "\0" in text:
            reading.anomalies.add(_NUL, line, text.count("\0"))
            text = text.replace("\0", "\ufffd")
        if MARK in text:
            reading.anomalies.add(_MARKED, line, text.count(MARK))
        yield text
