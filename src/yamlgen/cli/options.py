"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from yamlgen.environment import provide
from yamlgen.errors import Code, UsageError

F = TypeVar("F", bound=Callable[..., Any])


def _environment(_: click.Context, __: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    from dotenv import dotenv_values  # noqa: PLC0415 - for this option only

    try:
        provide(dotenv_values(path, interpolate=False, encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}", code=Code.UNREADABLE) from None


environment_option = click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_environment,
    expose_value=False,
    is_eager=True,
    help="Read environment variables from a file, for those that are unset or empty.",
)


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
        help="Set a value of the file, such as model=claude-haiku-5-5.",
    )(function)
    return environment_option(function)


output_format = click.option(
    "--output-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="What goes to stdout: nothing but rows (text), or one JSON object.",
)


store_option = click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="PATH",
    help="The folder of the store, in place of .yamlgen beside the pipeline.",
)

input_option = click.option("--input", "input_path", metavar="PATH|-", help="Read the rows from here instead.")


def limit_options(function: F) -> F:
    """What a run may spend: each wins over its namesake under `limits`."""
    for name, kind, text in _LIMITS:
        function = click.option(f"--{name}", type=kind, metavar="N%" if kind is _share else "N", help=text)(function)
    return click.option("-y", "--yes", is_flag=True, help="Do not ask, whatever the run may cost.")(function)


_PERCENT: Final = re.compile(r"(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%")  # as the language has it, which loads too slowly


def _failures(text: str) -> int | str:
    """A number of rows, or a percentage of them."""
    if re.fullmatch(r"[0-9]{1,15}", text):
        return int(text)
    if _PERCENT.fullmatch(text):
        return text
    raise click.BadParameter(f"`{text}` is neither a number nor a percentage up to 100, such as 5%")


def _share(text: str) -> str:
    """A percentage, or `none`."""
    if text == "none" or _PERCENT.fullmatch(text):
        return text
    raise click.BadParameter(f"`{text}` is neither a percentage up to 100, such as 90%, nor `none`")


_LIMITS: tuple[tuple[str, Any, str], ...] = (
    ("confirm-above-usd", click.FloatRange(min=0), "Ask before a run that may cost more than N dollars."),
    ("max-cost-usd", click.FloatRange(min=0, min_open=True), "Stop when N dollars are spent."),
    ("max-failures", _failures, "Stop when more rows than N failed or lost an item, or N%."),
    ("max-unusable", _share, "Stop when N% of the first 50 paid rows of a step are of no use; or none."),
    ("max-requests", click.IntRange(min=1), "Stop when N requests are sent."),
    ("max-pause", click.FloatRange(0, 86400, min_open=True), "Wait N seconds for an API that lets nothing through."),
    ("max-concurrency", click.IntRange(1, 1000), "At most N requests at once."),
)


def display_options(function: F) -> F:
    """How much of a run is said."""
    function = click.option(
        "--progress", type=click.Choice(["auto", "live", "plain", "none"]), default="auto", show_default=True
    )(function)
    function = click.option("-v", "--verbose", is_flag=True, help="Say every retry and every failed row.")(function)
    return click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")(function)


def fault_options(function: F) -> F:
    """`--latency`, `--fault` and `--seed`: how the simulated API behaves."""
    function = click.option("--seed", default=0, show_default=True, help="Seed of answers and faults.")(function)
    function = click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="NAME=RATE",
        help="A fault by rate, such as rate_limit=0.1. Names: rate_limit, overloaded, server_error, invalid_output, "
        "refusal, truncate, blank, unreadable, disconnect, bad_request, hang, no_message.",
    )(function)
    return click.option(
        "--latency", default=0.0, type=click.FloatRange(0, 600), help="Seconds that a simulated answer takes."
    )(function)


def _pairs(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            name = re.split(r"[:\s]", value)[0]  # no more of it: it may be a key
            raise click.BadParameter(f"`{name}` is not {parameter.metavar}")
        if name in pairs:
            raise click.BadParameter(f"`{name}` is given twice")
        pairs[name] = text
    return pairs
