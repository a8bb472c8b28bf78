"""The author's JSON Schemas: loaded, checked with places, bundled into one, and enforced whole.

Owns draft 2020-12 as authors may use it: `$ref` inside a file and to files in the pipeline's folder tree, never the
network; a bundle that stands alone on the wire; and the validator of every response, whose patterns cannot hang
(a limit that is hit counts as invalid).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from yamlgen.errors import Code, Diagnostic, Mark
from yamlgen.parsing.json_errors import explain
from yamlgen.parsing.project_folder import is_file, is_way_out, leak, real
from yamlgen.parsing.secret_scan import find_secrets
from yamlgen.parsing.source_map import DataPath, Document, Node, SourceText
from yamlgen.parsing.yaml_parser import absence, compose, read
from yamlgen.schemas.keywords import FORMATS, KEYWORDS, subschemas, validator_of
from yamlgen.schemas.ref_resolution import SAVE, Bundle, Loader, SchemaPlace
from yamlgen.schemas.rule_messages import broken_rule
from yamlgen.schemas.satisfiability import contradictions
from yamlgen.schemas.shorthand import IN_SHORT, called, in_full, typed
from yamlgen.suggestions import closest, nearest
from yamlgen.value_objects import JSON

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_LONGEST: Final = 600
_LEAVES: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|//")
_ENDS_READING: Final = (Code.TOO_LARGE, Code.TOO_DEEP, Code.UNREADABLE)
_AS_WRONG_IN_JSON: Final = (*_ENDS_READING, Code.DUPLICATE_KEY, Code.BAD_NUMBER)
"""What holds against a JSON file too, though its words are read by the JSON reader."""
_NEAR: Final = 0.75
_JOINED: Final = re.compile(r"(\$?\w+)\s*[:=\s]\s*\S")
"""A keyword that took in its value."""

_WHERE_REFERENCES_LEAD: Final = ("did you mean `$defs`?", "did you mean `$id`?", "did you mean `$anchor`?")


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
    return validator_of(json.loads(text))


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


@dataclass
class SchemaLoader(Loader):
    """Loads the schemas of one pipeline.

    Args:
        folder: the folder tree that a `$ref` may reach.
        shown: the folder as messages name it.
    """

    folder: Path
    shown: str
    files: dict[Path, tuple[JSON, SchemaPlace]] = field(default_factory=dict)
    unknown: list[tuple[SchemaPlace, DataPath]] = field(default_factory=list)
    """Where a word is no keyword."""

    def inline(self, document: Document, path: DataPath, file: Path, data: JSON) -> JSONSchema | None:
        """The schema that stands in the pipeline; `None` where it is wrong or could not be read, which is told."""
        return self._finish(data, SchemaPlace(document, path, file)) if document.is_whole(path) else None

    def file(self, reference: str, mark: Mark) -> JSONSchema | None:
        """The schema in a file of its own; `mark` is where the pipeline names it."""
        if _LEAVES.match(reference):
            self.complain(Code.REMOTE_REFERENCE, f"the schema `{reference}` leaves this machine", mark, SAVE)
            return None
        leaking = leak(self.folder, reference, self._name(reference))
        if leaking is not None:
            self.complain(Code.OUTSIDE_FOLDER, leaking[0], mark, leaking[1])
            return None
        if reference.lstrip().startswith("{") or "\n" in reference.strip():
            hint = "write it as a mapping below `schema:`, without quotes and without `|`"
            self.complain(Code.BAD_SCHEMA, "this is a schema as a text: a text names a file", mark, hint)
            return None
        form = typed(reference)
        if form is not None and not is_file(self.folder / reference):
            message = f"`{reference}` is a type, and a text names a file"
            self.complain(Code.BAD_SCHEMA, message, mark, f"write `schema: {form}`")
            return None
        loaded = self.read(self.folder / reference, reference, mark, inside=not is_way_out(reference))
        return None if loaded is None else self._finish(*loaded)

    def _finish(self, data: JSON, place: SchemaPlace) -> JSONSchema | None:
        before, begun = sum(d.severity == "error" for d in self.diagnostics), len(self.diagnostics)
        self.check(data, place)
        bundle = Bundle(self, data, place)
        schema = bundle.make()
        if schema is None or sum(d.severity == "error" for d in self.diagnostics) > before:
            self._blame(begun)
            return None
        text = json.dumps(schema, ensure_ascii=False)
        try:
            _validator(text)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            message = str(getattr(error, "message", error)).split("\n")[0]
            self.complain(Code.BAD_SCHEMA, f"the schema cannot be used: {message}", place.mark(()))
            return None
        found = list(contradictions(schema))
        follows = [each for each in found if self._is_blamed(*bundle.origin(each.path))]
        if not all(each.is_warning for each in follows):
            self._blame(begun)
            return None
        found = [each for each in found if each not in follows]
        for each in found:
            there, path = bundle.origin(each.path)
            self.diagnostics.append(each.at(there.mark(path)))
        return JSONSchema(text) if all(each.is_warning for each in found) else None

    def _is_blamed(self, place: SchemaPlace, path: DataPath) -> bool:
        """Whether what holds of a keyword follows from a word beside it that is none."""
        return any(
            place is there and path[: len(part)] == part and len(path) <= len(part) + 2 for there, part in self.unknown
        )

    def _blame(self, begun: int) -> None:
        """Tell of a word that is no keyword as of what leaves a schema without use, and not of what follows from it."""
        told = self.diagnostics[begun:]
        words = [each for each in told if each.code is Code.UNKNOWN_KEYWORD]
        follows = [each for each in told if each.code in (Code.BAD_REFERENCE, Code.MISSING_FILE)]
        if follows:
            words = [each for each in words if each.hint in _WHERE_REFERENCES_LEAD]
        if any(each.severity == "error" and each not in follows and "`$defs`" in each.message for each in told):
            self.diagnostics[begun:] = [each for each in told if each not in follows]
        elif words and all(each in follows or each.severity == "warning" for each in told):
            kept = [each for each in told if each not in follows]
            self.diagnostics[begun:] = [replace(each, severity="error") if each is words[0] else each for each in kept]

    def _name(self, shown: str) -> str:
        return str(Path(self.shown) / shown) if self.shown else shown

    def read(self, path: Path, shown: str, mark: Mark, *, inside: bool = True) -> tuple[JSON, SchemaPlace] | None:
        """The schema in a file; `None` where none can be read, which is told at `mark`, or in the file."""
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
            document, diagnostics = _as_json(text) if path.suffix == ".json" else compose(text)
        self.diagnostics.extend(d for d in diagnostics if d not in self.diagnostics)
        if document is not None:
            self.diagnostics.extend(find_secrets(document.source))
        if document is None or any(d.severity == "error" for d in diagnostics):
            return None
        self.files[place] = document.data, SchemaPlace(document, (), path)
        return self.files[place]

    def check(self, data: JSON, place: SchemaPlace) -> None:
        """Hold one file's schema against draft 2020-12."""
        written = data.get("$schema", DIALECT) if isinstance(data, dict) else DIALECT
        if isinstance(written, str) and written.rstrip("#") != DIALECT:
            message = f"the schema is written for {written}"
            self.complain(Code.BAD_SCHEMA, message, place.mark(("$schema",)), f"name {DIALECT}, or none")
            return
        seen: set[tuple[Any, ...]] = set()
        outdented: set[DataPath] = set()  # mappings with a key that lost its value: the keys beside it may be that
        for error in _metaschema().iter_errors(data):
            path = tuple(error.instance_path)
            if error.instance is None and path:
                outdented.add(path[:-1])
            elif path and path[:-1] in outdented:
                continue
            is_reference = path[-1:] == ("$ref",) and isinstance(error.instance, str)  # where it leads is told later
            if path not in seen and not is_reference:
                seen.add(path)
                message, hint = broken_rule(error, data, path)
                self.complain(Code.BAD_SCHEMA, message, place.mark(path), hint)
        for path, part in subschemas(data):
            if not any(path[: len(each)] == each for each in outdented):
                self._check_part(part, path, place)

    def _check_part(self, part: dict[str, Any], path: DataPath, place: SchemaPlace) -> None:
        """Tell of the words of a part that say nothing."""
        if (full := self._meant(path, part, place)) is not None:
            self.complain(Code.BAD_SCHEMA, IN_SHORT, place.key_mark((*path, next(iter(part)))), full)
            return
        is_torn = False
        for key, value in part.items():
            if key in KEYWORDS or key.startswith("x-") or (is_torn and value is None):
                continue
            near = nearest(key, KEYWORDS)
            hint = f"did you mean `{near}`?" if near else called(key) or "a note of your own begins with `x-`"
            if key == "value" and place.prefix[:1] == ("params",):
                hint = "did you mean `default`?"
            word = _JOINED.match(key)
            if value is None and word and word[1] in KEYWORDS:
                hint, is_torn = f"write `{word[1]}: ...`, with a `:` and a space", True
            elif near is None and value is None:
                hint, is_torn = "a text that holds a comma needs quotes inside `{...}`", True
            elif isinstance(part.get("required"), list) and key in part["required"] and "properties" in part:
                hint = "indent it, if it belongs to `properties`"
            message = f"`{key}` is no keyword of JSON Schema and has no effect"
            self.complain(Code.UNKNOWN_KEYWORD, message, place.key_mark((*path, key)), hint, warn=True)
            self.unknown.append((place, path))
        written = part.get("format")
        near = _format_meant(written) if isinstance(written, str) else None
        if near is not None:
            message = f"`{written}` is no format that is known, and has no effect"
            mark = place.mark((*path, "format"))
            self.complain(Code.UNKNOWN_KEYWORD, message, mark, f"did you mean `{near}`?", warn=True)
        for index, name, near in _undeclared(part):
            message, mark = f"`{name}` is required, and not declared", place.mark((*path, "required", index))
            self.complain(Code.BAD_SCHEMA, message, mark, f"did you mean `{near}`?", warn=True)

    @staticmethod
    def _meant(path: DataPath, part: dict[str, Any], place: SchemaPlace) -> str | None:
        """The hint for what is no schema yet; `None` for what is one."""
        if path == () and part.keys() == {"file"} and isinstance(part["file"], str):
            return f"a schema in a file is named by its path alone: `schema: {part['file']}`"
        if place.prefix[:1] == ("params",) and "value" in part:
            return None
        form = in_full(part, KEYWORDS)
        is_none = bool(part) and not any(key in KEYWORDS or key.startswith("x-") for key in part)
        if form is not None or path or not is_none or place.prefix[:1] == ("params",):
            return form
        inner = next((key for key in part if isinstance(part[key], dict) and part[key].keys() & set(KEYWORDS)), None)
        if inner is not None:
            return f"the schema stands one level deeper: keep what is under `{inner}`"
        return "write `{type: object, properties: {...}}`"


def _undeclared(part: dict[str, Any]) -> Iterator[tuple[int, str, str]]:
    """The required names that an open object does not declare, each with the near one that it does."""
    required, there = part.get("required"), part.get("properties")
    if isinstance(required, list) and isinstance(there, dict) and part.get("additionalProperties") is not False:
        for index, name in enumerate(required):
            free = [each for each in there if each not in required]
            near = nearest(name, free) if isinstance(name, str) and name not in there else None
            if near is not None:
                yield index, name, near


def _as_json(source: SourceText) -> tuple[Document | None, list[Diagnostic]]:
    """A JSON file is read by the JSON reader; YAML's reading of it lends the places, and what that one passes over."""
    try:
        data = json.loads(source.text, parse_constant=_no_constant)
        json.dumps(data, ensure_ascii=False).encode()  # no half of a character
    except json.JSONDecodeError as error:
        mark = source.mark(error.pos, error.pos + 1)
        fact, hint = explain(error)
        if source.text[: error.pos].strip() == "" and source.text[error.pos : error.pos + 1].isalpha():
            hint = "is it YAML? end its name in .yaml"
        return None, [Diagnostic(Code.NOT_YAML, f"not JSON: {fact}", mark, hint)]
    except (ValueError, RecursionError) as error:  # thousands of digits, thousands of levels: YAML tells it better
        told = compose(source, any_root=True)[1]
        return None, told or [Diagnostic(Code.BAD_NUMBER, f"not JSON: {error}", source.mark(0, 1))]
    # To libyaml a tab is no white space. Between values JSON takes it for some, inside of texts it has none.
    document, diagnostics = compose(replace(source, text=source.text.replace("\t", " ")), any_root=True)
    diagnostics = [each for each in diagnostics if each.code in _AS_WRONG_IN_JSON]
    if document is None and any(each.code in _ENDS_READING for each in diagnostics):
        return None, diagnostics
    if document is None or document.data != data:  # what YAML reads otherwise keeps its values, and loses its places
        document = Document(source, Node("mapping", {}, source, 0, 0))
        document.__dict__["data"] = data
        diagnostics = diagnostics or list(_doubled(source))
    return document, diagnostics


def _no_constant(name: str) -> JSON:
    raise ValueError(f"{name} is no number of JSON")


def _doubled(source: SourceText) -> Iterator[Diagnostic]:
    """The keys that stand twice in a mapping, where nothing but the JSON reader can tell."""
    found: list[str] = []

    def note(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
        names = [name for name, _ in pairs]
        found.extend(name for index, name in enumerate(names) if name in names[:index])
        return dict(pairs)

    json.loads(source.text, object_pairs_hook=note)
    for name in dict.fromkeys(found):
        places = [match.start() for match in re.finditer(re.escape(json.dumps(name)), source.text)]
        start = places[1] if len(places) > 1 else 0
        message = f"the key `{name}` stands twice in one mapping"
        yield Diagnostic(Code.DUPLICATE_KEY, message, source.mark(start, start + len(name) + 2))


def _format_meant(written: str) -> str | None:
    """The format of which another is a near miss; `None` for one that is a note of the author's own."""
    near = "uri" if written.lower() == "url" else closest(written, FORMATS)
    if written in FORMATS or near is None:
        return None
    is_near = SequenceMatcher(None, written.lower(), near).ratio() >= _NEAR or near.startswith(written.lower())
    return near if is_near or near == "uri" else None
