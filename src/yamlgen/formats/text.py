"""A text file as one row with the column `text`, for folders of documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import BinaryIO

from yamlgen.errors import UsageError
from yamlgen.formats.format import UNCHANGED, Format, Lines, ReadContext, Rows, WriteOptions
from yamlgen.formats.utf8 import text_of
from yamlgen.value_objects import JSON


class Text(Format):
    """A text file of any extension; it is read only."""

    name = "text"
    endings = ()

    def read(self, file: BinaryIO, reading: ReadContext) -> Rows:
        """Yield one row: the whole text."""
        content = file.read()
        try:
            text = text_of(content, reading, 1)
        except UsageError as error:
            hint = "leave out files that are not text with `pattern`, or set `encoding`"
            raise UsageError(error.message, code=error.code, hint=hint) from error
        yield 1, {"text": text}

    def place(self, reading: ReadContext, line: int, number: int) -> str:  # noqa: ARG002
        """Return the name of the file."""
        return reading.shown

    def columns(self, file: BinaryIO, reading: ReadContext) -> Mapping[str, JSON]:  # noqa: ARG002
        """Return the only column."""
        return {"text": {"type": "string"}}

    def write(
        self, rows: Lines, path: PurePath, tell: Callable[[str], object], options: WriteOptions = UNCHANGED
    ) -> Iterable[bytes]:
        """Refuse to write: no extension leads here."""
        raise NotImplementedError
