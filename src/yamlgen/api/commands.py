"""What Python users call: `run`, `plan` and `retry` in the words of the command line, each as a coroutine first.

Owns that every option is spelled out, for type checkers and `help()`; `RunOptions` says what each means to a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from yamlgen.api.failed_rows import failed_rows
from yamlgen.api.loading import Pipeline, loaded
from yamlgen.api.preparation import estimate
from yamlgen.api.results import Result
from yamlgen.api.run_execution import execute
from yamlgen.api.run_options import RunOptions
from yamlgen.api.stored_run import Run, values
from yamlgen.events import Emit, RunForecast
from yamlgen.sync_bridge import synchronous
from yamlgen.value_objects import JSON


async def arun(  # noqa: PLR0913 - the options of the command
    pipeline: str | Path | Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the word that the YAML has for it
    output: str | Path | None = None,
    limit: int | None = None,
    fresh: bool = False,
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
    watched: bool = False,
    on_event: Emit | None = None,
) -> Result:
    """Send every row through every step, and return the rows; its files are written as by the command line.

    What was answered before is taken out of the store and not sent again; what changed is. Each limit wins over its
    namesake under `limits` in the file.

    Args:
        pipeline: a YAML file, or what `load` returned.
        params: the values of its parameters.
        overrides: values to set, by dotted path, such as `{"model": "claude-haiku-5-5"}`; only with a file.
        input: where the rows come from instead; only with a file.
        output: where the rows are written instead; `-` prints them as JSON lines.
        limit: only the first rows; the output is named after it.
        fresh: take no answer out of the store: ask, and pay, again.
        offline: send nothing: finish what the store answers, tell what is missing.
        retry: the name of a run whose failed rows are asked again, and no others; `retry` takes over how it was asked.
        confirm_above_usd: a run that may cost more US dollars does not begin without `yes`.
        max_cost_usd: stop when so many US dollars are spent.
        max_failures: stop when more rows failed or lost an item: a number, or such as `5%`.
        max_unusable: stop when such a share of the first 50 paid rows of a step is of no use: such as `90%`, or `none`.
        max_requests: stop when so many requests are sent.
        max_pause: seconds to wait for an API that lets nothing through.
        max_concurrency: at most so many requests at once; a ceiling below the pipeline's own.
        yes: go on without being asked, whatever it may cost.
        store: the folder of the store, in place of `.yamlgen/` beside the pipeline.
        simulate: talk to the simulator: no key, no network, no cost.
        latency: seconds that a simulated answer takes.
        faults: rates of simulated faults, such as `rate_limit=0.1`.
        seed: picks the simulated answers and faults.
        watched: somebody sits at a terminal, who is told within seconds that nobody answers; otherwise a run waits for
            that as long as `max_pause` says, if it is set.
        on_event: told every event of the run.

    Returns:
        The rows, the failures, the tokens and dollars that were paid, and the report.

    Raises:
        InvalidPipeline: the file has mistakes; `.diagnostics` holds all of them with their places.
        YamlgenError: nothing could be run, or the run ended early; what was finished is in the store.
    """
    options = RunOptions(
        output=output,
        limit=limit,
        simulate=simulate,
        max_concurrency=max_concurrency,
        store=None if store is None else Path(store),
        fresh=fresh,
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
        watched=watched,
    )
    return await _run(loaded(pipeline, overrides, input), params, options, on_event)


async def aplan(  # noqa: PLR0913 - the options of the command
    pipeline: str | Path | Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the word that the YAML has for it
    limit: int | None = None,
    fresh: bool = False,
    store: str | Path | None = None,
    simulate: bool = False,
    latency: float = 0.0,
    faults: Sequence[str] = (),
    seed: int = 0,
) -> RunForecast:
    """Reckon what a run would ask, and what that may cost. Nothing is sent, and no key is needed.

    Args:
        pipeline: a YAML file, or what `load` returned.
        params: the values of its parameters.
        overrides: values to set, by dotted path, such as `{"model": "claude-haiku-5-5"}`; only with a file.
        input: where the rows come from instead; only with a file.
        limit: only the first rows.
        fresh: as if nothing were in the store.
        store: the folder of the store, in place of `.yamlgen/` beside the pipeline.
        simulate: for a run with the simulator.
        latency: seconds that a simulated answer takes.
        faults: rates of simulated faults, such as `rate_limit=0.1`.
        seed: picks the simulated answers and faults.

    Returns:
        For each step and in all: the rows, the answers in the store, the requests to send, their tokens, and their
        cost in US dollars, the least and the most.

    Raises:
        InvalidPipeline: the file has mistakes; `.diagnostics` holds all of them with their places.
        YamlgenError: the run could not begin.
    """
    options = RunOptions(
        limit=limit,
        simulate=simulate,
        store=None if store is None else Path(store),
        fresh=fresh,
        latency=latency,
        faults=faults,
        seed=seed,
    )
    return await estimate(loaded(pipeline, overrides, input), params=params, options=options)


async def aretry(  # noqa: PLR0913 - the options of the command
    pipeline: str | Path,
    run: str | None = None,
    *,
    input: str | Path | None = None,  # noqa: A002 - the word that the YAML has for it
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
    on_event: Emit | None = None,
) -> Result | None:
    """Ask again for the failed rows and items of a run, and for no others.

    The run's parameters, overrides, input and output are taken over. What the other rows were answered comes out of the
    store; the output is written when nothing else is missing.

    Args:
        pipeline: a YAML file.
        run: the name of a run, or its beginning; the last one, where none is named.
        input: where the rows come from instead.
        confirm_above_usd: a retry that may cost more US dollars does not begin without `yes`.
        max_cost_usd: stop when so many US dollars are spent.
        max_failures: stop when more rows failed or lost an item: a number, or such as `5%`.
        max_unusable: stop when such a share of the first 50 paid rows of a step is of no use: such as `90%`, or `none`.
        max_requests: stop when so many requests are sent.
        max_pause: seconds to wait for an API that lets nothing through.
        max_concurrency: at most so many requests at once.
        yes: go on without being asked, whatever it may cost.
        store: the folder of the store, in place of `.yamlgen/` beside the pipeline.
        simulate: retry a simulated run, with its seed and its faults.
        on_event: told every event of the retry.

    Returns:
        What came of it, as of a run: all rows, not only those that were asked again; `None` where no row or item of the
        run failed, so that there was nothing to ask.

    Raises:
        UsageError: there is no such run, or several; or its rows came from standard input.
        YamlgenError: nothing could be run, or the retry ended early; what was finished is in the store.
    """
    path, folder = Path(pipeline), None if store is None else Path(store)
    given = None if input is None else str(input)
    failed = failed_rows(path, run, input=given, store=folder, simulate=simulate)
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
        **again.options,
    )
    return await _run(again.load(path), again.params, options, on_event)


run = synchronous(arun)
plan = synchronous(aplan)
retry = synchronous(aretry)


async def _run(
    pipeline: Pipeline, params: Mapping[str, JSON] | None, options: RunOptions, on_event: Emit | None
) -> Result:
    done = await execute(pipeline, params=params, options=options, emit=on_event)
    stored = Run(done.place, done.entry)
    rows, failed = values(stored.lines()), values(stored.failed_lines(items=True))
    failures = [each for each in failed if "item" not in each]
    items = [each for each in failed if "item" in each]
    lost = [step.as_json() for step in done.report.lost_steps]
    paid = done.report.paid
    output = None if str(options.output) == "-" else done.paths.rows
    return Result(rows, failures, items, lost, paid.usage, paid.cost_usd, done.report, output)
