"""`yamlgen plan`: the requests of a run, and what they may cost."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yamlgen.cli.completed_values import complete_pipeline
from yamlgen.cli.messages import echo, json_object, put, show
from yamlgen.cli.next_command import trial
from yamlgen.cli.options import (
    batch_option,
    fault_options,
    input_option,
    output_format,
    pipeline_options,
    store_option,
)
from yamlgen.errors import Code, UsageError, YamlgenError
from yamlgen.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yamlgen.api.loaded_pipeline import Pipeline
    from yamlgen.api.run_options import RunOptions
    from yamlgen.api.stage_runs import StageForecast
    from yamlgen.cli.foreground import Prepare
    from yamlgen.events import RunForecast


@click.command("plan")
@click.argument("pipeline", type=click.Path(path_type=Path), shell_complete=complete_pipeline)
@pipeline_options
@input_option
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Count only the first N rows.")
@click.option("--fresh", is_flag=True, help="Count every request, as if the store were empty.")
@click.option("--recheck", is_flag=True, help="Take over no finished rows: render and validate every row again.")
@store_option
@batch_option
@click.option("--count", is_flag=True, help="Let the API count the tokens of some requests, which costs nothing.")
@click.option("--simulate", is_flag=True, help="Estimate a run with the simulator.")
@output_format
@fault_options
def command(
    *,
    pipeline: Path,
    params: dict[str, str],
    overrides: dict[str, str],
    input_path: str | None,
    output_format: str,
    count: bool,
    **chosen: Any,
) -> int:
    """Estimate the requests, tokens and cost of a run.

    Shows for each step the rows, the answers in the store, the requests to send, their tokens and their cost. Without
    --count, nothing is sent, and no API key is needed.
    """
    from yamlgen.api.argument_parsing import load_with  # noqa: PLC0415 - loads the language
    from yamlgen.api.run_options import RunOptions  # noqa: PLC0415

    def prepare() -> tuple[Pipeline, dict[str, Any], RunOptions]:
        loaded, given = load_with(pipeline, params, overrides, input_path)
        return loaded, given, RunOptions(**chosen)

    return show_plan(prepare, json_out=output_format == "json", count=count)


def show_plan(prepare: Prepare, *, json_out: bool, count: bool = False) -> int:
    """Estimate a run and show the estimate; return the exit code."""
    from yamlgen.api.stage_runs import estimate_stages  # noqa: PLC0415 - loads the engine
    from yamlgen.cli.foreground import tell  # noqa: PLC0415
    from yamlgen.cli.signal_handling import SignalHandler  # noqa: PLC0415

    try:
        loaded, given, options = prepare()
        show(warning for warning in loaded.warnings if warning.code is not Code.MISSING_INPUT)
        with SignalHandler() as interruptions:
            stages, last = interruptions.wait(estimate_stages(loaded, given, options, count=count))
    except YamlgenError as error:
        return tell(error, json_out=json_out)
    forecast = last.forecast
    if json_out:
        told = {} if forecast is None else forecast.as_json()
        put(json_object({**told, **({"stages": [each.as_json() for each in (*stages, last)]} if stages else {})}))
        return ExitCode.OK
    for number, each in enumerate(stages, start=1):
        echo("\n".join([f"stage {number} of {len(stages) + 1}: {each}", *_stage_lines(each, loaded, options)]))
    if stages:
        echo(f"stage {len(stages) + 1} of {len(stages) + 1}: {last}")
    if forecast is not None:
        alone = any(step.batched for step in forecast.steps) and _can_go_alone(loaded, given, options)
        echo("\n".join(_lines(forecast, trial(loaded, options, sys.argv[1:], alone=alone))))
    return ExitCode.OK


def _stage_lines(stage: StageForecast, loaded: Pipeline, options: RunOptions) -> list[str]:
    return [] if stage.forecast is None else _lines(stage.forecast, trial(loaded, options, sys.argv[1:]))


def _can_go_alone(loaded: Pipeline, given: dict[str, Any], options: RunOptions) -> bool:
    """Return whether the requests of batched steps can be sent one by one, which takes less time for a few rows."""
    try:
        replace(options, batch=False, detach=False).over(loaded.plan(given))
    except UsageError:
        return False
    return True


def _lines(forecast: RunForecast, narrowing: str) -> list[str]:
    from yamlgen.api.results import dollars  # noqa: PLC0415 - only for text
    from yamlgen.cli.duration_text import duration_told  # noqa: PLC0415 - only for text
    from yamlgen.cli.summary import column, foretold, span_told, table  # noqa: PLC0415

    head = ["step", "rows", "in the store", "failed", "to send", "input tokens", "output tokens"]
    head.append(column(simulated=forecast.simulation is not None))
    is_batched = any(step.batched for step in forecast.steps)
    rows = [
        [*head[:3], *(["in a batch"] if forecast.waiting else []), *head[3:], *(["one by one"] if is_batched else [])]
    ]
    for step in forecast.steps:
        counts = (step.rows, step.stored, step.failed, step.requests, step.input_tokens)
        least, most = step.output_tokens
        costs = (step.cost, step.single_cost)[: 2 if is_batched else 1]
        told = ["unknown" if cost is None else span_told(cost) for cost in costs]
        cells = [f"{count:,}" for count in counts]
        if step.least_requests is not None and step.least_requests < step.requests:
            cells[3] = f"{step.least_requests:,} to {step.requests:,}"
        if forecast.waiting:
            cells.insert(2, f"{step.waiting:,}")
        told = told if step.requests else [dollars(0)] * len(costs)
        rows.append([step.step, *cells, f"{least:,} to {most:,}", *told])
    sending = [step for step in forecast.steps if step.requests]
    notes = ["  estimated:", *(f"    {step.step}: {step.how}" for step in sending)] if sending else []
    notes += ["  re-asks of invalid answers are not included"] if sending else []
    if forecast.duration is not None:
        notes.append(f"  {duration_told(forecast.duration)}")
    notes += _batches_told(forecast)
    if any(not step.earlier_answers for step in sending):
        notes.append(f"  for a narrower estimate, run a few rows first: `{narrowing}`")
    counted = sum(step.counted for step in forecast.steps)
    last = (
        f"  nothing was billed: the API counted the tokens of {counted} requests" if counted else "  nothing was sent"
    )
    return [foretold(forecast), *table(rows), *notes, *map(_rows_told, forecast.outputs.items()), last]


def _batches_told(forecast: RunForecast) -> Iterator[str]:
    """Yield how many batches come one after another; without batches, what they would cost."""
    from yamlgen.cli.summary import span_told  # noqa: PLC0415 - only for text

    least, most = forecast.rounds
    if most == 1:
        yield f"  {'' if least else 'at most '}1 batch, up to 24 hours, usually less than one"
    elif most and least == most:
        yield f"  {most} batches one after another, up to 24 hours each, usually less than one"
    elif most:
        yield f"  at least {least}, with all re-asks at most {most} batches one after another, up to 24 hours each"
    cost, lower = forecast.cost, forecast.batch_cost
    if not any(step.batched for step in forecast.steps) and cost and lower and lower[1] < cost[1]:
        yield f"  in batches (`--batch`): {span_told(lower)}"


def _rows_told(output: tuple[str, tuple[int, int | None]]) -> str:
    """Return how many rows an output will have."""
    name, (least, most) = output
    if most is None and not least:
        return f"  {name}: the number of rows is unknown"
    told = f"{least:,}" if least == most else f"{least:,} to {most:,}" if most is not None else f"at least {least:,}"
    return f"  {name}: {told} row{'' if most == 1 else 's'}, if no row fails"
