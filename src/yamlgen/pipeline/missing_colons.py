"""Keys that absorbed their value, because a `:` or the space after it is missing.

YAML reads `{path = out.jsonl}` and `{kind:compute}` as one key without a value. Each is reported at its place, and read
as the key and the value that were meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Final

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.parsing.source_map import DataPath, Document, Node, SourceText
from yamlgen.parsing.yaml_parser import compose
from yamlgen.pipeline.json_schema import language
from yamlgen.pipeline.schema_messages import all_keys
from yamlgen.suggestions import Rewrite

_WHOLE: Final = re.compile(r"([A-Za-z_]\w*)(\s*:+|\s*=|\s)\s*(\S.*)", re.DOTALL)
_BEGUN: Final = re.compile(r"([A-Za-z_]\w*)\s*[=:]?\s*[\[{].*", re.DOTALL)
_DOUBLED: Final = re.compile(r"([A-Za-z_]\w*)\s*:+")
_NAMED: Final = frozenset({"params", "models", "steps", "values", "args", "draws", "matrix"})
"""The keys whose mappings have names that the author chooses."""

_FOREIGN: Final = frozenset({"schema", "rows", "params", "choices", "cases"})
"""The keys below which the language's keys do not apply."""


def separate(document: Document) -> list[Diagnostic]:
    """Report each such key, and replace it by what was meant.

    Args:
        document: modified where a mistake is reported.
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
    """Replace one entry by the key and the value that were meant; return `None` if the entry is valid."""
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
        message = f"the space after `{word}:` is missing" if is_glued else f"the `:` after the key `{word}` is missing"
        hint = f"write `{word}: {rest}`"
        if word in _keys() and path[-1:] not in [(each,) for each in _NAMED]:
            hint = Rewrite(hint, key, f"{word}: {rest}", is_value=True)
    elif begun := _BEGUN.fullmatch(key):
        word, made = begun[1], replace(value, kind="scalar", value=None, unread=True)
        message, hint = f"the `:` after the key `{word}` is missing", f"write `{word}: {{...}}`"
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
    """Return the value that a key absorbed, with its own place."""
    read, problems = compose(SourceText(source.file, rest), any_root=True)
    if read is None or problems or read.root.kind != "scalar":
        return replace(empty, unread=True)
    return replace(read.root, source=source, start=start, end=start + len(rest))


def _may_stand(word: str, entries: dict[str, Any], path: DataPath) -> bool:
    """Check whether a word is a key of the language or a name that the author chooses, and is not set yet."""
    return word not in entries and (word in _keys() or bool(path and path[-1] in _NAMED))


@cache
def _keys() -> frozenset[str]:
    """Return every key of the language."""
    parts = (language(), *language()["$defs"].values())
    return all_keys().union(*(each.get("properties", ()) for each in parts))
