"""Runs the stages of a pipeline that are not up to date, before the pipeline itself.

A stage is up to date if its files, parameters and rows are those of its last run in a chain, all rows finished, and its
outputs are as that run left them. Each stage keeps its own store, so a stage that is run again sends only what is
missing.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from yamlgen.api.loaded_pipeline import Pipeline, PipelineStage
from yamlgen.api.loading import check_built
from yamlgen.api.lock_files import locked_to, write_lock
from yamlgen.api.preparation import estimate
from yamlgen.api.run_execution import FinishedRun
from yamlgen.api.run_options import RunOptions
from yamlgen.api.stages import stages_behind
from yamlgen.canonical_json import fingerprint
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.environment import variable
from yamlgen.errors import Code, FailedStage, LimitReached, YamlgenError
from yamlgen.events import RunForecast
from yamlgen.option_names import by_surface
from yamlgen.output.atomic_write import replacing
from yamlgen.parsing.project_folder import stamp_of
from yamlgen.planning.plan import Plan
from yamlgen.store.location import location_of
from yamlgen.value_objects import JSON

Execute = Callable[[Pipeline, Mapping[str, JSON], RunOptions], Awaitable[FinishedRun]]
"""Runs a pipeline with these parameters and options."""

_VERSION: Final = 1
_ADDRESS: Final = "ANTHROPIC_BASE_URL"


@dataclass(frozen=True)
class StageNews:
    """What happens with a stage: it is up to date, or about to run.

    Attributes:
        stage: the stage.
        number: its number, from 1.
        count: the number of stages, with the pipeline that was asked for.
        is_current: whether it is up to date, so that it does not run.
    """

    stage: PipelineStage
    number: int
    count: int
    is_current: bool

    def __str__(self) -> str:
        state = ": up to date" if self.is_current else ""
        return f"stage {self.number} of {self.count}: {self.stage.pipeline.shown}{state}"


@dataclass(frozen=True)
class StageForecast:
    """What a stage would do.

    Attributes:
        shown: the file.
        is_current: whether it is up to date, so that it does not run.
        forecast: its forecast; `None` if it is up to date, or if its rows are unknown until `waits_for` has run.
        waits_for: the file of a stage that it needs and that is not up to date.
    """

    shown: str
    is_current: bool = False
    forecast: RunForecast | None = None
    waits_for: str | None = None

    def __str__(self) -> str:
        if self.is_current:
            return f"{self.shown}: up to date"
        return (
            self.shown if self.waits_for is None else f"{self.shown}: its rows are known when {self.waits_for} has run"
        )

    def as_json(self) -> dict[str, JSON]:
        """Return it as JSON."""
        forecast = None if self.forecast is None else self.forecast.as_json()
        return {
            "file": self.shown,
            "up_to_date": self.is_current,
            "waits_for": self.waits_for,
            "forecast": forecast,
        }


async def estimate_stages(
    pipeline: Pipeline, params: Mapping[str, JSON] | None, options: RunOptions, *, count: bool = False
) -> tuple[list[StageForecast], StageForecast]:
    """Estimate the stages of a pipeline, and the pipeline itself. Nothing is sent but, with `count`, free requests.

    Raises:
        YamlgenError: a run could not start.
    """
    current: dict[bytes, bool] = {}
    made: list[StageForecast] = []

    def stale(each: Pipeline) -> str | None:
        names = (stage.pipeline.shown for stage in each.stages.values() if not current[stage.key])
        return next(names, None)

    async def foretold(each: Pipeline, given: Mapping[str, JSON] | None) -> StageForecast:
        waits_for = stale(each)
        if waits_for is None:
            check_built(each, given, options)
        forecast = None if waits_for else await estimate(each, params=given, options=options, count=count)
        return StageForecast(each.shown, forecast=forecast, waits_for=waits_for)

    for stage in stages_behind(pipeline):
        current[stage.key] = stale(stage.pipeline) is None and not options.fresh and is_up_to_date(stage, options)
        is_current = current[stage.key]
        shown = stage.pipeline.shown
        made.append(StageForecast(shown, True) if is_current else await foretold(stage.pipeline, stage.params))  # noqa: FBT003
    return made, await foretold(pipeline, params)


async def run_stages(
    pipeline: Pipeline,
    params: Mapping[str, JSON] | None,
    options: RunOptions,
    execute: Execute,
    tell: Callable[[StageNews], object] = bool,
) -> RunOptions:
    """Run the stages of a pipeline that are not up to date.

    Args:
        pipeline: the pipeline.
        params: its parameters.
        options: its options; `limit` applies to the stages that need no others.
        execute: runs one stage.
        tell: called before each stage.

    Returns:
        The options for the pipeline itself: its limits on cost without what the stages have cost.

    Raises:
        FailedStage: rows of a stage failed, and the chain does not allow that with `partial: true`.
        InvalidPipeline: a pipeline does not fit the columns that its stages have written.
        YamlgenError: a stage could not start, or ended early; finished answers are in its store.
    """
    stages = stages_behind(pipeline)
    if not stages or options.retry is not None:
        return options
    plan = pipeline.plan(params)
    if options.locked:  # nothing of the chain may be sent if one pipeline differs from its lock
        for each, own in (*((stage.pipeline, stage.pipeline.plan(stage.params)) for stage in stages), (pipeline, plan)):
            locked_to(each, own)
    limits = replace(options, detach=False).over(plan).limits
    last = replace(options, detach=options.detach and _has_batches(plan, options))
    if not any(_has_batches(each, options) for each in (plan, *(each.pipeline.plan(each.params) for each in stages))):
        options.over(plan)  # there is nothing to detach from
    left, free, spent = limits.max_cost_usd, limits.confirm_above_usd, 0.0
    for number, stage in enumerate(stages, start=1):
        is_current = not options.fresh and is_up_to_date(stage, options)
        tell(StageNews(stage, number, len(stages) + 1, is_current))
        if is_current:
            if options.lock:
                write_lock(stage.pipeline, stage.params, location_of(stage.pipeline.path, options.store))
            continue
        check_built(stage.pipeline, stage.params, options)
        plan = stage.pipeline.plan(stage.params)
        chosen = replace(
            options,
            output=None,
            report=False,
            max_cost_usd=_least(plan.limits.max_cost_usd, left),
            confirm_above_usd=_least(plan.limits.confirm_above_usd, free),
            detach=options.detach and _has_batches(plan, options),
        )
        before = _state(stage, options)  # what changes during the run is noticed by the next
        try:
            done = await execute(stage.pipeline, stage.params, chosen)
        except YamlgenError as error:
            shown = stage.pipeline.shown
            if isinstance(error, InvalidPipeline):
                raise
            told = without_costs(error, spent)
            named = told.message if shown in told.message else f"{shown}: {told.message}"
            raise told.replace(message=named) from error.__cause__
        cost = done.report.paid.cost_usd or 0.0
        spent += cost
        left = None if left is None else left - cost
        free = None if free is None else max(0.0, free - cost)
        is_whole = not (done.report.failed or done.report.lost_steps)
        if not is_whole and not (stage.partial and done.report.finished):
            raise _failed(stage, done)
        if is_whole and before is not None:
            _remember(stage, options, before)
        if left is not None and left <= 0:
            message = f"stopped at `limits.max_cost_usd`: the stages up to {stage.pipeline.shown} have used it"
            raise LimitReached(message, code=Code.LIMIT, hint="raise the limit, and run again to continue")
    check_built(pipeline, params, options)
    return replace(last, max_cost_usd=left, confirm_above_usd=free)


def without_costs(error: YamlgenError, spent: float) -> YamlgenError:
    """Return the error of a run; if it is about a limit on cost, it names what the stages before have cost."""
    if not spent or not isinstance(error, LimitReached) or "_usd`" not in error.message:
        return error
    return error.replace(message=f"{error.message}, without what the stages before have cost (${spent:.4f})")


def _has_batches(plan: Plan, options: RunOptions) -> bool:
    return any(step.batch for step in replace(options, detach=False).over(plan).steps)


def is_up_to_date(stage: PipelineStage, options: RunOptions) -> bool:
    """Check whether a run of a stage would only repeat its last one."""
    with suppress(OSError, ValueError, YamlgenError):
        state, made = _state(stage, options), _made(stage, options)
        noted = json.loads(_note(stage, options).read_bytes())
        return state is not None and made is not None and bool(noted == {**state, "made": made})
    return False


def _state(stage: PipelineStage, options: RunOptions) -> dict[str, JSON] | None:
    """Return the state of all that a run of a stage depends on, as JSON; `None` if its input can be read only once."""
    pipeline, plan = stage.pipeline, stage.pipeline.plan(stage.params)
    source = pipeline.source.listed()
    files = [*source.files, *(each for table in (source.query.tables if source.query else ()) for each in table.files)]
    files += [each for behind in pipeline.stages.values() for each in behind.files(options)]
    read = _stamps(each.path for each in files)
    if read is None:
        return None
    parts = {str(path): _stamp(path) for path in pipeline.compiled.files if path != pipeline.path}
    return {
        "version": _VERSION,
        "pipeline": fingerprint(pipeline.parsed.document.data),
        "params": fingerprint(dict(plan.params)),
        "limit": None if pipeline.stages else options.limit,
        "simulation": options.simulation.about if options.simulation else None,
        "batch": options.batch,
        "address": None if options.simulate else variable(_ADDRESS),
        "read": fingerprint([read, parts]),
    }


def _made(stage: PipelineStage, options: RunOptions) -> dict[str, JSON] | None:
    """Return the states of the files of all outputs of a stage; `None` if one is missing."""
    return _stamps(each.path for each in stage.paths(options).rows)


def _stamps(paths: Iterable[Path | None]) -> dict[str, JSON] | None:
    """Return the states of files, by their paths; `None` if one is missing, or not a regular file."""
    made: dict[str, JSON] = {str(path): path and _stamp(path) for path in paths}
    return None if None in made.values() else made


def _stamp(path: Path) -> JSON:
    stamp = stamp_of(path)
    return None if stamp is None else list(stamp)


def _note(stage: PipelineStage, options: RunOptions) -> Path:
    plan = stage.pipeline.plan(stage.params)
    place = location_of(stage.pipeline.path, options.store, simulated=options.simulate)
    limited = "" if options.limit is None else f".limit-{options.limit}"
    key = fingerprint(dict(plan.params))[:8]
    return place.database.with_suffix(f".{key}{limited}.stage.json")


def _remember(stage: PipelineStage, options: RunOptions, before: Mapping[str, JSON]) -> None:
    """Note that a stage is up to date, if what it read is as it was before its run."""
    path = _note(stage, options)
    with replacing(path, f"a run of {stage.pipeline.shown}") as staging:
        staging.write(path, [json.dumps({**before, "made": _made(stage, options)}, indent=1).encode()])
        staging.replace()


def _failed(stage: PipelineStage, done: FinishedRun) -> FailedStage:
    failed, shown = done.report.failed, stage.pipeline.shown
    what = f"{failed:,} row{'' if failed == 1 else 's'} of {shown} failed"
    if failed and not done.report.finished:
        what = f"every row of {shown} failed"
    if not failed:
        what = f"a step of {shown} failed in every row"
    named = f" {done.entry.name}" if done.entry.about["simulated"] else ""
    python = f"`yamlgen.failures({shown!r})` returns them; "
    listed = by_surface(command=f"`yamlgen runs failed {shown}{named}` lists them; ", python=python)
    go_on = "" if stage.partial else ", or set `partial: true` next to `pipeline` to continue without them"
    hint = f"{listed}run again{go_on}"
    return FailedStage(f"the chain stopped: {what}", code=Code.FAILED_STAGE, hint=hint)


def _least(own: float | None, given: float | None) -> float | None:
    known = [each for each in (own, given) if each is not None]
    return min(known, default=None)
