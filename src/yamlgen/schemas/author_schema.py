"""Load, check and bundle the author's JSON Schemas, and validate values against them.

Owns the supported part of draft 2020-12: `$ref` within a file and to files in the pipeline's folder tree, never to the
network; a self-contained bundle for requests; and the validator of every response. Its patterns cannot hang: a value
that exceeds the backtracking limit is invalid.
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

from yamlgen.diagnostics import Diagnostic, Fix, Mark
from yamlgen.errors import Code
from yamlgen.parsing.json_errors import WITHOUT_COMMA, explain
from yamlgen.parsing.project_folder import is_file, is_way_out, leak, real
from yamlgen.parsing.secret_scan import find_secrets
from yamlgen.parsing.source_map import DataPath, Document, Node, SourceText
from yamlgen.parsing.yaml_parser import absence, compose, read
from yamlgen.schemas.keywords import FORMATS, KEYWORDS, subschemas, validator_of
from yamlgen.schemas.ref_resolution import SAVE, Bundle, Loader, SchemaPlace
from yamlgen.schemas.rule_messages import broken_rule
from yamlgen.schemas.satisfiability import contradictions
from yamlgen.schemas.shorthand import IN_SHORT, called, in_full, typed
from yamlgen.suggestions import Hint, closest, knowing, nearest, proposal
from yamlgen.value_objects import JSON

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_LONGEST: Final = 600
_LEAVES: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|//")
_ENDS_READING: Final = (Code.TOO_LARGE, Code.TOO_DEEP, Code.UNREADABLE)
_AS_WRONG_IN_JSON: Final = (*_ENDS_READING, Code.DUPLICATE_KEY, Code.BAD_NUMBER)
"""Problems that the YAML reader reports and that also apply to a JSON file."""
_NEAR: Final = 0.75
_JOINED: Final = re.compile(r"(\$?\w+)\s*[:=\s]\s*\S")
"""A keyword that was read together with its value as one key."""

_WHERE_REFERENCES_LEAD: Final = ("did you mean `$defs`?", "did you mean `$id`?", "did you mean `$anchor`?")


@dataclass(frozen=True, slots=True)
class JSONSchema:
    """A self-contained schema: the author's schema, with the files that it refers to bundled in."""

    text: str

    @property
    def value(self) -> dict[str, Any]:
        """The schema as a new copy."""
        schema: dict[str, Any] = json.loads(self.text)
        return schema

    def errors(self, value: JSON) -> tuple[str, ...]:
        """Return the validation errors of `value`, each with its path; empty if the value is valid."""
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
        """Return the validator's error objects for `value`; empty if it is valid or cannot be validated."""
        try:
            return list(_validator(self.text).iter_errors(value))
        except (RecursionError, TypeError, ValueError):
            return []

    def wants_text(self, value: JSON) -> bool:
        """Whether the first error of `value` is that it, or a part of it, is not a string."""
        first = next(iter(self.failures(value)), None)
        return first is not None and getattr(first.kind, "types", None) == ["string"]


def json_schema(schema: Mapping[str, Any]) -> JSONSchema:
    """Return the `JSONSchema` of a self-contained mapping."""
    return JSONSchema(json.dumps(schema, ensure_ascii=False))


@lru_cache(maxsize=512)
def _validator(text: str) -> jsonschema_rs.Draft202012Validator:
    return validator_of(json.loads(text))


@lru_cache(maxsize=1)
def _metaschema() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({"$ref": DIALECT}, validate_formats=True, offline=True)


def spoken_path(path: Iterable[str | int]) -> str:
    """Return a path into a value as messages show it: `$.tags[0]`."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _cut(message: str) -> str:
    """Shorten a long message in the middle: its start names the value, its end the rule."""
    if len(message) <= _LONGEST:
        return message
    return f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"


@dataclass
class SchemaLoader(Loader):
    """Loads the schemas of one pipeline.

    Args:
        folder: the folder tree that a `$ref` may reach.
        shown: the folder as messages show it.
    """

    folder: Path
    shown: str
    files: dict[Path, tuple[JSON, SchemaPlace]] = field(default_factory=dict)
    unknown: list[tuple[SchemaPlace, DataPath]] = field(default_factory=list)
    """The places of unknown keywords."""

    def inline(self, document: Document, path: DataPath, file: Path, data: JSON) -> JSONSchema | None:
        """Return a schema written in the pipeline, or report its errors and return `None`."""
        return self._finish(data, SchemaPlace(document, path, file)) if document.is_whole(path) else None

    def file(self, reference: str, mark: Mark) -> JSONSchema | None:
        """Return the schema in a file that the pipeline names at `mark`, or report its errors and return `None`."""
        if _LEAVES.match(reference):
            self.complain(Code.REMOTE_REFERENCE, f"the schema `{reference}` is a URL", mark, SAVE)
            return None
        leaking = leak(self.folder, reference, self._name(reference))
        if leaking is not None:
            self.complain(Code.OUTSIDE_FOLDER, leaking[0], mark, leaking[1])
            return None
        if reference.lstrip().startswith("{") or "\n" in reference.strip():
            hint = "write it as a mapping under `schema:`, without quotes and without `|`"
            message = "the schema is written as a string, but a string here is the path of a file"
            self.complain(Code.BAD_SCHEMA, message, mark, hint)
            return None
        form = typed(reference)
        if form is not None and not is_file(self.folder / reference):
            message = f"`{reference}` is a type, but a string here is the path of a file"
            self.complain(Code.BAD_SCHEMA, message, mark, f"write `schema: {form}`")
            return None
        is_inside = not is_way_out(reference)
        loaded = self.read(self.folder / reference, reference, mark, inside=is_inside, beside="the pipeline file")
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
        """Whether an error at a keyword follows from an unknown keyword next to it."""
        return any(
            place is there and path[: len(part)] == part and len(path) <= len(part) + 2 for there, part in self.unknown
        )

    def _blame(self, begun: int) -> None:
        """Report an unknown keyword as the error that makes the schema unusable, and drop the errors it causes."""
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

    def read(
        self, path: Path, shown: str, mark: Mark, *, inside: bool = True, beside: str = "the file that names it"
    ) -> tuple[JSON, SchemaPlace] | None:
        """Return the schema in a file, or report why it cannot be read (at `mark` or in the file) and return `None`."""
        place = real(path)
        if place in self.files:
            return self.files[place]
        name = self._name(shown)
        absent = absence(path, name, beside)
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
        """Check one file's schema against draft 2020-12, and report its errors."""
        written = data.get("$schema", DIALECT) if isinstance(data, dict) else DIALECT
        if isinstance(written, str) and written.rstrip("#") != DIALECT:
            message = f"the schema uses the dialect {written}, which is not supported"
            self.complain(Code.BAD_SCHEMA, message, place.mark(("$schema",)), f"write {DIALECT}, or remove the key")
            return
        seen: set[tuple[Any, ...]] = set()
        outdented: set[DataPath] = set()  # mappings with a key that has no value: the keys next to it may belong to it
        for error in _metaschema().iter_errors(data):
            path = tuple(error.instance_path)
            if error.instance is None and path:
                outdented.add(path[:-1])
            elif path and path[:-1] in outdented:
                continue
            is_reference = path[-1:] == ("$ref",) and isinstance(error.instance, str)  # the bundle reports these
            if path not in seen and not is_reference:
                seen.add(path)
                message, hint = broken_rule(error, data, path)
                self.complain(Code.BAD_SCHEMA, message, place.mark(path), hint)
        for path, part in subschemas(data):
            if not any(path[: len(each)] == each for each in outdented):
                self._check_part(part, path, place)

    def _check_part(self, part: dict[str, Any], path: DataPath, place: SchemaPlace) -> None:
        """Report the keywords, formats and required names of a part that have no effect."""
        if (full := self._meant(path, part, place)) is not None:
            self.complain(Code.BAD_SCHEMA, IN_SHORT, place.key_mark((*path, next(iter(part)))), full)
            return
        is_torn = False
        for key, value in part.items():
            if key in KEYWORDS or key.startswith("x-") or (is_torn and value is None):
                continue
            near = nearest(key, KEYWORDS)
            hint = called(key) or "start the name of a custom keyword with `x-`"
            if near:
                hint = proposal(key, near, () if near in part else KEYWORDS)
            if key == "value" and place.prefix[:1] == ("params",):
                hint = "did you mean `default`?"
            word = _JOINED.match(key)
            if value is None and word and word[1] in KEYWORDS:
                hint, is_torn = f"write `{word[1]}: ...`, with a `:` and a space", True
            elif near is None and value is None:
                hint, is_torn = "quote a string that contains a comma inside `{...}`", True
            elif isinstance(part.get("required"), list) and key in part["required"] and "properties" in part:
                hint = f"if `{key}` is a field, indent it under `properties`"
            message, told = f"`{key}` is not a JSON Schema keyword and has no effect", knowing(hint, KEYWORDS)
            self.complain(Code.UNKNOWN_KEYWORD, message, place.key_mark((*path, key)), told, warn=True)
            self.unknown.append((place, path))
        written = part.get("format")
        near = _format_meant(written) if isinstance(written, str) else None
        if near is not None:
            message = f"`{written}` is not a known format and has no effect"
            mark = place.mark((*path, "format"))
            self.complain(Code.UNKNOWN_KEYWORD, message, mark, Hint(f"did you mean `{near}`?", FORMATS), warn=True)
        for index, name, near in _undeclared(part):
            message, mark = f"`{name}` is required but not declared", place.mark((*path, "required", index))
            self.complain(
                Code.BAD_SCHEMA, message, mark, Hint(f"did you mean `{near}`?", part["properties"]), warn=True
            )

    @staticmethod
    def _meant(path: DataPath, part: dict[str, Any], place: SchemaPlace) -> str | None:
        """Return the hint for a mapping that is not a schema yet; `None` for a schema."""
        if path == () and part.keys() == {"file"} and isinstance(part["file"], str):
            return f"write only the path of a schema file: `schema: {part['file']}`"
        if place.prefix[:1] == ("params",) and "value" in part:
            return None
        form = in_full(part, KEYWORDS)
        slip = next((key for key in part if nearest(key, ("type",))), None)
        if form is not None and slip is not None:
            form = Hint(f"did you mean `type`? for an object with the field `{slip}`, {form}", KEYWORDS)
        is_none = bool(part) and not any(key in KEYWORDS or key.startswith("x-") for key in part)
        if form is not None or path or not is_none or place.prefix[:1] == ("params",):
            return form
        inner = next((key for key in part if isinstance(part[key], dict) and part[key].keys() & set(KEYWORDS)), None)
        if inner is not None:
            return f"the schema is one level too deep: keep only what is under `{inner}`"
        return "write `{type: object, properties: {...}}`"


def _undeclared(part: dict[str, Any]) -> Iterator[tuple[int, str, str]]:
    """Yield the required names that an open object does not declare: index, name, and the similar declared name."""
    required, there = part.get("required"), part.get("properties")
    if isinstance(required, list) and isinstance(there, dict) and part.get("additionalProperties") is not False:
        for index, name in enumerate(required):
            free = [each for each in there if each not in required]
            near = nearest(name, free) if isinstance(name, str) and name not in there else None
            if near is not None:
                yield index, name, near


def _as_json(source: SourceText) -> tuple[Document | None, list[Diagnostic]]:
    """Read a JSON file with the JSON reader; the YAML reader provides the places and its own checks."""
    try:
        data = json.loads(source.text, parse_constant=_no_constant)
        json.dumps(data, ensure_ascii=False).encode()  # fails on half of a surrogate pair
    except json.JSONDecodeError as error:
        mark = source.mark(error.pos, error.pos + 1)
        fact, hint = explain(error)
        if source.text[: error.pos].strip() == "" and source.text[error.pos : error.pos + 1].isalpha():
            hint = "if the file contains YAML, use the extension .yaml"
        comma = source.text.rfind(",", 0, error.pos + 1)
        fix = Fix(source.exactly(comma, comma + 1), "") if hint == WITHOUT_COMMA else None
        return None, [Diagnostic(Code.NOT_YAML, f"not JSON: {fact}", mark, hint, fix=fix)]
    except (ValueError, RecursionError) as error:  # thousands of digits or levels: the YAML reader explains it better
        told = compose(source, any_root=True)[1]
        return None, told or [Diagnostic(Code.BAD_NUMBER, f"not JSON: {error}", source.mark(0, 1))]
    # libyaml does not accept tabs as white space; JSON allows them between values, never inside strings.
    document, diagnostics = compose(replace(source, text=source.text.replace("\t", " ")), any_root=True)
    diagnostics = [each for each in diagnostics if each.code in _AS_WRONG_IN_JSON]
    if document is None and any(each.code in _ENDS_READING for each in diagnostics):
        return None, diagnostics
    if document is None or document.data != data:  # where YAML reads other values: keep those of JSON, without places
        document = Document(source, Node("mapping", {}, source, 0, 0))
        document.__dict__["data"] = data
        diagnostics = diagnostics or list(_doubled(source))
    return document, diagnostics


def _no_constant(name: str) -> JSON:
    raise ValueError(f"{name} is not a valid JSON number")


def _doubled(source: SourceText) -> Iterator[Diagnostic]:
    """Yield the duplicate keys of a file that only the JSON reader can read."""
    found: list[str] = []

    def note(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
        names = [name for name, _ in pairs]
        found.extend(name for index, name in enumerate(names) if name in names[:index])
        return dict(pairs)

    json.loads(source.text, object_pairs_hook=note)
    for name in dict.fromkeys(found):
        places = [match.start() for match in re.finditer(re.escape(json.dumps(name)), source.text)]
        start = places[1] if len(places) > 1 else 0
        message = f"the key `{name}` appears twice in one mapping"
        yield Diagnostic(Code.DUPLICATE_KEY, message, source.mark(start, start + len(name) + 2))


def _format_meant(written: str) -> str | None:
    """Return the known format that a misspelled one is similar to; `None` for a known or a custom format."""
    near = "uri" if written.lower() == "url" else closest(written, FORMATS)
    if written in FORMATS or near is None:
        return None
    is_near = SequenceMatcher(None, written.lower(), near).ratio() >= _NEAR or near.startswith(written.lower())
    return near if is_near or near == "uri" else None
