"""How a request differs from a recorded one, by file and line: a line of a prompt, or a key of the pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final, TypeAlias

from yamlgen.errors import Mark, near
from yamlgen.excerpts import brief
from yamlgen.parsing.source_map import DataPath, Document
from yamlgen.parsing.yaml_parser import compose, read
from yamlgen.planning.plan import Plan
from yamlgen.steps.plan_step import PlanStep
from yamlgen.testing.template_lines import TemplateLine, matching, template_lines
from yamlgen.value_objects import JSON

Change: TypeAlias = tuple[str, str | None, str | None]
"""The place, as `file:line`; the old and the new line, `None` if there is none."""

MOST: Final = 10
"""The number of changes that are reported one by one."""

_KEYS: Final[Mapping[str, str]] = {"output_config.effort": "effort", "tool_choice": "output", "stream": "max_tokens"}
"""The keys of a step that other fields of a request come from."""

_SCHEMAS: Final = ("output_config.format.schema", "tools.0.input_schema", "output_config.format", "tools")


@dataclass(frozen=True, slots=True)
class ChangeFinder:
    """Finds how the requests of a step differ from recorded ones.

    Attributes:
        plan: the plan that sends the requests.
        step: the step.
        data: the place of the rows, as `file:line`, for a change that comes from a row.
    """

    plan: Plan
    step: PlanStep
    data: str

    def between(self, old: Mapping[str, JSON], new: Mapping[str, JSON]) -> tuple[Change, ...]:
        """Return how a request differs from a recorded one; at most ten changes, and how many more there are."""
        found = list(dict.fromkeys([*self._texts(old, new), *self._settings(old, new)])) or [self._unseen()]
        more = len(found) - MOST
        return tuple(found[:MOST]) + (((f"and {more} more", None, None),) if more > 0 else ())

    def _texts(self, old: Mapping[str, JSON], new: Mapping[str, JSON]) -> Iterator[Change]:
        for role, before, after in _pairs(old, new):
            if before != after:
                yield from self._lines(role, before, after)

    def _lines(self, role: str, before: str, after: str) -> Iterator[Change]:
        known = template_lines(self.step, role)
        old, new = before.splitlines(), after.splitlines()
        for kind, one, two, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if kind == "equal":
                continue
            last = next((found for line in reversed(new[:start]) if (found := matching(known, line))), None)
            for left, right in zip_longest(old[one:two], new[start:end]):
                found = last if right is None else matching(known, right)
                yield self._place(found, left, right), _short(left), _short(right)

    def _place(self, found: TemplateLine | None, old: str | None, new: str | None) -> str:
        """Return where a changed line comes from: its template, or a row."""
        if found is None:
            return self._schema_place() or self._key("prompt")
        is_data = old is not None and new is not None and found.fits(old) and found.fits(new)
        return self.data if is_data and found.has_only_data else _told(found.mark)

    def _settings(self, old: Mapping[str, JSON], new: Mapping[str, JSON]) -> Iterator[Change]:
        for name in sorted({*old, *new} - {"messages", "system"}):
            nothing: JSON = {} if name == "output_config" else None
            for path, one, two in _unequal(old.get(name, nothing), new.get(name, nothing), (name,)):
                shown = ".".join(map(str, path))
                schema = next((each for each in _SCHEMAS if shown == each or shown.startswith(f"{each}.")), None)
                if schema is not None:
                    inner = path[len(schema.split(".")) :]
                    yield self._schema_place(inner) or self._key("output"), _member(inner, one), _member(inner, two)
                else:
                    key = _KEYS.get(shown, name)
                    place = self._model(one) if name == "model" else self._key(key)
                    yield place, _member((key,), one), _member((key,), two)

    def _unseen(self) -> Change:
        """Return the change of a request whose body is the same as the recorded one."""
        document = self._document()
        if self.step.samples is not None:
            return self._key("samples"), None, "another sample"
        place = self.data if document is None else _told(document.mark(("runtime", "api_version"), key=True))
        return place, None, "api_version"

    def _document(self) -> Document | None:
        return next((each.document for each in self.step.templates), None)

    def _alias(self, document: Document) -> str | None:
        for path in (("steps", self.step.name, "model"), ("model",)):
            node = document.root.get(*path)
            if node is not None and node.kind == "scalar":
                return str(node.value)
        return None

    def _key(self, key: str) -> str:
        """Return the place of a setting of the step: in the step, in its model, or at the top of the file."""
        document = self._document()
        if document is None:
            return near(self.plan.file)
        own: DataPath = ("steps", self.step.name)
        alias = self._alias(document)
        named: list[DataPath] = [] if alias is None else [("models", alias, key), ("models", alias)]
        paths: list[DataPath] = [(*own, key), (*own, "model", key), *named[:1], ("model", key)]
        paths += [(*own, "matrix", "model"), *named[1:], (*own, "model"), ("model",), own]
        return _told(document.mark(_first(document, paths), key=True))

    def _model(self, old: JSON) -> str:
        """Return the place of the model's id, or of the name of another model that the step used before."""
        document = self._document()
        if document is not None:
            models = document.data.get("models") or {}
            ids = [each.get("id") if isinstance(each, dict) else each for each in models.values()]
            own: list[DataPath] = [("steps", self.step.name, "matrix", "model"), ("steps", self.step.name, "model")]
            alias = self._alias(document)
            if old in ids or alias not in models:
                return _told(document.mark(_first(document, [*own, ("model",)]), key=True))
        return self._key("id")

    def _schema_place(self, inner: DataPath = ()) -> str | None:
        """Return the place of a part of the step's schema, in the pipeline or in a file of its own."""
        document, path = self._document(), ("steps", self.step.name, "output", "schema")
        node = None if document is None else document.root.get(*path)
        if document is None or node is None:
            return None
        if node.kind == "scalar":
            file = self.plan.folder / str(node.value)
            text, _ = read(file, near(file))
            schema = None if text is None else compose(text)[0]
            if schema is not None:
                return _told(schema.mark(inner, key=True))
        return _told(document.mark((*path, *inner), key=True))


def _pairs(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> Iterator[tuple[str, str, str]]:
    """Yield the role of each text of two requests, with the old and the new text."""
    yield "system", text_of(old.get("system")), text_of(new.get("system"))
    turns: list[list[dict[str, JSON]]] = [list(each.get("messages") or []) for each in (old, new)]
    for before, after in zip_longest(*turns, fillvalue={}):
        role = str(after.get("role") or before.get("role"))
        yield role, text_of(before.get("content")), text_of(after.get("content"))


def text_of(content: JSON) -> str:
    """Return the text of a system prompt or of the content of a message."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return json.dumps(content, ensure_ascii=False)
    texts = (each.get("text") if isinstance(each, dict) else None for each in content)
    return "\n".join(
        json.dumps(block, ensure_ascii=False) if text is None else str(text)
        for block, text in zip(content, texts, strict=True)
    )


def _unequal(one: JSON, other: JSON, at: DataPath) -> Iterator[tuple[DataPath, JSON, JSON]]:
    """Yield the innermost members that differ; a list counts as one value, unless it has the same length."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            yield from _unequal(one.get(name), other.get(name), (*at, name))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other) and one and _are_objects(one):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _unequal(left, right, (*at, number))
    elif one != other or isinstance(one, bool) is not isinstance(other, bool):
        yield at, one, other


def _are_objects(values: list[JSON]) -> bool:
    return all(isinstance(each, dict) for each in values)


def _first(document: Document, paths: list[DataPath]) -> DataPath:
    """Return the first of these paths that exists."""
    return next((path for path in paths if document.root.get(*path) is not None), paths[-1])


def _member(path: DataPath, value: JSON) -> str | None:
    if value is None:
        return None
    name = f"{path[-1]}: " if path else ""
    return _short(f"{name}{json.dumps(value, ensure_ascii=False)}")


def _short(line: str | None) -> str | None:
    return None if line is None else brief(line.strip())


def _told(mark: Mark) -> str:
    return f"{mark.file}:{mark.line}"
