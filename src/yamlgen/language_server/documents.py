"""The open buffers of an editor: their texts, and positions in them as the protocol counts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

from yamlgen.diagnostics import Mark
from yamlgen.parsing.drafts import drafting
from yamlgen.parsing.project_folder import real
from yamlgen.parsing.source_map import LINE_END, SourceText

Encoding: TypeAlias = Literal["utf-8", "utf-16", "utf-32"]
"""What the characters of a line are counted in: the code units of an encoding."""

Position: TypeAlias = tuple[int, int]
"""A line and a character in it, both from 0; the character counts code units."""

Span: TypeAlias = tuple[Position, Position]
"""The start and the end of a range."""


@dataclass(frozen=True)
class TextDocument:
    """A text file as the editor shows it, saved or not. Offsets count code points, like those of `SourceText`.

    Attributes:
        path: the file, absolute; it need not exist.
        text: the text of the buffer.
        version: the number that the editor gives to this state of the text.
        encoding: what positions count.
    """

    path: Path
    text: str
    version: int = 0
    encoding: Encoding = "utf-16"

    @cached_property
    def source(self) -> SourceText:
        """The text with its places; marks in it carry the path of the file."""
        return SourceText(str(self.path), self.text)

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in LINE_END.finditer(self.text))]

    def _line(self, number: int) -> tuple[int, str]:
        """Return the offset of a line, and its text without the line end; past the last line, the end of the text."""
        if number >= len(self._starts):
            return len(self.text), ""
        start = self._starts[number]
        following = self._starts[number + 1] if number + 1 < len(self._starts) else len(self.text)
        return start, self.text[start:following].rstrip("\r\n")

    def offset(self, position: Position) -> int:
        """Return the offset of a position of the protocol; one past the end of its line is the end of the line."""
        number, character = position
        start, line = self._line(max(0, number))
        return start + _code_points(line, max(0, character), self.encoding)

    def position(self, offset: int) -> Position:
        """Return the position of an offset, as the protocol counts it."""
        line, column = self.source.position(max(0, min(offset, len(self.text))))
        start = self._starts[line - 1]
        return line - 1, _units(self.text[start : start + column - 1], self.encoding)

    def span(self, mark: Mark) -> Span:
        """Return the range of a mark in this file. A mark beyond the text, of an older state of it, is cut off."""
        return self._position_of(mark.line, mark.column), self._position_of(mark.end_line, mark.end_column)

    def _position_of(self, line: int, column: int) -> Position:
        start, text = self._line(line - 1)
        if line > len(self._starts):
            return self.position(start)
        return line - 1, _units(text[: column - 1], self.encoding)

    def changed(self, span: Span | None, text: str, version: int) -> TextDocument:
        """Return the document after a change of a range of it, or of all of it without a range."""
        if span is None:
            return replace(self, text=text, version=version)
        start, end = (self.offset(position) for position in span)
        start, end = min(start, end), max(start, end)
        return replace(self, text=self.text[:start] + text + self.text[end:], version=version)


class _Buffers(Mapping[Path, str]):
    """The texts of open documents by their resolved paths, and all paths that were asked for."""

    def __init__(self, documents: Iterable[TextDocument]) -> None:
        self._texts = {real(document.path): document.text for document in documents}
        self.asked: set[Path] = set()

    def __getitem__(self, path: Path) -> str:
        self.asked.add(path)
        return self._texts[path]

    def __iter__(self) -> Iterator[Path]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


@contextmanager
def shown(documents: Iterable[TextDocument]) -> Iterator[AbstractSet[Path]]:
    """Read the texts of open documents in place of their files; yield a set to which each file that is read is added.

    The set has their paths with links resolved.
    """
    buffers = _Buffers(documents)
    with drafting(buffers):
        yield buffers.asked


def _units(text: str, encoding: Encoding) -> int:
    """Return how many code units a text has."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-16":
        return len(text) + sum(character > "\uffff" for character in text)
    return len(text.encode("utf-8", "surrogatepass"))


def _code_points(line: str, units: int, encoding: Encoding) -> int:
    """Return how many characters of a line begin before a number of code units."""
    if encoding == "utf-32" or line.isascii():
        return min(units, len(line))
    passed = 0
    for number, character in enumerate(islice(line, units)):
        if passed >= units:
            return number
        passed += _units(character, encoding)
    return min(units, len(line))
