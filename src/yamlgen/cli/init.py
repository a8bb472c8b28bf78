"""`yamlgen init`: a small working pipeline to start from, with its data and its schema."""

from __future__ import annotations

from pathlib import Path

import click

from yamlgen.api.project_files import write_starter
from yamlgen.cli.messages import echo
from yamlgen.exit_codes import ExitCode


@click.command("init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), metavar="[DIR]")
def command(folder: Path) -> int:
    """Write a small pipeline to start from.

    It goes into DIR (this folder, if none is named): a pipeline, rows to try it on, a schema, and the language's own
    schema for your editor. Nothing is ever overwritten.
    """
    for path in write_starter(folder):
        echo(f"wrote {path}")
    echo(f"\nnext: yamlgen run {folder / 'pipeline.yaml'} --simulate")
    return ExitCode.OK
