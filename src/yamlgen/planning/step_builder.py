"""The steps of one file, each declared by its kind: what they are told of the file, and their steps of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yamlgen.collector import Collector
from yamlgen.errors import Diagnostic, Mark
from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.model_settings import price_of, resolve
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.steps import fan_out
from yamlgen.steps.declared import DeclaredStep
from yamlgen.steps.fields import ModelSettings, Price, Settings
from yamlgen.steps.step_fields import StepFields
from yamlgen.steps.step_file import ColumnReader
from yamlgen.steps.table import declare
from yamlgen.values import JSON


@dataclass(frozen=True)
class _FileOfStep:
    """A file as one of its steps sees it."""

    draft: ParsedFile
    name: str
    schemas: Mapping[str, JSONSchema]
    read_column: ColumnReader

    @property
    def folder(self) -> Path:
        return self.draft.path.parent

    @property
    def shown_folder(self) -> str:
        return self.draft.folder

    @property
    def schema(self) -> JSONSchema | None:
        return self.schemas.get(self.name)

    @property
    def timeout(self) -> float:
        return self.draft.pipeline.runtime.timeout

    @property
    def has_aliases(self) -> bool:
        return bool(self.draft.pipeline.models)

    def mark(self, *path: str | int, key: bool = False) -> Mark:
        return self.draft.document.mark(("steps", self.name, *path), key=key)

    def is_broken(self, *path: str | int) -> bool:
        return self.draft.is_broken("steps", self.name, *path)

    def is_broken_within(self, *path: str | int) -> bool:
        return self.draft.is_broken_within("steps", self.name, *path)

    def lacks_keys(self) -> bool:
        own = len(("steps", self.name, "key"))
        return any(left[:2] == ("steps", self.name) and len(left) == own for left in self.draft.broken)

    def written(self, *path: str | int) -> Any:
        return self.draft.document.node(("steps", self.name, *path)).value

    def beside(self, reference: str) -> tuple[Path, str]:
        return self.draft.beside(reference)

    def fitting(self, reference: str) -> list[str]:
        return self.draft.fitting(reference)

    def column(self, key: str, path: str, name: str) -> tuple[JSON, ...]:
        return self.read_column(("steps", self.name, key), path, name)

    def settings(
        self, own: Settings, model: str | ModelSettings | None, path: DataPath
    ) -> tuple[Settings | None, Price | None, list[Diagnostic]]:
        found, problems = resolve(self.draft, self.name, own, model, ("steps", self.name, *path))
        return found, None if found is None else price_of(self.draft, model, found), problems


@dataclass
class StepBuilder(Collector):
    """Declares the steps of one file.

    Args:
        draft: the file.
        schemas: the output schemas, by step.
        column: reads a column of a file that a step names.
    """

    draft: ParsedFile
    schemas: Mapping[str, JSONSchema]
    column: ColumnReader

    def declare(self, name: str, step: StepFields) -> DeclaredStep[Any]:
        """A step, and in `diagnostics` what is wrong with what is its own: its model, its matrix, its draws."""
        declared = declare(name, step, _FileOfStep(self.draft, name, self.schemas, self.column))
        self.diagnostics.extend(fan_out.check(name, step, declared.file))
        self.diagnostics.extend(declared.check())
        return declared

    def forgive(self, unwrapped: AbstractSet[str], taken_apart: AbstractSet[str]) -> None:
        """Say no more of steps that they have no items, or no schema: that was told of what refers to those."""
        at = self.draft.document.mark
        marks = {at(("steps", name, "on_item_error"), key=True) for name in unwrapped}
        marks |= {at(("steps", name, "output"), key=True) for name in taken_apart}
        self.diagnostics = [each for each in self.diagnostics if each.mark not in marks]
