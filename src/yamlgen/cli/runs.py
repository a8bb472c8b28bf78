"""`yamlgen runs`: what the stores hold. Each command prints text for people, or JSON with `--json`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from yamlgen.cli.messages import as_yaml, echo, json_line, put, safe, show_error
from yamlgen.cli.options import store_option
from yamlgen.errors import Code, UsageError, YamlgenError, near
from yamlgen.excerpts import brief
from yamlgen.exit_codes import ExitCode

if TYPE_CHECKING:
    from yamlgen.api.history import Pruning, StoreLocation
    from yamlgen.api.stored_run import Run

_HEAD: Final = ["run", "pipeline", "status", "started", "rows", "finished", "failed", "answers", "cost"]
_ENDINGS: Final = (".yaml", ".yml")


@click.group("runs")
def command() -> None:
    """List runs, show them, export their rows, prune them.

    Runs are found by the pipeline (or a folder of pipelines), by a run's name or its beginning, or by both; where
    neither is named, the stores in this folder and in the folders below it are looked at. Where no run is named, the
    last one is meant; a simulated one only where no other is.
    """


def _common(function: Callable[..., int]) -> Any:
    """The options of all these commands, and their errors as JSON where JSON is wanted."""

    @wraps(function)
    def told(*arguments: Any, json_out: bool, **options: Any) -> int:
        from yamlgen.cli.foreground import tell  # noqa: PLC0415 - loads asyncio

        try:
            return function(*arguments, json_out=json_out, **options)
        except YamlgenError as error:
            return tell(error, json_out=json_out)

    return store_option(click.option("--json", "json_out", is_flag=True, help="Print JSON.")(told))


def _split(words: tuple[str, ...]) -> tuple[list[Path], str | None]:
    """Pipelines and folders on one side, the name of a run on the other."""
    paths = [Path(word) for word in words if word.endswith(_ENDINGS) or Path(word).exists()]
    names = [word for word in words if not (word.endswith(_ENDINGS) or Path(word).exists())]
    if len(names) > 1:
        raise click.UsageError(f"several runs are named: {', '.join(names)}; one at a time")
    return paths, names[0] if names else None


def _found(words: tuple[str, ...], store: Path | None) -> Run:
    from yamlgen.api.history import find_run, store_locations  # noqa: PLC0415 - loads the store

    paths, name = _split(words)
    return find_run(store_locations(paths, store), name)


@command.command("ls")
@click.argument("where", nargs=-1, metavar="[PIPELINE|FOLDER]...")
@_common
def list_command(where: tuple[str, ...], store: Path | None, *, json_out: bool) -> int:
    """List all runs, the oldest first."""
    from yamlgen.api.history import list_runs, store_locations  # noqa: PLC0415 - loads the store

    runs, unread = list_runs(store_locations([Path(word) for word in where], store))
    if json_out:
        put(json_line({"runs": [run.as_json() for run in runs], "unread": [error.message for error in unread]}))
    else:
        from yamlgen.cli.summary import table  # noqa: PLC0415 - only where text is shown

        put("".join(f"{line.strip()}\n" for line in table([_HEAD, *map(_line, runs)])))
        for error in unread:
            show_error(error)
    return ExitCode.ENVIRONMENT if unread else ExitCode.OK


def _line(run: Run) -> list[str]:
    from yamlgen.cli.summary import dollars  # noqa: PLC0415 - only where text is shown

    told = run.as_json()
    paid, rows = told["paid"], told["rows"]
    cost = paid["cost_usd"]
    pipeline = near(run.home / run.pipeline) + (" (simulated)" if run.simulated else "")
    counts = [str(rows[key]) for key in ("input", "finished", "failed")]
    spent = "unknown" if cost is None else f"{'worth ' if run.simulated else ''}{dollars(cost)}"
    return [run.name, pipeline, run.status, run.started, *counts, str(paid["attempts"]), spent]


@command.command("show")
@click.argument("which", nargs=-1, metavar="[PIPELINE] [RUN]")
@click.option("--row", metavar="ID|N", help="All that is known of a row, by its `input.id` or its number, from 1.")
@_common
def show_command(which: tuple[str, ...], row: str | None, store: Path | None, *, json_out: bool) -> int:
    """Show a run: how it was asked for, how it went, the pipeline as it ran.

    With --row: that row's requests, every attempt, what the validator said of it, and the items that are null. What is
    a row's id is taken for that; another number is the row's place in the input. It works while a run goes on.
    """
    run = _found(which, store)
    told = run.describe() if row is None else run.describe_row(row, lambda note: echo(safe(note)))
    put(json_line(told) if json_out else as_yaml(told))
    return ExitCode.OK


@command.command("failed")
@click.argument("which", nargs=-1, metavar="[PIPELINE] [RUN]")
@_common
def failed_command(which: tuple[str, ...], store: Path | None, *, json_out: bool) -> int:
    """Tell which rows of a run failed, which items are null in the lists of others, and why.

    With --json: a line for each failed row, as in the file of failed rows, and one for each item that failed and is
    null (`on_item_error: "null"`); the latter has `item`, from 1 among those of its row, and `case`, its name.
    """
    from yamlgen.api.results import row_name  # noqa: PLC0415 - loads SQLite

    run = _found(which, store)
    if json_out:
        _put_lines(run.failed_lines(items=True))
        return ExitCode.OK
    told, unkept = False, run.entry.failed_items if run.status == "finished" else 0
    for each in run.failures():
        what = each.step if each.item is None else f"{each.item or 'an item'} of {each.step} is null"
        line = f"{row_name(each.number, each.id)}, {what}: {each.code}: {each.message}"
        put(f"{safe(brief(line))}\n")
        told, unkept = True, unkept - (each.item is not None)
    if unkept > 0:
        echo(f"{unkept:,} items more failed and are null; the earlier version that made the run did not keep which")
    elif not told:
        echo(f"run {run.name} has no failed row or item")
    if run.status != "running" and run.has_to_retry():
        echo(f"  = {_retry(run)} asks again")
    return ExitCode.OK


def _retry(run: Run) -> str:
    """The command that asks again for what failed in a run, and in no other."""
    is_beside = run.is_beside_pipeline and run.pipeline.endswith(_ENDINGS)
    words = [near(run.home / run.pipeline) if is_beside else run.entry.about["pipeline"]["file"]]
    words += [run.name, *(["--simulate"] if run.simulated else [])]
    return f"`yamlgen retry {shlex.join(words + ([] if is_beside else ['--store', near(run.place.folder)]))}`"


@command.command("export")
@click.argument("which", nargs=-1, metavar="[PIPELINE] [RUN]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A .jsonl, .json or .csv file; else stdout.")
@click.option("--failed", is_flag=True, help="The failed rows, as in the file of failed rows.")
@_common
def export_command(
    which: tuple[str, ...], output: Path | None, store: Path | None, *, failed: bool, json_out: bool
) -> int:
    """Write the rows of a run, also of one that did not come to its end.

    Without --output they go to stdout as JSON lines, with --json as one JSON array.
    """
    run = _found(which, store)
    if output is None:
        lines = run.failed_lines() if failed else run.lines()
        _put_lines(run.array(failed=failed) if json_out else lines)
        return ExitCode.OK
    done = run.export(output, failed=failed)
    how, lost = "simulated run" if run.simulated else "run", done.failed_items
    items = f"; {lost:,} item{'' if lost == 1 else 's'} in their lists failed, and null" if lost else ""
    echo(f"wrote {done.rows:,} rows of {how} {run.name} to {near(output)}{items}")
    for warning in done.warnings:
        echo(f"  warning  {safe(warning)}")
    if json_out:
        put(json_line(done.as_json()))
    return ExitCode.OK


def _put_lines(lines: Iterable[bytes]) -> None:
    try:
        for line in lines:
            put(line.decode())
    finally:  # and the store with them, also where the reader of stdout has gone
        getattr(lines, "close", bool)()


@command.command("prune")
@click.argument("where", nargs=-1, metavar="[PIPELINE|FOLDER]...")
@click.option("--keep", type=click.IntRange(min=0), help="Keep the N newest whole runs, and what came after them.")
@click.option("--older", metavar="AGE", help="Drop what is older, such as 30d, 12h or 4w.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@_common
def prune_command(
    where: tuple[str, ...], keep: int | None, older: str | None, store: Path | None, *, yes: bool, json_out: bool
) -> int:
    """Drop old runs, and the answers and kept values of functions that no kept run needs.

    The newest whole run stays (one that finished, over all rows), unless all go with --keep 0. It asks before anything
    is gone. What is dropped is paid for again when a run needs it.
    """
    from yamlgen.api.history import age_of, prune_runs, store_locations  # noqa: PLC0415 - loads the store

    if keep is None and older is None:
        raise click.UsageError("say which runs go: --keep N or --older 30d")

    def confirm(place: StoreLocation, pruning: Pruning) -> bool:
        told = f"{near(place.database)}: {pruning.runs} runs, {pruning.rows:,} rows, {pruning.answers:,} answers"
        if yes:
            return True
        if not (sys.stdin and sys.stdin.isatty()):
            message = f"this drops {told}, and nobody is there to ask"
            raise UsageError(message, code=Code.NOT_CONFIRMED, hint="say `--yes`; nothing was dropped")
        return click.confirm(f"drop {told}?", default=False, err=True)

    try:
        age = None if older is None else age_of(older)
    except UsageError as error:
        raise click.BadParameter(f"{error.message}; {error.hint}", param_hint="--older") from None
    gone = prune_runs(store_locations([Path(word) for word in where], store), keep=keep, older=age, confirm=confirm)
    if json_out:
        stores = {str(place.database): pruning for place, pruning in gone}
        told = {name: asdict(pruning) for name, pruning in stores.items()}
        put(json_line({"pruned": told}))
    for place, pruning in gone:
        echo(f"{near(place.database)}: dropped {pruning.runs} runs and {pruning.answers:,} answers")
    if not gone:
        echo("nothing was dropped")
    return ExitCode.OK
