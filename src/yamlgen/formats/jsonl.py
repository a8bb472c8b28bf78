"""JSON lines: one object on each line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import BinaryIO, Final

from yamlgen.errors import Code
from yamlgen.formats.format import OBJECT, UNCHANGED, Format, Lines, ReadContext, Rows, WriteOptions, cut, refused
from yamlgen.formats.strict_json import decode, gap_end, plain_object, warned
from yamlgen.formats.utf8 import text_of
from yamlgen.option_names import override

_ARRAY: Final = f"{OBJECT}; for a JSON array, set `format: json`"

_MISSES: Final = 64
"""After so many lines in a row that are no plain objects, the others are not expected to be."""


class Jsonl(Format):
    """JSON lines; empty lines are skipped."""

    name = "jsonl"
    endings = (".jsonl", ".ndjson")

    def read(self, file: BinaryIO, reading: ReadContext) -> Rows:
        """Yield the object on each line."""
        shown, by_line = reading.shown, reading.format_hint or _by_line()
        missed = 0
        for line, raw in enumerate(file, start=1):
            if missed < _MISSES and line > 1:
                if (plain := plain_object(raw)) is not None:
                    missed = 0
                    yield line, plain
                    continue
                missed += 1
            text = text_of(raw, reading, line)
            start = gap_end(text, 0)
            if start == len(text):
                continue
            row, end = decode(text, start, shown, line, by_line)
            end = gap_end(text, end)
            if end != len(text):
                place = f"{shown}:{line}:{end + 1}"
                raise refused(
                    place, "not JSON: unexpected content after the end of the row", "put each row on its own line"
                )
            if not isinstance(row, dict):
                hint = reading.format_hint or _ARRAY
                problem = f"the row is not an object: {cut(text[start:end])}"
                raise refused(f"{shown}:{line}", problem, hint, Code.NOT_AN_OBJECT)
            yield line, row

    def write(
        self,
        rows: Lines,
        path: PurePath,  # noqa: ARG002
        tell: Callable[[str], object],
        options: WriteOptions = UNCHANGED,  # noqa: ARG002
    ) -> Iterable[bytes]:
        """Return the lines unchanged."""
        return warned(rows(), tell)


def _by_line() -> str:
    csv, json = (override("input.format", name) for name in ("csv", "json"))
    return f"write one JSON object on each line; for CSV, use `{csv}`; for an array, `{json}`"
