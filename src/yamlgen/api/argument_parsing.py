"""Arguments that are strings, such as `-p name=value`: parsed as YAML and checked together with the pipeline.

All errors, in the arguments and in the file, are reported at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.loading import check
from yamlgen.diagnostics import Diagnostic, InvalidPipeline
from yamlgen.pipeline.parameters import read_value
from yamlgen.value_objects import JSON


def read_params(texts: Mapping[str, str]) -> tuple[dict[str, JSON], list[Diagnostic]]:
    """Return the parameters, each parsed as YAML, and the errors of those that cannot be parsed."""
    read = {name: read_value(name, text) for name, text in texts.items()}
    values = {name: value for name, (value, problem) in read.items() if problem is None}
    return values, [problem for _, problem in read.values() if problem is not None]


def load_with(
    path: Path, params: Mapping[str, str], overrides: Mapping[str, str], given_input: str | None
) -> tuple[Pipeline, dict[str, JSON]]:
    """Return a valid pipeline, and the values of its parameters.

    Args:
        path: the pipeline file.
        params: its parameters by name, as strings.
        overrides: values to override by dotted path, as strings.
        given_input: the input, in place of the file's own.

    Raises:
        InvalidPipeline: the file or the arguments have errors; `.diagnostics` contains all of them.
    """
    values, unread = read_params(params)
    loaded, diagnostics = check(path, params=values, overrides=overrides, input=given_input, examine=False)
    if loaded is None or unread:
        raise InvalidPipeline((*unread, *diagnostics))
    return loaded, values
