"""The runs that stores hold: where the stores are, which run is meant, and what a retry of one repeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from yamlgen.caller import option
from yamlgen.data.row_identity import id_name, identities, number_of
from yamlgen.data.row_lookup import proposed, tell_apart
from yamlgen.errors import Code, EnvironmentProblem, UsageError, YamlgenError, near
from yamlgen.parsing.similar_paths import neighbour
from yamlgen.store.location import FOLDER, StoreLocation, place_of, places_in
from yamlgen.store.pruning import Pruning, prune
from yamlgen.store.run_reader import RunEntry, RunReader, listing
from yamlgen.store.run_session import archived, bring_up
from yamlgen.values import JSON


@dataclass(frozen=True)
class FoundRun:
    """A run, and the store that holds it."""

    place: StoreLocation
    entry: RunEntry


def places(targets: Sequence[Path], store: Path | None = None) -> list[StoreLocation]:
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
            found += places_in(store or target / FOLDER)
        else:
            both = (place_of(target, store), place_of(target, store, simulated=True))
            found += [place for place in both if place.exists]
    if not targets:
        folders = [store] if store else [Path(FOLDER), *sorted(Path().glob(f"*/{FOLDER}"))]
        for folder in folders:
            try:
                found += places_in(folder)
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


def list_runs(stores: Sequence[StoreLocation]) -> tuple[list[FoundRun], list[YamlgenError]]:
    """All runs of these stores, the oldest first, and what is wrong with the stores that cannot be read."""
    found: list[FoundRun] = []
    unread: list[YamlgenError] = []
    for place in stores:
        try:
            with archived(place) as archive:
                found += [FoundRun(place, entry) for entry in archive.runs()]
        except EnvironmentProblem as error:
            unread.append(error)
    # A stable sort: of runs that began in one second the store knows the order.
    return sorted(found, key=lambda run: run.entry.started), unread


def find_run(stores: Sequence[StoreLocation], name: str | None) -> FoundRun:
    """A run by its name or the beginning of it, or the last one, which is a simulated one only where no other is.

    Raises:
        UsageError: there is no such run, or several.
    """
    known: list[tuple[str, str, StoreLocation]] = []
    for place in stores:
        with archived(place) as archive:
            known += [(started, found, place) for started, found in archive.names()]
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
    with archived(place) as archive:
        return FoundRun(place, archive.run(found))


def has_run(stores: Sequence[StoreLocation], name: str | None) -> bool:
    """Whether stores that can be read hold a run of this name, or of one that begins so; any, where none is named."""
    known: list[str] = []
    for place in stores:
        with suppress(EnvironmentProblem), archived(place) as archive:
            known += [found for _, found in archive.names()]
    return any(name is None or found.startswith(name) for found in known)


def find_failed(stores: Sequence[StoreLocation], name: str | None) -> tuple[RunEntry, bool]:
    """A run to retry, by its name or the beginning of it, or the last one; and whether rows of it failed.

    Raises:
        UsageError: there is no such run, or several.
    """
    for place in stores:
        bring_up(place)
    found = find_run(stores, name)
    with archived(found.place) as archive:
        return found.entry, archive.has_to_retry(found.entry)


def find_row(archive: RunReader, run: RunEntry, name: str, tell: Callable[[str], object] = bool) -> int:
    """The place, from 0, of a row of a run.

    Args:
        archive: the store of the run.
        run: the run.
        name: the row's id, where the run's input has ids, or its number, from 1.
        tell: is told where a number could have been meant as an id, but is none.

    Raises:
        UsageError: the run has no such row, or has not finished it.
    """
    has_ids = archive.id_column(run) is not None
    for identity in identities(name) if has_ids else []:
        found = archive.find(run, identity)
        if found is not None:
            return found
    number = number_of(name)
    row = None if number is None else archive.row(run, number)
    if row is not None:
        tell_apart(name, archive.id(run, row), tell)
        return row.number
    message = f"run {run.name} has no row {id_name(name)}, or has not finished it"
    hint = proposed(name, archive.ids(run)) if has_ids else "rows count from 1"
    raise UsageError(message, code=Code.NO_RUN, hint=hint)


def counted(run: RunEntry) -> dict[str, JSON]:
    """The rows of a run by what became of them."""
    return {"finished": run.finished, "failed": run.failed, "missing": run.missing}


def described(archive: RunReader, run: RunEntry) -> dict[str, JSON]:
    """All that is known of a run but its rows: how it was asked for, how it went, what it paid."""
    report = run.report or {}
    steps = report.get("steps") or {step: {"paid": paid} for step, paid in archive.paid(run.number).items()}
    about = {key: value for key, value in run.about.items() if key != "options"}
    return {
        "run": run.name,
        "status": run.status,
        "started": run.started,
        "ended": run.ended,
        "seconds": report.get("seconds"),
        "rows": {"input": about.pop("rows", None), **counted(run)},
        "steps": steps,
        "failures": report.get("failures", []),
        "failed_items": report.get("failed_items", []),
        "lost_steps": report.get("lost_steps", []),
        "error": report.get("error"),
        **about,
    }


@dataclass(frozen=True)
class Repeat:
    """How a run was asked for, so that it can be asked for again in the same way."""

    params: dict[str, JSON]
    overrides: dict[str, str]
    input: str | None
    options: dict[str, Any]


def repeat(run: RunEntry, given: str | None = None) -> Repeat:
    """What a retry of a run has in common with it.

    Args:
        run: the run.
        given: where its rows come from, in place of what the run says.

    Raises:
        UsageError: its rows came from standard input, which cannot be read twice.
    """
    kept = run.about["options"]
    if given is None and kept["input"] == "-":
        message = f"run {run.name} read its rows from standard input"
        raise UsageError(
            message,
            code=Code.MISSING_INPUT,
            hint=f"give them again: {option('input', '-')}, or {option('input', 'PATH')}",
        )
    options = {name: kept[name] for name in ("output", "limit")}
    if run.about["simulated"]:
        options |= {"simulate": True, "seed": kept["seed"], "faults": tuple(kept["faults"])}
    return Repeat(
        run.about["params"],
        run.about["overrides"],
        given or kept["input"],
        {**options, "retry": run.name},
    )


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
        with archived(place) as archive:
            runs = archive.runs()
        old = _old(runs, keep, older)
        if not old:
            continue
        pruning = prune(place, [run.number for run in old], partial(confirm, place))
        if pruning is not None:
            gone.append((place, pruning))
    return gone
