"""`yamlgen validate`: everything that can be known about pipelines without a key."""

from __future__ import annotations

from pathlib import Path

import click

from yamlgen.cli.messages import as_json, echo, put, show
from yamlgen.cli.options import output_format, pipeline_options, read_params
from yamlgen.errors import Exit


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@pipeline_options
@output_format
def command(paths: tuple[Path, ...], params: dict[str, str], overrides: dict[str, str], output_format: str) -> int:
    """Tell everything that is wrong with pipelines.

    Each PATH is a pipeline, or a folder whose .yaml files are. All mistakes of all files are told at once, each
    with its place. Nothing is sent, and no key is needed. Exit code 1 when there is a mistake.
    """
    from yamlgen.api.loading import check  # noqa: PLC0415 - loads the language

    given, found = read_params(params)
    if output_format == "text":
        show(found)
    for path in _files(paths):
        pipeline, diagnostics = check(path, params=given, overrides=overrides)
        found.extend(diagnostics)
        if output_format == "text":
            show(diagnostics)
            if pipeline is not None:
                count = len(pipeline.draft.pipeline.steps)
                echo(f"{path}: ok ({count} step{'s' if count != 1 else ''})")
    errors = sum(diagnostic.severity == "error" for diagnostic in found)
    warnings = len(found) - errors
    if output_format == "json":
        put(as_json(found))
    elif found:
        echo(f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}")
    return Exit.FAILED_ROWS if errors else Exit.OK


def _files(paths: tuple[Path, ...]) -> list[Path]:
    from yamlgen.parsing.project_folder import is_folder  # noqa: PLC0415 - loads the language

    files: list[Path] = []
    for path in paths:
        if is_folder(path):
            inside = sorted(child for child in path.iterdir() if child.suffix in (".yaml", ".yml") and child.is_file())
            if not inside:
                raise click.BadParameter(f"the folder {path} holds no .yaml file")
            files.extend(inside)
        else:
            files.append(path)
    return files


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
