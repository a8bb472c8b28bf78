"""`yamlgen init`: a small working pipeline and its test to start from."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from yamlgen.api.github_workflow import installed_requirement
from yamlgen.api.project_files import GIT_IGNORE, IGNORED, STARTER, write_project
from yamlgen.cli.messages import echo
from yamlgen.exit_codes import ExitCode
from yamlgen.suggestions import listing


@click.command("init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), metavar="[DIR]")
@click.option(
    "--ci",
    type=click.Choice(["github"]),
    help="Also write a workflow of GitHub Actions that checks pull requests. In a DIR with pipelines, write only that.",
)
def command(folder: Path, ci: str | None) -> int:
    """Create a small pipeline to start from.

    Writes a pipeline, its input rows, an output schema, a test with recorded answers, the JSON Schemas of pipelines and
    tests for your editor, and a .gitignore into DIR. Default: the current folder. Existing files are never overwritten.
    """
    paths = list(write_project(folder, ci))
    for path in paths:
        echo(f"wrote {path}")
    if ci is not None and not installed_requirement():
        echo(f"set YAMLGEN in {paths[-1]} to what pip installs there, such as git+https://...")
    if folder / STARTER not in paths:
        return ExitCode.OK
    git_ignore = folder / GIT_IGNORE
    if git_ignore not in paths:
        echo(f"kept {git_ignore}, which exists; add {listing(IGNORED)} if they are missing")
    echo(f"\nnext: yamlgen run {shlex.quote(str(folder / STARTER))} --simulate")
    echo(f"      {shlex.join(['yamlgen', 'test', *([str(folder)] if folder != Path() else [])])}")
    return ExitCode.OK
