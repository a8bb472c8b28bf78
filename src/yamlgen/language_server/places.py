"""What is at a place of a pipeline: a key or a value of its YAML, and in a value, a place of its text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace

from yamlgen.language_server.mended_text import CURSOR, mended, with_cursor
from yamlgen.parsing.source_map import DataPath, Document, Node


@dataclass(frozen=True)
class NodePlace:
    """A key or a scalar of a document.

    Attributes:
        document: the parsed text.
        path: the path of the value, or of the value that the key has.
        node: the key or the value.
        is_key: whether it is the key.
        at: the offset in the string that the node is.
    """

    document: Document
    path: DataPath
    node: Node
    is_key: bool
    at: int = 0

    @property
    def text(self) -> str:
        """The scalar as a string."""
        return self.node.value if isinstance(self.node.value, str) else self._written

    @property
    def _written(self) -> str:
        return self.node.source.text[self.node.start : self.node.end] if self.node.kind == "scalar" else ""

    def offsets(self, start: int, end: int) -> tuple[int, int]:
        """Return the offsets in the file of a part of the string."""
        if self.is_key or self.node.alias:
            return self.node.start, self.node.end
        return self.document.source.span(self.document.within(self.path, start, end))


def place_at(file: str, text: str, at: int) -> NodePlace | None:
    """Return the key or the value at an offset of a text; `None` if there is none, or if the text cannot be read."""
    document = mended(file, text, at)
    if document is None:
        return None
    for path, node, is_key in _around(document.root, at):
        if node.kind == "scalar" or node.alias:
            place = NodePlace(document, path, node, is_key)
            is_text = isinstance(node.value, str) and not (is_key or node.alias)
            return replace(place, at=bisect_left(node.offsets(), at)) if is_text else place
    return None


def cursors(file: str, text: str, at: int) -> Iterator[NodePlace]:
    """Yield what the cursor at an offset may be at, likely places first; the string contains `CURSOR` there."""
    for document in with_cursor(file, text, at):
        for path, node, is_key in _nodes(document.root, ()):
            if node.kind == "scalar" and isinstance(node.value, str) and CURSOR in node.value:
                yield NodePlace(document, path, node, is_key, node.value.index(CURSOR))
                break


def _around(node: Node, at: int) -> Iterator[tuple[DataPath, Node, bool]]:
    """Yield the scalar or the alias around an offset."""
    path: DataPath = ()
    while node.kind != "scalar" and not (path and node.alias):
        found = next((each for each in _children(node, path) if each[1].start <= at <= each[1].end), None)
        if found is None:
            return
        path, node, is_key = found
        if is_key:
            yield found
            return
    yield path, node, False


def _children(node: Node, path: DataPath) -> Iterator[tuple[DataPath, Node, bool]]:
    """Yield the keys and values of a node. Block scalars extend to the next key, so keys come first."""
    if node.kind == "mapping":
        yield from (((*path, name), key, True) for name, (key, _) in node.value.items())
        yield from (((*path, name), value, False) for name, (_, value) in node.value.items())
    elif node.kind == "sequence":
        yield from (((*path, number), value, False) for number, value in enumerate(node.value))


def _nodes(node: Node, path: DataPath) -> Iterator[tuple[DataPath, Node, bool]]:
    """Yield the keys and values within a node, without those behind aliases."""
    waiting = [(path, node)]
    while waiting:
        path, node = waiting.pop()
        for below, child, is_key in _children(node, path):
            if child.kind == "scalar" or is_key:
                yield below, child, is_key
            elif not child.alias:
                waiting.append((below, child))
