"""The functions `run`, `plan` and `retry` for Python users, in the words of the command line, and their coroutines.

Every option is spelled out, for type checkers and `help()`; `RunOptions` passes them on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from yamlgen.api.chosen_outputs import ChosenPaths
from yamlgen.api.failed_rows import failed_rows
from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.loading import loaded
from yamlgen.api.results import Result, StageResult
from yamlgen.api.run_execution import FinishedRun, execute
from yamlgen.api.run_options import RunOptions
from yamlgen.api.stage_runs import StageNews, estimate_stages, run_stages, without_costs
from yamlgen.api.stored_run import Run, values
from yamlgen.data.given_rows import GivenRows
from yamlgen.errors import Code, UsageError, YamlgenError
from yamlgen.events import Emit, RunForecast
from yamlgen.output.row_composer import outputs_of
from yamlgen.sync_bridge import synchronous
from yamlgen.value_objects import JSON


async def arun(  # noqa: PLR0913 - the options of the command
    pipeline: str | Path | Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the name of the YAML key
    rows: GivenRows | None = None,
    output: ChosenPaths | None = None,
    limit: int | None = None,
    fresh: bool = False,
    recheck: bool = False,
    offline: bool = False,
    retry: str | None = None,
    confirm_above_usd: float | None = None,
    max_cost_usd: float | None = None,
    max_failures: int | str | None = None,
    max_unusable: str | None = None,
    max_requests: int | None = None,
    max_pause: float | None = None,
    max_concurrency: int | None = None,
    yes: bool = False,
    store: str | Path | None = None,
    simulate: bool = False,
    latency: float = 0.0,
    faults: Sequence[str] = (),
    seed: int = 0,
    batch: bool | None = None,
    detach: bool = False,
    batch_delay: float = 0.0,
    watched: bool = False,
    lock: bool = False,
    locked: bool = False,
    report: bool = False,
    on_event: Emit | None = None,
) -> Result:
    """Run a pipeline, write its files as the command line does, and return the result.

    If tables of its query are the outputs of other pipelines, those that are not up to date run first. `on_event` is
    called with their events too. Requests that the store has an answer for are not sent again. Each limit overrides the
    key of the same name under `limits` in the file.

    Args:
        pipeline: a pipeline file, or what `load` returned.
        params: the parameters, by name.
        overrides: values to set, by dotted path, such as `{"model": "claude-haiku-5-5"}`; not if `pipeline` is loaded.
        input: the input, in place of the file's own; not if `pipeline` is loaded.
        rows: the rows in place of the file's own input; not if `pipeline` is loaded. Mappings are read once, and
            copied. A table of pandas, polars or Arrow must not change during the run. No rows, or a value that JSON
            cannot represent, is an error.
        output: the path of the output, in place of the file's own; `-` prints the rows as JSON Lines. If the pipeline
            has several outputs, paths by name, such as `{"train": "out/train.jsonl"}`; the others stay.
        limit: run only this many rows, into a separate file.
        fresh: use no stored answers: send, and pay for, every request again.
        recheck: take over no finished rows: render and validate every row again, with its stored answers.
        offline: send nothing: use stored answers only, and report what is missing.
        retry: the name of a run whose failed rows are retried, and no others; `retry` also reuses its options.
        confirm_above_usd: do not start a run that may cost more US dollars, unless `yes` is set.
        max_cost_usd: stop after this many US dollars.
        max_failures: stop if more rows failed, or lost a step or an item: a number, or a percentage such as `5%`, after
            50 rows.
        max_unusable: stop if this share of the first 50 billed rows of a step is unusable: such as `90%`, or `none`.
        max_requests: stop after this many requests, including retries.
        max_pause: stop if the API accepts no request for this many seconds.
        max_concurrency: the maximum of requests at once; it does not raise the limit of the pipeline.
        yes: do not ask for confirmation, whatever the cost.
        store: the folder of the store. Default: `.yamlgen/` next to the pipeline.
        simulate: use the simulated API: no key, no network, no cost.
        latency: seconds by which each simulated answer is delayed.
        faults: simulated faults by rate, such as `["rate_limit=0.1"]`.
        seed: selects the simulated answers and faults.
        batch: send the requests of all steps in batches (`True`), or each by itself (`False`). Default: `batch` of the
            pipeline.
        detach: post the batches, and end; the next run with the same arguments collects the answers.
        batch_delay: seconds after which each simulated batch ends.
        watched: somebody is at a terminal: an API that cannot be reached is reported within seconds. Otherwise the run
            waits for it as long as `max_pause` allows, if it is set.
        lock: after a whole run, write its lock (`NAME.lock.json`) next to the pipeline. If other pipelines run first,
            each writes its own.
        locked: do not run, nor anything before it, if steps, Python functions, the type of an output or a model differ
            from the lock.
        report: at its end, write the page of its report beside its record, as `report` does; also if it ends early.
        on_event: called with every event of the run.

    Returns:
        The failures, the billed tokens and dollars, and the report; its method `rows` returns the rows of an output.

    Raises:
        InvalidPipeline: the file has errors; `.diagnostics` contains all of them with their places.
        YamlgenError: the run could not start, or ended early; finished answers are in the store.
    """
    options = RunOptions(
        output=output,
        limit=limit,
        simulate=simulate,
        max_concurrency=max_concurrency,
        store=None if store is None else Path(store),
        fresh=fresh,
        recheck=recheck,
        offline=offline,
        retry=retry,
        max_requests=max_requests,
        max_failures=max_failures,
        max_unusable=max_unusable,
        max_cost_usd=max_cost_usd,
        confirm_above_usd=confirm_above_usd,
        max_pause=max_pause,
        yes=yes,
        latency=latency,
        faults=faults,
        seed=seed,
        batch=batch,
        detach=detach,
        batch_delay=batch_delay,
        watched=watched,
        lock=lock,
        locked=locked,
        report=report,
    )
    return await _run(loaded(pipeline, overrides, input, rows), params, options, on_event)


async def aplan(  # noqa: PLR0913 - the options of the command
    pipeline: str | Path | Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the name of the YAML key
    rows: GivenRows | None = None,
    limit: int | None = None,
    fresh: bool = False,
    recheck: bool = False,
    store: str | Path | None = None,
    simulate: bool = False,
    latency: float = 0.0,
    faults: Sequence[str] = (),
    seed: int = 0,
    batch: bool | None = None,
    batch_delay: float = 0.0,
    count: bool = False,
) -> RunForecast:
    """Estimate the requests, tokens and cost of a run. Without `count`, nothing is sent, and no API key is needed.

    Args:
        pipeline: a pipeline file, or what `load` returned.
        params: the parameters, by name.
        overrides: values to set, by dotted path, such as `{"model": "claude-haiku-5-5"}`; not if `pipeline` is loaded.
        input: the input, in place of the file's own; not if `pipeline` is loaded.
        rows: the rows in place of the file's own input; not if `pipeline` is loaded. Mappings are read once, and
            copied. A table of pandas, polars or Arrow must not change during the run. No rows, or a value that JSON
            cannot represent, is an error.
        limit: count only this many rows.
        fresh: count every request, as if the store were empty.
        recheck: take over no finished rows: render and validate every row again, with its stored answers.
        store: the folder of the store. Default: `.yamlgen/` next to the pipeline.
        simulate: estimate a run with the simulator.
        latency: seconds by which each simulated answer is delayed.
        faults: simulated faults by rate, such as `["rate_limit=0.1"]`.
        seed: selects the simulated answers and faults.
        batch: estimate a run that sends all requests in batches (`True`), or none (`False`). Default: `batch` of the
            pipeline.
        batch_delay: seconds after which each simulated batch ends.
        count: ask the API to count the tokens of some requests to each model, which costs nothing.

    If a table of its query is the output of another pipeline, that one must be up to date, and is not estimated.

    Returns:
        For each step and in total: the rows, the stored answers, the requests to send, their tokens, and the minimum
        and maximum of their cost in US dollars.

    Raises:
        InvalidPipeline: the file has errors; `.diagnostics` contains all of them with their places.
        YamlgenError: the run could not start.
    """
    options = RunOptions(
        limit=limit,
        simulate=simulate,
        store=None if store is None else Path(store),
        fresh=fresh,
        recheck=recheck,
        latency=latency,
        faults=faults,
        seed=seed,
        batch=batch,
        batch_delay=batch_delay,
    )
    _, last = await estimate_stages(loaded(pipeline, overrides, input, rows), params, options, count=count)
    if last.forecast is None:
        message = f"the rows of {last.shown} are unknown until {last.waits_for} has run"
        raise UsageError(message, code=Code.MISSING_INPUT, hint=f"plan and run {last.waits_for} first")
    return last.forecast


async def aretry(  # noqa: PLR0913 - the options of the command
    pipeline: str | Path,
    run: str | None = None,
    *,
    input: str | Path | None = None,  # noqa: A002 - the name of the YAML key
    rows: GivenRows | None = None,
    confirm_above_usd: float | None = None,
    max_cost_usd: float | None = None,
    max_failures: int | str | None = None,
    max_unusable: str | None = None,
    max_requests: int | None = None,
    max_pause: float | None = None,
    max_concurrency: int | None = None,
    yes: bool = False,
    store: str | Path | None = None,
    simulate: bool = False,
    batch: bool | None = None,
    detach: bool = False,
    report: bool = False,
    on_event: Emit | None = None,
) -> Result | None:
    """Retry the failed rows and items of a run, and no others.

    The retry uses the parameters, overrides, input and output of the run. The answers of the other rows come from the
    store. The output is written if no row lacks an answer.

    Args:
        pipeline: a pipeline file.
        run: the name of a run, or its beginning. Default: the latest run.
        input: the input, in place of that of the run.
        rows: the rows in place of the input of the run: mappings, or a table.
        confirm_above_usd: do not start a retry that may cost more US dollars, unless `yes` is set.
        max_cost_usd: stop after this many US dollars.
        max_failures: stop if more rows failed, or lost a step or an item: a number, or a percentage such as `5%`, after
            50 rows.
        max_unusable: stop if this share of the first 50 billed rows of a step is unusable: such as `90%`, or `none`.
        max_requests: stop after this many requests, including retries.
        max_pause: stop if the API accepts no request for this many seconds.
        max_concurrency: the maximum of requests at once.
        yes: do not ask for confirmation, whatever the cost.
        store: the folder of the store. Default: `.yamlgen/` next to the pipeline.
        simulate: retry a simulated run, with its seed and faults.
        batch: send the requests of all steps in batches (`True`), or each by itself (`False`). Default: as the run did.
        detach: post the batches, and end; the next run with the same arguments collects the answers.
        report: at its end, write the page of its report beside its record, as `report` does; also if it ends early.
        on_event: called with every event of the retry.

    Returns:
        The result, as of a run: all rows, not only those that were retried. `None` if no row or item of the run failed,
        so that there was nothing to retry.

    Raises:
        UsageError: no run or several runs have this name; or the rows of the run came from standard input or from
            Python, and neither `input` nor `rows` is set; or a value of `rows` is not a row.
        YamlgenError: the retry could not start, or ended early; finished answers are in the store.
    """
    path, folder = Path(pipeline), None if store is None else Path(store)
    given = None if input is None else str(input)
    failed = failed_rows(path, run, input=given, rows=rows, store=folder, simulate=simulate)
    if not failed.any:
        return None
    again = failed.repeat
    options = RunOptions(
        store=folder,
        max_concurrency=max_concurrency,
        max_requests=max_requests,
        max_failures=max_failures,
        max_unusable=max_unusable,
        max_cost_usd=max_cost_usd,
        confirm_above_usd=confirm_above_usd,
        max_pause=max_pause,
        yes=yes,
        detach=detach,
        report=report,
        **again.repeated(batch),
    )
    return await _run(again.load(path), again.params, options, on_event)


run = synchronous(arun)
plan = synchronous(aplan)
retry = synchronous(aretry)


async def _run(
    pipeline: Pipeline, params: Mapping[str, JSON] | None, options: RunOptions, on_event: Emit | None
) -> Result:

    async def stage(each: Pipeline, given: Mapping[str, JSON], chosen: RunOptions) -> FinishedRun:
        done = await execute(each, params=given, options=chosen, emit=on_event)
        stages[-1] = replace(stages[-1], report=done.report)
        return done

    stages: list[StageResult] = []

    def note(news: StageNews) -> None:
        stages.append(StageResult(news.stage.pipeline.shown, news.is_current, None))

    options = await run_stages(pipeline, params, options, stage, note)
    try:
        done = await execute(pipeline, params=params, options=options, emit=on_event)
    except YamlgenError as error:
        spent = sum(each.report.paid.cost_usd or 0.0 for each in stages if each.report)
        raise without_costs(error, spent) from error.__cause__
    stored = Run(done.place, done.entry)
    first = outputs_of(done.entry)[0].name
    failed = values(stored.failed_lines(items=True))
    failures = [each for each in failed if "item" not in each]
    items = [each for each in failed if "item" in each]
    lost = [step.as_json() for step in done.report.lost_steps]
    paid = done.report.paid
    output = None if done.paths.printed == first else done.paths.of(first)[0].path
    cost = paid.cost_usd
    page = done.report.page
    made = None if page is None or page.error else page.path
    return Result(failures, items, lost, paid.usage, cost, done.report, output, stored, tuple(stages), done.lock, made)
