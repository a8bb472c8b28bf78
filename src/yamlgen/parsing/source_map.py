"""Data with places: the content of a file, and the line and column of each value.

Maps a path into the data, or an offset into a template within a block scalar, to the source text. The place of an
aliased value is the alias; the place of anything inside it is at the anchor, where it must be fixed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Literal, TypeAlias

from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.value_objects import JSON

PathKey: TypeAlias = str | int
DataPath: TypeAlias = tuple[PathKey, ...]

LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Issue:
    """A mistake at a path into data, before its place in a file is known.

    Attributes:
        path: the path within the data.
        is_key: whether the key at the path is wrong, not its value.
    """

    code: Code
    path: DataPath
    message: str
    hint: str | None = None
    is_key: bool = field(default=False, kw_only=True)
    is_warning: bool = field(default=False, kw_only=True)

    def at(self, mark: Mark) -> Diagnostic:
        """Return the diagnostic at a place."""
        return Diagnostic(self.code, self.message, mark, self.hint, "warning" if self.is_warning else "error")


@dataclass(frozen=True)
class SourceText:
    """A text file with its places: the template of a `{file: ...}`, or the text of a pipeline."""

    file: str
    text: str

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in LINE_END.finditer(self.text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Return the line and column of an offset, counted from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line_start(self, offset: int) -> int:
        """Return the offset at which the line of an offset begins."""
        return self._starts[self.position(offset)[0] - 1]

    def mark(self, start: int, end: int) -> Mark:
        """Return the range from `start` to `end`, cut at the end of its first line."""
        line, column = self.position(start)
        stop = LINE_END.search(self.text, start)
        end = max(start, min(end, stop.start() if stop else len(self.text)))
        return Mark(self.file, line, column, line, column + max(1, end - start))

    def exactly(self, start: int, end: int) -> Mark:
        """Return the range from `start` to `end`, which may be empty or extend over several lines."""
        return Mark(self.file, *self.position(start), *self.position(end))

    def span(self, mark: Mark) -> tuple[int, int]:
        """Return the offsets of the start and the end of a range."""
        return self.offset(mark.line, mark.column), self.offset(mark.end_line, mark.end_column)

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a line and column, at most that of the end of the text."""
        start = self._starts[line - 1] if line <= len(self._starts) else len(self.text)
        return min(start + column - 1, len(self.text))


@dataclass(slots=True)
class Node:
    """A YAML node: its value, its source text and its place.

    `value` is the scalar itself, a list of nodes, or a dict from key to (key node, value node). `unread` means that
    the node, or a key of the mapping, could not be parsed: this was reported, and nothing more must be. `origin` is the
    start and end of an alias's value.
    """

    kind: Literal["scalar", "sequence", "mapping"]
    value: Any
    source: SourceText
    start: int
    end: int
    style: str | None = None
    alias: bool = False
    size: int = 1
    height: int = 1
    unread: bool = False
    origin: tuple[int, int] | None = None

    @property
    def mark(self) -> Mark:
        """The place of the node; for an aliased value, the place of the alias."""
        return self.source.mark(self.start, self.end)

    def offsets(self) -> Sequence[int]:
        """Return the offset in the text of each character of a string."""
        return _offsets(self.source.text, self.start, self.end, self.style, self.value)

    def child(self, part: PathKey) -> Node | None:
        """Return the value under a key or at an index, or `None`."""
        if self.kind == "mapping" and part in self.value:
            found: Node = self.value[part][1]
        elif self.kind == "sequence" and isinstance(part, int) and part < len(self.value):
            found = self.value[part]
        else:
            return None
        return found

    def get(self, *path: PathKey) -> Node | None:
        """Return the value at a path, or `None`."""
        node: Node | None = self
        for part in path:
            node = None if node is None else node.child(part)
        return node


@dataclass(frozen=True)
class Document:
    """The data of a file, with the place of each value."""

    source: SourceText
    root: Node

    @property
    def file(self) -> str:
        """The file's path as the user wrote it."""
        return self.source.file

    @cached_property
    def data(self) -> JSON:
        """The document as plain JSON values."""
        return _construct(self.root)

    def mark(self, path: Sequence[PathKey], *, key: bool = False) -> Mark:
        """Return the place of the value at `path`, or of its key; if it does not exist, of its nearest parent."""
        return self._find(path, key=key).mark

    def within(self, path: Sequence[PathKey], start: int, end: int) -> Mark:
        """Return the place of `value[start:end]` of the string at `path`, within its block or quoted scalar."""
        node = self._find(path, key=False)
        if node.alias and node.origin:
            node = replace(node, start=node.origin[0], end=node.origin[1])
        if node.kind != "scalar" or not isinstance(node.value, str):
            return node.mark
        offsets = node.offsets()
        first = offsets[min(start, len(offsets) - 1)]
        last = offsets[min(max(end - 1, start), len(offsets) - 1)]
        return node.source.mark(first, last + 1)

    def node(self, path: Sequence[PathKey]) -> Node:
        """Return the value at `path`, which must exist."""
        return self._find(path, key=False)

    def entries(self, path: Sequence[PathKey]) -> dict[Any, tuple[Node, Node]]:
        """Return the keys and values of the mapping at `path`, to modify in place; empty if it is not a mapping."""
        node = self.root.get(*path)
        return node.value if node is not None and node.kind == "mapping" else {}

    def _find(self, path: Sequence[PathKey], *, key: bool) -> Node:
        node = self.root
        for depth, part in enumerate(path):
            below = node.child(part)
            if below is None:
                return node if depth else replace(node, end=node.start)
            is_last = depth == len(path) - 1
            node = node.value[part][0] if key and is_last and node.kind == "mapping" else below
        return node

    def is_shared(self, path: Sequence[PathKey]) -> bool:
        """Check whether the value at `path` is inside an anchor that several places may share."""
        node = self.root
        for part in path:
            if node.alias:
                return True
            if node.kind == "mapping" and part in node.value and node.value[part][0].alias:
                return True
            node = node.child(part) or node
        return False

    def is_unread(self, path: Sequence[PathKey]) -> bool:
        """Check whether the value at `path` could not be parsed, or may be among keys that could not."""
        node = self.root
        for part in path:
            below = node.child(part)
            if below is None:
                return node.unread
            node = below
        return node.unread and node.kind == "scalar"

    def is_whole(self, path: Sequence[PathKey]) -> bool:
        """Check whether all of the value at `path` could be parsed."""
        waiting = [self._find(path, key=False)]
        while waiting:
            node = waiting.pop()
            if node.unread:
                return False
            if node.kind != "scalar":
                waiting += node.value if node.kind == "sequence" else [child for _, child in node.value.values()]
        return True

    def override(self, path: Sequence[PathKey], value: Node, shown: str) -> Document:
        """Return a document with `value` at `path`. Its place is then `shown`, an option of the command line.

        Raises:
            LookupError: the path does not exist: a list index past the end, or a key below a scalar.
        """
        source = SourceText(shown, shown)
        new = replace(value, source=source, start=0, end=len(shown))
        return Document(self.source, _put(self.root, tuple(path), new, source))


def _put(node: Node, path: DataPath, new: Node, source: SourceText) -> Node:
    if not path:
        return new
    part, rest = path[0], path[1:]
    if node.kind == "mapping":
        key = Node("scalar", str(part), source, 0, len(source.text))
        old = node.value.get(str(part), (key, Node("mapping", {}, source, 0, len(source.text))))
        return replace(node, alias=False, value={**node.value, str(part): (old[0], _put(old[1], rest, new, source))})
    if node.kind == "sequence":
        index = int(part) if str(part).isdigit() else -1
        if not 0 <= index < len(node.value):
            raise LookupError(f"`{part}` is not an index of a list of {len(node.value)} items")
        items = list(node.value)
        items[index] = _put(items[index], rest, new, source)
        return replace(node, alias=False, value=items)
    raise LookupError(f"`{part}` is below a value that is not a mapping")


def _construct(node: Node) -> JSON:
    if node.kind == "mapping":
        return {key: _construct(child) for key, (_, child) in node.value.items()}
    if node.kind == "sequence":
        return [_construct(child) for child in node.value]
    return node.value


_ESCAPE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}"
    r"|(?:\r\n|\r|\n)[ \t]*|.)",
    re.DOTALL,
)


@lru_cache(maxsize=2)  # each mistake in a long prompt asks again
def _offsets(text: str, start: int, end: int, style: str | None, value: str) -> Sequence[int]:
    """Return the offset in the text of each character of a string scalar.

    Folding, indentation and line joins change only white space, so the n-th visible character of the value is the n-th
    visible one of the source. A white space character gets the place after the character before it.
    """
    if style in ("|", ">"):
        line = LINE_END.search(text, start)
        start = line.end() if line else end
    elif style in ("'", '"'):
        start, end = start + 1, end - 1
    visible = iter(_visible(text, start, end, style))
    offsets: list[int] = []
    last = start - 1
    for character in value:
        last = last + 1 if character.isspace() else next(visible, last)
        offsets.append(last)
    return offsets or [start]


def _visible(text: str, start: int, end: int, style: str | None) -> Iterator[int]:
    """Yield the offsets of the visible characters; that of an escape is its beginning."""
    position = start
    while position < end:
        width, white = 1, text[position].isspace()
        if style == '"' and text[position] == "\\":
            escape = _ESCAPE.findall(text[position : position + 80])[0]
            width = len(escape)
            code = escape[2:] if escape[1] in "xuU" and "\\" not in escape[1:] else ""
            white = chr(int(code, base=16)).isspace() if code else escape[1] in "nrt \t\r\nNLP_vf"
        elif style == "'" and text.startswith("''", position):
            width = 2
        if not white:
            yield position
        position += width
