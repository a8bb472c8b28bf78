"""`yamlgen validate`: check pipelines without an API key."""

from __future__ import annotations

from pathlib import Path

import click

from yamlgen.cli.messages import as_json, codes_of, echo, put, show, show_explanation
from yamlgen.cli.options import output_format, pipeline_options
from yamlgen.exit_codes import ExitCode


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@pipeline_options
@output_format
def command(paths: tuple[Path, ...], params: dict[str, str], overrides: dict[str, str], output_format: str) -> int:
    """Check pipelines and their tests, and report every error.

    Each PATH is a pipeline, a test file (.test.yaml), or a folder of .yaml files. All errors of all files are reported
    at once, each with its place. Nothing is sent, and no API key is needed. The exit code is 1 if there is an error.
    """
    from yamlgen.api.argument_parsing import read_params  # noqa: PLC0415 - loads the language
    from yamlgen.api.loading import check_file, files_in  # noqa: PLC0415

    given, found = read_params(params)
    if output_format == "text":
        show(found)
    files: list[Path] = []
    for path in paths:
        inside = files_in(path)
        if not inside:
            raise click.BadParameter(f"the folder {path} contains no .yaml file")
        files.extend(inside)
    for path in files:
        content, told = check_file(path, params=given, overrides=overrides)
        diagnostics = [each for each in told if each not in found]  # those of a pipeline with tests are found twice
        found.extend(diagnostics)
        if output_format == "text":
            show(diagnostics)
            if content is not None:
                echo(f"{path}: ok ({content})")
    errors = sum(diagnostic.severity == "error" for diagnostic in found)
    warnings = len(found) - errors
    if output_format == "json":
        put(as_json(found))
    elif found:
        echo(f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}")
        show_explanation(codes_of(found))
    return ExitCode.FAILED_ROWS if errors else ExitCode.OK


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
