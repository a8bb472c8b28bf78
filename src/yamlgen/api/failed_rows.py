"""The failed rows of a run, for a retry: which run it is, and with which arguments it was started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yamlgen.api.history import find_run, has_run, store_locations
from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.loading import check, refuse_both
from yamlgen.data.given_rows import SHOWN as FROM_PYTHON
from yamlgen.data.given_rows import GivenRows
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.errors import Code, UsageError, YamlgenError
from yamlgen.option_names import by_surface, option
from yamlgen.store.location import StoreLocation
from yamlgen.store.run_reader import RunEntry
from yamlgen.store.run_session import migrate, open_runs
from yamlgen.value_objects import JSON


@dataclass(frozen=True)
class RunArguments:
    """The arguments of a run, with which a retry starts it again.

    Attributes:
        options: the fields of `RunOptions` that the retry reuses.
        rows: the rows of a Python caller, in place of the input.
    """

    params: dict[str, JSON]
    overrides: dict[str, str]
    input: str | None
    options: dict[str, Any]
    rows: GivenRows | None = None

    def load(self, pipeline: Path) -> Pipeline:
        """Return the pipeline with the parameters, overrides and input of the run.

        Raises:
            InvalidPipeline: the file does not accept these arguments any more, or has other errors.
            UsageError: a value of `rows` is not a row.
        """
        loaded, diagnostics = check(
            pipeline, params=self.params, overrides=self.overrides, input=self.input, rows=self.rows, examine=False
        )
        if loaded is None:
            raise InvalidPipeline(diagnostics)
        return loaded

    def repeated(self, batch: bool | None) -> dict[str, Any]:  # noqa: FBT001 - the option of this name
        """Return the fields of `RunOptions` for the retry; its own `batch` overrides that of the run."""
        return self.options if batch is None else {**self.options, "batch": batch}


@dataclass(frozen=True)
class RetryTarget:
    """A run to retry.

    Attributes:
        run: the name of the run.
        any: whether a row or an item of it failed.
        repeat: its arguments.
        others: whether the pipeline also has runs of the other sort: simulated ones, or ones that are not.
        is_detached: whether it ended while its batches were processed.
    """

    run: str
    any: bool
    repeat: RunArguments
    others: bool
    is_detached: bool = False


def failed_rows(
    pipeline: Path,
    run: str | None = None,
    *,
    input: str | None = None,  # noqa: A002 - the name of the YAML key
    rows: GivenRows | None = None,
    store: Path | None = None,
    simulate: bool = False,
) -> RetryTarget:
    """Return the run to retry.

    Args:
        pipeline: the pipeline file.
        run: the name of the run, or its beginning. Default: the latest run.
        input: the input, in place of that of the run.
        rows: the rows of a Python caller, in place of the input of the run.
        store: the folder of the store. Default: `.yamlgen/` next to the pipeline.
        simulate: retry a simulated run.

    Raises:
        UsageError: no run or several runs have this name; or the rows of the run came from standard input or from
            Python, and are not given again.
        EnvironmentProblem: the store cannot be read, or is in use by another version.
    """
    both = store_locations([pipeline], store)
    stores = [place for place in both if place.simulated is simulate]
    others = [place for place in both if place.simulated is not simulate]
    try:
        found, any_failed = find_failed(stores, run)
        again = repeat(found, input, rows)
    except YamlgenError as error:
        if error.code is not Code.NO_RUN or not others or not has_run(others, run):
            raise
        if run is None:
            message = f"this pipeline has {'no simulated runs' if simulate else 'only simulated runs'}"
        else:
            message = f"`{run}` is {'not a simulated run' if simulate else 'a simulated run'}"
        hint = f"{'remove' if simulate else 'add'} {option('simulate')}"
        raise UsageError(message, code=Code.NO_RUN, hint=hint) from None
    return RetryTarget(found.name, any_failed, again, has_run(others, None), found.status == "detached")


def find_failed(stores: Sequence[StoreLocation], name: str | None) -> tuple[RunEntry, bool]:
    """Return a run to retry, and whether it has failures.

    Args:
        stores: the stores to search.
        name: the name of the run, or its beginning. Default: the latest run.

    Raises:
        UsageError: no run or several runs have this name.
    """
    for place in stores:
        migrate(place)
    found = find_run(stores, name)
    with open_runs(found.place) as run_reader:
        return found.entry, run_reader.has_to_retry(found.entry)


def repeat(run: RunEntry, given: str | None = None, rows: GivenRows | None = None) -> RunArguments:
    """Return the arguments of a run for its retry.

    Args:
        run: the run.
        given: the input, in place of that of the run.
        rows: the rows of a Python caller, in place of the input of the run.

    Raises:
        UsageError: the rows came from standard input, which cannot be read twice, or from Python; or both `given` and
            `rows` are set.
    """
    refuse_both(given, rows)
    kept = run.about["options"]
    again = given is not None or rows is not None
    if not again and kept["input"] == FROM_PYTHON:
        message = f"run {run.name} got its rows from a Python program"
        command = f"retry it from Python, with `rows`; or write its rows to a file: {option('input', 'PATH')}"
        hint = by_surface(command=command, python="pass them again as `rows`")
        raise UsageError(message, code=Code.MISSING_INPUT, hint=hint)
    if not again and kept["input"] == "-":
        message = f"run {run.name} read its rows from standard input"
        raise UsageError(
            message,
            code=Code.MISSING_INPUT,
            hint=f"provide them again: {option('input', '-')}, or {option('input', 'PATH')}",
        )
    output = kept["output"]
    if isinstance(output, dict):
        output = output.get("", output) or None
    options = {"output": output, "limit": kept["limit"], "batch": kept.get("batch")}
    if run.about["simulated"]:
        options |= {"simulate": True, "seed": kept["seed"], "faults": tuple(kept["faults"])}
    return RunArguments(
        run.about["params"],
        run.about["overrides"],
        None if rows is not None else given or kept["input"],
        {**options, "retry": run.name},
        rows,
    )
