"""`yamlgen validate`: check pipelines without an API key."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import click

from yamlgen.cli.completed_values import complete_pipeline
from yamlgen.cli.fix_options import apply_fixes, fix_options
from yamlgen.cli.messages import as_json, codes_of, echo, put, show, show_explanation
from yamlgen.cli.options import pipeline_options
from yamlgen.errors import UsageError
from yamlgen.exit_codes import ExitCode

if TYPE_CHECKING:
    from yamlgen.diagnostics import Diagnostic


@click.command("validate")
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH...",
    shell_complete=complete_pipeline,
)
@pipeline_options
@click.option(
    "--output-format",
    type=click.Choice(["text", "json", "concise", "github", "gitlab", "sarif", "junit"]),
    default="text",
    show_default=True,
    help="Print a report for another program to stdout. Messages go to stderr.",
)
@fix_options
def command(
    paths: tuple[Path, ...],
    params: dict[str, str],
    overrides: dict[str, str],
    output_format: str,
    *,
    fix: bool,
    diff: bool,
) -> int:
    """Check pipelines and their tests, and report every error.

    Each PATH is a pipeline, a test file (.test.yaml), or a folder: then the pipelines and test files in it and below
    are checked, and other YAML files are passed over. All errors of all files are reported at once, each with its
    place. Nothing is sent, and no API key is needed. The exit code is 1 if there is an error.

    With --fix, mistakes with one certain fix are fixed first, in the files, in their prompts and in their schemas.
    """
    if diff and not fix:
        raise click.UsageError("--diff requires --fix")
    from yamlgen.api.argument_parsing import read_params  # noqa: PLC0415 - loads the language
    from yamlgen.api.found_files import files_of  # noqa: PLC0415
    from yamlgen.api.loading import check_file  # noqa: PLC0415

    try:
        files, others = files_of(paths)
    except UsageError as error:
        from yamlgen.cli.foreground import tell  # noqa: PLC0415 - loads asyncio

        return tell(error, json_out=output_format == "json")
    if others:
        echo(f"passed over {_counted(len(others), 'other YAML file')}")
    given, found = read_params(params)
    if output_format == "text":
        show(found)
    is_text = output_format == "text"
    fixed = apply_fixes(files, given, overrides, diff=diff, is_text=is_text) if fix else None
    checked: list[tuple[Path, list[Diagnostic]]] = []
    for path in files:
        content, told = check_file(path, params=given, overrides=overrides)
        gc.enable()  # what was loaded for the first file is no garbage
        checked.append((path, [*([] if checked else found), *told]))
        diagnostics = [each for each in told if each not in found]  # those of a pipeline with tests are found twice
        found.extend(diagnostics)
        if output_format == "text":
            show(diagnostics)
            if content is not None:
                echo(f"{path}: ok ({content})")
    errors = sum(diagnostic.severity == "error" for diagnostic in found)
    warnings = len(found) - errors
    if output_format == "json":
        put(as_json(found, {} if fixed is None else {"fixed": fixed}))
    elif output_format != "text":
        _put_report(checked, output_format)
    if found and output_format != "json":
        echo(f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}")
        show_explanation(codes_of(found))
    return ExitCode.FAILED_ROWS if errors else ExitCode.OK


def _put_report(checked: list[tuple[Path, list[Diagnostic]]], output_format: str) -> None:
    from yamlgen.api.check_report import report_of  # noqa: PLC0415 - only for these formats
    from yamlgen.cli.check_formats import FORMATS  # noqa: PLC0415

    put(FORMATS[output_format](report_of(checked)))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
