"""The interface of a pipeline's file to its steps: places, broken parts, and files next to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.parsing.source_map import DataPath
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.steps.batch_config import BatchValue
from yamlgen.steps.config_fields import ModelRuntime, ModelSettings, Price, Settings
from yamlgen.value_objects import JSON

ColumnReader: TypeAlias = Callable[[DataPath, str, str], tuple[JSON, ...]]
"""Reads a column of a file. Arguments: the path of the pipeline's key, the path as written, the column's name."""


class ChosenModel(NamedTuple):
    """A model of a step: its settings, and the price and the connection that the author has set."""

    settings: Settings
    price: Price | None
    connection: ModelRuntime | None


class StepFile(Protocol):
    """The file of a pipeline, as seen by one of its steps. Paths into the file start at the step."""

    @property
    def folder(self) -> Path:
        """The folder that the pipeline's paths are relative to."""
        ...

    @property
    def shown_folder(self) -> str:
        """The folder as shown in messages; empty for the working directory."""
        ...

    @property
    def schema(self) -> JSONSchema | None:
        """The step's `output.schema`; `None` if it is missing or cannot be read."""
        ...

    @property
    def timeout(self) -> float:
        """The pipeline's `runtime.timeout`, in seconds."""
        ...

    @property
    def batch(self) -> BatchValue:
        """The pipeline's `batch`."""
        ...

    @property
    def row_id(self) -> str | None:
        """The column that identifies a row; `None` if the file sets none."""
        ...

    @property
    def has_aliases(self) -> bool:
        """Whether the pipeline has `models`."""
        ...

    def is_official(self, connection: ModelRuntime | None) -> bool:
        """Whether requests go to Anthropic's own address, as far as that is known."""
        ...

    def mark(self, *path: str | int, key: bool = False) -> Mark:
        """Return the place of the value at a path, or of its key."""
        ...

    def is_broken(self, *path: str | int) -> bool:
        """Return whether the value at a path was dropped because it, or a value that contains it, is wrong."""
        ...

    def is_broken_within(self, *path: str | int) -> bool:
        """Return whether the value at a path, or a value inside it, was dropped because it is wrong."""
        ...

    def lacks_keys(self) -> bool:
        """Return whether one of the step's own keys was dropped because it is wrong or unknown."""
        ...

    def written(self, *path: str | int) -> Any:
        """Return the value at a path as written: a string, a number, `None`, or the nodes of a mapping or a list."""
        ...

    def beside(self, reference: str) -> tuple[Path, str]:
        """Resolve a path in the pipeline; also return how messages show it."""
        ...

    def fitting(self, reference: str) -> list[str]:
        """Return the paths that match a pattern; a path without a pattern is returned as it is."""
        ...

    def column(self, key: str, path: str, name: str) -> tuple[JSON, ...]:
        """Return the values (at least one) of a column of a file that is named under a key of the step.

        Raises:
            YamlgenError: the file or the column does not exist.
        """
        ...

    def settings(
        self, own: Settings, model: str | ModelSettings | None, path: DataPath
    ) -> tuple[ChosenModel | None, list[Diagnostic]]:
        """Return a model (`None` if unknown), and the mistakes.

        Args:
            own: the step, whose settings override those of the model.
            model: an alias, an id, or settings; `None` means the pipeline's own model.
            path: the path of the model in the step.
        """
        ...
