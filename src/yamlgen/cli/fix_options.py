"""`--fix` and `--diff` of `yamlgen validate`: apply the fixes of diagnostics, and print what they change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from yamlgen.cli.messages import echo, put
from yamlgen.value_objects import JSON

F = TypeVar("F", bound=Callable[..., Any])


def fix_options(function: F) -> F:
    """Add `--fix` and `--diff`."""
    function = click.option("--diff", is_flag=True, help="With --fix, print what would change, and write nothing.")(
        function
    )
    return click.option(
        "--fix", is_flag=True, help="Write the fixes that are certain to the files, and print what changes."
    )(function)


def apply_fixes(
    files: Sequence[Path], params: Mapping[str, JSON], overrides: Mapping[str, str], *, diff: bool, is_text: bool
) -> list[JSON]:
    """Fix files, or only print what would change: on stdout, or on stderr if that is for another format.

    Returns:
        The changed files as JSON.
    """
    from yamlgen.api.fixing import find_changes, write  # noqa: PLC0415 - loads the language

    if overrides:
        raise click.UsageError("--fix and --set cannot be combined: a fix is for the values of the files")
    changes = find_changes(files, params)
    if not diff:
        write(changes)
    for change in changes:
        if is_text:
            put(change.diff())
        else:
            echo(change.diff().rstrip("\n"))
    number = sum(change.fixes for change in changes)
    done = "to write" if diff else "written"
    echo(f"{number} {'fix' if number == 1 else 'fixes'} {done}" if number else "nothing to fix")
    return [{**change.as_json(), "written": not diff} for change in changes]
