"""What a preview shows: the rows of a run, read from its store, and the page that they are written to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Final, TypeAlias

from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.page_file import PageFile
from yamlgen.api.preparation import estimate
from yamlgen.api.run_options import RunOptions
from yamlgen.errors import YamlgenError, near
from yamlgen.events import RunForecast
from yamlgen.html.preview_page import is_preview_page, preview_page
from yamlgen.option_names import option
from yamlgen.output.files import output_paths
from yamlgen.reports.row_cards import Card, CardPart, card_of
from yamlgen.reports.row_facts import FactReader, RowFacts
from yamlgen.reports.value_lines import ValueLine
from yamlgen.store.location import location_of
from yamlgen.store.row_scan import RowScan
from yamlgen.store.run_session import open_runs
from yamlgen.sync_bridge import wait_for
from yamlgen.value_objects import JSON

__all__ = ["Card", "CardPart", "RowFacts", "ValueLine", "card_of", "read_rows", "reserved_page", "whole_forecast"]

_QUICK: Final = 10_000_000
"""Bytes of an input that are counted without a noticeable delay."""

WriteCards: TypeAlias = Callable[[Sequence[str], Iterable[Card]], object]
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
        entry = run_reader.run(run)
        reader = FactReader(entry, {step.name: step.kind for step in plan.steps})
        for row in RowScan(run_reader, entry).rows():
            yield reader.facts(row)


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
) -> Iterator[WriteCards]:
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
    page = PageFile(
        path,
        "the page of a preview",
        is_preview_page,
        f"choose another file with {option('html', 'PATH')}",
        frozenset((*pipeline.parsed.files(), *pipeline.selected(plan).paths)),
        frozenset(written),
        "the cards are printed, and the page is a file",
    )
    with page.reserved(f"a preview of {near(plan.file)}") as write:
        yield lambda notes, cards: write(preview_page(f"{plan.name}: preview", notes, cards))
