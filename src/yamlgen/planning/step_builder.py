"""The steps of one file, each declared by its kind, and their view of the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yamlgen.collector import Collector
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.model_settings import connection_of, is_official, price_of, resolve
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.steps import fan_out
from yamlgen.steps.batch_config import BatchValue
from yamlgen.steps.config_fields import ModelRuntime, ModelSettings, Settings
from yamlgen.steps.declaration import DeclaredStep
from yamlgen.steps.step_config import StepConfig
from yamlgen.steps.step_file import ChosenModel, ColumnReader
from yamlgen.steps.step_kinds import declare
from yamlgen.value_objects import JSON


@dataclass(frozen=True)
class _FileOfStep:
    """A file as seen by one of its steps."""

    parsed: ParsedFile
    name: str
    schemas: Mapping[str, JSONSchema]
    read_column: ColumnReader

    @property
    def folder(self) -> Path:
        return self.parsed.path.parent

    @property
    def shown_folder(self) -> str:
        return self.parsed.folder

    @property
    def schema(self) -> JSONSchema | None:
        return self.schemas.get(self.name)

    @property
    def timeout(self) -> float:
        return self.parsed.pipeline.runtime.timeout

    @property
    def batch(self) -> BatchValue:
        return self.parsed.pipeline.batch

    @property
    def row_id(self) -> str | None:
        return self.parsed.pipeline.input.id

    @property
    def has_aliases(self) -> bool:
        return bool(self.parsed.pipeline.models)

    def is_official(self, connection: ModelRuntime | None) -> bool:
        runtime = self.parsed.pipeline.runtime
        return self.parsed.is_broken_within("runtime") or is_official(
            connection.over(runtime) if connection else runtime
        )

    def mark(self, *path: str | int, key: bool = False) -> Mark:
        return self.parsed.document.mark(("steps", self.name, *path), key=key)

    def is_broken(self, *path: str | int) -> bool:
        return self.parsed.is_broken("steps", self.name, *path)

    def is_broken_within(self, *path: str | int) -> bool:
        return self.parsed.is_broken_within("steps", self.name, *path)

    def lacks_keys(self) -> bool:
        own = len(("steps", self.name, "key"))
        return any(left[:2] == ("steps", self.name) and len(left) == own for left in self.parsed.broken)

    def written(self, *path: str | int) -> Any:
        return self.parsed.document.node(("steps", self.name, *path)).value

    def beside(self, reference: str) -> tuple[Path, str]:
        return self.parsed.beside(reference)

    def fitting(self, reference: str) -> list[str]:
        return self.parsed.fitting(reference)

    def column(self, key: str, path: str, name: str) -> tuple[JSON, ...]:
        return self.read_column(("steps", self.name, key), path, name)

    def settings(
        self, own: Settings, model: str | ModelSettings | None, path: DataPath
    ) -> tuple[ChosenModel | None, list[Diagnostic]]:
        found, problems = resolve(self.parsed, self.name, own, model, ("steps", self.name, *path))
        if found is None:
            return None, problems
        return ChosenModel(found, price_of(self.parsed, model, found), connection_of(self.parsed, model)), problems


@dataclass
class StepBuilder(Collector):
    """Declares the steps of one file.

    Args:
        parsed: the file.
        schemas: the output schemas, by step.
        column: reads a column of a file that a step names.
    """

    parsed: ParsedFile
    schemas: Mapping[str, JSONSchema]
    column: ColumnReader

    def declare(self, name: str, step: StepConfig) -> DeclaredStep[Any]:
        """Return a declared step, and add the mistakes in its own keys to `diagnostics`."""
        declared = declare(name, step, _FileOfStep(self.parsed, name, self.schemas, self.column))
        self.diagnostics.extend(self._unfinished(name))
        self.diagnostics.extend(fan_out.check(name, step, declared.file))
        self.diagnostics.extend(declared.check())
        return declared

    def _unfinished(self, name: str) -> Iterator[Diagnostic]:
        """Report a key that accepts null, but has nothing after its colon: YAML reads this as null, too."""
        for key in ("on_item_error", "on_error"):
            node = self.parsed.document.root.get("steps", name, key)
            if node is not None and node.value is None and node.start == node.end and not node.alias:
                message = f"`{key}` of step `{name}` has no value"
                yield Diagnostic(Code.WRONG_VALUE, message, node.mark, "write `fail` or `null`")

    def forgive(self, unwrapped: AbstractSet[str], taken_apart: AbstractSet[str]) -> None:
        """Drop reports that steps have no items or no schema, since their references were already reported."""
        at = self.parsed.document.mark
        marks = {at(("steps", name, "on_item_error"), key=True) for name in unwrapped}
        marks |= {at(("steps", name, "output"), key=True) for name in taken_apart}
        self.diagnostics = [each for each in self.diagnostics if each.mark not in marks]
