"""How bytes become rows, each with its place: JSONL, a JSON array, CSV as in RFC 4180, and rows written inline.

JSONL and CSV are read line by line, a JSON array is read whole (it has no line ends to rely on). Files come as bytes
and are split at LF only: text mode would split at other characters too, and could not say which line is not UTF-8.
What two JSON parsers may read differently is refused: a key twice in one object, NaN, numbers that overflow.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, NoReturn

from yamlgen.errors import Code, UsageError
from yamlgen.language.json_syntax import explain
from yamlgen.ports import JSON, Row
from yamlgen.surface import override

_CELL = 1 << 28
"""The longest CSV cell, in characters: an unclosed quote must not take a huge file into memory."""

_MARK = "\ufeff"
_JOINED = "were files joined here? take out the byte order mark (U+FEFF)"
_ODD = {
    "\0": ("a NUL byte is read as U+FFFD", "write what it stands for"),
    _MARK: ("a byte order mark in the middle of a file is kept in its value", _JOINED),
}
"""What becomes of each, and what to do."""

_SPACED = re.compile(r'\s+"')

_BEGINNINGS = {
    b"PK\x03\x04": ("a ZIP archive, as Excel's workbooks are", "save the table as CSV"),
    b"\xd0\xcf\x11\xe0": ("a workbook of an older Excel", "save the table as CSV"),
    b"PAR1": ("a Parquet file", "convert it to JSONL or CSV"),
    b"SQLite format 3\0": ("a database of SQLite", "export the table as CSV"),
    b"\x1f\x8b": ("compressed by gzip", "unpack it first"),
    b"\xff\xfe\0\0": ("UTF-32", "save the file as UTF-8"),
    b"\xff\xfe": ("UTF-16", "save the file as UTF-8"),
    b"\xfe\xff": ("UTF-16", "save the file as UTF-8"),
}
"""What files of other kinds begin with."""

_JSON = re.compile(r'\{\s*"|\[\s*[{\[]|[\[{]\Z')
_MARKUP = re.compile(r"<(?:!doctype|html|\?xml)\b", re.IGNORECASE)
_AS_TEXT = "write it as a text, in quotes"
_OBJECT = 'a row is an object, {"column": value}'

_GAP = re.compile(r"[ \t\r\n]*")
"""What JSON calls whitespace; `str.strip` would take more."""


def _by_line() -> str:
    csv_, json_ = (override("input.format", name) for name in ("csv", "json"))
    return f"each line is one JSON object; `{csv_}` reads CSV, `{json_}` an array"


def inline_rows(rows: Iterable[Row], shown: str) -> Iterator[tuple[int, dict[str, JSON]]]:
    """Each of `rows` with its number, checked to be an object of JSON values."""
    for number, row in enumerate(rows, start=1):
        place = f"{shown}, row {number}"
        if not isinstance(row, Mapping):
            raise _bad(place, "a row that is not an object", code=Code.NOT_AN_OBJECT)
        try:
            json.dumps(values := dict(row), allow_nan=False, sort_keys=True)  # which refuses keys of several types
        except (TypeError, ValueError, RecursionError) as error:
            raise _bad(place, f"a value that JSON cannot hold: {error}") from error
        yield number, values


def jsonl_rows(file: BinaryIO, shown: str) -> Iterator[tuple[int, dict[str, JSON]]]:
    """The object on each line, with the line's number; empty lines are skipped."""
    for line, text in enumerate(_lines(file, shown), start=1):
        start = _gap(text, 0)
        if start == len(text):
            continue
        row, end = _decoded(text, start, shown, line, _by_line())
        end = _gap(text, end)
        if end != len(text):
            raise _bad(f"{shown}:{line}:{end + 1}", "not JSON: more after the row's end", "a row has a line of its own")
        if not isinstance(row, dict):
            hint = f"{_OBJECT}; a file that is one JSON array has `format: json`"
            raise _bad(
                f"{shown}:{line}", f"a row that is not an object: {_cut(text[start:end])}", hint, Code.NOT_AN_OBJECT
            )
        yield line, row


def array_rows(file: BinaryIO, shown: str) -> Iterator[tuple[int, dict[str, JSON]]]:
    """The objects in a JSON array, each with its line; decoded one by one, so that each has a place."""
    text = _text(file.read(), shown, 1)
    at = _gap(text, 0)
    if at == len(text):
        return
    if text[at] != "[":
        raise _no_array(text, at, shown)
    at = _gap(text, at + 1)
    line = 1 + text.count("\n", 0, at)
    number, more = 0, not text.startswith("]", at)
    while more:
        number += 1
        row, end = _decoded(text, at, shown, line)
        if not isinstance(row, dict):
            place = f"{shown}:{line} (row {number})"
            raise _bad(place, f"a row that is not an object: {_cut(text[at:end])}", _OBJECT, Code.NOT_AN_OBJECT)
        yield line, row
        end = _gap(text, end)
        more = text.startswith(",", end)
        if not more and not text.startswith("]", end):
            raise _broken(text, end, shown, "expecting a comma or the array's end")
        following = _gap(text, end + 1) if more else end
        line += text.count("\n", at, following)
        at = following
    at = _gap(text, at + 1)
    if at != len(text):
        raise _broken(text, at, shown, "more after the array's end")


def _no_array(text: str, at: int, shown: str) -> UsageError:
    """The refusal of a JSON file that is no array."""
    hint = "rows in JSON are an array, `[{...}, {...}]`; CSV has `format: csv`"
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    try:
        value, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        value, end = None, at
    if text[at] == "{":
        lists = [name for name, member in value.items() if isinstance(member, list)] if value is not None else []
        is_alone = value is not None and _gap(text, end) == len(text)
        hint = "a file with one object on each line has `format: jsonl`"
        if is_alone and lists:
            hint = f"are the rows under {brief(lists[0])}? keep that array alone"
        elif is_alone and "\n" in text[at:end]:
            hint = "one row stands in brackets, too: `[{...}]`"
    return _bad(f"{shown}:{line}:{column}", "no array of rows", hint)


class Oddities:
    """What no CSV should hold and is read all the same: how often each stands there, and in which line first."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, int]] = {}

    def __contains__(self, character: str) -> bool:
        return character in self._found

    def look(self, text: str, line: int) -> None:
        """Take note of what stands in a line."""
        for character in _ODD:
            if character in text:
                first, count = self._found.get(character, (line, 0))
                self._found[character] = first, count + text.count(character)

    def told(self, shown: str) -> tuple[str, ...]:
        """A sentence on each, with its place; `shown` is how messages name the file."""
        found = [(_ODD[character], *self._found[character]) for character in _ODD if character in self]
        return tuple(
            f"{shown}:{line}: {what}{f' ({count:,} in all)' if count > 1 else ''}; {fix}"
            for (what, fix), line, count in found
        )


def csv_rows(
    file: BinaryIO, shown: str, delimiter: str, key: str | None, odd: Oddities
) -> Iterator[tuple[int, dict[str, JSON]]]:
    """The rows below a CSV header, each with its first line.

    Args:
        file: the bytes.
        shown: how messages name it.
        delimiter: what separates cells.
        key: a column that the header must have.
        odd: takes note of what is odd.
    """
    table = csv_table(file, shown, delimiter, odd)
    line, header = next(table, (0, []))
    if header and key is not None and key not in header:
        raise _bad(f"{shown}:{line}", f"no column `{key}`, the id", f"the columns are {', '.join(header)}")
    for line, cells in table:
        if len(cells) != len(header):
            problem = f"the header has {len(header)} cell{'s' * (len(header) != 1)}, this row {len(cells)}"
            raise _bad(f"{shown}:{line}", problem, _evened(header, cells))
        yield line, dict(zip(header, cells, strict=True))


def _evened(header: list[str], cells: list[str]) -> str:
    """The hint for a row that has more cells than the header, or fewer."""
    if any(_MARK in cell for cell in cells):
        return _JOINED
    if any(_SPACED.match(cell) for cell in cells):
        return "a quote opens a cell right behind the delimiter: take out the space between them"
    if len(cells) < len(header):
        return "each row has a cell for each column, an empty one where it has no value"
    if not any(cells[len(header) :]):
        return "remove the delimiter at the end of the row, or name a column for it"
    if len(header) == 1:
        return "the first line names the columns: is it a title here?"
    return "a cell that holds the delimiter or a line end stands in quotes"


def csv_table(file: BinaryIO, shown: str, delimiter: str, odd: Oddities) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line of a CSV file, the header's first and checked; lines that are empty are skipped."""
    reader = csv.reader(_lines(file, shown, odd), delimiter=delimiter, strict=True)
    header = True
    while True:
        line = reader.line_num + 1
        cells = _cells(reader, f"{shown}:{line}")
        if cells is None:
            return
        if not cells:
            continue
        if header:
            if "\0" in odd:
                raise _nul(f"{shown}:{line}")
            _check_header(cells, f"{shown}:{line}")
            header = False
        yield line, cells


def brief(value: JSON) -> str:
    """A value as JSON in a message, no longer than a line."""
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004 - a line


def _bad(place: str, problem: str, hint: str | None = None, code: Code = Code.BAD_INPUT) -> UsageError:
    return UsageError(f"{place}: {problem}", code=code, hint=hint)


def _broken(text: str, at: int, shown: str, problem: str, hint: str | None = None) -> UsageError:
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return _bad(f"{shown}:{line}:{column}", f"not JSON: {problem}", hint)


def _gap(text: str, at: int) -> int:
    match = _GAP.match(text, at)
    return match.end() if match else at


def _lines(file: BinaryIO, shown: str, odd: Oddities | None = None) -> Iterator[str]:
    for line, raw in enumerate(file, start=1):
        text = _text(raw, shown, line, nuls=odd is not None)
        if odd is not None and ("\0" in text or _MARK in text):
            odd.look(text, line)
            text = text.replace("\0", "\ufffd")
        yield text


def _nul(place: str) -> UsageError:
    return _bad(place, "a NUL byte", "is it a text file? save it as UTF-8")


def _text(raw: bytes, shown: str, line: int, *, nuls: bool = False) -> str:
    """`raw` as text, without a BOM; `line` is its first line in the file, `nuls` whether it may hold NUL bytes."""
    try:
        if line == 1:
            _refuse_others(raw, shown)
        text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line += raw.count(b"\n", 0, error.start)
        problem = f"not UTF-8: byte 0x{raw[error.start]:02x}"
        raise _bad(f"{shown}:{line}", problem, "save the file as UTF-8") from error
    if "\0" in text and not nuls:
        raise _nul(f"{shown}:{line + text.count(chr(10), 0, text.index(chr(0)))}")
    return text


class _NoValueError(ValueError):
    """What JSON does not hold, or holds in two ways: the fact, and the fix."""


def _refuse_others(raw: bytes, shown: str) -> None:
    """Refuse a file of another kind by what it begins with."""
    kind = next((told for begun, told in _BEGINNINGS.items() if raw.startswith(begun)), None)
    if kind is None and raw[1:16:2] in (b"\0" * count for count in range(3, 9)):  # UTF-16 without its mark
        kind = _BEGINNINGS[b"\xff\xfe"]
    if kind is not None:
        raise _bad(shown, f"this file is {kind[0]}", kind[1])


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = f"the key {brief(twice)} stands twice in one object"
        raise _NoValueError(message, "rename or remove one of them")
    return row


def _constant(name: str) -> NoReturn:
    message = f"not JSON: {name} is none of its values"
    raise _NoValueError(message, "write `null`, or a text in quotes")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        message = f"the number {_cut(text)} is out of range"
        raise _NoValueError(message, _AS_TEXT)
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)


def _decoded(text: str, start: int, shown: str, line: int, hint: str | None = None) -> tuple[Any, int]:
    """The JSON value at `start` of `text`, and where it ends; `line` is the line on which it starts."""
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        line += text.count("\n", start, error.pos)
        column = error.pos - text.rfind("\n", 0, error.pos)
        fact, way = explain(error)
        if text.startswith(_MARK, error.pos):
            way = _JOINED
        elif (error.pos == start and text[start : start + 1] not in ("/", "#", "<")) or text[start:].strip() in (
            "{",
            "[",
        ):
            way = hint or way
        raise _bad(f"{shown}:{line}:{column}", f"not JSON: {fact}", way) from error
    except RecursionError as error:
        raise _bad(f"{shown}:{line}", "nested too deeply", "keep the nested value as a text") from error
    except _NoValueError as error:
        raise _bad(f"{shown}:{line}", *error.args) from error
    except ValueError as error:  # of the interpreter's own limit on digits
        raise _bad(f"{shown}:{line}", "a number of thousands of digits", _AS_TEXT) from error


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
        raise _bad(place, f"not CSV: {problem}", hint) from error
    finally:
        csv.field_size_limit(limit)


def _check_header(names: list[str], place: str) -> None:
    if _JSON.match(names[0]):
        kind = "jsonl" if names[0].startswith("{") else "json"
        raise _bad(place, "JSON, and not CSV", f"add `format: {kind}` under `input`, or end the file's name in .{kind}")
    if _MARKUP.match(names[0]):
        raise _bad(place, "HTML or XML, and not CSV", "was a page saved in the place of the file?")
    if names in (["sep="], ["sep=", ""]):
        raise _bad(place, "a line for a spreadsheet, `sep=...`", "remove that line")
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name.strip():
            hint = "the first line names each column: give it a name, or leave it out (pandas: `index=False`)"
            raise _bad(place, f"column {number} of the header has no name", hint)
        if name in seen:
            raise _bad(place, f"two columns are named `{name}`", "each column has a name of its own")
        seen.add(name)
