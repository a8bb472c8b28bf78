"""The templates of `metadata.user_id`, which a step may inherit from its model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.model_settings import inherits
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.steps.config_fields import ModelSettings, Settings
from yamlgen.steps.step_config import StepConfig


def user_ids(parsed: ParsedFile, name: str, step: StepConfig) -> Iterator[tuple[DataPath, str]]:
    """Yield the templates that render the `user_id` of a step's requests, with their paths, each once."""
    if not isinstance(step, Settings):
        return
    told: set[DataPath] = set()
    for at, model in step.models_named().items():
        parts: list[tuple[DataPath, Any]] = [(("steps", name), step), (("steps", name, *at), model)]
        if isinstance(model, str | ModelSettings | None) and inherits(model):
            parts.append((("model",), parsed.pipeline.model))
        for part in parts:
            path, settings = _named(parsed, *part)
            if settings is not None and settings.metadata is not None:
                found = (*path, "metadata", "user_id")
                if settings.metadata.user_id and found not in told:
                    told.add(found)
                    yield found, settings.metadata.user_id
                break


def _named(parsed: ParsedFile, path: DataPath, part: Any) -> tuple[DataPath, Settings | None]:
    """Return settings with their path: those of an alias, if an alias is written there."""
    if isinstance(part, str):
        return ("models", part), parsed.pipeline.models.get(part)
    return path, part if isinstance(part, ModelSettings | Settings) else None
