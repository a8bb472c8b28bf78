"""The author's JSON Schemas: loaded, checked with places, bundled into one, and enforced whole.

Owns draft 2020-12 as authors may use it: `$ref` inside a file and to files in the pipeline's folder tree, never the
network; a bundle that stands alone on the wire; and the validator of every response, whose patterns cannot hang
(a limit that is hit counts as invalid).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import jsonschema_rs

from yamlgen.errors import Code, Diagnostic, Mark
from yamlgen.language.composer import absence, compose, read
from yamlgen.language.document import DataPath, Document, Text
from yamlgen.language.folder import is_way_out, leak, real
from yamlgen.language.pointer import follow
from yamlgen.language.secret import find_secrets
from yamlgen.language.words import listing, nearest
from yamlgen.ports import JSON

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_BACKTRACKS: Final = 100_000
_LONGEST: Final = 600
_ONE: Final = frozenset(
    {"additionalProperties", "items", "contains", "not", "if", "then", "else", "propertyNames"}
    | {"unevaluatedItems", "unevaluatedProperties", "contentSchema"}
)
_LIST: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_OTHER: Final = frozenset(
    {"type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"}
    | {"maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains"}
    | {"maxProperties", "minProperties", "required", "dependentRequired", "format", "title", "description"}
    | {"default", "deprecated", "readOnly", "writeOnly", "examples", "contentEncoding", "contentMediaType"}
    | {"$schema", "$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "$comment"}
)
_KEYWORDS: Final = sorted(_ONE | _LIST | _MAP | _OTHER)
_LEAVES: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|//")
_SAVE: Final = "save it beside the pipeline and refer to the file: nothing is fetched"
_NO_LESS_IN_JSON: Final = (Code.TOO_LARGE, Code.TOO_DEEP, Code.UNREADABLE)
"""What holds against a JSON file too, though its words are read by the JSON reader."""
_TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")


@dataclass(frozen=True, slots=True)
class JSONSchema:
    """A self-contained schema: as the author wrote it, what it refers to in other files bundled in."""

    text: str

    @property
    def value(self) -> dict[str, Any]:
        """The schema itself; a new copy each time."""
        schema: dict[str, Any] = json.loads(self.text)
        return schema

    def errors(self, value: JSON) -> tuple[str, ...]:
        """What is wrong with `value`, each with its path; empty when the schema accepts it."""
        validator = _validator(self.text)
        try:
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
            if validator.is_valid(value):
                return ()
            return tuple(f"{spoken_path(e.instance_path)}: {_cut(e.message)}" for e in validator.iter_errors(value))
        except UnicodeEncodeError:
            return ("$: a text holds half of a surrogate pair, which is no character",)
        except RecursionError:
            return ("$: nested too deeply",)
        except (TypeError, ValueError) as error:
            return (f"$: this is no JSON value: {error}",)

    def failures(self, value: JSON) -> list[Any]:
        """What the validator says of a `value` that the schema does not accept; nothing where it cannot look at it."""
        try:
            return list(_validator(self.text).iter_errors(value))
        except (RecursionError, TypeError, ValueError):
            return []

    def wants_text(self, value: JSON) -> bool:
        """Whether the first thing wrong with `value` is that it, or a part of it, is no text."""
        first = next(iter(self.failures(value)), None)
        return first is not None and getattr(first.kind, "types", None) == ["string"]


def json_schema(schema: Mapping[str, Any]) -> JSONSchema:
    """A schema value from a mapping that stands alone."""
    return JSONSchema(json.dumps(schema, ensure_ascii=False))


@lru_cache(maxsize=512)
def _validator(text: str) -> jsonschema_rs.Draft202012Validator:
    options = jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKS)
    return jsonschema_rs.Draft202012Validator(
        json.loads(text), validate_formats=True, offline=True, pattern_options=options
    )


@lru_cache(maxsize=1)
def _metaschema() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({"$ref": DIALECT}, validate_formats=True, offline=True)


def spoken_path(path: Iterable[str | int]) -> str:
    """A path into a value as messages show it: `$.tags[0]`."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _cut(message: str) -> str:
    """A message names the value first and the rule last; of a long one both ends are kept."""
    if len(message) <= _LONGEST:
        return message
    return f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"


@dataclass(frozen=True)
class _Place:
    """Where a schema stands: a document, the path to it, and the file that its references start from."""

    document: Document
    prefix: DataPath
    file: Path

    def mark(self, path: DataPath) -> Mark:
        return self.document.mark((*self.prefix, *path))

    def key_mark(self, path: DataPath) -> Mark:
        return self.document.mark((*self.prefix, *path), key=True)


@dataclass
class SchemaLoader:
    """Loads the schemas of one pipeline.

    Args:
        folder: the folder tree that a `$ref` may reach.
        shown: the folder as messages name it.
    """

    folder: Path
    shown: str
    diagnostics: list[Diagnostic] = field(default_factory=list)
    files: dict[Path, tuple[JSON, _Place]] = field(default_factory=dict)

    def complain(self, code: Code, message: str, mark: Mark, hint: str | None = None, *, warn: bool = False) -> None:
        """Add a diagnostic."""
        severity: Any = "warning" if warn else "error"
        self.diagnostics.append(Diagnostic(code, message, mark, hint, severity))

    def inline(self, document: Document, path: DataPath, file: Path, data: JSON) -> JSONSchema | None:
        """The schema that stands in the pipeline itself."""
        place = _Place(document, path, file)
        return self._finish(data, place)

    def file(self, reference: str, mark: Mark) -> JSONSchema | None:
        """The schema in a file of its own; `mark` is where the pipeline names it."""
        if _LEAVES.match(reference):
            self.complain(Code.REMOTE_REFERENCE, f"the schema `{reference}` leaves this machine", mark, _SAVE)
            return None
        leaking = leak(self.folder, reference, self._name(reference))
        if leaking is not None:
            self.complain(Code.OUTSIDE_FOLDER, leaking[0], mark, leaking[1])
            return None
        if reference.lstrip().startswith("{") or "\n" in reference.strip():
            hint = "write it as a mapping below `schema:`, without quotes and without `|`"
            self.complain(Code.BAD_SCHEMA, "this is a schema as a text: a text names a file", mark, hint)
            return None
        loaded = self._read(self.folder / reference, reference, mark, inside=not is_way_out(reference))
        return None if loaded is None else self._finish(*loaded)

    def _finish(self, data: JSON, place: _Place) -> JSONSchema | None:
        before = sum(d.severity == "error" for d in self.diagnostics)
        self._check(data, place)
        schema = _Bundle(self, data, place).make()
        if schema is None or sum(d.severity == "error" for d in self.diagnostics) > before:
            return None
        text = json.dumps(schema, ensure_ascii=False)
        try:
            _validator(text)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            message = str(getattr(error, "message", error)).split("\n")[0]
            self.complain(Code.BAD_SCHEMA, f"the schema cannot be used: {message}", place.mark(()))
            return None
        return JSONSchema(text)

    def _name(self, shown: str) -> str:
        return str(Path(self.shown) / shown) if self.shown else shown

    def _read(self, path: Path, shown: str, mark: Mark, *, inside: bool = True) -> tuple[JSON, _Place] | None:
        place = real(path)
        if place in self.files:
            return self.files[place]
        name = self._name(shown)
        absent = absence(path, name, "the file that names it")
        if absent is not None:
            self.complain(Code.MISSING_FILE, absent[0], mark, absent[1])
            return None
        text, diagnostics = read(path, name, self.folder if inside else None)
        document = None
        if text is not None:
            document, diagnostics = compose(text)
            if path.suffix == ".json" and not any(d.code in _NO_LESS_IN_JSON for d in diagnostics):
                document, diagnostics = _as_json(text, document, diagnostics)
        self.diagnostics.extend(d for d in diagnostics if d not in self.diagnostics)
        if document is not None:
            self.diagnostics.extend(find_secrets(document.source))
        if document is None or any(d.severity == "error" for d in diagnostics):
            return None
        self.files[place] = document.data, _Place(document, (), path)
        return self.files[place]

    def _check(self, data: JSON, place: _Place) -> None:
        """Hold one file's schema against draft 2020-12."""
        written = data.get("$schema", DIALECT) if isinstance(data, dict) else DIALECT
        if isinstance(written, str) and written.rstrip("#") != DIALECT:
            message = f"the schema is written for {written}"
            self.complain(Code.BAD_SCHEMA, message, place.mark(("$schema",)), f"name {DIALECT}, or none")
            return
        seen: set[tuple[Any, ...]] = set()
        for error in _metaschema().iter_errors(data):
            path = tuple(error.instance_path)
            if path not in seen:
                seen.add(path)
                self.complain(Code.BAD_SCHEMA, *_meta_sentence(error, data, path, place))
        for path, part in subschemas(data):
            for key in part:
                if key in _KEYWORDS or key.startswith("x-"):
                    continue
                near = nearest(key, _KEYWORDS)
                hint = f"did you mean `{near}`?" if near else "a note of your own begins with `x-`"
                if near is None and part[key] is None:
                    hint = "a text that holds a comma needs quotes inside `{...}`"
                message = f"`{key}` is no keyword of JSON Schema and has no effect"
                self.complain(Code.UNKNOWN_KEYWORD, message, place.key_mark((*path, key)), hint, warn=True)


def _as_json(
    source: Text, document: Document | None, diagnostics: list[Diagnostic]
) -> tuple[Document | None, list[Diagnostic]]:
    """A JSON file is read by the JSON reader; YAML's reading of it only lends the places."""
    try:
        data = json.loads(source.text)
    except json.JSONDecodeError as error:
        mark = source.mark(error.pos, error.pos + 1)
        return None, [Diagnostic(Code.NOT_YAML, f"not JSON: {error.msg}", mark)]
    except (ValueError, RecursionError):  # a number of thousands of digits, thousands of levels: YAML has told it
        return None, diagnostics
    if document is not None and document.data == data:
        return document, diagnostics
    # What YAML reads otherwise (surrogate pairs, exponents) keeps its values, and loses its places.
    flat, _ = compose(Text(source.file, "{}"))
    if flat is not None:
        flat.__dict__["data"] = data
    return flat, []


def _meta_sentence(error: Any, data: JSON, path: tuple[Any, ...], place: _Place) -> tuple[str, Mark, str | None]:
    value = data
    for part in path:
        value = value[part]
    if path and path[-1] == "type" and isinstance(value, str):
        near = nearest(value, _TYPES)
        hint = f"did you mean `{near}`?" if near else f"types: {listing(_TYPES)}"
        return f"`{value}` is no type of JSON Schema", place.mark(path), hint
    if path and path[-1] == "pattern":
        return f"`{value}` is no regular expression", place.mark(path), None
    where = f"`{path[-1]}`" if path else "the schema"
    return f"{where} is not right: {error.message}", place.mark(path), None


def subschemas(schema: JSON, path: DataPath = ()) -> Iterator[tuple[DataPath, dict[str, Any]]]:
    """Every object schema in a schema, itself first, with its path; never what is data (`const`, `enum`)."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for key, value in schema.items():
        if key in _ONE:
            yield from subschemas(value, (*path, key))
        elif key in _LIST and isinstance(value, list):
            for index, part in enumerate(value):
                yield from subschemas(part, (*path, key, index))
        elif key in _MAP and isinstance(value, dict):
            for name, part in value.items():
                yield from subschemas(part, (*path, key, name))


class _Bundle:
    """One schema out of a root and the files it refers to, each once, under the root's `$defs`."""

    def __init__(self, loader: SchemaLoader, root: JSON, place: _Place) -> None:
        self.loader = loader
        self.root = root
        self.place = place
        self.names: dict[Path, str] = {}
        self.parts: dict[str, JSON] = {}
        self.failed = False

    def make(self) -> dict[str, Any] | None:
        schema = self._rewritten(self.root, self.place, "#")
        if self.failed:
            return None
        if not isinstance(schema, dict):
            return {} if schema else {"not": {}}
        if self.parts:
            schema["$defs"] = {**schema.get("$defs", {}), **self.parts}
        return schema

    def _rewritten(self, schema: JSON, place: _Place, base: str) -> JSON:
        """A copy whose references hold inside the bundle, where this file's root stands at `base`."""
        copy = json.loads(json.dumps(schema))
        for path, part in subschemas(copy):
            if base != "#":
                for word in ("$id", "$schema", "$anchor"):  # two files may have one anchor each of the same name
                    part.pop(word, None)
            if isinstance(part.get("$ref"), str):
                part["$ref"] = self._target(part["$ref"], (*path, "$ref"), schema, place, base)
        return copy

    def _target(self, ref: str, path: DataPath, schema: JSON, place: _Place, base: str) -> str:
        mark = place.mark(path)
        file, _, fragment = ref.partition("#")
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//", file):
            return self._fail(Code.REMOTE_REFERENCE, f"the reference `{ref}` leaves this machine", mark, _SAVE)
        if not file:
            if not _has(schema, fragment):
                return self._fail(Code.BAD_REFERENCE, f"the reference `{ref}` points to nothing", mark, None)
            return ref if base == "#" else base + _pointer(schema, fragment)
        target = place.file.parent / file
        if not real(target).is_relative_to(real(self.loader.folder)):
            message = f"the reference `{ref}` leaves the pipeline's folder"
            return self._fail(Code.OUTSIDE_FOLDER, message, mark, "copy the schema into it")
        loaded = self.loader._read(target, _shown(place, file, self.loader), mark)  # noqa: SLF001 - its own bundle
        if loaded is None:
            self.failed = True
            return ref
        data, there = loaded
        if not _has(data, fragment):
            return self._fail(Code.BAD_REFERENCE, f"the reference `{ref}` points to nothing", mark, None)
        start = self._embed(real(target), data, there)
        return start + _pointer(data, fragment)

    def _embed(self, file: Path, data: JSON, place: _Place) -> str:
        if file == real(self.place.file) and not self.place.prefix:
            return "#"
        if file not in self.names:
            taken = {*self.names.values(), *(self.root.get("$defs", ()) if isinstance(self.root, dict) else ())}
            stem = re.sub(r"\W+", "_", file.stem).strip("_") or "part"
            name = next(n for n in (stem, *(f"{stem}_{i}" for i in range(2, 1000))) if n not in taken)
            self.names[file] = name
            self.loader._check(data, place)  # noqa: SLF001 - its own bundle
            self.parts[name] = self._rewritten(data, place, f"#/$defs/{name}")
        return f"#/$defs/{self.names[file]}"

    def _fail(self, code: Code, message: str, mark: Mark, hint: str | None) -> str:
        self.loader.complain(code, message, mark, hint)
        self.failed = True
        return "#"


def _shown(place: _Place, file: str, loader: SchemaLoader) -> str:
    return str(real(place.file.parent / file).relative_to(real(loader.folder)))


def _anchored(schema: JSON, anchor: str) -> DataPath | None:
    parts = subschemas(schema)
    return next((path for path, part in parts if anchor in (part.get("$anchor"), part.get("$dynamicAnchor"))), None)


def _pointer(schema: JSON, fragment: str) -> str:
    """A fragment as a JSON pointer: an anchor's name holds in its own file only."""
    if not fragment or fragment.startswith("/"):
        return fragment
    path = _anchored(schema, fragment) or ()
    return "".join("/" + quote(str(part).replace("~", "~0").replace("/", "~1"), safe="$~") for part in path)


def _has(schema: JSON, fragment: str) -> bool:
    """Whether a pointer or an anchor leads somewhere in a file's schema."""
    if fragment and not fragment.startswith("/"):
        return _anchored(schema, fragment) is not None
    try:
        follow(schema, fragment)
    except LookupError:
        return False
    return True
