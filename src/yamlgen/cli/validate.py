"""`yamlgen validate`: everything that can be known about pipelines without a key."""

from __future__ import annotations

from pathlib import Path

import click

from yamlgen.cli.messages import as_json, echo, put, show
from yamlgen.cli.options import output_format, pipeline_options
from yamlgen.exit_codes import ExitCode


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@pipeline_options
@output_format
def command(paths: tuple[Path, ...], params: dict[str, str], overrides: dict[str, str], output_format: str) -> int:
    """Tell everything that is wrong with pipelines.

    Each PATH is a pipeline, or a folder whose .yaml files are. All mistakes of all files are told at once, each
    with its place. Nothing is sent, and no key is needed. Exit code 1 when there is a mistake.
    """
    from yamlgen.api.argument_parsing import read_params  # noqa: PLC0415 - loads the language
    from yamlgen.api.loading import check, pipelines_in  # noqa: PLC0415

    given, found = read_params(params)
    if output_format == "text":
        show(found)
    files: list[Path] = []
    for path in paths:
        inside = pipelines_in(path)
        if not inside:
            raise click.BadParameter(f"the folder {path} holds no .yaml file")
        files.extend(inside)
    for path in files:
        pipeline, diagnostics = check(path, params=given, overrides=overrides)
        found.extend(diagnostics)
        if output_format == "text":
            show(diagnostics)
            if pipeline is not None:
                count = len(pipeline.steps)
                echo(f"{path}: ok ({count} step{'s' if count != 1 else ''})")
    errors = sum(diagnostic.severity == "error" for diagnostic in found)
    warnings = len(found) - errors
    if output_format == "json":
        put(as_json(found))
    elif found:
        echo(f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}")
    return ExitCode.FAILED_ROWS if errors else ExitCode.OK


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
