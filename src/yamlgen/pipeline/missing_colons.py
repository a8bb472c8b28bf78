"""Keys that took in what stands behind them, for want of a `:` or of the space behind it.

Owns what YAML reads as one key without a value, such as `{path = out.jsonl}` and `{kind:compute}`: it is told at its
place, and read as the key and the value that were meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Final

from yamlgen.errors import Code, Diagnostic
from yamlgen.parsing.source_map import DataPath, Document, Node, SourceText
from yamlgen.parsing.yaml_parser import compose
from yamlgen.pipeline.schema_messages import all_keys, language

_WHOLE: Final = re.compile(r"([A-Za-z_]\w*)(\s*:+|\s*=|\s)\s*(\S.*)", re.DOTALL)
_BEGUN: Final = re.compile(r"([A-Za-z_]\w*)\s*[=:]?\s*[\[{].*", re.DOTALL)
_DOUBLED: Final = re.compile(r"([A-Za-z_]\w*)\s*:+")
_NAMED: Final = frozenset({"params", "models", "steps", "values", "args", "draws", "matrix"})
"""What holds names of an author's own."""

_FOREIGN: Final = frozenset({"schema", "rows", "params", "choices", "cases"})
"""Below these the keys are not those of the language."""


def separate(document: Document) -> list[Diagnostic]:
    """Tell of each such key, and put what was meant in its place.

    Args:
        document: changed where something is told.
    """
    return list(_of(document.root, ()))


def _of(node: Node, path: DataPath) -> Iterator[Diagnostic]:
    if node.kind == "sequence":
        for index, child in enumerate(node.value):
            yield from _of(child, (*path, index))
        return
    for key, (written, value) in list(node.value.items()) if node.kind == "mapping" else ():
        if not path and key.startswith("x-"):
            continue
        told = _parted(node, key, path)
        if told is not None:
            yield told
        elif key not in _FOREIGN or (path[:1] == ("steps",) and len(path) == 1) or written.alias:
            yield from _of(value, (*path, key))


def _parted(holder: Node, key: str, path: DataPath) -> Diagnostic | None:
    """Put the key and the value that were meant in the place of one entry; `None` where it is right."""
    entries: dict[str, tuple[Node, Node]] = holder.value
    written, value = entries[key]
    source, mark = written.source, written.mark
    if (doubled := _DOUBLED.fullmatch(key)) and _may_stand(doubled[1], entries, path):
        made, message, hint = value, f"`{key}:` has one `:` too many", f"write `{doubled[1]}:`"
        word = doubled[1]
    elif value.value is None and value.start == value.end and (whole := _WHOLE.fullmatch(key)):
        word, rest = whole[1], whole[3]
        is_glued = whole[2].strip().startswith(":")
        made = _value(source, rest, written.end - len(rest), value)
        message = "a `:` needs a space behind it" if is_glued else f"`{word}` is a key without its `:`"
        hint = f"write `{word}: {rest}`"
    elif begun := _BEGUN.fullmatch(key):
        word, made = begun[1], replace(value, kind="scalar", value=None, unread=True)
        message, hint = f"`{word}` is a key without its `:`", f"write `{word}: {{...}}`"
    else:
        return None
    if not _may_stand(word, entries, path):
        return None
    rebuilt = {(word if name == key else name): pair for name, pair in entries.items()}
    rebuilt[word] = replace(written, value=word), made
    entries.clear()
    entries.update(rebuilt)
    return Diagnostic(Code.UNKNOWN_KEY, message, mark, hint)


def _value(source: SourceText, rest: str, start: int, empty: Node) -> Node:
    """The value that a key took in, at its own place."""
    read, problems = compose(SourceText(source.file, rest), any_root=True)
    if read is None or problems or read.root.kind != "scalar":
        return replace(empty, unread=True)
    return replace(read.root, source=source, start=start, end=start + len(rest))


def _may_stand(word: str, entries: dict[str, Any], path: DataPath) -> bool:
    """Whether a word is a key of the language, or a name of the author's own, and is not there yet."""
    return word not in entries and (word in _keys() or bool(path and path[-1] in _NAMED))


@cache
def _keys() -> frozenset[str]:
    """Every key of the language, wherever it stands."""
    parts = (language(), *language()["$defs"].values())
    return all_keys().union(*(each.get("properties", ()) for each in parts))
