"""Go to definition: where a step, a parameter, an alias, a field, a function or a file of a pipeline is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from yamlgen.diagnostics import Mark
from yamlgen.language_server.analyses import analysis_of, is_inside
from yamlgen.language_server.documents import TextDocument
from yamlgen.language_server.places import NodePlace, place_at
from yamlgen.language_server.python_functions import functions_in
from yamlgen.language_server.template_places import TemplatePlace, chain, template_place
from yamlgen.parsing.project_folder import is_file
from yamlgen.parsing.source_map import LINE_END, DataPath, Document, Node, SourceText
from yamlgen.parsing.yaml_parser import compose, read

_MOST_REFS = 16
_LONGEST_PATH = 1000
_MERGE = re.compile(r"<<[ \t]*:[ \t]*(?:\*[^\s,\[\]{}]+|\[[^\]]*\])")
_ALIAS = re.compile(r"\*([^\s,\[\]{}]+)")
_SET = r"\{%[-+]?\s*(?:for\s+[\w\s,]*?|set\s+)\b"


def definitions(document: TextDocument, offset: int) -> list[Mark]:
    """Return where what stands at an offset of a pipeline is defined; the files of the marks are absolute paths.

    Args:
        document: the open pipeline, or a schema, whose `$ref` are followed.
        offset: the offset in its text.
    """
    offset = max(0, min(offset, len(document.text)))
    place = place_at(str(document.path), document.text, offset)
    if place is None:
        return _of_merged(document.source, offset)
    if place.node.alias:
        start, end = place.node.origin or (place.node.start, place.node.end)
        return [place.document.source.mark(start, end)]
    analysis = analysis_of(document.path, document.text, offset, is_changing=True)
    inside = template_place(analysis, place)
    found = _of_reference(inside, place, document.path) if inside is not None else _of_value(place, document.path)
    return [] if found is None else [found]


def _of_merged(source: SourceText, offset: int) -> list[Mark]:
    """Return the anchor of an alias after `<<`, of which the parsed text has only the keys."""
    start, stop = source.line_start(offset), LINE_END.search(source.text, offset)
    merges = _MERGE.finditer(source.text, start, stop.start() if stop else len(source.text))
    aliases = (each for merge in merges for each in _ALIAS.finditer(source.text, *merge.span()))
    name = next((each[1] for each in aliases if each.start() <= offset <= each.end()), None)
    if name is None:
        return []
    anchors = list(re.finditer(rf"(?<![^\s\[{{,])&{re.escape(name)}(?=\s)", source.text[:start]))
    return [source.mark(*anchors[-1].span())] if anchors else []


def _of_reference(inside: TemplatePlace, place: NodePlace, file: Path) -> Mark | None:  # noqa: PLR0911 - a table
    """Return the definition of the reference around a place of a template."""
    found = inside.reference()
    if found is None:
        return None
    reference = inside.source[found[0] : found[1]]
    document, root, *keys = place.document, *chain(reference)
    if root not in inside.names:
        return _local(inside, str(root), place)
    step = inside.path[:2]
    match (root, *keys):
        case ("steps" | "thinking", str(name), *rest):
            return _of_field(document, file, name, rest) or _key(document, ("steps", name))
        case ("params", str(name), *_):
            return _key(document, ("params", name))
        case ("row", *rest):
            return _of_column(document, file, rest)
        case ("item" | "item_index", *_):
            return _key(document, (*step, "for_each"))
        case ("matrix", *rest):
            return _key(document, (*step, "matrix", *rest[:1])) or _key(document, (*step, "matrix"))
        case ("output", *rest) if inside.step is not None:
            return _of_field(document, file, inside.step, rest) or _key(document, (*step, "output"))
    return None


def _local(inside: TemplatePlace, name: str, place: NodePlace) -> Mark | None:
    """Return where a template itself sets a name, before the place."""
    found = list(re.finditer(rf"{_SET}({re.escape(name)})\b", inside.source[: inside.at + len(name)]))
    return place.document.source.mark(*place.offsets(*found[-1].span(1))) if found else None


def _key(document: Document, path: DataPath) -> Mark | None:
    """Return the place of a key, if it exists."""
    return document.mark(path, key=True) if document.root.get(*path) is not None else None


def _of_column(document: Document, file: Path, keys: Sequence[str | int]) -> Mark | None:
    """Return the first row with a column, or the file of the input."""
    rows = document.root.get("input", "rows")
    for number in range(len(rows.value) if rows is not None and rows.kind == "sequence" else 0):
        if keys and document.root.get("input", "rows", number, keys[0]) is not None:
            return document.mark(("input", "rows", number, keys[0]), key=True)
    given = document.root.get("input", "path")
    target = _file(given.value, file.parent) if given is not None else None
    return target or _key(document, ("input",))


def _of_field(document: Document, file: Path, step: str, keys: Sequence[str | int]) -> Mark | None:
    """Return the place of a field in the schema of a step."""
    if not keys:
        return None
    root = document.root.get("steps", step, "values", keys[0])
    if root is not None:
        return _key(document, ("steps", step, "values", keys[0]))
    schema = document.root.get("steps", step, "output", "schema")
    if schema is None:
        return None
    if schema.kind != "scalar":
        return _property(schema, keys)
    other = _document(file.parent / str(schema.value), file.parent)
    return None if other is None else _property(other.root, keys)


def _property(schema: Node, keys: Sequence[str | int]) -> Mark | None:
    """Return the place of a member in a schema; of its nearest known owner, if it has no place of its own."""
    found: Mark | None = None
    root = schema
    for key in keys:
        holder = _holder(root, schema, key, _MOST_REFS)
        if holder is None:
            return found
        name, schema = holder
        found = name.mark
    return found


def _holder(root: Node, schema: Node, key: str | int, depth: int) -> tuple[Node, Node] | None:
    """Return the key and the schema of a member, also behind references and in unions."""
    if depth == 0 or schema.kind != "mapping":
        return None
    part = ("items",) if isinstance(key, int) else ("properties", key)
    below = schema.get(*part)
    if below is not None:
        owner = schema if isinstance(key, int) else schema.get("properties")
        return owner.value[part[-1]][0], below  # type: ignore[union-attr]  # it has the member
    branches = [each for word in ("anyOf", "oneOf", "allOf") for each in _items(schema.get(word))]
    ref = schema.get("$ref")
    target = _pointed(root, str(ref.value)) if ref is not None else None
    found = (_holder(root, each, key, depth - 1) for each in [*([] if target is None else [target]), *branches])
    return next((each for each in found if each is not None), None)


def _items(node: Node | None) -> list[Node]:
    return node.value if node is not None and node.kind == "sequence" else []


def _pointed(root: Node, ref: str) -> Node | None:
    """Return the target of a `$ref` within a schema."""
    if not ref.startswith("#"):
        return None
    node: Node | None = root
    for part in ref[1:].strip("/").split("/") if ref.strip("#/") else ():
        name = part.replace("~1", "/").replace("~0", "~")
        node = None if node is None else node.get(int(name) if node.kind == "sequence" and name.isdecimal() else name)
    return node


def _of_value(place: NodePlace, file: Path) -> Mark | None:
    """Return the definition of a value: an alias of a model, a function, a part of a schema, or a file."""
    value, path, document = place.node.value, place.path, place.document
    if place.is_key or not isinstance(value, str):
        return None
    match path:
        case ("model",) | ("steps", _, "model") | ("steps", _, "matrix", "model", int()):
            return _key(document, ("models", value))
        case ("steps", _, "call"):
            module, _, name = value.partition(":")
            source = file.parent / Path(*module.split(".")).with_suffix(".py") if module.strip(".") else file
            return functions_in(file.parent, source).get(name) or _file(str(source), file.parent)
        case (*above, "$ref"):
            return _of_ref(place, value, tuple(above), file)
    return _file(value, file.parent)


def _of_ref(place: NodePlace, ref: str, above: DataPath, file: Path) -> Mark | None:
    name, _, pointer = ref.partition("#")
    if name:
        other = _document(file.parent / name, file.parent)
        target = None if other is None else _pointed(other.root, f"#{pointer}")
        return target.mark if target is not None else _file(name, file.parent)
    root = above[: above.index("schema") + 1] if "schema" in above else above[:2] if above[:1] == ("params",) else ()
    schema = place.document.root.get(*root)
    target = None if schema is None else _pointed(schema, ref)
    return None if target is None else target.mark


def _file(value: object, folder: Path) -> Mark | None:
    """Return the beginning of a file in the folder, if a value is its path."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_PATH or "\n" in value:
        return None
    path = folder / value
    return Mark(str(path), 1, 1, 1, 1) if is_file(path) and is_inside(folder, path) else None


def _document(path: Path, folder: Path) -> Document | None:
    """Return a schema file with its places, if it is in the folder and can be read."""
    if not is_file(path) or not is_inside(folder, path):
        return None
    source, _ = read(path, str(path), folder)
    if source is None:
        return None
    document, _ = compose(replace(source, file=str(path)), any_root=True)
    return document
