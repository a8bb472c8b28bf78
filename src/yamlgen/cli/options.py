"""Options that several commands share, and how their values are parsed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from yamlgen.cli.completed_values import complete_file, complete_override, complete_parameter, words_of
from yamlgen.environment import provide
from yamlgen.errors import Code, UsageError

F = TypeVar("F", bound=Callable[..., Any])


def _environment(context: click.Context, __: click.Parameter, path: Path | None) -> None:
    if path is None or context.resilient_parsing:  # a shell completes a word
        return
    from dotenv import dotenv_values  # noqa: PLC0415 - only for this option

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
    help="Read environment variables that are unset or empty from a file.",
)


def pipeline_options(function: F) -> F:
    """Add `-p`, `--set` and `--env-file`, which change a pipeline without editing its file."""
    function = click.option(
        "-p",
        "--param",
        "params",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_pairs,
        shell_complete=complete_parameter,
        help="Set a parameter. The value is read as YAML and checked.",
    )(function)
    function = click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="PATH=VALUE",
        callback=_pairs,
        shell_complete=complete_override,
        help="Override a value of the file, such as model=claude-haiku-5-5.",
    )(function)
    return environment_option(function)


output_format = click.option(
    "--output-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="With json, print one JSON object to stdout. Messages go to stderr.",
)


store_option = click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="PATH",
    help="Use the store in this folder. Default: .yamlgen next to the pipeline.",
)

input_option = click.option(
    "--input",
    "input_path",
    metavar="PATH|-",
    shell_complete=complete_file,
    help="Read the rows from this file; - is stdin.",
)


def limit_options(function: F) -> F:
    """Add the options for limits; each overrides the key of its name under `limits`."""
    for name, kind, text in _LIMITS:
        function = click.option(f"--{name}", type=kind, metavar="N%" if kind is _share else "N", help=text)(function)
    return click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation, whatever the cost.")(function)


_PERCENT: Final = re.compile(r"(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%")  # as in the language, which loads slowly


def _failures(text: str) -> int | str:
    """Parse a number of rows, or a percentage."""
    if re.fullmatch(r"[0-9]{1,15}", text):
        return int(text)
    if _PERCENT.fullmatch(text):
        return text
    raise click.BadParameter(f"`{text}` is not a number or a percentage up to 100%, such as 5%")


def _share(text: str) -> str:
    """Parse a percentage, or `none`."""
    if text == "none" or _PERCENT.fullmatch(text):
        return text
    raise click.BadParameter(f"`{text}` is not a percentage up to 100%, such as 90%, or `none`")


_LIMITS: tuple[tuple[str, Any, str], ...] = (
    ("confirm-above-usd", click.FloatRange(min=0), "Ask for confirmation if the run may cost more than N US dollars."),
    ("max-cost-usd", click.FloatRange(min=0, min_open=True), "Stop after N US dollars."),
    ("max-failures", _failures, "Stop if more than N rows failed, or lost a step or an item; N% counts after 50 rows."),
    ("max-unusable", _share, "Stop if N% of the first 50 billed rows of a step are unusable; or none."),
    ("max-requests", click.IntRange(min=1), "Stop after N requests, including retries."),
    (
        "max-pause",
        click.FloatRange(0, 86400, min_open=True),
        "Stop if the API accepts no request for N seconds.",
    ),
    ("max-concurrency", click.IntRange(1, 1000), "Send at most N requests at once."),
)


def display_options(function: F) -> F:
    """Add the options for how much of a run is shown."""
    function = click.option(
        "--progress",
        type=click.Choice(["auto", "live", "plain", "none"]),
        default="auto",
        show_default=True,
        help="Show live bars, a plain line every few seconds, or nothing. auto: live at a terminal, otherwise plain.",
    )(function)
    function = click.option("-v", "--verbose", is_flag=True, help="Print every retry and every failed row.")(function)
    return click.option("-q", "--quiet", is_flag=True, help="Print errors only.")(function)


batch_option = click.option(
    "--batch/--no-batch",
    default=None,
    help="Send all requests in batches, at half the price; or send each by itself. Default: `batch` in the file.",
)
detach_option = click.option(
    "--detach", is_flag=True, help="Post the batches, and end with exit code 5. Run again to collect the answers."
)

report_option = click.option(
    "--report", is_flag=True, help="At the end, write the page of `yamlgen report` beside the record of the run."
)


_FAULTS: Final = (
    "rate_limit",
    "overloaded",
    "server_error",
    "invalid_output",
    "refusal",
    "truncate",
    "blank",
    "unreadable",
    "disconnect",
    "bad_request",
    "hang",
    "no_message",
)


def fault_options(function: F) -> F:
    """Add `--latency`, `--batch-delay`, `--fault` and `--seed`, which control the simulated API."""
    function = click.option(
        "--seed", default=0, show_default=True, metavar="N", help="Draw other simulated answers and faults."
    )(function)
    function = click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="NAME=RATE",
        shell_complete=words_of(*(f"{name}=" for name in _FAULTS)),
        help=f"Let a share of the simulated requests fail, such as rate_limit=0.1. Faults: {', '.join(_FAULTS)}.",
    )(function)
    function = click.option(
        "--batch-delay",
        default=0.0,
        type=click.FloatRange(0, 86_400),
        metavar="SECONDS",
        help="End each simulated batch after this time.",
    )(function)
    return click.option(
        "--latency",
        default=0.0,
        type=click.FloatRange(0, 600),
        metavar="SECONDS",
        help="Delay each simulated answer.",
    )(function)


def _pairs(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            name = re.split(r"[:\s]", value)[0]  # no more of it, because it may be an API key
            raise click.BadParameter(f"`{name}` is not of the form {parameter.metavar}")
        if name in pairs:
            raise click.BadParameter(f"`{name}` is set twice")
        pairs[name] = text
    return pairs
