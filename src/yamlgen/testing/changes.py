"""How a request differs from a recorded one, by file and line: a line of a prompt, or a key of the pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from yamlgen.errors import Mark, near
from yamlgen.expressions.evaluation import parse_expression
from yamlgen.expressions.rendered_parts import paths_of
from yamlgen.parsing.source_map import DataPath, Document
from yamlgen.parsing.yaml_parser import compose, read
from yamlgen.planning.plan import Plan
from yamlgen.steps.plan_step import PlanStep
from yamlgen.testing.line_ends import with_lf
from yamlgen.testing.prompt_changes import Change, TextChanges, short
from yamlgen.testing.recordings import Recording, fingerprint_of
from yamlgen.testing.sent_parts import MissedRow, SentPart, sent_parts, text_of
from yamlgen.value_objects import JSON

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
        row: the row of the request.
        others: all recorded requests of the step.
    """

    plan: Plan
    step: PlanStep
    row: MissedRow
    others: Sequence[Mapping[str, JSON]]

    def between(self, old: Recording, new: Mapping[str, JSON]) -> tuple[Change, ...]:
        """Return how a request differs from a recorded one; at most ten changes, and how many more there are."""
        recorded = with_lf(old.request)
        found = list(dict.fromkeys([*self._texts(recorded, new), *self._settings(recorded, new)]))
        found = found or [*self._parts(recorded, new)] or [self._unseen(old)]
        more = len(found) - MOST
        return tuple(found[:MOST]) + (((f"and {more} more", None, None),) if more > 0 else ())

    def _texts(self, old: Mapping[str, JSON], new: Mapping[str, JSON]) -> Iterator[Change]:
        before, after = _texts_of(old), _texts_of(new)
        changed = [field for field in {**after, **before} if before.get(field, "") != after.get(field, "")]
        if not changed:
            return
        parts = sent_parts(self.step, self.row, after)
        others = [_texts_of(each) for each in self.others]
        for field in changed:
            same = frozenset(each[field] for each in others if field in each)
            known = parts.get(field, [])
            text = after.get(field, "")
            if not text.startswith("".join(part.text for part in known)):
                known = []
            yield from TextChanges(field, before.get(field, ""), text, known, same, self._value_place)

    def _value_place(self, part: SentPart) -> str | None:
        """Return the place of the values that a part of a prompt is made of; `None` if it is not known."""
        if not part.reads:
            return part.place()
        reads = set(part.reads)
        if any(path[0] in ("item", "item_index") for path in reads) and self.step.for_each is not None:
            reads = {path for path in reads if path[0] not in ("item", "item_index")}
            reads |= set(paths_of(parse_expression(self.step.for_each)))
        roots = {path[0] for path in reads}
        if roots == {"row"}:
            return self.row.place
        if roots == {"matrix"}:
            return self._key("matrix")
        if roots == {"steps"} and len(reads) == 1:
            return f"`{'.'.join(reads.pop())}`"
        if roots == {"params"} and len(reads) == 1:
            return self._parameter(reads.pop()[-1])
        return None

    def _parameter(self, name: str) -> str | None:
        """Return the place of the default value of a parameter, if it has this value."""
        document = self._document()
        declared = None if document is None else document.root.get("params", name, "default")
        if document is None or declared is None or declared.value != self.plan.params.get(name):
            return f"`params.{name}`"
        return _told(document.mark(("params", name, "default"), key=True))

    def _parts(self, old: Mapping[str, JSON], new: Mapping[str, JSON]) -> Iterator[Change]:
        """Yield the parts of the prompt that differ, although their texts are the same."""
        for name in ("system", "messages"):
            for path, one, two in _unequal(old.get(name), new.get(name), (name,)):
                yield f"`{'.'.join(map(str, path))}`", _member((), one), _member((), two)

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

    def _unseen(self, old: Recording) -> Change:
        """Return the change of a request whose body is the same as the recorded one."""
        version, document = self.plan.runtime.api_version, self._document()
        if fingerprint_of(version, old.sample, old.request) == old.fingerprint:
            keys = {"samples": self.step.samples, "for_each": self.step.for_each, "matrix": self.step.matrix}
            key = next((name for name, value in keys.items() if value is not None), None)
            return "`samples`" if key is None else self._key(key), None, "another sample"
        node = None if document is None else document.root.get("runtime", "api_version")
        if document is None or node is None:
            return "`api_version`", None, short(version)
        return _told(document.mark(("runtime", "api_version"), key=True)), None, f"api_version: {version}"

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


def _texts_of(body: Mapping[str, JSON]) -> dict[str, str]:
    """Return the texts of a request by their fields: `system`, `messages[0]`."""
    made = {"system": text_of(body["system"])} if body.get("system") else {}
    turns = enumerate(body.get("messages") or [])
    return {**made, **{f"messages[{index}]": text_of(turn.get("content")) for index, turn in turns}}


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
    return short(f"{name}{json.dumps(value, ensure_ascii=False)}")


def _told(mark: Mark) -> str:
    return f"{mark.file}:{mark.line}"
