"""The input of a run or a preview: readable repeatedly, with the selection of the plan."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.query_checks import issue_diagnostic
from yamlgen.api.run_options import RunOptions
from yamlgen.api.stages import with_outputs
from yamlgen.comparison.locked_parts import RowsDigest
from yamlgen.data.input_buffer import buffered
from yamlgen.data.source import Source
from yamlgen.data.sql_query import QueryFailed
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.planning.plan import Plan


@contextmanager
def opened_input(pipeline: Pipeline, plan: Plan, folder: Path, options: RunOptions | None = None) -> Iterator[Source]:
    """Yield the input of a pipeline; a query is executed.

    Args:
        pipeline: the pipeline.
        plan: its plan, with the parameters.
        folder: the folder for temporary files of a query, if it exists.
        options: the options of a run, on which the files of its stages depend.

    Raises:
        EnvironmentProblem: the input is missing or cannot be read.
        InvalidPipeline: a query fails; with the place in its text.
        UsageError: the input is broken.
    """
    selected = pipeline.selected(plan)
    if selected.query is not None and pipeline.stages:
        query = with_outputs(selected.query, pipeline.stages, options or RunOptions())
        selected = replace(selected, query=query)
    try:
        with buffered(selected, getattr(sys.stdin, "buffer", None), folder) as source:
            yield source
    except QueryFailed as error:
        raise InvalidPipeline((issue_diagnostic(pipeline.parsed, error.issue),)) from error


def read_digest(pipeline: Pipeline, plan: Plan, folder: Path, options: RunOptions) -> RowsDigest:
    """Return the digest of the rows of the input, as a run would read them now.

    Args:
        pipeline: the pipeline.
        plan: its plan, with the parameters.
        folder: the folder for temporary files of a query, if it exists.
        options: the options of a run, on which the files of its stages depend.

    Raises:
        EnvironmentProblem: the input is missing or cannot be read.
        InvalidPipeline: a query fails.
        UsageError: the input is broken.
    """
    made = RowsDigest()
    with opened_input(pipeline, plan, folder, options) as given:
        source, count = given.scan(plan.taken, plan.columns)
        for _ in made.of(source.rows(count, plan.columns)):
            pass
    return made
