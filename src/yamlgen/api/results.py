"""A run for Python users: its rows and its failures as values, besides the files that the command line writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yamlgen.api.execution import execute
from yamlgen.api.loading import Pipeline, load
from yamlgen.api.run_options import Options
from yamlgen.errors import Code, UsageError
from yamlgen.events import Emit
from yamlgen.output.failed import compose_failed
from yamlgen.output.row import compose_rows
from yamlgen.reports.report import Report
from yamlgen.store.run_session import archived
from yamlgen.sync import wait_for
from yamlgen.values import JSON, Usage


@dataclass(frozen=True)
class Result:
    """What came of a run.

    Attributes:
        rows: the finished rows in input order: the row's columns, then the steps' outputs.
        failures: the rows that were set aside, as in the `failed` file.
        failed_items: the items that are null in the lists of `rows` (`on_item_error: "null"`), each as in `failures`,
            with `item`, from 1, and `case`, its name.
        lost_steps: the steps that lost every item of every row, with their most frequent reason; the command line
            ends with 1 for these, too.
        usage: the tokens that this run has paid for, failed rows included; of a simulated run, those of its answers.
        cost_usd: what they cost, or would have cost without the simulator; `None` where a price is not known.
        report: counts and usage per step, paid and reused apart, failures in groups.
        output: the file of the finished rows; `None` when they were printed.
    """

    rows: list[dict[str, JSON]]
    failures: list[dict[str, JSON]]
    failed_items: list[dict[str, JSON]]
    lost_steps: list[dict[str, JSON]]
    usage: Usage
    cost_usd: float | None
    report: Report
    output: Path | None


async def arun(
    pipeline: str | Path | Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the word that the YAML has for it
    on_event: Emit | None = None,
    **options: Any,
) -> Result:
    """Run a pipeline and return its rows; its files are written as by the command line.

    Args:
        pipeline: a YAML file, or what `load` returned.
        params: the values of its parameters.
        overrides: values to set, by dotted path; only with a file.
        input: where the rows come from instead; only with a file.
        on_event: told every event of the run.
        **options: the fields of `yamlgen.api.run_options.Options`, such as `output`, `limit`, `simulate`, `fresh`,
            `offline`, `max_cost_usd`, `yes`.

    Raises:
        InvalidPipeline: the file has mistakes.
        YamlgenError: nothing could be run, or the run ended early.
    """
    if isinstance(pipeline, Pipeline) and (overrides or input is not None):
        message = "overrides and input change a pipeline while it is read"
        raise UsageError(message, code=Code.BAD_OVERRIDE, hint="pass them to `load`")
    loaded = pipeline if isinstance(pipeline, Pipeline) else load(pipeline, overrides=overrides, input=input)
    done = await execute(loaded, params=params, options=Options(**options), emit=on_event)
    with archived(done.place) as archive:
        rows = [json.loads(line) for line in compose_rows(archive, done.entry)]
        failed = [json.loads(line) for line in compose_failed(archive, done.entry, items=True)]
    failures = [each for each in failed if "item" not in each]
    items = [each for each in failed if "item" in each]
    lost = [step.as_json() for step in done.report.lost_steps]
    paid = done.report.paid
    output = None if str(options.get("output")) == "-" else done.paths.rows
    return Result(rows, failures, items, lost, paid.usage, paid.cost_usd, done.report, output)


def run(pipeline: str | Path | Pipeline, **arguments: Any) -> Result:
    """`arun` for synchronous code, in a notebook too."""
    return wait_for(arun(pipeline, **arguments))
