"""The values that `--set` and `--input` change in a pipeline's data, before it is validated.

Messages show the option as the place of a changed value. The pipeline file is never modified.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.formats.format import SETTINGS
from yamlgen.formats.format_table import FORMATS, STREAMED, format_of
from yamlgen.option_names import by_surface, override
from yamlgen.parsing.project_folder import is_folder, is_pipe
from yamlgen.parsing.secret_scan import find_secrets, setting
from yamlgen.parsing.source_map import Document, Node, SourceText
from yamlgen.parsing.yaml_parser import compose
from yamlgen.suggestions import suggestion
from yamlgen.value_objects import JSON

_NAMED = ("models", "steps", "params", "outputs")
"""The parts with names that the author chooses: an unknown name is a mistake, not a new entry."""

_OTHERS = frozenset({"rows", "folder", "pattern", "range", "sql", "tables", "memory"})
"""The keys of an input that exclude `path`."""

_LISTED = frozenset({"folder", "pattern"})
"""The keys of an input that is a folder."""

_READING = SETTINGS | {"format", "file_column"}
"""The keys that say how a file is read."""


def set_value(document: Document, name: str, value: str, diagnostics: list[Diagnostic]) -> Document:
    """Return the document with the value of `--set name=value`, or unchanged, with another diagnostic."""
    written = setting(override, name, value)
    shown = written.file
    mark = Mark(shown, 1, 1, 1, 1 + len(shown))
    diagnostics.extend(find_secrets(written))
    piece, problems = compose(SourceText(shown, value), any_root=True)
    parts = name.split(".")
    if piece is None or problems or not all(parts):
        message = problems[0].message if problems else f"`{name}` is not a path of keys"
        fix = problems[0].hint if problems else f"write `{override('model', 'claude-haiku-5-5')}`"
        if problems and problems[0].code is Code.EMPTY:
            empty = by_surface(command=f"'{name}=\"\"'", python=override(name, '""'))
            fix = f"write a value after `=`; an empty string is `{empty}`"
        fix = fix or "write one value of YAML: a string that begins with a bracket needs quotes"
        diagnostics.append(Diagnostic(Code.BAD_OVERRIDE, f"cannot read {shown}: {message}", mark, fix))
        return document
    named = document.data.get(parts[0])
    if parts[0] in _NAMED and len(parts) > 1 and isinstance(named, dict | None) and parts[1] not in (named or {}):
        message = f"cannot apply {shown}: there is no `{parts[1]}` under `{parts[0]}`"
        near = suggestion(parts[1], named or {}, parts[0])
        diagnostics.append(Diagnostic(Code.BAD_OVERRIDE, message, mark, near))
        return document
    at = _model_above(parts)
    model = _value_at(document.data, at) if at else None
    hint: str | None = None
    if isinstance(model, str) and "models" in document.data:
        hint = f"`{model}` is an alias: write `{override('.'.join(['models', model, *parts[len(at) :]]), value)}`"
    elif isinstance(model, str):
        document = document.override(at, _in_full(document.node(at)), shown)
    try:
        return document.override(parts, piece.root, shown)
    except LookupError as error:
        diagnostics.append(Diagnostic(Code.BAD_OVERRIDE, f"cannot apply {shown}: {error.args[0]}", mark, hint))
        return document


def _model_above(parts: list[str]) -> list[str]:
    """Return the path of the `model`, of the file or of a step, that contains `parts`, or an empty list."""
    at = parts[:1] if parts[0] == "model" else parts[:3]
    return at if at[-1] == "model" and at[0] in ("model", "steps") and len(parts) > len(at) else []


def _in_full(model: Node) -> Node:
    """Return the mapping for which the string under `model` is short."""
    return replace(model, kind="mapping", value={"id": (replace(model, value="id"), model)}, style=None)


def _value_at(data: JSON, path: list[str]) -> JSON:
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def set_input(document: Document, path: str, *, keeps_format: bool = False) -> Document:
    """Return the document with the rows of `--input path`, which is relative to the current directory.

    The path of a folder replaces `folder`, if the pipeline reads one.

    Args:
        document: the document.
        path: the path of the rows.
        keeps_format: whether `input.format` was set for these rows, and applies whatever their extension.
    """
    shown = by_surface(command=f"--input {path}", python=f"input={path!r}")
    source = SourceText(shown, shown)
    written = document.data.get("input", {})
    if not isinstance(written, dict):  # an error, which is reported at its place
        return document
    where = path if path == "-" or "://" in path else str(Path(path).absolute())
    known = format_of(Path(path))
    is_fitting = keeps_format or path == "-" or known is None or known.name == _format(written)
    kept = written.get("format") if is_fitting else None
    if kept is None and path != "-" and known is None and is_pipe(Path(path)):
        kept = STREAMED.name

    def scalar(value: str) -> Node:
        return Node("scalar", value, source, 0, len(shown))

    if "folder" in written and is_folder(Path(path)):
        return _without(document.override(["input", "folder"], scalar(where), shown), {*_OTHERS, "path"} - _LISTED)
    document = document.override(["input", "path"], scalar(where), shown)
    if kept is not None:
        document = document.override(["input", "format"], scalar(kept), shown)
    kind = FORMATS.get(str(kept)) if kept else STREAMED if path == "-" else known
    unsupported = frozenset() if kind is None else SETTINGS - kind.settings()
    return _without(document, _OTHERS | unsupported | (frozenset() if kept else {"format"}))


def set_rows(document: Document) -> Document:
    """Return the document for rows that a Python caller gives: nothing of its input but the `id` applies to them."""
    if not isinstance(document.data.get("input", {}), dict):  # as above
        return document
    shown = "rows=[...]"
    outside = Node("scalar", "-", SourceText(shown, shown), 0, len(shown))
    return _without(document.override(["input", "path"], outside, shown), {*_OTHERS, *_READING})


def _without(document: Document, keys: AbstractSet[str]) -> Document:
    """Return the document without these keys of its input."""
    key, node = document.root.value["input"]
    left = {name: pair for name, pair in node.value.items() if name not in keys}
    root = replace(document.root, value={**document.root.value, "input": (key, replace(node, value=left))})
    return Document(document.source, root)


def _format(written: dict[str, object]) -> str | None:
    if written.get("format"):
        return str(written["format"])
    found = format_of(Path(str(written.get("path", ""))))
    return None if found is None else found.name
