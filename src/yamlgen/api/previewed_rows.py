"""What a preview shows: the rows of a run, read from its store, and the page that they are written to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Final, TypeAlias

from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.preparation import estimate
from yamlgen.api.run_options import RunOptions
from yamlgen.errors import Code, UsageError, YamlgenError, near
from yamlgen.events import RunForecast
from yamlgen.option_names import option
from yamlgen.output.atomic_write import replacing, target_of
from yamlgen.output.files import output_paths
from yamlgen.parsing.project_folder import unusable
from yamlgen.reports.preview_page import is_preview_page, preview_page
from yamlgen.reports.row_cards import Card, CardPart, card_of
from yamlgen.reports.row_facts import FactReader, RowFacts
from yamlgen.reports.value_lines import ValueLine
from yamlgen.store.location import location_of
from yamlgen.store.run_session import open_runs
from yamlgen.sync_bridge import wait_for
from yamlgen.value_objects import JSON

__all__ = ["Card", "CardPart", "RowFacts", "ValueLine", "card_of", "read_rows", "reserved_page", "whole_forecast"]

_QUICK: Final = 10_000_000
"""Bytes of an input that are counted without a noticeable delay."""

WritePage: TypeAlias = Callable[[Sequence[str], Iterable[Card]], None]
"""Writes a page: sentences about the run, and the cards."""


def read_rows(pipeline: Pipeline, params: Mapping[str, JSON], options: RunOptions, run: str) -> Iterator[RowFacts]:
    """Yield what a run did with each row that it has reached, in input order.

    Args:
        pipeline: the pipeline.
        params: its parameters.
        options: the options of the run.
        run: the name of the run.

    Raises:
        EnvironmentProblem: the store cannot be read.
    """
    plan = options.over(pipeline.plan(params))
    with open_runs(location_of(plan.file, options.store, simulated=options.simulate)) as run_reader:
        yield from FactReader(run_reader, run_reader.run(run), plan).rows()


def whole_forecast(pipeline: Pipeline, params: Mapping[str, JSON], options: RunOptions) -> RunForecast | None:
    """Return the forecast of a run without the limit on rows; `None` if it takes long to make, or cannot be made.

    Args:
        pipeline: the pipeline.
        params: its parameters.
        options: the options of the preview.
    """
    source = pipeline.source
    if pipeline.stages or source.query is not None or not source.is_repeatable:
        return None
    try:
        if sum(path.stat().st_size for path in pipeline.selected(pipeline.plan(params)).paths) > _QUICK:
            return None
        return wait_for(
            estimate(pipeline, params=params, options=replace(options, limit=None, fresh=False), quick=True)
        )
    except (OSError, YamlgenError):
        return None


@contextmanager
def reserved_page(
    path: Path, pipeline: Pipeline, params: Mapping[str, JSON], options: RunOptions
) -> Iterator[WritePage]:
    """Reserve the file of a page before anything is sent.

    Args:
        path: the file; only an earlier page is replaced.
        pipeline: the pipeline.
        params: its parameters.
        options: the options of the run.

    Yields:
        The function that writes the page, as a whole.

    Raises:
        UsageError: the run reads the file, or a run of the pipeline writes it, or it exists and is no such page.
        EnvironmentProblem: the file cannot be written.
    """
    plan = pipeline.plan(params)
    written = [
        file
        for simulated, limit in product((False, True), (options.limit, None))
        for file in output_paths(plan.outputs, plan.folder, {}, simulated=simulated, limit=limit).all
    ]
    stores = [location_of(plan.file, options.store, simulated=simulated) for simulated in (False, True)]
    written += [file for store in stores for file in (store.database, store.lock)]
    read = [*pipeline.parsed.files(), *pipeline.selected(plan).paths]
    _check(path, read, written)

    def write(notes: Sequence[str], cards: Iterable[Card]) -> None:
        _check(path, read, written)  # the run may have made a file there
        staging.write(path, preview_page(f"{plan.name}: preview", notes, cards))
        staging.replace()

    with replacing(path, f"a preview of {near(plan.file)}") as staging:
        yield write


def _check(path: Path, read: Iterable[Path], written: Iterable[Path]) -> None:
    """Check that a page replaces nothing but an earlier page."""
    target = target_of(path)
    why = unusable(path, str(path)) or ""
    if why or str(path) == "-":
        why = why or "the cards are printed, and the page is a file"
    elif target in set(map(target_of, read)):
        why = "the run reads it"
    elif target in set(map(target_of, written)):
        why = "a run writes there"
    elif target.exists() and not target.is_file():
        why = "it is not a regular file"
    elif target.exists() and not is_preview_page(target):
        why = "it exists, and it is not the page of a preview"
    if why:
        hint = f"choose another file with {option('html', 'PATH')}"
        raise UsageError(f"cannot write {near(path)}: {why}", code=Code.OUTPUT_PATH, hint=hint)
