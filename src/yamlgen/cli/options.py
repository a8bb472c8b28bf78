"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from yamlgen.errors import Code, Diagnostic, InvalidPipeline, UsageError
from yamlgen.ports import JSON

if TYPE_CHECKING:
    from yamlgen.api import Pipeline

F = TypeVar("F", bound=Callable[..., Any])


def pipeline_options(function: F) -> F:
    """`-p`, `--set` and `--env-file`: what changes a pipeline without touching its file."""
    function = click.option(
        "-p",
        "--param",
        "params",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_pairs,
        help="Give a parameter a value (read as YAML, then checked).",
    )(function)
    function = click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="PATH=VALUE",
        callback=_pairs,
        help="Set a value of the file, such as models.writer.id=claude-haiku-5-5.",
    )(function)
    return click.option(
        "--env-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        callback=_environment,
        expose_value=False,
        is_eager=True,
        help="Read environment variables from a file, for those that are not set.",
    )(function)


output_format = click.option(
    "--output-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="What goes to stdout: nothing but rows (text), or one JSON object.",
)


def _pairs(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"`{value}` is not {parameter.metavar}")
        if name in pairs:
            raise click.BadParameter(f"`{name}` is given twice")
        pairs[name] = text
    return pairs


def _environment(_: click.Context, __: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    from dotenv import dotenv_values  # noqa: PLC0415 - for this option only

    try:
        values = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", code=Code.UNREADABLE) from None
    for name, value in values.items():
        if value is not None:
            os.environ.setdefault(name, value)


def read_params(texts: dict[str, str]) -> tuple[dict[str, JSON], list[Diagnostic]]:
    """The values of `-p`, each read as YAML, and what is wrong with those that cannot be read."""
    from yamlgen.language.parameters import read_value  # noqa: PLC0415 - loads the language

    read = {name: read_value(name, text) for name, text in texts.items()}
    values = {name: value for name, (value, problem) in read.items() if problem is None}
    return values, [problem for _, problem in read.values() if problem is not None]


def checked(
    path: Path, params: dict[str, str], overrides: dict[str, str], input_path: str | None
) -> tuple[Pipeline, dict[str, JSON]]:
    """A pipeline without mistakes, and the values of its parameters.

    Raises:
        InvalidPipeline: there are mistakes, in the file or in the call; all of them.
    """
    from yamlgen.api import check  # noqa: PLC0415 - loads the language

    given, unread = read_params(params)
    loaded, diagnostics = check(path, params=given, overrides=overrides, input=input_path)
    if loaded is None or unread:
        raise InvalidPipeline((*unread, *diagnostics))
    return loaded, given
