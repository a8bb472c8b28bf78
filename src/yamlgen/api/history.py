"""The runs that stores hold: where the stores are, which run is meant, and what of them is shown, written and pruned.

Owns the functions that Python users call for past runs, in the words of `yamlgen runs`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from yamlgen.api.stored_run import Export, Run, values
from yamlgen.errors import Code, EnvironmentProblem, UsageError, YamlgenError, near
from yamlgen.option_names import option
from yamlgen.parsing.similar_paths import neighbour
from yamlgen.store import pruning
from yamlgen.store.location import FOLDER, StoreLocation, location_of, locations_in
from yamlgen.store.pruning import Pruning
from yamlgen.store.run_reader import RunEntry, listing
from yamlgen.store.run_session import open_runs
from yamlgen.value_objects import JSON

__all__ = [
    "Pruning",
    "StoreLocation",
    "age_of",
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
    """The stores of pipelines, or of all pipelines in folders; those of and below this folder where none is named.

    Args:
        targets: pipelines' files, or folders of them.
        store: the folder of the stores, in place of `.yamlgen/` beside the pipelines.

    Raises:
        UsageError: there is none.
        EnvironmentProblem: one may not be looked into.
    """
    found: list[StoreLocation] = []
    unread: list[EnvironmentProblem] = []
    for target in targets:
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
        message = f"there is no store of a run at {where}"
        hints = (neighbour(target, near(target)) for target in targets if not target.exists())
        hint = next(hints, None) or f"name the pipeline, and {option('store', 'PATH')} if it has a store elsewhere"
        raise UsageError(message, code=Code.NO_RUN, hint=hint)
    return found


def list_runs(stores: Sequence[StoreLocation]) -> tuple[list[Run], list[YamlgenError]]:
    """All runs of these stores, the oldest first, and what is wrong with the stores that cannot be read."""
    found: list[Run] = []
    unread: list[YamlgenError] = []
    for place in stores:
        try:
            with open_runs(place) as run_reader:
                found += [Run(place, entry) for entry in run_reader.runs()]
        except EnvironmentProblem as error:
            unread.append(error)
    # A stable sort: of runs that began in one second the store knows the order.
    return sorted(found, key=lambda run: run.entry.started), unread


def find_run(stores: Sequence[StoreLocation], name: str | None) -> Run:
    """A run by its name or the beginning of it, or the last one, which is a simulated one only where no other is.

    Raises:
        UsageError: there is no such run, or several.
    """
    known: list[tuple[str, str, StoreLocation]] = []
    for place in stores:
        with open_runs(place) as run_reader:
            known += [(started, found, place) for started, found in run_reader.names()]
    if name is None and any(not place.simulated for _, _, place in known):
        known = [run for run in known if not run[2].simulated]  # a trial never stands for what was paid for
    known.sort(key=lambda run: run[0])  # stable: of runs that began in one second the store knows the order
    matching = [run for run in known if name is None or run[1].startswith(name)]
    exact = [run for run in matching if run[1] == name]
    if not matching:
        message = f"there is no run `{name}`" if name else "there is no run yet"
        raise UsageError(message, code=Code.NO_RUN, hint=listing())
    if name and not exact and len(matching) > 1:
        message = f"{len(matching)} runs begin with `{name}`"
        raise UsageError(message, code=Code.NO_RUN, hint=f"write more of its name; {listing()}")
    _, found, place = (exact or matching)[-1]
    with open_runs(place) as run_reader:
        return Run(place, run_reader.run(found))


def has_run(stores: Sequence[StoreLocation], name: str | None) -> bool:
    """Whether stores that can be read hold a run of this name, or of one that begins so; any, where none is named."""
    known: list[str] = []
    for place in stores:
        with suppress(EnvironmentProblem), open_runs(place) as run_reader:
            known += [found for _, found in run_reader.names()]
    return any(name is None or found.startswith(name) for found in known)


def _old(runs: list[RunEntry], keep: int | None, older: timedelta | None) -> list[RunEntry]:
    """The runs that go. A run that was stopped, or took only some rows, stands for no whole one before it."""
    if keep == 0:
        return runs
    whole = [run for run in runs if run.status == "finished" and not run.about["limit"] and not run.missing]
    if not whole:
        return []
    old = runs[: runs.index(whole[-(keep or 1) :][0])]
    if older is not None:
        limit = (datetime.now(UTC) - older).isoformat(timespec="seconds")
        old = [run for run in old if run.started < limit]
    gone = {run.name for run in old}
    for run in reversed(runs):  # a retry that stays keeps the run that it retried, which is older, and so on
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
    """Take old runs out of stores, and of their answers those that no kept run needs.

    Args:
        stores: where.
        keep: how many of the newest whole runs stay in each, with all that came after them; 0 keeps nothing.
        older: the age from which on runs go; the newest whole run stays, because the next one needs its answers.
        confirm: asked for each store, once it is known what goes.

    Returns:
        What went out of which store.
    """
    gone: list[tuple[StoreLocation, Pruning]] = []
    for place in stores:
        with open_runs(place) as run_reader:
            runs = run_reader.runs()
        old = _old(runs, keep, older)
        if not old:
            continue
        dropped = pruning.prune(place, [run.number for run in old], partial(confirm, place))
        if dropped is not None:
            gone.append((place, dropped))
    return gone


def age_of(text: str) -> timedelta:
    """A time such as `30d`, `12h`, `4w` or `90m`.

    Raises:
        UsageError: it is none.
    """
    match = _AGE.fullmatch(text)
    if match is None:
        raise UsageError(f"`{text}` is no age", code=Code.BAD_PARAM, hint="such as 30d, 12h, 4w")
    return timedelta(days=int(match[1]) * _UNITS[match[2]])


def runs(*where: str | Path, store: str | Path | None = None) -> list[Run]:
    """The runs of pipelines, the oldest first, as `yamlgen runs ls` lists them.

    Args:
        where: pipelines' files, or folders of them; this folder and the folders below it, where none is named.
        store: the folder of the stores, in place of `.yamlgen/` beside the pipelines.

    Raises:
        UsageError: there is no store of a run.
        EnvironmentProblem: a store cannot be read; name the pipelines whose stores can.
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
    """All that is known of a run, or of a row of it, as `yamlgen runs show --json` prints it.

    Args:
        pipeline: its file, or a folder of pipelines; this folder and the folders below it, where none is named.
        run: its name or the beginning of it; the last one, where none is named, a simulated one only if no other is.
        row: a row's id, where the input has ids, or its number, from 1.
        store: the folder of the store, in place of `.yamlgen/` beside the pipeline.

    Returns:
        Of a run: `status`, `rows` (counts), `steps` with what they paid, `failures` in groups, parameters, models,
        versions, the pipeline as it ran (`resolved`). Of a row: its `columns`, and each step with its requests.

    Raises:
        UsageError: there is no such run, or several; or the run has no such row.
        EnvironmentProblem: the store cannot be read.
    """
    found = _find(pipeline, run, store)
    return found.describe() if row is None else found.describe_row(str(row))


def rows(
    pipeline: str | Path | None = None, run: str | None = None, *, store: str | Path | None = None
) -> list[dict[str, JSON]]:
    """The finished rows of a run in input order, also of one that did not come to its end.

    They are what `yamlgen runs export` prints: the row's columns, then the steps' outputs.

    Args:
        pipeline: its file, or a folder of pipelines; this folder and the folders below it, where none is named.
        run: its name or the beginning of it; the last one, where none is named, a simulated one only if no other is.
        store: the folder of the store, in place of `.yamlgen/` beside the pipeline.

    Raises:
        UsageError: there is no such run, or several.
        EnvironmentProblem: the store cannot be read.
    """
    return values(_find(pipeline, run, store).lines())


def failures(
    pipeline: str | Path | None = None, run: str | None = None, *, store: str | Path | None = None
) -> list[dict[str, JSON]]:
    """The rows of a run that failed, with the reason and what was sent, and the items that are null in other rows.

    They are what `yamlgen runs failed --json` prints, in input order; what is about an item has `item`, from 1 among
    those of its row, and `case`, its name.

    Args:
        pipeline: its file, or a folder of pipelines; this folder and the folders below it, where none is named.
        run: its name or the beginning of it; the last one, where none is named, a simulated one only if no other is.
        store: the folder of the store, in place of `.yamlgen/` beside the pipeline.

    Raises:
        UsageError: there is no such run, or several.
        EnvironmentProblem: the store cannot be read.
    """
    return values(_find(pipeline, run, store).failed_lines(items=True))


def export(
    pipeline: str | Path | None = None,
    run: str | None = None,
    *,
    output: str | Path,
    failed: bool = False,
    store: str | Path | None = None,
) -> Export:
    """Write the rows of a run to a file, also of one that did not come to its end; `rows` gives them as values.

    Args:
        pipeline: its file, or a folder of pipelines; this folder and the folders below it, where none is named.
        run: its name or the beginning of it; the last one, where none is named, a simulated one only if no other is.
        output: a `.jsonl`, `.json` or `.csv` file; its folder is made, and what it held before is replaced.
        failed: the failed rows, as in the file of failed rows.
        store: the folder of the store, in place of `.yamlgen/` beside the pipeline.

    Raises:
        UsageError: there is no such run, or several; or `output` is not a file, or its ending tells no format.
        EnvironmentProblem: the store cannot be read, or the disk refuses.
    """
    return _find(pipeline, run, store).export(Path(output), failed=failed)


def prune(
    *where: str | Path,
    keep: int | None = None,
    older: str | timedelta | None = None,
    store: str | Path | None = None,
) -> dict[Path, Pruning]:
    """Drop old runs, and the answers and kept values of functions that no kept run needs; nobody is asked.

    The newest whole run stays (one that finished, over all rows), unless all go with `keep=0`. What is dropped is paid
    for again when a run needs it.

    Args:
        where: pipelines' files, or folders of them; this folder and the folders below it, where none is named.
        keep: how many of the newest whole runs stay in each store, with all that came after them.
        older: the age from which on runs go, such as `30d`, `12h` or `4w`.
        store: the folder of the stores, in place of `.yamlgen/` beside the pipelines.

    Returns:
        How many runs, rows and answers went out of which store, by its file; only those of which something went.

    Raises:
        UsageError: neither `keep` nor `older` is given, or one of them is wrong; or there is no store of a run.
        EnvironmentProblem: a run is at work, or a store cannot be read or written.
    """
    if keep is None and older is None:
        hint = f"{option('keep', 'N')} or {option('older', '30d')}"
        raise UsageError("it is not said which runs go", code=Code.BAD_PARAM, hint=hint)
    if keep is not None and keep < 0:
        raise UsageError(f"keep is {keep!r}", code=Code.BAD_PARAM, hint="0 or more")
    age = age_of(older) if isinstance(older, str) else older
    stores = store_locations([Path(each) for each in where], _path(store))
    gone = prune_runs(stores, keep=keep, older=age, confirm=lambda _, __: True)
    return {place.database: dropped for place, dropped in gone}


def _path(store: str | Path | None) -> Path | None:
    return None if store is None else Path(store)
