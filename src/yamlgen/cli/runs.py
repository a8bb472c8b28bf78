"""`yamlgen runs`: past runs. Each command prints text for people, or JSON with `--json`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from yamlgen.cli.completed_values import complete_output, complete_pipeline, complete_pipeline_or_run
from yamlgen.cli.messages import as_yaml, echo, json_object, put, safe, show_error, show_explanation
from yamlgen.cli.named_run import named_run
from yamlgen.cli.options import environment_option, store_option
from yamlgen.errors import Code, UsageError, YamlgenError, near
from yamlgen.excerpts import brief
from yamlgen.exit_codes import ExitCode

if TYPE_CHECKING:
    from yamlgen.api.canceled_batches import CanceledBatch
    from yamlgen.api.history import Pruning, StoreLocation
    from yamlgen.api.stored_run import Run

_HEAD: Final = ["run", "pipeline", "status", "started", "rows", "finished", "failed", "answers", "cost"]


@click.group("runs")
def command() -> None:
    """List, show, export, cancel and prune past runs.

    PIPELINE is a pipeline file, or a folder of them. Default: the pipelines in the current folder and its subfolders.
    RUN is the name of a run, or its beginning. Default: the latest run that is not simulated; if there is none, the
    latest simulated one.
    """


def _common(function: Callable[..., int]) -> Any:
    """Add the options of all these commands; with `--json`, their errors are JSON as well."""

    @wraps(function)
    def called(*arguments: Any, json_out: bool, **options: Any) -> int:
        from yamlgen.cli.foreground import tell  # noqa: PLC0415 - loads asyncio

        try:
            return function(*arguments, json_out=json_out, **options)
        except YamlgenError as error:
            return tell(error, json_out=json_out)

    return store_option(click.option("--json", "json_out", is_flag=True, help="Print JSON.")(called))


@command.command("ls")
@click.argument("where", nargs=-1, metavar="[PIPELINE|FOLDER]...", shell_complete=complete_pipeline)
@_common
def list_command(where: tuple[str, ...], store: Path | None, *, json_out: bool) -> int:
    """List runs, oldest first."""
    from yamlgen.api.history import list_runs, store_locations  # noqa: PLC0415 - loads the store

    runs, unread = list_runs(store_locations([Path(word) for word in where], store))
    if json_out:
        put(json_object({"runs": [run.as_json() for run in runs], "unread": [error.message for error in unread]}))
    else:
        from yamlgen.cli.summary import table  # noqa: PLC0415 - only for text

        put("".join(f"{line.strip()}\n" for line in table([_HEAD, *map(_line, runs)])))
        for error in unread:
            show_error(error)
        show_explanation(str(error.code) for error in unread)
    return ExitCode.ENVIRONMENT if unread else ExitCode.OK


def _line(run: Run) -> list[str]:
    from yamlgen.api.results import dollars  # noqa: PLC0415 - loads SQLite

    known = run.as_json()
    paid, rows = known["paid"], known["rows"]
    cost = paid["cost_usd"]
    pipeline = near(run.home / run.pipeline) + (" (simulated)" if run.simulated else "")
    counts = [str(rows[key]) for key in ("input", "finished", "failed")]
    spent = "unknown" if cost is None else dollars(cost, simulated=run.simulated)
    return [run.name, pipeline, run.status, run.started, *counts, str(paid["attempts"]), spent]


@command.command("show")
@click.argument("which", nargs=-1, metavar="[PIPELINE] [RUN]", shell_complete=complete_pipeline_or_run)
@click.option("--row", metavar="ID|N", help="Show the row with this id, or number, from 1.")
@_common
def show_command(which: tuple[str, ...], row: str | None, store: Path | None, *, json_out: bool) -> int:
    """Show a run, or one of its rows.

    Shows the options of the run, its counts and costs, and the pipeline as it ran. With --row: the requests of the row,
    every answer with its validation errors, and the failed items that are null. It also works during a run.
    """
    run = named_run(which, store)
    shown = run.describe() if row is None else run.describe_row(row, lambda note: echo(safe(note)))
    put(json_object(shown) if json_out else as_yaml(shown))
    return ExitCode.OK


@command.command("failed")
@click.argument("which", nargs=-1, metavar="[PIPELINE] [RUN]", shell_complete=complete_pipeline_or_run)
@_common
def failed_command(which: tuple[str, ...], store: Path | None, *, json_out: bool) -> int:
    """List what failed in a run: rows, steps and items.

    With --json: one object on each line, for each failed row as in *.failed.jsonl, and for each item or step that
    failed and is null (`on_item_error: null`, `on_error: null`). Only these have `item`, the position of the item in
    the row, from 1, and `case`, its name; both are null for a step.
    """
    from yamlgen.api.results import row_name  # noqa: PLC0415 - loads SQLite

    run = named_run(which, store)
    if json_out:
        _put_lines(run.failed_lines(items=True))
        return ExitCode.OK
    found, unkept = False, run.entry.failed_items if run.status == "finished" else 0
    for each in run.failures():
        what = each.step if each.item is None else f"{each.item or 'an item'} of {each.step}"
        what += " is null" if each.is_null else ""
        line = f"{row_name(each.number, each.id)}, {what}: {each.code}: {each.message}"
        put(f"{safe(brief(line))}\n")
        found, unkept = True, unkept - each.is_null
    if unkept > 0:
        echo(f"{unkept:,} more items failed and are null; the earlier version that made the run did not store which")
    elif not found:
        echo(f"run {run.name} has no failed rows or items")
    if run.status != "running" and run.has_to_retry():
        echo(f"  = to retry them: `{run.commands.retry()}`")
    return ExitCode.OK


@command.command("export")
@click.argument("which", nargs=-1, metavar="[PIPELINE] [RUN]", shell_complete=complete_pipeline_or_run)
@click.option(
    "-o",
    "--output",
    multiple=True,
    metavar="[NAME=]PATH|-",
    shell_complete=complete_output,
    help="The .jsonl, .json, .parquet, .csv or .sqlite file. NAME is needed if there are several outputs, but for "
    ".sqlite. Default: stdout.",
)
@click.option("--failed", is_flag=True, help="Write the failed rows, as in *.failed.jsonl.")
@_common
def export_command(
    which: tuple[str, ...], output: tuple[str, ...], store: Path | None, *, failed: bool, json_out: bool
) -> int:
    """Write the rows of a run, even while it runs.

    It also works after a run was stopped or killed. Without --output, they are printed as JSON Lines, or with --json
    as one JSON array. A .sqlite (or .db) file has tables of the rows, also the failed ones, of the steps, and of the
    attempts with their texts.
    """
    from yamlgen.api.results import counted  # noqa: PLC0415 - only for text

    run = named_run(which, store)
    chosen = run.chosen(output or ("-",), failed=failed)
    printed = [name for name, path in chosen.items() if path == "-"]
    if printed:
        if len(chosen) > 1:
            raise click.UsageError("rows are either printed or written to files: write `-o` once")
        lines = run.failed_lines() if failed else run.lines(printed[0])
        _put_lines(run.array(printed[0], failed=failed) if json_out else lines)
        return ExitCode.OK
    done = run.export(chosen, failed=failed)
    how = "simulated run" if run.simulated else "run"
    lost = [_lost(done.null_steps, "step"), _lost(done.failed_items, "item")]
    files = ", ".join(map(near, done.outputs))
    if len(done.outputs) > 1:
        counts = zip(done.outputs, done.counts, strict=True)
        files = ", ".join(f"{near(path)} ({counted(count, 'row')})" for path, count in counts)
    echo(f"wrote {counted(done.rows, 'row')} of {how} {run.name} to {files}{''.join(lost)}")
    for warning in done.warnings:
        echo(f"  warning  {safe(warning)}")
    if json_out:
        put(json_object(done.as_json()))
    return ExitCode.OK


def _lost(number: int, what: str) -> str:
    return f"; {number:,} {what}{' failed and is' if number == 1 else 's failed and are'} null" if number else ""


def _put_lines(lines: Iterable[bytes]) -> None:
    try:
        for line in lines:
            put(line.decode())
    finally:  # closes the store, even if the reader of stdout has gone
        getattr(lines, "close", bool)()


@command.command("cancel")
@click.argument("which", nargs=-1, metavar="[PIPELINE] [RUN]", shell_complete=complete_pipeline_or_run)
@click.option("--forget", is_flag=True, help="Forget batches that the API does not know, or that may not exist.")
@environment_option
@_common
def cancel_command(which: tuple[str, ...], store: Path | None, *, forget: bool, json_out: bool) -> int:
    """Cancel the batches of a run, even while it waits for them.

    Requests that have already been processed are billed. A run that waits for the batches keeps the answers that it
    gets, and ends. The next run collects the answers, and sends the other requests again. With --forget, no run of the
    pipeline may be in progress; the requests of a forgotten batch are sent again, and billed twice if the batch exists.
    """
    from yamlgen.api.results import counted  # noqa: PLC0415 - only for text

    def tell(batch: CanceledBatch) -> None:
        name = f"batch {batch.id}" if batch.id else "a batch"
        echo(safe(f"{name} of {batch.step} ({counted(batch.requests, 'request')}): {batch.message}"))

    run = named_run(which, store)
    batches = run.cancel(forget=forget, tell=bool if json_out else tell)
    if json_out:
        put(json_object({"run": run.name, "batches": [batch.as_json() for batch in batches]}))
    elif not batches:
        echo(f"run {run.name} has no open batches; there is nothing to cancel")
        other = run.open_elsewhere()
        if other is not None:
            echo(f"  = run {other} has open batches: `yamlgen runs cancel {other}`")
    return ExitCode.ENVIRONMENT if any(batch.is_left for batch in batches) else ExitCode.OK


@command.command("prune")
@click.argument("where", nargs=-1, metavar="[PIPELINE|FOLDER]...", shell_complete=complete_pipeline)
@click.option("--keep", type=click.IntRange(min=0), help="Keep the N latest complete runs, and all runs after them.")
@click.option("--older", metavar="AGE", help="Delete runs that are older than this, such as 30d, 12h or 4w.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@_common
def prune_command(
    where: tuple[str, ...], keep: int | None, older: str | None, store: Path | None, *, yes: bool, json_out: bool
) -> int:
    """Delete old runs, and what only they need.

    This includes the answers and stored values that no other run needs. The latest complete run (finished, over all
    rows) and runs whose batches are in progress are kept, unless you delete everything with --keep 0. Asks before
    it deletes. A deleted answer is paid for again if a later run needs it.
    """
    from yamlgen.api.history import age_of, prune_runs, store_locations  # noqa: PLC0415 - loads the store
    from yamlgen.api.results import counted  # noqa: PLC0415 - only for text

    if keep is None and older is None:
        raise click.UsageError("specify which runs to delete: --keep N or --older 30d")

    def confirm(place: StoreLocation, pruning: Pruning) -> bool:
        runs, rows = counted(pruning.runs, "run"), counted(pruning.rows, "row")
        what = f"{near(place.database)}: {runs}, {rows}, {counted(pruning.answers, 'answer')}"
        if yes:
            return True
        if not (sys.stdin and sys.stdin.isatty()):
            message = f"this deletes {what}, and there is no terminal to confirm it at"
            raise UsageError(message, code=Code.NOT_CONFIRMED, hint="add `--yes`; nothing was deleted")
        return click.confirm(f"delete {what}?", default=False, err=True)

    try:
        age = None if older is None else age_of(older)
    except UsageError as error:
        raise click.BadParameter(f"{error.message}; {error.hint}", param_hint="--older") from None
    gone = prune_runs(store_locations([Path(word) for word in where], store), keep=keep, older=age, confirm=confirm)
    if json_out:
        stores = {str(place.database): pruning for place, pruning in gone}
        put(json_object({"pruned": {name: asdict(pruning) for name, pruning in stores.items()}}))
    for place, pruning in gone:
        echo(f"{near(place.database)}: deleted {counted(pruning.runs, 'run')} and {counted(pruning.answers, 'answer')}")
    if not gone:
        echo("nothing was deleted")
    return ExitCode.OK
