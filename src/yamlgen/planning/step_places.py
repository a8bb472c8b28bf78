"""Where the settings of a step come from, by file and line: for messages about what differs in a request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yamlgen.diagnostics import Mark
from yamlgen.errors import near
from yamlgen.parsing.source_map import DataPath, Document
from yamlgen.parsing.yaml_parser import compose, read
from yamlgen.planning.plan import Plan
from yamlgen.steps.plan_step import PlanStep
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class StepPlaces:
    """Finds the places of the settings of a step of a plan, each as `file:line`, or as the name of a key."""

    plan: Plan
    step: PlanStep

    def parameter(self, name: str) -> str | None:
        """Return the place of the default value of a parameter, if it has this value."""
        document = self.document
        declared = None if document is None else document.root.get("params", name, "default")
        if document is None or declared is None or declared.value != self.plan.params.get(name):
            return f"`params.{name}`"
        return line_of(document.mark(("params", name, "default"), key=True))

    @property
    def document(self) -> Document | None:
        """The pipeline file; `None` if the step has no template."""
        return next((each.document for each in self.step.templates), None)

    def _alias(self, document: Document) -> str | None:
        for path in (("steps", self.step.name, "model"), ("model",)):
            node = document.root.get(*path)
            if node is not None and node.kind == "scalar":
                return str(node.value)
        return None

    def key(self, key: str) -> str:
        """Return the place of a setting of the step: in the step, in its model, or at the top of the file."""
        document = self.document
        if document is None:
            return near(self.plan.file)
        own: DataPath = ("steps", self.step.name)
        alias = self._alias(document)
        named: list[DataPath] = [] if alias is None else [("models", alias, key), ("models", alias)]
        paths: list[DataPath] = [(*own, key), (*own, "model", key), *named[:1], ("model", key)]
        paths += [(*own, "matrix", "model"), *named[1:], (*own, "model"), ("model",), own]
        return line_of(document.mark(_first(document, paths), key=True))

    def model(self, old: JSON) -> str:
        """Return the place of the model's id, or of the name of another model that the step used before."""
        document = self.document
        if document is not None:
            models = document.data.get("models") or {}
            ids = [each.get("id") if isinstance(each, dict) else each for each in models.values()]
            own: list[DataPath] = [("steps", self.step.name, "matrix", "model"), ("steps", self.step.name, "model")]
            alias = self._alias(document)
            if old in ids or alias not in models:
                return line_of(document.mark(_first(document, [*own, ("model",)]), key=True))
        return self.key("id")

    def schema(self, inner: DataPath = ()) -> str | None:
        """Return the place of a part of the step's schema, in the pipeline or in a file of its own."""
        document, path = self.document, ("steps", self.step.name, "output", "schema")
        node = None if document is None else document.root.get(*path)
        if document is None or node is None:
            return None
        if node.kind == "scalar":
            file = self.plan.folder / str(node.value)
            text, _ = read(file, near(file))
            schema = None if text is None else compose(text)[0]
            if schema is not None:
                return line_of(schema.mark(inner, key=True))
        return line_of(document.mark((*path, *inner), key=True))


def _first(document: Document, paths: list[DataPath]) -> DataPath:
    """Return the first of these paths that exists."""
    return next((path for path in paths if document.root.get(*path) is not None), paths[-1])


def line_of(mark: Mark) -> str:
    """Return a place as `file:line`."""
    return f"{mark.file}:{mark.line}"


def unequal(one: JSON, other: JSON, at: DataPath) -> Iterator[tuple[DataPath, JSON, JSON]]:
    """Yield the innermost members that differ; a list counts as one value, unless it has the same length."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            yield from unequal(one.get(name), other.get(name), (*at, name))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other) and one and _are_objects(one):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from unequal(left, right, (*at, number))
    elif one != other or isinstance(one, bool) is not isinstance(other, bool):
        yield at, one, other


def _are_objects(values: list[JSON]) -> bool:
    return all(isinstance(each, dict) for each in values)
