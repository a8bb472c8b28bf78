"""What a template may find where it looks: the static types of row, params, steps and of outputs.

Owns the walk down into a JSON Schema by keys: whether a value that the schema accepts can have such a member, and
what is known of it. It answers "no" only when no accepted value can have it; what cannot be known is `ANYTHING`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from yamlgen.errors import Code
from yamlgen.language.pointer import follow
from yamlgen.language.schemas import json_schema
from yamlgen.ports import JSON

_MOST_REFS = 32


class Absent(Exception):  # noqa: N818 - an answer: no value can have this member
    """No such member: the sentence's subject, and the members that there are."""

    def __init__(self, code: Code, message: str, known: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.known = known


class View(Protocol):
    """What is known about a value before any row is run."""

    def member(self, key: str | int) -> View:
        """The member under `key`.

        Raises:
            Absent: no value seen through this view has it.
        """
        ...

    def element(self) -> View:
        """What a loop over the value yields.

        Raises:
            Absent: the value cannot be looped over.
        """
        ...


class _Anything:
    def member(self, key: str | int) -> View:  # noqa: ARG002 - whatever the key
        return ANYTHING

    def element(self) -> View:
        return ANYTHING


ANYTHING: Final[View] = _Anything()


@dataclass(frozen=True, slots=True)
class Names:
    """A closed set of names: `params`, `steps`, or the columns of a CSV."""

    code: Code
    what: str
    members: Mapping[str, View]

    def member(self, key: str | int) -> View:
        """The view under a name."""
        if key in self.members:
            return self.members[str(key)]
        raise Absent(self.code, f"unknown {self.what} `{key}`", tuple(self.members))

    def element(self) -> View:
        """A loop over the mapping yields its keys."""
        return ANYTHING


@dataclass(frozen=True, slots=True)
class SchemaView:
    """A value of which a JSON Schema is known."""

    schema: JSON
    root: JSON
    name: str

    def member(self, key: str | int) -> View:
        """The member that an accepted value may have under `key`."""
        return self._member(self.schema, key, _MOST_REFS)

    def element(self) -> View:
        """An item of the list; the keys of an object, the characters of a text."""
        schema = self._resolved(self.schema, _MOST_REFS)
        types = _types(schema)
        if types and not types & {"array", "object", "string"}:
            raise Absent(Code.UNKNOWN_FIELD, f"`{self.name}` is no list: it is {_spoken(types)}")
        if types == {"array"} and isinstance(schema.get("items"), dict):
            return SchemaView(schema["items"], self.root, f"{self.name}[]")
        return ANYTHING

    def _resolved(self, schema: JSON, depth: int) -> Mapping[str, Any]:
        while isinstance(schema, dict) and isinstance(schema.get("$ref"), str) and len(schema) == 1 and depth > 0:
            schema, depth = _referred(self.root, schema["$ref"]), depth - 1
        return schema if isinstance(schema, dict) else {}

    def _member(self, schema: JSON, key: str | int, depth: int) -> View:
        if not isinstance(schema, dict) or depth <= 0:
            return ANYTHING
        found = [self._own(schema, key)]
        if isinstance(schema.get("$ref"), str):
            found.append(self._member(_referred(self.root, schema["$ref"]), key, depth - 1))
        found.extend(self._member(part, key, depth - 1) for part in schema.get("allOf", ()))
        unions = (schema[word] for word in ("anyOf", "oneOf") if schema.get(word))
        found.extend(self._any_of(branches, key, depth - 1) for branches in unions)
        return next((view for view in found if view is not ANYTHING), ANYTHING)

    def _any_of(self, branches: list[JSON], key: str | int, depth: int) -> View:
        absent: Absent | None = None
        views: list[View] = []
        for branch in branches:
            try:
                views.append(self._member(branch, key, depth))
            except Absent as error:
                absent = error if absent is None or len(error.known) > len(absent.known) else absent
        if not views and absent is not None:
            raise absent
        return views[0] if len(views) == 1 else ANYTHING

    def _own(self, schema: Mapping[str, Any], key: str | int) -> View:
        types = _types(schema)
        if isinstance(key, int):
            return self._item(schema, types, key)
        if types and "object" not in types:
            if "string" in types and not key.startswith("_") and hasattr(str, key):
                return ANYTHING
            raise Absent(Code.UNKNOWN_FIELD, f"`{self.name}` has no `{key}`: it is {_spoken(types)}")
        properties = schema.get("properties", {})
        name = f"{self.name}.{key}"
        if key in properties:
            return SchemaView(properties[key], self.root, name)
        for pattern, part in schema.get("patternProperties", {}).items():
            if _may_match(pattern, key):
                return SchemaView(part, self.root, name)
        rest = schema.get("additionalProperties")
        if rest is False:
            raise Absent(Code.UNKNOWN_FIELD, f"`{self.name}` has no `{key}` by its schema", tuple(properties))
        return SchemaView(rest, self.root, name) if isinstance(rest, dict) else ANYTHING

    def _item(self, schema: Mapping[str, Any], types: set[str], index: int) -> View:
        if types and not types & {"array", "string", "object"}:
            raise Absent(Code.UNKNOWN_FIELD, f"`{self.name}` has no [{index}]: it is {_spoken(types)}")
        if types == {"object"}:
            raise Absent(Code.UNKNOWN_FIELD, f"`{self.name}` has no [{index}]: it is an object, its keys are text")
        items = schema.get("items")
        if types == {"array"} and isinstance(items, dict) and "prefixItems" not in schema:
            return SchemaView(items, self.root, f"{self.name}[{index}]")
        return ANYTHING


def text_view(name: str) -> View:
    """The view of a step without an output schema: text."""
    return SchemaView({"type": "string"}, True, name)  # noqa: FBT003 - the JSON Schema `true`


def _referred(root: JSON, ref: str) -> JSON:
    """The part of a bundled schema that a local `$ref` points to; `True`, which accepts all, when there is none."""
    try:
        return follow(root, ref[1:]) if ref == "#" or ref.startswith("#/") else True
    except LookupError:
        return True


def _types(schema: Mapping[str, Any]) -> set[str]:
    types = schema.get("type")
    if isinstance(types, str):
        return {types}
    return set(types) if isinstance(types, list) else set()


_SPOKEN = {"array": "a list", "object": "an object", "string": "text", "null": "null", "boolean": "a boolean"}


def _spoken(types: set[str]) -> str:
    return " or ".join(_SPOKEN.get(kind, f"a{'n' if kind == 'integer' else ''} {kind}") for kind in sorted(types))


def _may_match(pattern: str, key: str) -> bool:
    """Whether a property of this name falls under a pattern, by the engine that checks outputs, which cannot hang."""
    return not json_schema({"pattern": pattern}).errors(key)
