"""A place in a template or an expression of a pipeline: the names in its scope, and the references around it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from yamlgen.expressions.static_types import ANYTHING, Absent, TypeView
from yamlgen.expressions.template_checks import typed_references
from yamlgen.language_server.analyses import Analysis
from yamlgen.language_server.mended_text import CURSOR
from yamlgen.language_server.places import NodePlace
from yamlgen.language_server.template_cursor import TemplateCursor
from yamlgen.parsing.source_map import DataPath
from yamlgen.schemas.types import referred
from yamlgen.value_objects import JSON

_EXPRESSION_KEYS: Final = frozenset({"when", "for_each", "check", "where", "unique", "value", "split_by", "from"})
_EXPRESSION_PARENTS: Final = frozenset({"values", "args", "columns"})
_TEMPLATE_KEYS: Final = frozenset({"prompt", "system", "content", "message"})
_KEY: Final = re.compile(r"\.\s*(\w+)|\[\s*(?:\"([^\"]*)\"|'([^']*)'|(-?\d+))\s*\]")
_REFERENCE: Final = re.compile(rf"(?<![\w.])(?:row|steps|params|thinking|item|matrix|output)(?:{_KEY.pattern})+")
_LOCAL: Final = re.compile(r"\{%[-+]?\s*(?:for\s+([\w\s,]+?)\s+in\b|set\s+(\w+))")
_DEEPEST: Final = 8


@dataclass(frozen=True)
class TemplatePlace:
    """A place in a template or an expression.

    Attributes:
        path: the path of the template in the pipeline.
        source: the template.
        at: the offset of the place in it.
        is_expression: whether it is an expression, without braces.
        names: the names that it can read, with their types.
        analysis: what is known of the pipeline.
    """

    path: DataPath
    source: str
    at: int
    is_expression: bool
    names: Mapping[str, TypeView]
    analysis: Analysis | None

    @property
    def step(self) -> str | None:
        """The step that it belongs to."""
        return str(self.path[1]) if self.path[:1] == ("steps",) and len(self.path) > 1 else None

    def reference(self) -> tuple[int, int, TypeView] | None:
        """Return the shortest reference that ends at or after the place, and contains it: start, end, type."""
        found = typed_references(self.source, self.names, is_expression=self.is_expression)
        around = [each for each in found or self._written() if each[0] <= self.at <= each[1]]
        return min(around, key=lambda each: each[1], default=None)

    def _written(self) -> Iterator[tuple[int, int, TypeView]]:
        """Yield what looks like references, and the parts of them, in a source that cannot be parsed."""
        for match in _REFERENCE.finditer(self.source):
            for part in _KEY.finditer(self.source, match.start(), match.end()):
                yield match.start(), part.end(), self.type_of(self.source[match.start() : part.end()])

    def owner(self, cursor: TemplateCursor) -> TypeView:
        """Return the type of the reference whose member is wanted."""
        found = typed_references(cursor.cut, self.names, is_expression=self.is_expression)
        ending = [each for each in found if each[1] == cursor.owner_end]
        if ending:
            return min(ending)[2]
        return self.type_of(cursor.owner)

    def type_of(self, reference: str) -> TypeView:
        """Return the type of a reference to a name in scope."""
        root, *keys = chain(reference)
        view = self.names.get(str(root), ANYTHING)
        for key in keys:
            try:
                view = view.solid().member(key)
            except Absent:
                return ANYTHING
        return view

    def local_names(self) -> list[str]:
        """Return the names that the template itself sets before the place."""
        found = _LOCAL.finditer(self.source, 0, self.at)
        return list(dict.fromkeys(word for each in found for word in re.findall(r"\w+", each[1] or each[2])))


def template_place(analysis: Analysis | None, place: NodePlace) -> TemplatePlace | None:
    """Return a place of a pipeline as a place of a template; `None` if it is in none."""
    if place.is_key or not isinstance(place.node.value, str) or place.node.alias:
        return None
    source = place.node.value.replace(CURSOR, "", 1)
    path = place.path
    scoped = analysis.scoped(path) if analysis is not None else None
    if scoped is None and analysis is not None and str(path[0]).startswith("x-"):
        uses = (at for at, each in analysis.compiled.scoped.items() if each.template.source == source)
        path = next(uses, path)
        scoped = analysis.scoped(path)
    if scoped is not None:
        is_expression = scoped.template.is_expression
    else:
        is_expression = _is_expression(path)
        if not (is_expression or path[-1] in _TEMPLATE_KEYS or "{{" in source or "{%" in source):
            return None
    names: Mapping[str, TypeView] = {} if analysis is None else analysis.names(path)
    return TemplatePlace(path, source, place.at, is_expression, names, analysis)


def _is_expression(path: DataPath) -> bool:
    """Check whether the value at a path is an expression, in a file of which no more can be read."""
    if path[0] not in ("steps", "output", "outputs", "input"):
        return False
    return path[-1] in _EXPRESSION_KEYS or any(part in _EXPRESSION_PARENTS for part in path[1:-1])


def chain(reference: str) -> list[str | int]:
    """Return the parts of a reference such as `steps.profile["age"]`."""
    root = re.match(r"\s*(\w+)", reference)
    keys: list[str | int] = [root[1]] if root else [""]
    for name, double, single, number in _KEY.findall(reference[root.end() if root else 0 :]):
        keys.append(int(number) if number else name or double or single)
    return keys


def fields_of(view: TypeView) -> list[str]:
    """Return the known members of a value, in order."""
    members = getattr(view, "members", None)
    if members is not None:
        return [str(name) for name in members]
    schema = view.solid().type().schema
    return list(dict.fromkeys(_properties(schema, schema, _DEEPEST)))


def _properties(schema: JSON, root: Any, depth: int) -> Iterator[str]:
    if not isinstance(schema, dict) or depth == 0:
        return
    yield from schema.get("properties", {})
    if isinstance(schema.get("$ref"), str):
        yield from _properties(referred(root, schema["$ref"]), root, depth - 1)
    for word in ("anyOf", "oneOf", "allOf"):
        for branch in schema.get(word, ()):
            yield from _properties(branch, root, depth - 1)
