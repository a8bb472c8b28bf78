"""The run that another one is compared with: found by its name, and what differs between the pipelines as they ran."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from pydantic import ValidationError

from yamlgen.api.history import find_run, has_run, store_locations
from yamlgen.api.stored_run import Run
from yamlgen.comparison.lock import Lock, LockedStep
from yamlgen.comparison.locked_parts import differences
from yamlgen.errors import Code, UsageError, near
from yamlgen.option_names import by_surface, option
from yamlgen.store.location import locations_in
from yamlgen.value_objects import JSON

_LONGEST: Final = 60
_NEITHER: Final = ("python", "model")
"""The parts of a step that are told in words of their own."""


def find_other(run: Run, name: str) -> Run:
    """Return the run that a run is compared with; one of them may be simulated.

    Args:
        run: the run.
        name: the name of the other run, or its beginning.

    Raises:
        UsageError: no run or several runs of the same pipeline have this name, or it is the same run.
        EnvironmentProblem: a store cannot be read.
    """
    both = [replace(run.place, simulated=simulated) for simulated in (False, True)]
    stores = [place for place in both if place.exists]
    if not has_run(stores, name):
        _refuse_foreign(run, name)
    found = find_run(stores, name)
    if found.place == run.place and found.name == run.name:
        message = f"{option('against', name)} is the run itself: {run.name}"
        raise UsageError(message, code=Code.NO_RUN, hint=f"write the name of another run; {_listing(run)}")
    return found


def _refuse_foreign(run: Run, name: str) -> None:
    """Raise the error that a run is one of another pipeline, if there is such a run nearby."""
    stores = locations_in(run.place.folder)
    with suppress(UsageError):
        stores += store_locations([])
    stores = list({place.database.resolve(): place for place in stores}.values())
    if not has_run(stores, name):
        return
    found = find_run(stores, name)
    message = (
        f"run {found.name} is one of {_file(found)}, and run {run.name} one of {_file(run)}: "
        "only runs of the same pipeline are compared"
    )
    raise UsageError(message, code=Code.NO_RUN, hint=_listing(run))


def _listing(run: Run) -> str:
    file = _file(run)
    return f"list its runs with {by_surface(command=f'`yamlgen runs ls {file}`', python=f'`yamlgen.runs({file!r})`')}"


def _file(run: Run) -> str:
    """Return the file of the pipeline of a run, as messages show it."""
    return near(run.home / run.pipeline) if run.is_beside_pipeline else str(run.entry.about["pipeline"]["file"])


def changes_between(before: Run, after: Run) -> tuple[str, ...] | None:
    """Return what differs between two runs of a pipeline before any answer, as phrases; empty if nothing does.

    Returns:
        `None` if one of the runs has not recorded it, because an earlier version made it.
    """
    old, new = before.entry.about, after.entry.about
    first, second = _lock(old), _lock(new)
    if first is None or second is None:
        return None
    found = [each.what for each in differences(first, second) if each.part != "params"]
    found += _hidden(first.steps, second.steps)
    found += _values("the parameter `{}`", old.get("params") or {}, new.get("params") or {})
    found += _values("{}", _setting(old), _setting(new))
    return tuple(found)


def _lock(about: Mapping[str, Any]) -> Lock | None:
    try:
        return Lock.model_validate(about["lock"])
    except (KeyError, ValidationError):
        return None


def _hidden(before: Mapping[str, LockedStep], after: Mapping[str, LockedStep]) -> Iterator[str]:
    """Yield the other keys that have changed in the steps whose model has changed."""
    for name in before:
        old, new = before[name], after.get(name)
        if new is None or old.kind != new.kind or old.models == new.models:
            continue
        keys = {
            key
            for mine, theirs in ((old.asks, new.asks), (old.accepts, new.accepts))
            for key in mine.keys() | theirs.keys()
            if mine.get(key) != theirs.get(key) and key not in _NEITHER
        }
        if keys:
            yield f"step `{name}`: {', '.join(f'`{key}`' for key in sorted(keys))}"


def _setting(about: Mapping[str, Any]) -> dict[str, JSON]:
    """Return what a run was started with, apart from its pipeline and its parameters, by its name in a message."""
    simulation = about.get("simulation") or {}
    return {
        "the file of the input": about.get("input"),
        "the rows of the input": about.get("rows"),
        "the limit of rows": about.get("limit"),
        "the seed of the simulator": simulation.get("seed"),
        "the faults of the simulator": simulation.get("faults") or None,
    }


def _values(what: str, before: Mapping[str, JSON], after: Mapping[str, JSON]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True):
            yield f"{what.format(name)}: {_shown(old)} -> {_shown(new)}"


def _shown(value: JSON) -> str:
    text = (
        "none"
        if value is None
        else value
        if isinstance(value, str)
        else f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else json.dumps(value, ensure_ascii=False, sort_keys=True)
    )
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
