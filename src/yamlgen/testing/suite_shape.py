"""The shape of a test file: one diagnostic for each value that its JSON Schema does not accept.

A mistake is reported once, then repaired or removed, so that the rest of the file can be checked as if it were valid.
A key that is almost certainly a misspelling is read as the correct key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import cache
from typing import Any, Final

from yamlgen.collector import Collector
from yamlgen.diagnostics import Mark
from yamlgen.errors import Code
from yamlgen.parsing.source_map import DataPath, Document, Node
from yamlgen.pipeline.schema_messages import shown_value
from yamlgen.pipeline.value_hints import retyped
from yamlgen.schemas.type_words import KEYS
from yamlgen.schemas.types import kind_of
from yamlgen.suggestions import Hint, closest, folded, knowing, nearest, proposal, suggestion
from yamlgen.testing.suite_schema import committed
from yamlgen.value_objects import JSON

_SURE: Final = 0.75
_OPENS: Final[Mapping[str, str]] = {"mapping": "object", "sequence": "array"}
_CALLED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("tests", "test", "testcases", "examples", "scenarios"), "cases"),
    **dict.fromkeys(("assert", "asserts", "assertions", "check", "checks", "expected", "expectations"), "expect"),
    **dict.fromkeys(("input", "vars", "given", "data"), "row"),
    **dict.fromkeys(("description", "title", "id"), "name"),
    **dict.fromkeys(("condition", "expr", "value"), "expression"),
    **dict.fromkeys(("vars", "variables", "parameters"), "params"),
    **dict.fromkeys(("file", "filename", "source"), "path"),
    **dict.fromkeys(("snapshot", "output"), "golden"),
}
"""Names that other tools use for a key, lowercase and without `-` and `_`; valid only where that key is allowed."""

_ADDED: Final[Mapping[str, str]] = {
    "version": "version: 1",
    "pipeline": "pipeline: pipeline.yaml",
    "cases": "cases: [{name: ..., row: {...}, expect: [...]}]",
    "row": "row: {id: 1, text: ...}",
    "rows": "rows: {path: ...}",
    "fields": "fields: {label.topic: topic}",
}
"""What to add for a missing key, if it is more than a value."""

_FORMS: Final[Mapping[str, str]] = {
    "object": "write a mapping, such as `{name: value}`",
    "array": "write a list, such as `[value]`",
    "string": "write a string",
    "integer": "write an integer",
}
"""The fix of a value of another type, if it is unclear what was meant."""

_FILLED: Final[Mapping[str, str]] = {
    "minLength": "write a value, or remove the key if it is optional",
    "minItems": "add a case, such as `{name: ..., row: {...}, expect: [...]}`",
    "minProperties": "add a field, such as `label.topic: topic`",
}
"""The fix of an empty value, by the rule that it breaks: only `cases` must have items, and only `fields` members."""

_HOMES: Final[Mapping[str, str]] = {
    "CaseModel": "it belongs in a case, under `cases`",
    "CaseRows": "it belongs in `rows`",
    "Expectation": "it belongs in an entry of `expect`",
    "Gold": "it belongs in `gold`",
    "": "it belongs at the top of the file",
}
"""The hint for a key that is known in another mapping, by the definition in the schema."""


@dataclass
class SuiteShape(Collector):
    """The result of the check of a document.

    Attributes:
        document: the document without its broken parts. Its models can be constructed.
        broken: the paths that were removed, in the document with the correct keys; nothing more is reported there.
    """

    document: Document
    broken: set[DataPath] = field(default_factory=set)

    def is_broken(self, *path: str | int) -> bool:
        """Check whether the value at a path, or a value that contains it, was removed."""
        return any(path[:length] in self.broken for length in range(1, len(path) + 1))


@cache
def language() -> Mapping[str, Any]:
    """Return the JSON Schema of test files. The value is shared: do not modify it."""
    schema: dict[str, Any] = json.loads(committed())
    return schema


def checked_shape(document: Document) -> SuiteShape:
    """Check a document against the JSON Schema of test files."""
    shape = SuiteShape(document)
    root = _ShapeReader(document, shape).read(document.root, language(), ())
    shape.document = Document(document.source, root or replace(document.root, value={}))
    once = {(each.code, each.mark): each for each in reversed(shape.diagnostics)}  # an anchor is read at each alias
    shape.diagnostics = list(reversed(once.values()))
    return shape


@dataclass
class _ShapeReader:
    document: Document
    shape: SuiteShape

    def read(self, node: Node, written: Mapping[str, Any], path: DataPath) -> Node | None:
        """Return a node without its broken parts, or `None` if it is broken itself."""
        part = None if node.unread and node.kind == "scalar" else self._fitting(node, written, path)
        if part is None or not self._keeps_rules(node, part, path):
            self.shape.broken.add(path)
            return None
        match part.get("type"):
            case "object" if "properties" in part:
                return self._mapping(node, part, path)
            case "object" if isinstance(part.get("additionalProperties"), dict):
                found = {key: self.read(child, part["additionalProperties"], (*path, key)) for key, child in _of(node)}
                return replace(node, value={key: (node.value[key][0], each) for key, each in found.items() if each})
            case "array":
                items = [self.read(child, part["items"], (*path, at)) for at, child in enumerate(node.value)]
                return replace(node, value=[made or _gap(was) for made, was in zip(items, node.value, strict=True)])
            case "object" if not self.document.is_whole(path):
                self.shape.broken.add(path)
                return None
        return node

    def _fitting(self, node: Node, written: Mapping[str, Any], path: DataPath) -> Mapping[str, Any] | None:
        """Return the schema that applies to a node, by its type; report a node of another type."""
        parts = [_resolved(part) for part in written.get("anyOf", [written])]
        kind = _OPENS.get(node.kind) or str(kind_of(node.value))
        for part in parts:
            if kind == part["type"]:
                return part
        wanted = " or ".join(KEYS[part["type"]] for part in parts)
        value = Document(self.document.source, node).data
        message = f"{self.where(path)} must be {wanted}, not {shown_value(value)}"
        self._complain(Code.WRONG_TYPE, message, node.mark, self._retyped(parts, value, path))
        return None

    @staticmethod
    def _retyped(parts: list[Mapping[str, Any]], value: JSON, path: DataPath) -> str | None:
        if path[-1:] == ("expect",) and isinstance(value, str):
            quoted = json.dumps(value) if "'" in value else f"'{value}'"
            text = quoted if set(value) & set(",[]{}:#\"'") else value
            return f"write a list: `expect: [{text}]`"
        if path[-1:] == ("params",) and isinstance(value, list):
            return "write each parameter under its name, as in `language: English`"
        if path[-2:-1] == ("expect",):
            return "write a condition, such as `steps.label.urgent`"
        wanted = parts[0]["type"] if len(parts) == 1 else ""
        return retyped(path or ("",), wanted, value) or _FORMS.get(wanted)

    def _keeps_rules(self, node: Node, part: Mapping[str, Any], path: DataPath) -> bool:
        """Report a value of the right type that is not allowed, and return whether it is."""
        where, value, hint = self.where(path), node.value, None
        choices = part.get("enum", [part["const"]] if "const" in part else None)
        if choices is not None and value not in choices:
            near = nearest(str(value), map(str, choices))
            hint = f"write {' or '.join(f'`{each}`' for each in choices)}"
            if near is not None:
                hint = proposal(str(value), near, list(map(str, choices)), is_language=True)
            fact = f"cannot be {shown_value(value)}"
        elif any(len(value) < part[rule] for rule in _FILLED if rule in part):
            fact = "cannot be empty"
            hint = next(_FILLED[rule] for rule in _FILLED if rule in part)
        elif "minimum" in part and value < part["minimum"]:
            fact, hint = f"must be at least {part['minimum']}, not {value}", f"write {part['minimum']} or more"
        elif part.get("propertyNames") and "" in value:
            fact = "has an empty key"
        else:
            return True
        self._complain(Code.WRONG_VALUE, f"{where} {fact}", node.mark, knowing(hint, map(str, choices or ())))
        return False

    def _mapping(self, node: Node, part: Mapping[str, Any], path: DataPath) -> Node:
        known = part["properties"]
        kept = {key: pair for key, pair in node.value.items() if key in known}
        for key, pair in node.value.items():
            if key not in known and not (not path and key.startswith("x-")):
                meant = self._unknown(key, pair, kept, part, path)
                if meant is not None:
                    kept[meant] = pair
        made = {key: (name, self.read(child, known[key], (*path, key))) for key, (name, child) in kept.items()}
        if not node.unread:
            self._missing(kept, part, path)
        if len(rivals := [key for key in kept if any(key in each["required"] for each in part.get("oneOf", ()))]) > 1:
            message = f"{self.where(path)} has `{rivals[0]}` and `{rivals[1]}`, but only one of them is allowed"
            self._complain(Code.CONFLICT, message, kept[rivals[1]][0].mark, "remove one")
            self.shape.broken.update((*path, key) for key in rivals)
        return replace(node, value={key: pair for key, pair in made.items() if pair[1]})

    def _unknown(
        self, key: str, pair: tuple[Node, Node], kept: Mapping[str, Any], part: Mapping[str, Any], path: DataPath
    ) -> str | None:
        """Report an unknown key, and return the key that it must be, or `None`."""
        known, mark = part["properties"], pair[0].mark
        near = closest(key, known)
        near = near if near and SequenceMatcher(None, folded(near), folded(key)).ratio() >= _SURE else None
        near = near or (called if (called := _CALLED.get(folded(key))) in known else None)
        message = f"unknown key `{key}` in {self.where(path)}"
        if near is not None and near in kept:
            self._complain(Code.UNKNOWN_KEY, message, mark, Hint(f"remove it: `{near}` is already set", known))
            return None
        if near is not None:
            self._complain(Code.UNKNOWN_KEY, message, mark, proposal(key, near, known, is_language=True))
            return near
        self._complain(Code.UNKNOWN_KEY, message, mark, knowing(_home(key) or self._others(key, known, path), known))
        self.shape.broken.add((*path, key))
        if (likely := nearest(key, known)) is not None and likely not in kept:
            self.shape.broken.add((*path, likely))
        return None

    @staticmethod
    def _others(key: str, known: Mapping[str, Any], path: DataPath) -> str | None:
        hint = suggestion(key, known, "known keys")
        is_custom = not path and nearest(key, known) is None
        return f"{hint}; begin the name of a custom key with `x-`" if is_custom else hint

    def _missing(self, kept: Mapping[str, Any], part: Mapping[str, Any], path: DataPath) -> None:
        mark = self.document.mark(path, key=True)
        for key in part.get("required", ()):
            if key not in kept and (*path, key) not in self.shape.broken:
                hint = f"add `{_ADDED.get(key, f'{key}: ...')}`"
                self._complain(Code.MISSING_KEY, f"{self.where(path)} needs `{key}`", mark, hint)
        choices = [each["required"][0] for each in part.get("oneOf", ())]
        if choices and not any(key in kept or (*path, key) in self.shape.broken for key in choices):
            needed = " or ".join(f"`{key}`" for key in choices)
            hint = f"add {' or '.join(f'`{_ADDED[key]}`' for key in choices)}"
            self._complain(Code.MISSING_KEY, f"{self.where(path)} needs {needed}", mark, hint)

    def where(self, path: DataPath) -> str:
        """Return a path in words, such as "`rows.limit` of case `x`"."""
        match path:
            case ():
                return "the test file"
            case ("cases", int(at)):
                return case_named(self.document, at)
            case ("cases", int(at), *rest):
                return f"{_dotted(rest)} of {case_named(self.document, at)}"
        return _dotted(path)

    def _complain(self, code: Code, message: str, mark: Mark, hint: str | None = None) -> None:
        self.shape.complain(code, message, mark, hint)


def case_named(document: Document, at: int) -> str:
    """Return a case in words, by its name or its number."""
    name = document.root.get("cases", at, "name")
    is_named = name is not None and isinstance(name.value, str) and name.value
    return f"case `{name.value}`" if name is not None and is_named else f"case {at + 1}"


def _of(node: Node) -> Iterator[tuple[str, Node]]:
    return ((key, child) for key, (_, child) in node.value.items())


def _gap(node: Node) -> Node:
    """Return what takes the place of a broken item, so that the others keep their numbers."""
    return replace(node, kind="scalar", value=None)


def _resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
    return language()["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part


def _home(key: str) -> str | None:
    """Return the hint for a key that belongs elsewhere, if it has one place."""
    mappings = {**language()["$defs"], "": language()}
    homes = [name for name, part in mappings.items() if key in part["properties"]]
    return _HOMES[homes[0]] if len(homes) == 1 else None


def _dotted(parts: DataPath | list[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return f"`{text.removeprefix('.')}`"
