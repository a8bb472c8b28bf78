"""Completion: what can be written at the cursor of a pipeline, also while the text is not valid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from yamlgen import model_capabilities
from yamlgen.expressions.static_types import Absent, TypeView
from yamlgen.language_server.analyses import Analysis, analysis_of, is_inside
from yamlgen.language_server.documents import TextDocument
from yamlgen.language_server.key_docs import documented, keys_at, values_at
from yamlgen.language_server.mended_text import CURSOR
from yamlgen.language_server.places import NodePlace, cursors
from yamlgen.language_server.python_functions import functions_in
from yamlgen.language_server.template_cursor import TemplateCursor, cursor_in
from yamlgen.language_server.template_places import TemplatePlace, fields_of, template_place
from yamlgen.language_server.template_words import ROOTS, TAGS, filter_docs, test_docs
from yamlgen.planning.graph import describe_type
from yamlgen.testing.suite_files import is_test_file
from yamlgen.value_objects import JSON

CompletionKind: TypeAlias = Literal[
    "column", "field", "step", "param", "name", "filter", "keyword", "key", "value", "file"
]

_IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w*")
_PLAIN: Final = re.compile(r"[A-Za-z_./][\w./ -]*|\d[\w-]*-[\w-]*")
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off"})
_MOST_FILES: Final = 200
_MOST_DETAILS: Final = 50
_SCHEMAS: Final = frozenset({".json", ".yaml", ".yml"})
_KIND_OF: Final[Mapping[str, CompletionKind]] = {"row": "column", "steps": "step", "params": "param"}


@dataclass(frozen=True, slots=True)
class Completion:
    """One of the texts that can be written at the cursor.

    Attributes:
        label: what a list shows.
        kind: what it is.
        text: what replaces the range.
        start: the offset of the beginning of the range in the document.
        end: its end, which is the cursor.
        detail: a short description, such as a type; empty if there is none.
        documentation: what it means, in Markdown; empty if there is nothing to say.
    """

    label: str
    kind: CompletionKind
    text: str
    start: int
    end: int
    detail: str = ""
    documentation: str = ""


def completions(document: TextDocument, offset: int) -> list[Completion]:
    """Return what can be written at an offset of a pipeline; empty if that is unknown.

    Args:
        document: the open pipeline.
        offset: the offset of the cursor in its text.
    """
    offset = max(0, min(offset, len(document.text)))
    if CURSOR in document.text or is_test_file(document.path):
        return []
    for place in cursors(str(document.path), document.text, offset):
        analysis = None
        if not place.is_key:
            analysis = analysis_of(document.path, document.text, offset, is_changing=True)
        inside = template_place(analysis, place)
        if inside is not None:
            return list(_in_template(inside, "'" if place.node.style == '"' else '"', offset))
        found = list(_in_yaml(analysis, place, document, offset))
        if found:
            return found
    return list(_in_line(document, offset))


def _in_line(document: TextDocument, offset: int) -> Iterator[Completion]:
    """Yield what can follow in an unfinished template whose value lacks its quotes, so that it is no YAML."""
    start = document.source.line_start(offset)
    line = document.text[start:offset]
    if "{{" in line:
        analysis = analysis_of(document.path, document.text, offset, is_changing=True)
        names = {} if analysis is None else analysis.names(())
        inside = TemplatePlace((), line, len(line), is_expression=False, names=names, analysis=analysis)
        yield from _in_template(inside, "'", offset)


def _in_template(place: TemplatePlace, quote: str, offset: int) -> Iterator[Completion]:
    """Yield what can follow in a template."""
    cursor = cursor_in(place.source, place.at, is_expression=place.is_expression)
    if cursor is None:
        return
    start = offset - (place.at - cursor.start)
    if cursor.wanted == "member":
        yield from _members(place, cursor, quote, start, offset)
    elif cursor.wanted == "name":
        for name, view in place.names.items():
            detail = "" if name in ("row", "params", "steps") else _type_of(view)
            yield Completion(name, "name", name, start, offset, detail, ROOTS.get(name, ""))
        for name in place.local_names():
            yield Completion(name, "name", name, start, offset, "set in this template")
    else:
        words = {"filter": filter_docs(), "test": test_docs(), "tag": TAGS}[cursor.wanted]
        kind: CompletionKind = "filter" if cursor.wanted == "filter" else "keyword"
        for name, told in words.items():
            yield Completion(name, kind, name, start, offset, "", told)


def _members(place: TemplatePlace, cursor: TemplateCursor, quote: str, start: int, offset: int) -> Iterator[Completion]:
    """Yield the members of a reference; a name that is no identifier is written in brackets."""
    owner = place.owner(cursor)
    names = [name for name in fields_of(owner) if quote not in name]
    if cursor.owner == "steps" and place.step is not None and place.analysis is not None:
        following = place.analysis.following(place.step)
        names = [name for name in names if name not in following]
    for number, name in enumerate(names):
        begin, text = start, name
        if cursor.is_subscript:
            text = f"[{quote}{name}{quote}]"
        elif not _IDENTIFIER.fullmatch(name):
            begin, text = start - 1, f"[{quote}{name}{quote}]"  # in place of the dot
        detail = ""
        with suppress(Absent):
            detail = _type_of(owner.solid().member(name)) if number < _MOST_DETAILS else ""
        yield Completion(name, _KIND_OF.get(cursor.owner, "field"), text, begin, offset, detail)


def _type_of(view: TypeView) -> str:
    said = describe_type(view.type().schema)
    return "" if said == "anything" else said


def _in_yaml(analysis: Analysis | None, place: NodePlace, document: TextDocument, offset: int) -> Iterator[Completion]:
    """Yield the keys or the values that the language allows at a place."""
    typed = place.text.partition(CURSOR)[0]
    start, data = offset - len(typed), place.document.data
    if place.is_key:
        mapping = place.document.root.get(*place.path[:-1])
        present = mapping.value if mapping is not None and mapping.kind == "mapping" else {}
        follows = document.text[offset : offset + 40].lstrip(" \t\r\n")[:1] if _rest(document.text, offset) else ""
        for name in keys_at(place.path[:-1], data):
            if name not in present:
                text = name if follows == ":" else f"{name}: "
                yield Completion(name, "key", text, start, offset, "", documented((*place.path[:-1], name), data))
        return
    yield from (
        Completion(label, kind, text, start, offset, detail)
        for label, kind, text, detail in _values(analysis, place, document.path, typed)
    )


def _rest(text: str, offset: int) -> str:
    """Return the rest of the line of an offset."""
    return re.split(r"[\r\n]", text[offset : offset + 200], maxsplit=1)[0].strip()


_Value: TypeAlias = tuple[str, CompletionKind, str, str]


def _values(analysis: Analysis | None, place: NodePlace, file: Path, typed: str) -> Iterator[_Value]:
    """Yield the values of a key: what the language lists, and names of the file, its folder and its input."""
    path, data = place.path, place.document.data
    for value in values_at(path, data):
        text = value if isinstance(value, str) and _is_plain(value) else json.dumps(value)
        yield (value if isinstance(value, str) else text, "value", text, "")
    match path:
        case ("model",) | ("steps", _, "model") | ("steps", _, "matrix", "model", int()):
            yield from _models(data)
        case ("models", _) | (*_, "model", "id") | ("models", _, "id"):
            yield from _ids()
        case (*_, "on_refusal", int()):
            yield from _models(data)
        case ("input", "id") | ("input", "json_columns", int()):
            yield from _columns(analysis)
        case ("output", "exclude", int()) | ("outputs", _, "exclude", int()):
            yield from _columns(analysis)
            yield from ((f"steps.{name}", "step", f"steps.{name}", "") for name in data.get("steps") or ())
        case ("steps", _, "call"):
            yield from _calls(file.parent)
        case ("steps", _, "output", "schema"):
            yield from _files(file.parent, typed, _SCHEMAS)
        case (*_, "file") | ("input", "path") | ("input", "tables", _) | ("input", "tables", _, "path"):
            yield from _files(file.parent, typed)


def _is_plain(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text)) and text.lower() not in _WORDS and text == text.strip()


def _models(data: JSON) -> Iterator[_Value]:
    """Yield the aliases of a file, or the ids of models if it has none."""
    aliases = data.get("models")
    if isinstance(aliases, dict) and aliases:
        yield from ((name, "name", name, _id_of(each)) for name, each in aliases.items())
    else:
        yield from _ids()


def _columns(analysis: Analysis | None) -> Iterator[_Value]:
    columns = analysis.head.columns if analysis is not None else None
    for name in () if columns is None else columns.names:
        yield name, "column", name if _is_plain(name) else json.dumps(name, ensure_ascii=False), ""


def _id_of(settings: JSON) -> str:
    return str(settings.get("id", "")) if isinstance(settings, dict) else ""


def _ids() -> Iterator[_Value]:
    for name, row in model_capabilities.MODELS.items():
        if row.lifecycle in (None, "active"):
            context = "" if row.context is None else f"{row.context:,} tokens of context"
            yield name, "value", name, context


def _files(folder: Path, typed: str, endings: frozenset[str] | None = None) -> Iterator[_Value]:
    """Yield the files and folders that continue a path, which must stay in the folder."""
    written = typed.rpartition("/")[0]
    inside = folder / written
    if not is_inside(folder, inside) or written.startswith("/") or ".." in Path(written).parts:
        return
    for entry in sorted(_entries(inside))[:_MOST_FILES]:
        path = f"{written}/{entry.name}" if written else entry.name
        if entry.name.startswith(".") or not is_inside(folder, entry):
            continue
        if entry.is_dir():
            yield f"{path}/", "file", f"{path}/", "folder"
        elif endings is None or entry.suffix in endings:
            yield path, "file", path if _is_plain(path) else json.dumps(path, ensure_ascii=False), ""


def _entries(folder: Path) -> Iterable[Path]:
    try:
        return list(folder.iterdir())
    except (OSError, ValueError):
        return []


def _calls(folder: Path) -> Iterator[_Value]:
    """Yield the functions of the modules next to the pipeline."""
    for entry in sorted(_entries(folder))[:_MOST_FILES]:
        if entry.suffix == ".py" and entry.stem.isidentifier() and is_inside(folder, entry):
            for name in functions_in(folder, entry):
                yield f"{entry.stem}:{name}", "value", f"{entry.stem}:{name}", ""
