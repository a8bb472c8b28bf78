"""The outputs that a caller chooses: paths in place of those in the pipeline, and the output whose rows are wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from yamlgen.errors import Code, UsageError
from yamlgen.option_names import by_surface, option
from yamlgen.shaping.output_plan import OutputPlan
from yamlgen.suggestions import suggestion

ChosenPaths: TypeAlias = str | Path | Sequence[str] | Mapping[str, str | Path]
"""A path, or `-`; for a pipeline with several outputs, paths by name, or strings of the form `NAME=PATH`."""


def chosen_paths(outputs: Sequence[OutputPlan], given: ChosenPaths | None) -> dict[str, str]:
    """Return the chosen paths, by the names of the outputs.

    Args:
        outputs: the outputs of the pipeline.
        given: the paths.

    Raises:
        UsageError: the pipeline has no such output, or several outputs and no name is given, or two are printed.
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        pairs = [(str(name), str(path)) for name, path in given.items()]
    else:
        written = [str(given)] if isinstance(given, str | Path) else given
        pairs = [_pair(outputs, each) for each in written]
    made: dict[str, str] = {}
    for name, path in pairs:
        found = find_output(outputs, name).name
        if found in made:
            raise UsageError(f"{option('output')} is set twice", code=Code.BAD_PARAM, hint="write it once")
        made[found] = path
    printed = [name for name, path in made.items() if path == "-"]
    if len(printed) > 1:
        message = f"only one output can be printed, not {len(printed)}"
        raise UsageError(message, code=Code.BAD_PARAM, hint="write the others to files")
    return made


def find_output(outputs: Sequence[OutputPlan], name: str | None) -> OutputPlan:
    """Return an output by its name; the only output without a name.

    Raises:
        UsageError: the pipeline has no such output, or several outputs and no name is given.
    """
    names = [output.name for output in outputs]
    if not name:
        if len(outputs) == 1:
            return outputs[0]
        message = f"the pipeline has several outputs: {', '.join(names)}"
        way = by_surface(command=f"`-o {names[0]}=...`", python=f"`output={names[0]!r}`, or a mapping for a run")
        raise UsageError(message, code=Code.BAD_PARAM, hint=f"write the name of one, as in {way}")
    if name not in names:
        hint = suggestion(name, names, "outputs") if any(names) else "the pipeline has one output, without a name"
        raise UsageError(f"the pipeline has no output `{name}`", code=Code.BAD_PARAM, hint=hint)
    return outputs[names.index(name)]


def _pair(outputs: Sequence[OutputPlan], written: str) -> tuple[str, str]:
    """Return the name and the path of `NAME=PATH`, or of a path alone."""
    name, equals, path = written.partition("=")
    is_named = equals and any(output.name for output in outputs) and name.isidentifier()
    return (name, path) if is_named else ("", written)
