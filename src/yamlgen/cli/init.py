"""`yamlgen init`: a pipeline to start from, for the rows of a file, or one that is shipped."""

from __future__ import annotations

import shlex
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from yamlgen.cli.completed_values import complete_example, complete_file, complete_folder
from yamlgen.cli.messages import echo, put
from yamlgen.exit_codes import ExitCode
from yamlgen.suggestions import listing


@click.command("init")
@click.argument(
    "folder", type=click.Path(path_type=Path), default=Path(), metavar="[DIR]", shell_complete=complete_folder
)
@click.option(
    "--input",
    "input_path",
    metavar="PATH",
    shell_complete=complete_file,
    help="Write a pipeline for the rows of this file.",
)
@click.option(
    "--example",
    metavar="NAME",
    shell_complete=complete_example,
    help="Write a shipped pipeline with all that it needs.",
)
@click.option("--list", "listed", is_flag=True, help="List the shipped pipelines.")
@click.option(
    "--ci",
    type=click.Choice(["github"]),
    help="Also write a workflow of GitHub Actions that checks pull requests. In a DIR with pipelines, write only that.",
)
@click.option("--agents", is_flag=True, help="Write only AGENTS.md and a skill for coding agents, or update them.")
def command(
    folder: Path, input_path: str | None, example: str | None, ci: str | None, *, listed: bool, agents: bool
) -> int:
    """Create a pipeline to start from.

    With --input, its prompt has the columns of your file, which may be CSV, TSV, JSON, JSON Lines or Parquet, or a
    pattern in quotes such as 'data/*.csv'. With --example, it is a shipped one. With neither, it is a small one with a
    test. The JSON Schemas for your editor and a .gitignore are written too. Default DIR: the current folder. Existing
    files are never overwritten; --agents changes only its own part of AGENTS.md and of its skill.
    """
    from yamlgen.api.examples import ENDING, examples  # noqa: PLC0415 - not for help and completion
    from yamlgen.api.github_workflow import installed_requirement  # noqa: PLC0415
    from yamlgen.api.project_files import write_project  # noqa: PLC0415

    if listed:
        if input_path is not None or example is not None or ci is not None or agents or folder != Path():
            raise click.UsageError("--list writes no files, so it has no DIR and no other options")
        put(_table(examples()))
        return ExitCode.OK
    if folder.is_file():
        hint = f"; for a pipeline with its columns: --input {shlex.quote(str(folder))}" if input_path is None else ""
        raise click.UsageError(f"{folder} is a file, but DIR is the folder to write into{hint}")
    paths = write_project(folder, input=input_path, example=example, ci=ci, agents=agents)
    for path in paths:
        echo(f"wrote {path}")
    if agents and not paths:
        echo("nothing to write: AGENTS.md and the skill are up to date")
    if ci is not None and not installed_requirement():
        echo(f"set YAMLGEN in {paths[-1]} to what pip installs there, such as git+https://...")
    pipeline = next((path for path in paths if path.name.endswith(ENDING)), None)
    if pipeline is not None:
        _show_next(pipeline, folder, paths)
    return ExitCode.OK


def _table(purposes: Mapping[str, str]) -> str:
    """Return names and what each is for: each on one line, or wrapped at the width of the terminal."""
    name_width = max(map(len, purposes))
    width = shutil.get_terminal_size().columns - name_width - 2 if sys.stdout.isatty() else 0
    indent = "\n" + " " * (name_width + 2)
    wrapped = {name: textwrap.wrap(text, max(width, 10)) if width else [text] for name, text in purposes.items()}
    return "".join(f"{name:{name_width}}  {indent.join(lines)}\n" for name, lines in wrapped.items())


def _show_next(pipeline: Path, folder: Path, written: Sequence[Path]) -> None:
    from yamlgen.api.project_files import GIT_IGNORE, find_unignored  # noqa: PLC0415 - not for help and completion

    git_ignore = folder / GIT_IGNORE
    if git_ignore not in written and (missing := find_unignored(git_ignore)):
        echo(f"kept {git_ignore}: add {listing(missing)} to it, which git should ignore")
    path = f"./{pipeline}" if str(pipeline).startswith("-") else str(pipeline)
    validate, simulate, plan = (
        shlex.join(["yamlgen", *words]) for words in (["validate", path], ["run", path, "--simulate"], ["plan", path])
    )
    echo(f"\nnext: {validate}\n      {simulate}\n      {plan}")
