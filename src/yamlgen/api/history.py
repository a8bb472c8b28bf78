"""Past runs: find the stores and the runs in them, and show, export and prune them.

Contains the functions for Python users, in the words of `yamlgen runs`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from yamlgen.api.chosen_outputs import ChosenPaths
from yamlgen.api.stored_run import Export, Run, values
from yamlgen.errors import Code, EnvironmentProblem, UsageError, YamlgenError, near
from yamlgen.option_names import option
from yamlgen.output.batch_detail import open_batches
from yamlgen.parsing.project_folder import unusable
from yamlgen.parsing.similar_paths import neighbour
from yamlgen.store import pruning
from yamlgen.store.location import FOLDER, StoreLocation, location_of, locations_in
from yamlgen.store.pruning import Pruning
from yamlgen.store.run_reader import TESTED, RunEntry, RunReader, listing
from yamlgen.store.run_session import open_runs
from yamlgen.value_objects import JSON

if TYPE_CHECKING:
    from yamlgen.api.canceled_batches import CanceledBatch

__all__ = [
    "Pruning",
    "StoreLocation",
    "age_of",
    "cancel",
    "export",
    "failures",
    "find_run",
    "has_run",
    "list_runs",
    "prune",
    "prune_runs",
    "rows",
    "runs",
    "show",
    "store_locations",
]

_AGE: Final = re.compile(r"([0-9]{1,5})([mhdw])")
_UNITS: Final = {"m": 1 / 1440, "h": 1 / 24, "d": 1.0, "w": 7.0}


def store_locations(targets: Sequence[Path], store: Path | None = None) -> list[StoreLocation]:
    """Return the stores of pipelines.

    Args:
        targets: pipeline files, or folders of them. Default: the current folder and its subfolders.
        store: the folder of the stores. Default: `.yamlgen/` next to each pipeline.

    Raises:
        UsageError: there is no store.
        EnvironmentProblem: a folder cannot be read.
    """
    found: list[StoreLocation] = []
    unread: list[EnvironmentProblem] = []
    for target in targets:
        if why := unusable(target, str(target)):
            raise UsageError(why, code=Code.NO_RUN, hint="write the path of a pipeline, or of a folder of pipelines")
        if target.is_dir():
            found += locations_in(store or target / FOLDER)
        else:
            both = (location_of(target, store), location_of(target, store, simulated=True))
            found += [place for place in both if place.exists]
    if not targets:
        folders = [store] if store else [Path(FOLDER), *sorted(Path().glob(f"*/{FOLDER}"))]
        for folder in folders:
            try:
                found += locations_in(folder)
            except EnvironmentProblem as error:
                unread.append(error)
    if unread and not found:
        raise unread[0]
    if not found:
        where = ", ".join(near(target) for target in targets) or near(store or Path())
        message = f"{where} has no store of past runs"
        hint = f"specify the pipeline, and {option('store', 'PATH')} if its store is elsewhere"
        for target in [each for each in targets if not each.exists()][:1]:
            message = f"{near(target)} does not exist"
            hint = neighbour(target, near(target), "write the path of a pipeline, or of a folder of pipelines")
        raise UsageError(message, code=Code.NO_RUN, hint=hint)
    return found


def list_runs(stores: Sequence[StoreLocation]) -> tuple[list[Run], list[YamlgenError]]:
    """Return all runs of these stores, oldest first, and the errors of the stores that cannot be read."""
    found: list[Run] = []
    unread: list[YamlgenError] = []
    for place in stores:
        try:
            with open_runs(place) as run_reader:
                found += [Run(place, entry) for entry in run_reader.runs()]
        except EnvironmentProblem as error:
            unread.append(error)
    # The sort is stable: the store has runs that began in the same second in their order.
    return sorted(found, key=lambda run: run.entry.started), unread


def find_run(stores: Sequence[StoreLocation], name: str | None) -> Run:
    """Return a run by its name, or its beginning. Default: the latest run, which is simulated only if all are.

    Raises:
        UsageError: no run or several runs have this name.
    """
    known: list[tuple[str, str, StoreLocation]] = []
    for place in stores:
        with open_runs(place) as run_reader:
            known += [(started, found, place) for started, found in run_reader.names()]
    if name is None and any(not place.simulated for _, _, place in known):
        known = [run for run in known if not run[2].simulated]  # a simulated run never hides a real one
    if name is None:  # nor does the run of a test
        known = [run for run in known if not run[1].endswith(TESTED)] or known
    known.sort(key=lambda run: run[0])  # stable, as above
    matching = [run for run in known if name is None or run[1].startswith(name)]
    exact = [run for run in matching if run[1] == name]
    if not matching:
        message = f"there is no run `{name}`" if name else "there is no run yet"
        raise UsageError(message, code=Code.NO_RUN, hint=listing())
    if name and not exact and len(matching) > 1:
        message = f"the names of {len(matching)} runs begin with `{name}`"
        raise UsageError(message, code=Code.NO_RUN, hint=f"write more of its name; {listing()}")
    _, found, place = (exact or matching)[-1]
    with open_runs(place) as run_reader:
        return Run(place, run_reader.run(found))


def has_run(stores: Sequence[StoreLocation], name: str | None) -> bool:
    """Whether a readable store has a run whose name begins with `name`; without a name, whether it has any run."""
    known: list[str] = []
    for place in stores:
        with suppress(EnvironmentProblem), open_runs(place) as run_reader:
            known += [found for _, found in run_reader.names()]
    return any(name is None or found.startswith(name) for found in known)


def _old(run_reader: RunReader, keep: int | None, older: timedelta | None) -> list[RunEntry]:
    """Return the runs to delete. Only complete runs count for `keep`: not stopped ones, nor those with a row limit.

    A run with batches in progress is kept, so that they can be canceled.
    """
    runs = run_reader.runs()
    if keep == 0:
        return runs
    whole = [run for run in runs if run.is_whole]
    if not whole:
        return []
    old = runs[: runs.index(whole[-(keep or 1) :][0])]
    if older is not None:
        limit = (datetime.now(UTC) - older).isoformat(timespec="seconds")
        old = [run for run in old if run.started < limit]
    gone = {run.name for run in old if not open_batches(run_reader, run)}
    for run in reversed(runs):  # a retry that is kept keeps the older run that it retried
        if run.retry and run.name not in gone:
            gone.discard(run.retry)
    return [run for run in old if run.name in gone]


def prune_runs(
    stores: Sequence[StoreLocation],
    *,
    keep: int | None = None,
    older: timedelta | None = None,
    confirm: Callable[[StoreLocation, Pruning], bool],
) -> list[tuple[StoreLocation, Pruning]]:
    """Delete old runs from stores, and the answers that no other run needs.

    Args:
        stores: the stores.
        keep: how many of the latest complete runs each store keeps, with all runs after them; 0 keeps nothing.
        older: the minimum age of runs to delete; the latest complete run is kept, because the next one needs its
            answers.
        confirm: called for each store with what is to be deleted; returns whether to delete it.

    Returns:
        What was deleted from each store.
    """
    gone: list[tuple[StoreLocation, Pruning]] = []
    for place in stores:
        with open_runs(place) as run_reader:
            old = _old(run_reader, keep, older)
        if not old:
            continue
        dropped = pruning.prune(place, [run.number for run in old], partial(confirm, place))
        if dropped is not None:
            gone.append((place, dropped))
    return gone


def age_of(text: str) -> timedelta:
    """Parse an age such as `30d`, `12h`, `4w` or `90m`.

    Raises:
        UsageError: the string is not an age.
    """
    match = _AGE.fullmatch(text)
    if match is None:
        raise UsageError(f"`{text}` is not an age", code=Code.BAD_PARAM, hint="write one such as 30d, 12h or 4w")
    return timedelta(days=int(match[1]) * _UNITS[match[2]])


def runs(*where: str | Path, store: str | Path | None = None) -> list[Run]:
    """Return the runs of pipelines, oldest first, as `yamlgen runs ls` lists them.

    Args:
        where: pipeline files, or folders of them. Default: the current folder and its subfolders.
        store: the folder of the stores. Default: `.yamlgen/` next to each pipeline.

    Raises:
        UsageError: there is no store.
        EnvironmentProblem: a store cannot be read; specify the pipelines whose stores can be read.
    """
    found, unread = list_runs(store_locations([Path(each) for each in where], _path(store)))
    if unread:
        raise unread[0]
    return found


def _find(pipeline: str | Path | None, run: str | None, store: str | Path | None) -> Run:
    return find_run(store_locations([] if pipeline is None else [Path(pipeline)], _path(store)), run)


def show(
    pipeline: str | Path | None = None,
    run: str | None = None,
    *,
    row: str | int | None = None,
    store: str | Path | None = None,
) -> dict[str, JSON]:
    """Return a run, or one of its rows, as `yamlgen runs show --json` prints it, without `version`.

    Args:
        pipeline: the pipeline file, or a folder of them. Default: the current folder and its subfolders.
        run: the name of the run, or its beginning. Default: the latest run, which is simulated only if all are.
        row: the id of a row, or its number, from 1.
        store: the folder of the store. Default: `.yamlgen/` next to the pipeline.

    Returns:
        For a run: `status`, `rows` (counts), `steps` with their cost, `failures` in groups, parameters, models,
        versions, the pipeline as it ran (`resolved`). For a row: its `columns`, and each step with its requests.

    Raises:
        UsageError: no run or several runs have this name; or the run has no such row.
        EnvironmentProblem: the store cannot be read.
    """
    found = _find(pipeline, run, store)
    return found.describe() if row is None else found.describe_row(str(row))


def rows(
    pipeline: str | Path | None = None,
    run: str | None = None,
    *,
    output: str | None = None,
    store: str | Path | None = None,
) -> list[dict[str, JSON]]:
    """Return the rows of an output that have finished, in input order, also of a run that continues or was killed.

    They are what `yamlgen runs export` prints: the columns under `columns`; by default those of the input, then one for
    each step. With `failed: keep`, failed rows are among them.

    Args:
        pipeline: the pipeline file, or a folder of them. Default: the current folder and its subfolders.
        run: the name of the run, or its beginning. Default: the latest run, which is simulated only if all are.
        output: the name of the output; required if the pipeline has several.
        store: the folder of the store. Default: `.yamlgen/` next to the pipeline.

    Raises:
        UsageError: no run or several runs have this name; or the run has no such output.
        EnvironmentProblem: the store cannot be read.
    """
    return values(_find(pipeline, run, store).lines(output))


def failures(
    pipeline: str | Path | None = None, run: str | None = None, *, store: str | Path | None = None
) -> list[dict[str, JSON]]:
    """Return the failed rows of a run, with their errors and requests, and the failed items and steps that are null.

    They are what `yamlgen runs failed --json` prints, in input order. Only items and steps that are null have `item`,
    the position of the item in the row, from 1, and `case`, its name; both are null for a step.

    Args:
        pipeline: the pipeline file, or a folder of them. Default: the current folder and its subfolders.
        run: the name of the run, or its beginning. Default: the latest run, which is simulated only if all are.
        store: the folder of the store. Default: `.yamlgen/` next to the pipeline.

    Raises:
        UsageError: no run or several runs have this name.
        EnvironmentProblem: the store cannot be read.
    """
    return values(_find(pipeline, run, store).failed_lines(items=True))


def export(
    pipeline: str | Path | None = None,
    run: str | None = None,
    *,
    output: ChosenPaths,
    failed: bool = False,
    store: str | Path | None = None,
) -> Export:
    """Write the finished rows of a run to a file, even while it runs or if it was stopped or killed.

    `rows` returns them instead.

    Args:
        pipeline: the pipeline file, or a folder of them. Default: the current folder and its subfolders.
        run: the name of the run, or its beginning. Default: the latest run, which is simulated only if all are.
        output: a `.jsonl`, `.json`, `.parquet` or `.csv` file; its folder is created, and an existing file is
            replaced, but not the input. If the pipeline has several outputs, `{"train": PATH}`. In a `.sqlite` or `.db`
            file, all rows, steps and attempts are tables; it replaces only an earlier one.
        failed: write the failed rows, as in `*.failed.jsonl`.
        store: the folder of the store. Default: `.yamlgen/` next to the pipeline.

    Raises:
        UsageError: no run or several runs have this name; or `output` is not a file, or has another extension.
        EnvironmentProblem: the store cannot be read, or the file cannot be written.
    """
    return _find(pipeline, run, store).export(output, failed=failed)


def cancel(
    pipeline: str | Path | None = None,
    run: str | None = None,
    *,
    forget: bool = False,
    store: str | Path | None = None,
) -> list[CanceledBatch]:
    """Cancel the batches of a run that are in progress, also while the run waits for them.

    Requests that are processed already are billed, and the next run collects their answers. A run that waits for the
    batches ends.

    Args:
        pipeline: the pipeline file, or a folder of them. Default: the current folder and its subfolders.
        run: the name of the run, or its beginning. Default: the latest run, which is simulated only if all are.
        forget: also forget the batches that the API does not know, and those that may have been posted: the next run
            sends their requests again. No run of the pipeline may be in progress.
        store: the folder of the store. Default: `.yamlgen/` next to the pipeline.

    Returns:
        What happened to each batch; empty if none is open.

    Raises:
        UsageError: no run or several runs have this name.
        EnvironmentProblem: there is no key, or the store cannot be read or written.
        YamlgenError: the API cannot be reached, or refused a cancelation.
    """
    return _find(pipeline, run, store).cancel(forget=forget)


def prune(
    *where: str | Path,
    keep: int | None = None,
    older: str | timedelta | None = None,
    store: str | Path | None = None,
) -> dict[Path, Pruning]:
    """Delete old runs, and the answers and stored values that no other run needs, without confirmation.

    The latest complete run (finished, over all rows) and runs whose batches are in progress are kept, unless `keep=0`
    deletes everything. A deleted answer is paid for again if a later run needs it.

    Args:
        where: pipeline files, or folders of them. Default: the current folder and its subfolders.
        keep: how many of the latest complete runs each store keeps, with all runs after them.
        older: the minimum age of runs to delete, such as `30d`, `12h` or `4w`.
        store: the folder of the stores. Default: `.yamlgen/` next to each pipeline.

    Returns:
        The numbers of deleted runs, rows and answers, by the file of the store; without stores that did not change.

    Raises:
        UsageError: neither `keep` nor `older` is set, or one of them is wrong; or there is no store.
        EnvironmentProblem: a run is in progress, or a store cannot be read or written.
    """
    if keep is None and older is None:
        hint = f"set {option('keep', 'N')} or {option('older', '30d')}"
        raise UsageError("`prune` needs to know which runs to delete", code=Code.BAD_PARAM, hint=hint)
    if keep is not None and keep < 0:
        raise UsageError(f"`keep` must be 0 or more, not {keep!r}", code=Code.BAD_PARAM)
    age = age_of(older) if isinstance(older, str) else older
    stores = store_locations([Path(each) for each in where], _path(store))
    gone = prune_runs(stores, keep=keep, older=age, confirm=lambda _, __: True)
    return {place.database: dropped for place, dropped in gone}


def _path(store: str | Path | None) -> Path | None:
    return None if store is None else Path(store)
