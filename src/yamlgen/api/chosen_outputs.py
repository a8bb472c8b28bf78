"""The outputs that a caller chooses: paths in place of those in the pipeline, and the output whose rows are wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from yamlgen.errors import Code, UsageError
from yamlgen.formats.format_table import SQLITE_ENDINGS
from yamlgen.option_names import by_surface, option
from yamlgen.shaping.output_plan import STEP, OutputPlan
from yamlgen.suggestions import suggestion

ChosenPaths: TypeAlias = str | Path | Sequence[str] | Mapping[str, str | Path]
"""A path, or `-`; for a pipeline with several outputs, paths by name, or strings of the form `NAME=PATH`."""

NAMELESS: Final = "the pipeline has one output, without a name"


def chosen_paths(outputs: Sequence[OutputPlan], given: ChosenPaths | None, nameless: str = NAMELESS) -> dict[str, str]:
    """Return the chosen paths, by the names of the outputs.

    Args:
        outputs: the outputs of the pipeline.
        given: the paths.
        nameless: why an output without a name has none, for the error if one is given.

    Raises:
        UsageError: the pipeline has no such output, or several outputs and no name is given, or two are printed.
    """
    if given is None:
        return {}
    if isinstance(given, Path):
        pairs = [("", str(given))]
    elif isinstance(given, Mapping):
        pairs = [(str(name), str(path)) for name, path in given.items()]
    else:
        written = [given] if isinstance(given, str) else given
        pairs = [_pair(outputs, each, nameless) for each in written]
    made: dict[str, str] = {}
    for name, path in pairs:
        found = find_output(outputs, name, path, nameless).name
        if found in made:
            raise UsageError(f"{option('output')} is set twice", code=Code.BAD_PARAM, hint="write it once")
        made[found] = path
    printed = [name for name, path in made.items() if path == "-"]
    if len(printed) > 1:
        message = f"only one output can be printed, not {len(printed)}"
        raise UsageError(message, code=Code.BAD_PARAM, hint="write the others to files")
    return made


def find_output(
    outputs: Sequence[OutputPlan], name: str | None, path: str | None = None, nameless: str = NAMELESS
) -> OutputPlan:
    """Return an output by its name; the only output without a name, or by the name `output` if it has none.

    Args:
        outputs: the outputs of the pipeline.
        name: the name.
        path: the path that is chosen for it; `None` if its rows are wanted as values.
        nameless: as in `chosen_paths`.

    Raises:
        UsageError: the pipeline has no such output, or several outputs and no name is given.
    """
    names = [output.name for output in outputs]
    if not name:
        if len(outputs) == 1:
            return outputs[0]
        message = f"the pipeline has several outputs: {', '.join(names)}"
        way = f"`output={names[0]!r}`"
        if path is not None:
            way = by_surface(command=f"`-o {names[0]}={path}`", python=f"`output={{{names[0]!r}: {path!r}}}`")
        raise UsageError(message, code=Code.BAD_PARAM, hint=f"write the name of one, as in {way}")
    if name == STEP and names == [""]:
        return outputs[0]
    if name not in names:
        hint = suggestion(name, names, "outputs") if any(names) else nameless
        raise UsageError(f"the pipeline has no output `{name}`", code=Code.BAD_PARAM, hint=hint)
    return outputs[names.index(name)]


def unnamed_database(given: ChosenPaths) -> str | None:
    """Return the path of the database that is chosen for all outputs together; `None` if another file is, or several.

    Args:
        given: the paths.
    """
    paths = [given] if isinstance(given, str | Path) else list(given)
    if isinstance(given, Mapping):
        paths = [given[""]] if set(given) == {""} else []
    path = str(paths[0]) if len(paths) == 1 else ""
    is_named = isinstance(given, str | Sequence) and path.partition("=")[0].isidentifier() and "=" in path
    return path if Path(path).suffix in SQLITE_ENDINGS and not is_named else None


def only_database(chosen: Mapping[str, str]) -> Path | None:
    """Return the database among the chosen files; `None` if none is.

    Raises:
        UsageError: there are other files, too.
    """
    found = [Path(path) for path in chosen.values() if Path(path).suffix in SQLITE_ENDINGS]
    if found and len(chosen) > 1:
        message = f"a database is written alone, and {len(chosen)} files are chosen"
        raise UsageError(message, code=Code.BAD_PARAM, hint="without the name of an output, it has all of them")
    return found[0] if found else None


def _pair(outputs: Sequence[OutputPlan], written: str, nameless: str) -> tuple[str, str]:
    """Return the name and the path of `NAME=PATH`, or of a path alone.

    Raises:
        UsageError: `NAME` is given, and the only output has none.
    """
    name, equals, path = written.partition("=")
    if not equals or not name.isidentifier():
        return "", written
    if name != STEP and not any(output.name for output in outputs):
        ways = [by_surface(command=f"`-o {each}`", python=f"`output={each!r}`") for each in (path, f"./{written}")]
        hint = f"write {ways[0]}" + ("" if path == "-" else f", or {ways[1]} for a file with this name")
        raise UsageError(f"{nameless}: `{written}` names one", code=Code.BAD_PARAM, hint=hint)
    return name, path
