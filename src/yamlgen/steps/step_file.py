"""What a step may ask of the file that declares it: its places, what of it is broken, and what stands beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from yamlgen.errors import Diagnostic, Mark
from yamlgen.parsing.source_map import DataPath
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.steps.config_fields import ModelSettings, Price, Settings
from yamlgen.value_objects import JSON

ColumnReader: TypeAlias = Callable[[DataPath, str, str], tuple[JSON, ...]]
"""Reads a column of a file: the key of the pipeline below which it is named, the path as written, the column's name."""


class StepFile(Protocol):
    """The file of a pipeline, as one of its steps sees it. Paths into the file begin at the step."""

    @property
    def folder(self) -> Path:
        """The folder that the pipeline's paths start from."""
        ...

    @property
    def shown_folder(self) -> str:
        """The same as messages name it; empty for the working directory."""
        ...

    @property
    def schema(self) -> JSONSchema | None:
        """The step's `output.schema`; `None` where it has none, or none that can be read."""
        ...

    @property
    def timeout(self) -> float:
        """The pipeline's `runtime.timeout`, in seconds."""
        ...

    @property
    def has_aliases(self) -> bool:
        """Whether the pipeline names its models under `models`."""
        ...

    def mark(self, *path: str | int, key: bool = False) -> Mark:
        """The place of the value at a path, or of its key."""
        ...

    def is_broken(self, *path: str | int) -> bool:
        """Whether the value at a path was left out because it, or what holds it, is wrong."""
        ...

    def is_broken_within(self, *path: str | int) -> bool:
        """Whether the value at a path, or something in it, was left out because it is wrong."""
        ...

    def lacks_keys(self) -> bool:
        """Whether one of its own keys was left out because it is wrong, or is none."""
        ...

    def written(self, *path: str | int) -> Any:
        """The value at a path as it is written: a text, a number, `None`, or the nodes of a mapping or a list."""
        ...

    def beside(self, reference: str) -> tuple[Path, str]:
        """A path that the pipeline names: where it is, and how messages show it."""
        ...

    def fitting(self, reference: str) -> list[str]:
        """The paths that a pattern stands for; one that is none stands for itself."""
        ...

    def column(self, key: str, path: str, name: str) -> tuple[JSON, ...]:
        """The values, at least one, of a column of a file beside the pipeline, which is named below a key of the step.

        Raises:
            YamlgenError: there is no such file or column.
        """
        ...

    def settings(
        self, own: Settings, model: str | ModelSettings | None, path: DataPath
    ) -> tuple[Settings | None, Price | None, list[Diagnostic]]:
        """The settings of a model, `None` when none is known, what the author says that it costs, and what is wrong.

        Args:
            own: the step, whose settings win over the model's.
            model: an alias, an id, or settings; `None` stands for the pipeline's own model.
            path: where that stands.
        """
        ...
