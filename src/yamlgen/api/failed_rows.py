"""The failed rows of a run, to be asked again: which run is meant, and how it was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yamlgen.api.history import find_run, has_run, store_locations
from yamlgen.api.loading import Pipeline, check
from yamlgen.errors import Code, InvalidPipeline, UsageError, YamlgenError
from yamlgen.option_names import option
from yamlgen.store.location import StoreLocation
from yamlgen.store.run_reader import RunEntry
from yamlgen.store.run_session import migrate, open_runs
from yamlgen.value_objects import JSON


@dataclass(frozen=True)
class RunArguments:
    """How a run was asked for, so that it can be asked for again in the same way.

    Attributes:
        options: those of `Options` that are taken over.
    """

    params: dict[str, JSON]
    overrides: dict[str, str]
    input: str | None
    options: dict[str, Any]

    def load(self, pipeline: Path) -> Pipeline:
        """The pipeline as the run had it.

        Raises:
            InvalidPipeline: its file does not fit what the run was asked with any more, or has other mistakes.
        """
        loaded, diagnostics = check(
            pipeline, params=self.params, overrides=self.overrides, input=self.input, examine=False
        )
        if loaded is None:
            raise InvalidPipeline(diagnostics)
        return loaded


@dataclass(frozen=True)
class RetryTarget:
    """What a retry is about.

    Attributes:
        run: the name of the run.
        any: whether a row of it failed, or an item.
        repeat: how it was asked for.
        others: whether the pipeline has runs of the other sort, too: simulated ones where paid ones are meant.
    """

    run: str
    any: bool
    repeat: RunArguments
    others: bool


def failed_rows(
    pipeline: Path,
    run: str | None = None,
    *,
    input: str | None = None,  # noqa: A002 - the word that the YAML has for it
    store: Path | None = None,
    simulate: bool = False,
) -> RetryTarget:
    """The failed rows of a run, or of the last one.

    Args:
        pipeline: its file.
        run: the name of the run, or its beginning.
        input: where the rows come from instead.
        store: the folder of the store, in place of `.yamlgen/` beside the pipeline.
        simulate: a simulated run is meant.

    Raises:
        UsageError: there is no such run, or several; or its rows came from standard input.
        EnvironmentProblem: the store cannot be read, or is in use by another version.
    """
    add, leave_out = f"add {option('simulate')}", f"leave {option('simulate')} out"
    both = store_locations([pipeline], store)
    stores = [place for place in both if place.simulated is simulate]
    others = [place for place in both if place.simulated is not simulate]
    try:
        if not stores:
            how, hint = ("", leave_out) if simulate else (" but simulated ones", add)
            what = "simulated run" if simulate else "run"
            raise UsageError(f"this pipeline has no {what}{how}", code=Code.NO_RUN, hint=hint)
        found, any_failed = find_failed(stores, run)
        again = repeat(found, input)
    except YamlgenError as error:
        if run is not None and error.code is Code.NO_RUN and others and has_run(others, run):
            what, hint = ("no simulated run", leave_out) if simulate else ("a simulated run", add)
            raise UsageError(f"`{run}` is {what}", code=Code.NO_RUN, hint=hint) from None
        raise
    return RetryTarget(found.name, any_failed, again, has_run(others, None))


def find_failed(stores: Sequence[StoreLocation], name: str | None) -> tuple[RunEntry, bool]:
    """A run to retry, by its name or the beginning of it, or the last one; and whether rows of it failed.

    Raises:
        UsageError: there is no such run, or several.
    """
    for place in stores:
        migrate(place)
    found = find_run(stores, name)
    with open_runs(found.place) as run_reader:
        return found.entry, run_reader.has_to_retry(found.entry)


def repeat(run: RunEntry, given: str | None = None) -> RunArguments:
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
    return RunArguments(
        run.about["params"],
        run.about["overrides"],
        given or kept["input"],
        {**options, "retry": run.name},
    )
