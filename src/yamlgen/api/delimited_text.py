"""The layouts that the beginning of a CSV file can have: its delimiter, its quotes, and whether it has a header."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

_DELIMITERS: Final = (",", ";", "\t", "|")
_MOST_RECORDS: Final = 200
_SPREADSHEET: Final = re.compile(r'"?sep=.')

_NUMBER: Final = re.compile(r"[+-]?(\d+([.,]\d+)*|[.,]\d+)([eE][+-]?\d+)?")
_YEAR: Final = re.compile(r"(1[89]|20|21)\d\d")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the lines of a CSV file become rows.

    Attributes:
        delimiter: the character between the cells.
        is_quoted: whether a cell can be in double quotes.
        columns: names for the columns, if the file seems to have no header; otherwise empty.
    """

    delimiter: str
    is_quoted: bool = True
    columns: tuple[str, ...] = ()


def layouts(text: str, usual: str | None, *, is_cut: bool) -> Iterator[Layout]:
    """Yield the layouts that a text may have, the most likely one first.

    Args:
        text: the beginning of a file.
        usual: the delimiter of its format; `None` if nothing but the text says that it is CSV.
        is_cut: whether the file goes on.
    """
    default = usual or ","
    if _SPREADSHEET.match(text):
        yield Layout(default)
        return
    found: list[tuple[tuple[bool, bool, bool, int], Layout]] = []
    for is_quoted in (True, False):
        for delimiter in dict.fromkeys((default, *_DELIMITERS)):
            records = _records(text, delimiter, is_cut=is_cut, is_quoted=is_quoted)
            widths = [len(record) for record in records]
            is_even = len(set(widths)) == 1
            is_text = widths[:1] == [1] and (is_even or len(set(widths[1:])) > 1)  # its commas do not part cells
            if not records or is_text or (usual is None and not is_even):
                continue
            rank = (not is_even, not is_quoted, delimiter != default, -widths[0])
            found.append((rank, Layout(delimiter, is_quoted, _invented(records) if is_even else ())))
    for _, layout in sorted(found, key=lambda each: each[0]):
        yield layout
    if usual and not found:  # one column
        unused = [each for each in _DELIMITERS if each not in text]
        yield from (Layout(each, is_quoted) for is_quoted in (True, False) for each in (default, *unused[:1]))


def _records(text: str, delimiter: str, *, is_cut: bool, is_quoted: bool) -> list[list[str]]:
    """Return the first records that are not empty."""
    lines = io.StringIO(text, newline="")
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting)
    records: list[list[str]] = []
    try:
        for record in reader:
            records.append(record)
            if len(records) > _MOST_RECORDS:
                return [each for each in records if each]
    except csv.Error:
        pass
    return [each for each in (records[:-1] if is_cut else records) if each]


def _invented(records: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return names for the columns if the first record seems to be data: it has numbers where the others have them.

    Years, and numbers that count the columns, are usual names.
    """
    first, *others = records
    if not others:
        return ()
    numeric = [at for at in range(len(first)) if _is_numeric([each[at] for each in others])]
    named = [first[at].strip() for at in numeric]
    is_data = any(named) and all(not each or _NUMBER.fullmatch(each) for each in named)
    if not is_data or named in _counts(len(named)) or all(map(_YEAR.fullmatch, named)):
        return ()
    return tuple(f"column_{number}" for number in range(1, len(first) + 1))


def _counts(length: int) -> list[list[str]]:
    """Return the numbers from 0 and from 1, also after a first column without a name."""
    return [
        [*unnamed, *(str(number) for number in range(start, start + length - len(unnamed)))]
        for unnamed in ([], [""])
        for start in (0, 1)
    ]


def _is_numeric(cells: Sequence[str]) -> bool:
    given = [cell.strip() for cell in cells if cell.strip()]
    return bool(given) and all(_NUMBER.fullmatch(cell) for cell in given)
