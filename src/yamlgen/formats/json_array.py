"""A JSON array of objects; it is read whole, since it has no line ends to rely on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import BinaryIO

from yamlgen.errors import Code, UsageError
from yamlgen.formats.format import OBJECT, Format, Lines, ReadContext, Rows, cut, refused
from yamlgen.formats.strict_json import brief, decode, gap_end
from yamlgen.formats.utf8 import text_of


class JsonArray(Format):
    """A JSON array; written with one object on each line."""

    name = "json"
    endings = (".json",)

    def read(self, file: BinaryIO, reading: ReadContext) -> Rows:
        """The objects of the array, decoded one by one, so that each has a place."""
        shown = reading.shown
        text = text_of(file.read(), shown, 1)
        at = gap_end(text, 0)
        if at == len(text):
            return
        if text[at] != "[":
            raise refused(
                _position(text, at, shown), "no array of rows", reading.format_hint or _meant(text, at, shown)
            )
        at = gap_end(text, at + 1)
        line = 1 + text.count("\n", 0, at)
        number, more = 0, not text.startswith("]", at)
        while more:
            number += 1
            row, end = decode(text, at, shown, line)
            if not isinstance(row, dict):
                problem = f"a row that is not an object: {cut(text[at:end])}"
                raise refused(self.place(reading, line, number), problem, OBJECT, Code.NOT_AN_OBJECT)
            yield line, row
            end = gap_end(text, end)
            more = text.startswith(",", end)
            if not more and not text.startswith("]", end):
                raise _broken(text, end, shown, "expecting a comma or the array's end")
            following = gap_end(text, end + 1) if more else end
            line += text.count("\n", at, following)
            at = following
        at = gap_end(text, at + 1)
        if at != len(text):
            raise _broken(text, at, shown, "more after the array's end")

    def place(self, reading: ReadContext, line: int, number: int) -> str:
        """With the number of the row: a line may hold several."""
        return f"{reading.shown}:{line} (row {number})"

    def write(self, rows: Lines, path: PurePath, tell: Callable[[str], object]) -> Iterator[bytes]:  # noqa: ARG002
        """The array, with a line for each row."""
        before = b"[\n"
        for line in rows():
            yield before + line.rstrip(b"\n")
            before = b",\n"
        yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _meant(text: str, at: int, shown: str) -> str:
    """The hint for a file that is no array."""
    if text[at] != "{":
        return "rows in JSON are an array, `[{...}, {...}]`; CSV has `format: csv`"
    try:
        value, end = decode(text, at, shown, 1)
    except UsageError:
        value, end = {}, at
    lists = [name for name, member in value.items() if isinstance(member, list)]
    is_alone = gap_end(text, end) == len(text)
    if is_alone and lists:
        return f"are the rows under {brief(lists[0])}? keep that array alone"
    if is_alone and "\n" in text[at:end]:
        return "one row stands in brackets, too: `[{...}]`"
    return "a file with one object on each line has `format: jsonl`"


def _position(text: str, at: int, shown: str) -> str:
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return f"{shown}:{line}:{column}"


def _broken(text: str, at: int, shown: str, problem: str) -> UsageError:
    return refused(_position(text, at, shown), f"not JSON: {problem}")
