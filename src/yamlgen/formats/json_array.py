"""A JSON array of objects; the whole file is read at once, because rows are not separated by lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import BinaryIO

from yamlgen.errors import Code, UsageError
from yamlgen.formats.format import OBJECT, UNCHANGED, Format, Lines, ReadContext, Rows, WriteOptions, cut, refused
from yamlgen.formats.strict_json import brief, decode, gap_end, warned
from yamlgen.formats.utf8 import text_of


class JsonArray(Format):
    """A JSON array, written with one object on each line."""

    name = "json"
    endings = (".json",)

    def read(self, file: BinaryIO, reading: ReadContext) -> Rows:
        """Yield the objects of the array, decoded one by one, so that each has a place."""
        shown = reading.shown
        text = text_of(file.read(), reading, 1)
        at = gap_end(text, 0)
        if at == len(text):
            return
        if text[at] != "[":
            raise refused(
                _position(text, at, shown), "not an array of rows", reading.format_hint or _meant(text, at, shown)
            )
        at = gap_end(text, at + 1)
        line = 1 + text.count("\n", 0, at)
        number, more = 0, not text.startswith("]", at)
        while more:
            number += 1
            row, end = decode(text, at, shown, line)
            if not isinstance(row, dict):
                problem = f"the row is not an object: {cut(text[at:end])}"
                raise refused(self.place(reading, line, number), problem, OBJECT, Code.NOT_AN_OBJECT)
            yield line, row
            end = gap_end(text, end)
            more = text.startswith(",", end)
            if not more and not text.startswith("]", end):
                raise _broken(text, end, shown, "expected a comma or the end of the array", "add it")
            following = gap_end(text, end + 1) if more else end
            line += text.count("\n", at, following)
            at = following
        at = gap_end(text, at + 1)
        if at != len(text):
            raise _broken(text, at, shown, "unexpected content after the end of the array", "remove it")

    def place(self, reading: ReadContext, line: int, number: int) -> str:
        """Return the place with the row number, because a line may contain several rows."""
        return f"{reading.shown}:{line} (row {number})"

    def write(
        self,
        rows: Lines,
        path: PurePath,  # noqa: ARG002
        tell: Callable[[str], object],
        options: WriteOptions = UNCHANGED,  # noqa: ARG002
    ) -> Iterator[bytes]:
        """Write the array, with one row on each line."""
        before = b"[\n"
        for line in warned(rows(), tell):
            yield before + line.rstrip(b"\n")
            before = b",\n"
        yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _meant(text: str, at: int, shown: str) -> str:
    """Return the hint for a file that is not an array."""
    if text[at] != "{":
        return "write the rows as an array, `[{...}, {...}]`; for CSV, set `format: csv`"
    try:
        value, end = decode(text, at, shown, 1)
    except UsageError:
        value, end = {}, at
    lists = [name for name, member in value.items() if isinstance(member, list)]
    is_alone = gap_end(text, end) == len(text)
    if is_alone and lists:
        return f"are the rows under {brief(lists[0])}? then write that array, `[{{...}}]`, to a file of its own"
    if is_alone and "\n" in text[at:end]:
        return "put a single row in brackets too: `[{...}]`"
    return "for one object on each line, set `format: jsonl`"


def _position(text: str, at: int, shown: str) -> str:
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return f"{shown}:{line}:{column}"


def _broken(text: str, at: int, shown: str, problem: str, fix: str) -> UsageError:
    return refused(_position(text, at, shown), f"not JSON: {problem}", fix)
