"""Arguments that come as texts, such as `-p name=value`: read as YAML, and checked with the pipeline that they are for.

Owns that all mistakes of a call, in its texts and in the file, are told at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from yamlgen.api.loading import Pipeline, check
from yamlgen.errors import Diagnostic, InvalidPipeline
from yamlgen.pipeline.parameters import read_value
from yamlgen.value_objects import JSON


def read_params(texts: Mapping[str, str]) -> tuple[dict[str, JSON], list[Diagnostic]]:
    """The values of parameters, each text read as YAML, and what is wrong with those that cannot be read."""
    read = {name: read_value(name, text) for name, text in texts.items()}
    values = {name: value for name, (value, problem) in read.items() if problem is None}
    return values, [problem for _, problem in read.values() if problem is not None]


def load_with(
    path: Path, params: Mapping[str, str], overrides: Mapping[str, str], given_input: str | None
) -> tuple[Pipeline, dict[str, JSON]]:
    """A pipeline without mistakes, and the values of its parameters.

    Args:
        path: its file.
        params: the texts of its parameters, by name.
        overrides: the texts to set, by dotted path.
        given_input: where the rows come from instead.

    Raises:
        InvalidPipeline: there are mistakes, in the file or in the call; all of them.
    """
    values, unread = read_params(params)
    loaded, diagnostics = check(path, params=values, overrides=overrides, input=given_input, examine=False)
    if loaded is None or unread:
        raise InvalidPipeline((*unread, *diagnostics))
    return loaded, values
