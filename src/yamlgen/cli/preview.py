"""`yamlgen preview`: a few rows, each as a card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from yamlgen.cli.completed_values import complete_pipeline
from yamlgen.cli.messages import echo, safe
from yamlgen.cli.options import (
    batch_option,
    display_options,
    fault_options,
    input_option,
    limit_options,
    output_format,
    pipeline_options,
    store_option,
)
from yamlgen.errors import near

if TYPE_CHECKING:
    from yamlgen.api.loaded_pipeline import Pipeline
    from yamlgen.api.previewed_rows import Card, WriteCards
    from yamlgen.api.results import Report
    from yamlgen.api.run_options import RunOptions

_MOST: Final = 1000


@click.command("preview")
@click.argument("pipeline", type=click.Path(path_type=Path), shell_complete=complete_pipeline)
@click.option(
    "-n",
    "number",
    type=click.IntRange(1, _MOST),
    default=5,
    show_default=True,
    metavar="N",
    help="Run the first N rows.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Also write the cards to an HTML page; it replaces an earlier page, and no other file.",
)
@pipeline_options
@input_option
@click.option("--fresh", is_flag=True, help="Use no stored answers: send, and pay for, every request again.")
@click.option("--offline", is_flag=True, help="Send nothing; use stored answers only, and report what is missing.")
@limit_options
@store_option
@batch_option
@click.option("--simulate", is_flag=True, help="Use the simulated API: no key, no network, no cost.")
@display_options
@output_format
@fault_options
def command(  # noqa: PLR0913 - click passes its options by name
    *,
    pipeline: Path,
    number: int,
    html: Path | None,
    params: dict[str, str],
    overrides: dict[str, str],
    input_path: str | None,
    quiet: bool,
    verbose: bool,
    progress: str,
    output_format: str,
    **chosen: Any,
) -> int:
    """Run a few rows, and show each as a card.

    A card shows the input of a row, the value of each step, what was asked again and why, what failed, and the cost.
    Long values are cut.

    This is `yamlgen run --limit N`: the rows are written to a separate file, the limits and the confirmation apply, and
    the answers are stored. A second preview and a later run use them, and do not send their requests again. If the
    pipeline sends batches, add --no-batch to wait seconds instead of minutes or hours.

    The cards are printed to stdout, everything else to stderr. The exit codes are those of `run`.
    """
    from yamlgen.api.argument_parsing import load_with  # noqa: PLC0415 - loads the language
    from yamlgen.api.run_options import RunOptions  # noqa: PLC0415
    from yamlgen.cli.foreground import DisplayOptions, run_shown  # noqa: PLC0415 - loads asyncio

    as_json = output_format == "json"
    write_page: list[WriteCards] = []

    def prepare() -> tuple[Pipeline, dict[str, Any], RunOptions]:
        loaded, given = load_with(pipeline, params, overrides, input_path)
        options = RunOptions(limit=number, **chosen)
        if html is not None:
            from yamlgen.api.previewed_rows import reserved_page  # noqa: PLC0415 - loads the store

            write_page.append(stack.enter_context(reserved_page(html, loaded, given, options)))
        return loaded, given, options

    def show_rows(loaded: Pipeline, given: dict[str, Any], options: RunOptions, report: Report) -> Mapping[str, Any]:
        from yamlgen.api.previewed_rows import card_of, read_rows  # noqa: PLC0415 - loads the store
        from yamlgen.api.results import SIMULATED  # noqa: PLC0415

        def cards() -> Iterator[Card]:
            rows = read_rows(loaded, given, options, report.run)
            return (card_of(row, simulated=options.simulate) for row in rows)

        told = _told(report)
        for write in write_page:  # before the cards: their reader may stop, as `head` does
            ended = [f"ended early: {report.error}"] if report.error else []
            write([f"run {report.run}{SIMULATED if options.simulate else ''}", *ended, told], cards())
            if not quiet:
                echo(f"wrote the cards to {safe(near(html or Path()))}")
        if not as_json:
            from yamlgen.cli.cards import show_cards, show_lines  # noqa: PLC0415 - only for text

            show_cards(cards())
            whole = [] if quiet else _whole(loaded, given, options, report)
            show_lines([told, *whole])
        return {"cards": [row.as_json() for row in read_rows(loaded, given, options, report.run)]} if as_json else {}

    with ExitStack() as stack:
        return run_shown(prepare, DisplayOptions(quiet, verbose, progress, as_json), show_rows)


def _told(report: Report) -> str:
    """Return how many rows there are, and what they cost."""
    from yamlgen.api.results import counted  # noqa: PLC0415 - loads SQLite
    from yamlgen.cli.summary import bill  # noqa: PLC0415 - loads SQLite

    ends = [f"{report.finished:,} finished", f"{report.failed:,} failed"]
    ends += [f"{report.missing:,} without an answer"] if report.missing else []
    return f"{counted(report.finished + report.failed + report.missing, 'row')}: {', '.join(ends)}; {bill(report)}"


def _whole(loaded: Pipeline, given: dict[str, Any], options: RunOptions, report: Report) -> list[str]:
    """Return what a run of the whole input would send and cost, if that is known at once."""
    from yamlgen.api.previewed_rows import whole_forecast  # noqa: PLC0415 - loads the engine
    from yamlgen.cli.summary import foretold  # noqa: PLC0415

    forecast = whole_forecast(loaded, given, options)
    if forecast is None or forecast.rows <= (report.rows or 0):
        return []
    return [f"the whole input of {foretold(forecast)}"]
