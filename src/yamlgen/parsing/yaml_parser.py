"""The YAML parser: builds a document of YAML 1.2 core, read as editors read it, from libyaml's events.

Reads files and rejects what a pipeline must not contain: duplicate keys, tags, alias bombs, loops, deep nesting. It is
independent of the language of pipelines. The nodes are built from events instead of by PyYAML's composer, because that
composer loses the place of an alias, accepts duplicate keys, and reads YAML 1.1; and because libyaml crashes on deep
nesting unless the depth is counted while the events arrive.
"""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from yamlgen.collector import Collector
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.option_names import by_surface
from yamlgen.parsing.drafts import draft_of
from yamlgen.parsing.project_folder import is_file, is_folder, open_inside, status, unusable
from yamlgen.parsing.similar_paths import neighbour
from yamlgen.parsing.source_map import LINE_END, Document, Node, SourceText
from yamlgen.parsing.unrendered_templates import UNEXPANDED, unexpanded
from yamlgen.parsing.yaml_variants import PlaceholderCharacters
from yamlgen.suggestions import correction, listing
from yamlgen.value_objects import JSON

MOST_BYTES: Final = 1 << 20
MOST_DEPTH: Final = 64
MOST_ALIASED: Final = 100_000
"""The maximum number of nodes that aliases add to a document: a bomb has billions, a long pipeline hundreds."""

IRREGULAR: Final = "save its content to a file, and write the path of that file"
"""The hint for a device, a pipe or a socket."""

_DECIMAL_COMMA: Final = re.compile(r"([0-9]+),\Z")
_MOST_DIGITS: Final = 400
_LONGEST: Final = 20
_QUOTE: Final = "put it in quotes if it is a string"
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CORE_TAG = "tag:yaml.org,2002:"

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_PROPERTIES = re.compile(r"(?:[&!]\S*[ \t]*(?:(?:\r\n|\r|\n)[ \t]*)?)*")


def read(path: Path, shown: str, folder: Path | None = None) -> tuple[SourceText | None, list[Diagnostic]]:
    """Read a file as UTF-8, without its byte order mark.

    Args:
        path: the file.
        shown: the file's path as messages show it.
        folder: the folder that the path must not leave through a link.

    Returns:
        The text and no diagnostics, or `None` and the diagnostics.
    """
    nowhere = Mark(shown, 1, 1, 1, 1)
    try:
        if (draft := draft_of(path, folder)) is not None:
            raw, size = draft.encode("utf-8", "replace"), 0
        else:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
                return None, [Diagnostic(Code.UNREADABLE, f"{shown} is not a regular file", nowhere, IRREGULAR)]
            with open_inside(folder, path) as file:
                raw, size = file.read(MOST_BYTES + 1), status.st_size
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not a path"
        hint = neighbour(path, shown, "check the path, and whether you may read the file")
        return None, [Diagnostic(Code.UNREADABLE, f"cannot read {shown}: {why}", nowhere, hint)]
    if len(raw) > MOST_BYTES:
        message = f"{shown} has {max(size, len(raw)):,} bytes; the maximum is {MOST_BYTES:,}"
        return None, [Diagnostic(Code.TOO_LARGE, message, nowhere, "move rows to a file, and set `input.path` to it")]
    try:
        return SourceText(shown, raw.decode("utf-8-sig")), []
    except UnicodeDecodeError as error:
        before = SourceText(shown, raw[: error.start].decode("utf-8", "replace"))
        line, column = before.position(len(before.text))
        mark = Mark(shown, line, column, line, column + 1)
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        return None, [Diagnostic(Code.NOT_UTF8, message, mark, "save the file as UTF-8")]


def absence(path: Path, shown: str, beside: str) -> tuple[str, str] | None:
    """Return why a path that a file refers to cannot be read, and the fix; `None` if it is a regular file.

    Args:
        path: the path.
        shown: the path as messages show it.
        beside: what the path is relative to, in words.
    """
    if is_file(path):
        return None
    if is_folder(path):
        return f"{shown} is a folder", "write the path of a file in it"
    if status(path) is not None:
        return f"{shown} is not a regular file", IRREGULAR
    no_path = unusable(path, shown)
    if no_path is not None:
        return no_path, f"write the path of a file, relative to {beside}"
    if path.is_symlink():
        return f"{shown} is a broken link", "fix the link, or write the path of the file itself"
    waits = any(unexpanded(f"{part}/") for part in path.parts[:-1])
    way = neighbour(path, shown, f"write a path relative to {beside}")
    return f"{shown} does not exist", UNEXPANDED if waits else way


def compose(source: SourceText, *, any_root: bool = False) -> tuple[Document | None, list[Diagnostic]]:
    """Parse YAML text; return the document, or `None`, and the diagnostics for the text."""
    bad = _UNPRINTABLE.search(source.text)
    if bad:
        message = f"the control character U+{ord(bad.group()):04X} is not allowed"
        return None, [Diagnostic(Code.NOT_YAML, message, source.mark(bad.start(), bad.end()), "remove it")]
    composer = _Composer(source)
    try:
        root = composer.compose()
    except yaml.MarkedYAMLError as error:
        from yamlgen.parsing.yaml_errors import explain, settled  # noqa: PLC0415 - loads with the first mistake

        told = explain(source, error)
        return None, _too_deep(source, error) or settled(source, composer.diagnostics, told)
    except _Stop:
        return None, composer.diagnostics
    if root is None:
        start = by_surface(command="run `yamlgen init` to create a small pipeline", python="begin with `version: 1`")
        hint = None if any_root else start
        message = "the value is empty" if any_root else "the file is empty"
        return None, [Diagnostic(Code.EMPTY, message, source.mark(0, 0), hint)]
    if root.kind != "mapping" and not any_root:
        what = "a list" if root.kind == "sequence" else f"`{source.text[root.start : root.end][:20]}`"
        message = f"the file must be a mapping, not {what}"
        return None, [Diagnostic(Code.NOT_A_MAPPING, message, root.mark, "begin with `version: 1`")]
    return Document(source, root), composer.diagnostics


class _Stop(Exception):  # noqa: N818 - not an error: the diagnostics are complete
    """Nothing after this can be parsed."""


@dataclass
class _Composer(Collector):
    source: SourceText
    anchors: dict[str, Node | None] = field(default_factory=dict)
    depth: int = 0
    aliased: int = 0
    ends_doubled: bool = False
    """Whether the last key of the mapping that was parsed last is a duplicate."""
    events: Iterator[Any] = field(default_factory=lambda: iter(()))
    stand_ins: PlaceholderCharacters = field(default_factory=lambda: PlaceholderCharacters(""))

    def compose(self, end: int | None = None) -> Node | None:
        self.stand_ins = PlaceholderCharacters(self.source.text[:end])
        self.events = iter(yaml.parse(self.stand_ins.text, Loader=yaml.CSafeLoader))
        root: Node | None = None
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    start: int = event.start_mark.index  # type: ignore[union-attr]  # libyaml gives one with each
                    mark = self.source.mark(start, start + 3)
                    hint = "write only one document in a file"
                    self.fail(Code.SEVERAL_DOCUMENTS, "a second document begins here", mark, hint)
            elif not isinstance(event, yaml.StreamStartEvent | yaml.StreamEndEvent | yaml.DocumentEndEvent):
                root = self.node(event)
        return root

    def fail(self, code: Code, message: str, mark: Mark, hint: str | None = None) -> NoReturn:
        self.complain(code, message, mark, hint)
        raise _Stop

    def node(self, event: Any) -> Node:
        start, end = event.start_mark.index, event.end_mark.index
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, start, end)
        if event.anchor:
            self.anchors[event.anchor] = None
            start = _after_properties(self.source.text, start)
        told = len(self.diagnostics)
        if isinstance(event, yaml.ScalarEvent):
            node = Node("scalar", self.scalar(event, start, end), self.source, start, end, event.style)
        else:
            self.check_tag(event, start)
            tagged = len(self.diagnostics) > told
            self.depth += 1
            if self.depth > MOST_DEPTH:
                self.fail(
                    Code.TOO_DEEP, f"nested more than {MOST_DEPTH} levels deep", self.source.mark(start, start + 1)
                )
            node = self.mapping(start) if isinstance(event, yaml.MappingStartEvent) else self.sequence(start)
            self.depth -= 1
            node.unread = node.unread or tagged
        if node.kind == "scalar":
            node.unread = len(self.diagnostics) > told
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def alias(self, event: Any, start: int, end: int) -> Node:
        name, mark = event.anchor, self.source.mark(start, end)
        if name not in self.anchors:
            hint = correction(name, self.anchors, "anchors so far")
            self.complain(Code.UNKNOWN_ANCHOR, f"there is no anchor `&{name}` before this alias", mark, hint)
            return Node("scalar", None, self.source, start, end, alias=True, unread=True)
        target = self.anchors[name]
        if target is None:
            self.fail(Code.ALIAS_LOOP, f"the alias `*{name}` is inside its own anchor `&{name}`", mark)
        self.aliased += target.size
        if self.aliased > MOST_ALIASED:
            message = f"aliases add more than {MOST_ALIASED:,} values"
            self.fail(Code.ALIAS_BOMB, message, mark, "write the values to an input file")
        if self.depth + target.height > MOST_DEPTH:
            self.fail(Code.TOO_DEEP, f"nested more than {MOST_DEPTH} levels deep through `*{name}`", mark)
        origin = target.origin or (target.start, target.end)
        return replace(target, source=self.source, start=start, end=end, alias=True, origin=origin)

    def sequence(self, start: int) -> Node:
        items: list[Node] = []
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self.node(event))
        size = 1 + sum(item.size for item in items)
        height = 1 + max((item.height for item in items), default=0)
        return Node("sequence", items, self.source, start, event.end_mark.index, size=size, height=height)

    def mapping(self, start: int) -> Node:
        entries: dict[str, tuple[Node, Node]] = {}
        merged: list[tuple[str, tuple[Node, Node]]] = []
        doubled: list[tuple[Node, Node]] = []
        unread = was_doubled = False
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self.node(event)
            value = self.node(next(self.events))
            if was_doubled and value.kind == "mapping":
                value.unread = True  # the key may belong to this mapping
            was_doubled, self.ends_doubled = self.ends_doubled, False
            if key.kind == "scalar" and key.value == "<<" and not key.style and not key.alias:
                merged.extend(self.merge(value))
                unread = unread or any(part.unread or part.kind != "mapping" for part in _merged(value))
            elif key.unread:
                unread = True
            elif not isinstance(key.value, str) or key.kind != "scalar":
                self.refuse_key(key)
                unread = True
            elif key.value in entries:
                doubled.append((key, entries[key.value][0]))
                if _is_nothing(entries[key.value][1]):
                    entries[key.value] = key, value
            else:
                entries[key.value] = (key, value)
                unread = unread or (value.unread and value.kind == "scalar" and value.value == {})
        if doubled:
            self.refuse_doubled(entries, doubled)
            self.ends_doubled = doubled == [(key, doubled[0][1])]
            unread = unread or self.depth > 1
        for name, pair in merged:
            entries.setdefault(name, pair)
        size = 1 + sum(1 + child.size for _, child in entries.values())
        height = 1 + max((child.height for _, child in entries.values()), default=0)
        end = event.end_mark.index
        if unread and not entries and self.source.text.startswith("{{", start):  # a template without its quotes
            return Node("scalar", "", self.source, start, end, unread=True)
        if len(doubled) > 1 and self.depth > 1:  # two mappings in one: it is unknown which key belongs to which
            return Node("scalar", {}, self.source, start, end, unread=True)
        return Node("mapping", entries, self.source, start, end, size=size, height=height, unread=unread)

    def refuse_doubled(self, entries: dict[str, tuple[Node, Node]], doubled: list[tuple[Node, Node]]) -> None:
        """Report duplicate keys. Several of them belong to another mapping, whose name is missing."""
        key, first = doubled[0]
        if len(doubled) == 1 or self.depth == 1:
            for each, before in doubled:
                message = f"the key `{each.value}` is repeated in this mapping"
                hint = f"rename or remove one; the first is in line {before.mark.line}"
                self.complain(Code.DUPLICATE_KEY, message, each.mark, hint)
            return
        message = f"the keys {listing(str(each.value) for each, _ in doubled)} are repeated in this mapping"
        hint = f"is a name missing above this line? The first `{key.value}` is in line {first.mark.line}"
        above = [name for name, (at, value) in entries.items() if at.start < key.start and _is_nothing(value)]
        if above:  # the name of the other mapping is indented too far
            del entries[above[-1]]
            hint = f"is `{above[-1]}` indented too far?"
        self.complain(Code.DUPLICATE_KEY, message, key.mark, hint)

    def refuse_key(self, key: Node) -> None:
        shown = LINE_END.split(self.source.text[key.start : key.end], maxsplit=1)[0]
        message = f"the key `{shown}` is not a string"
        hint = f'put it in quotes: "{shown}"' if key.kind == "scalar" else "use a string as the key"
        comma = _DECIMAL_COMMA.search(self.source.text, max(0, key.start - 20), key.start)
        if key.kind == "scalar" and comma and shown.isdigit():
            whole = f"{comma[1]},{shown}"
            hint = f'if `{whole}` is a number, write `{comma[1]}.{shown}`; if it is a string, write `"{whole}"`'
        if key.kind == "mapping" and self.source.text[key.start - 1 : key.start + 1] == "{{":
            from yamlgen.parsing.yaml_errors import without_quotes  # noqa: PLC0415 - loads with the first mistake

            self.diagnostics.append(without_quotes(self.source, key, shown))
            return
        self.complain(Code.NOT_A_STRING_KEY, message, key.mark, hint)

    def merge(self, value: Node) -> Iterator[tuple[str, tuple[Node, Node]]]:
        for source in _merged(value):
            if source.unread and source.kind != "mapping":
                continue
            if source.kind != "mapping":
                hint = "write `*anchor` after `<<`, or a list of them"
                self.complain(Code.BAD_MERGE, "only a mapping can be merged", source.mark, hint)
                return
            for name, (key, child) in source.value.items():
                yield name, (replace(key, alias=True), child)

    def check_tag(self, event: Any, start: int) -> None:
        wanted = "map" if isinstance(event, yaml.MappingStartEvent) else "seq"
        if event.tag not in (None, "!", _CORE_TAG + wanted):
            self.refuse_tag(event.tag, event.start_mark.index, start)

    def refuse_tag(self, tag: str, start: int, end: int) -> None:
        shown = tag.replace(_CORE_TAG, "!!")
        hint = "remove the tag: a pipeline has only plain YAML values"
        mark = self.source.mark(start, max(end, start + len(shown)))
        self.complain(Code.CUSTOM_TAG, f"the tag `{shown}` is not allowed", mark, hint)

    def scalar(self, event: Any, start: int, end: int) -> JSON:
        value = self.stand_ins.restored(event.value, event.style)
        if event.tag in ("!", _CORE_TAG + "str") or (event.tag is None and (event.style or not event.implicit[0])):
            return value
        if event.tag is not None and event.tag not in {_CORE_TAG + kind for kind in ("int", "float", "bool", "null")}:
            self.refuse_tag(event.tag, event.start_mark.index, start)
            return value
        return self.plain(value, start, end)

    def plain(self, value: str, start: int, end: int) -> JSON:
        if value in _NULL:
            return None
        if value in _BOOL:
            return _BOOL[value]
        number: JSON = value
        if _NOT_FINITE.fullmatch(value):
            self.complain(Code.BAD_NUMBER, f"`{value}` is not a JSON number", self.source.mark(start, end), _QUOTE)
        elif _INT.fullmatch(value) or _FLOAT.fullmatch(value):
            read = _number(value)
            if read is not None:
                return read
            shown = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."
            hint = f"write a number up to 1.7e308, or {_QUOTE}"
            self.complain(Code.BAD_NUMBER, f"`{shown}` is too large", self.source.mark(start, end), hint)
        return number


def _number(text: str) -> int | float | None:
    """Return the number that a text represents, or `None` if it is too large for JSON parsers."""
    if not _INT.fullmatch(text):
        number = float(text)
        return number if isfinite(number) else None
    if len(text) > _MOST_DIGITS:
        return None
    whole = int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return whole if abs(whole) <= sys.float_info.max else None


def _too_deep(source: SourceText, error: yaml.MarkedYAMLError) -> list[Diagnostic]:
    """Return the diagnostics for the text before the place where libyaml stopped, if that text is nested too deep.

    libyaml looks ahead for a `:` after a value, before it produces the events by which depth is counted here. Its own
    limit of depth differs between versions.
    """
    before = _Composer(source)
    with suppress(yaml.MarkedYAMLError, _Stop):
        before.compose(error.problem_mark.index if error.problem_mark else None)
    return before.diagnostics if any(told.code is Code.TOO_DEEP for told in before.diagnostics) else []


def _is_nothing(value: Node) -> bool:
    is_blank = value.value is None and value.start == value.end
    return value.kind == "scalar" and (is_blank or (value.value == "" and value.style in ("|", ">")))


def _merged(value: Node) -> list[Node]:
    return value.value if value.kind == "sequence" else [value]


def _after_properties(text: str, start: int) -> int:
    """Return the offset of the value itself, after its anchor and tag."""
    match = _PROPERTIES.match(text, start)
    return match.end() if match and match.end() < len(text) else start
