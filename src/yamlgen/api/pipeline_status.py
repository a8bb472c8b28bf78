"""Whether a run of a pipeline would only repeat its last whole run: by its store, or in a clone by its lock.

The pipeline is compared by its fingerprints, the input by the digest of its rows, and the output by the digest of its
files. Neither the time of a file nor its place is a part of the comparison. Nothing is sent, and no function is called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.loading import check
from yamlgen.api.lock_files import last_whole_run, lock_of_run, needed_of, pipelines_of
from yamlgen.api.opened_input import read_digest
from yamlgen.api.preparation import estimate
from yamlgen.api.run_options import RunOptions
from yamlgen.canonical_json import fingerprint
from yamlgen.claude.provider import ClaudeProvider
from yamlgen.comparison.lock import Lock, lock_path, read_lock
from yamlgen.comparison.locked_parts import MADE_OF, differences, lock_of
from yamlgen.diagnostics import Diagnostic, InvalidPipeline
from yamlgen.errors import Code, EnvironmentProblem, YamlgenError, near
from yamlgen.events import RunForecast
from yamlgen.output.files import output_digest, output_paths
from yamlgen.planning.plan import Plan
from yamlgen.shaping.output_plan import STEP
from yamlgen.store.location import StoreLocation, location_of
from yamlgen.store.run_reader import RunEntry
from yamlgen.store.run_session import open_runs
from yamlgen.sync_bridge import synchronous
from yamlgen.system_limits import in_thread
from yamlgen.value_objects import JSON

State: TypeAlias = Literal["up_to_date", "behind", "output_absent", "output_edited", "never_run", "unknown", "invalid"]
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class PipelineStatus:
    """The status of a pipeline.

    Attributes:
        file: the pipeline file, as the caller wrote it.
        state: the state. If several apply: `invalid`, `unknown`, `never_run`, `behind`, `output_absent`,
            `output_edited`, in this order.
        by: what the state is known from: `store`, `lock` in a clone without a store, or `None` for neither.
        changes: what differs from the last whole run, as phrases.
        outputs: the files of rows that are absent or edited, each with `absent` or `edited`.
        forecast: what a run would send now; `None` if that is unknown, or nothing.
        at_most: whether the forecast is a maximum.
        error: why the state is unknown, or the pipeline invalid.
        diagnostics: the errors of an invalid pipeline.
    """

    file: str
    state: State
    by: Literal["store", "lock"] | None = None
    changes: tuple[str, ...] = ()
    outputs: tuple[tuple[Path, str], ...] = ()
    forecast: RunForecast | None = None
    at_most: bool = False
    error: YamlgenError | None = None
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether the pipeline is up to date."""
        return self.state == "up_to_date"

    def as_json(self) -> dict[str, Any]:
        """Return the status as JSON values; the cost in US dollars."""
        forecast, cost = self.forecast, self.forecast.cost if self.forecast else None
        error = self.error and {"code": str(self.error.code), "message": self.error.message, "hint": self.error.hint}
        return {
            "file": self.file,
            "state": self.state,
            "by": self.by,
            "rows": None if forecast is None else forecast.unanswered,
            "requests": None if forecast is None else forecast.requests,
            "cost_usd": None if cost is None else {"least": cost[0], "most": cost[1]},
            "at_most": self.at_most,
            "changes": list(self.changes),
            "outputs": [{"file": str(path), "state": state} for path, state in self.outputs],
            "error": error,
            "diagnostics": [each.as_json() for each in self.diagnostics],
        }


async def astatus(
    *paths: str | Path,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, str] | None = None,
    store: str | Path | None = None,
) -> list[PipelineStatus]:
    """Return whether pipelines are up to date. Nothing is sent, no API key is needed, and no function is called.

    A pipeline is up to date if a run would send nothing, and would write the output that is there.

    Args:
        paths: pipeline files, or folders of them. Default: the current folder, and those below.
        params: the parameters, by name. A parameter that has no default has the value of the last run.
        overrides: values to set, by dotted path.
        store: the folder of the store. Default: `.yamlgen/` next to each pipeline.

    Returns:
        The status of each pipeline, in the order of the files.

    Raises:
        UsageError: a folder contains no pipeline.
    """
    folder = None if store is None else Path(store)
    return [
        await _status(file, params or {}, overrides or {}, folder)
        for file in pipelines_of([Path(each) for each in paths])
    ]


status = synchronous(astatus)


async def _status(
    file: Path, params: Mapping[str, JSON], overrides: Mapping[str, str], store: Path | None
) -> PipelineStatus:
    """Return the status of one pipeline."""
    try:
        pipeline, found = check(file, params=params, overrides=overrides, examine=False)
    except YamlgenError as error:
        return PipelineStatus(str(file), "unknown", error=error)
    if pipeline is None:
        errors = tuple(each for each in found if each.severity == "error")
        return PipelineStatus(str(file), "invalid", error=InvalidPipeline(errors), diagnostics=errors)
    try:
        return await _Inspection(pipeline, location_of(pipeline.path, store), RunOptions(store=store)).status(params)
    except InvalidPipeline as error:
        state: State = "unknown" if error.code is Code.BAD_LOCK else "invalid"
        return PipelineStatus(str(file), state, error=error, diagnostics=error.diagnostics)
    except YamlgenError as error:
        return PipelineStatus(str(file), "unknown", error=error)


@dataclass(frozen=True)
class _Inspection:
    """The look at one pipeline."""

    pipeline: Pipeline
    place: StoreLocation
    options: RunOptions

    async def status(self, params: Mapping[str, JSON]) -> PipelineStatus:
        """Return its status.

        Raises:
            YamlgenError: it is unknown.
        """
        run, before = self.last_run()
        lock = read_lock(lock_path(self.pipeline.path)) if run is None else None
        plan = self.pipeline.plan({**self.needed(run, lock), **params})
        if run is None and (lock is None or lock.run is None):
            forecast = None
            with suppress(YamlgenError):  # what it would cost is only told if it is known
                forecast = await self.forecast(plan)
            return PipelineStatus(self.pipeline.shown, "never_run", forecast=forecast)
        if run is not None and before is None:
            return await self.by_hash(plan, run)
        before = before or lock
        assert before is not None  # noqa: S101 - one of them is there
        changes = await self.changes(plan, before)
        made = PipelineStatus(self.pipeline.shown, "up_to_date", "store" if run else "lock", changes)
        if run is None:
            made = await self.by_lock(plan, made) if changes else made
        elif changes or run.failed or run.failed_items or self.is_answered_elsewhere(run, plan):
            made = await self.by_store(plan, made)
        made = self.with_outputs(plan, made, {} if before.run is None else before.run.outputs)
        return await self.with_stages(made)

    def last_run(self) -> tuple[RunEntry | None, Lock | None]:
        """Return the last whole run that wrote the files of the pipeline, and its lock, if it has one."""
        if not self.place.exists:
            return None, None
        with open_runs(self.place) as run_reader:
            run = last_whole_run(run_reader, own_files=True)
            return run, None if run is None else lock_of_run(run_reader, run)

    def needed(self, run: RunEntry | None, lock: Lock | None) -> dict[str, JSON]:
        """Return the last values of the parameters that have no default."""
        last = run.about.get("params", {}) if run is not None else lock.params if lock is not None else {}
        return needed_of(self.pipeline, last)

    def is_answered_elsewhere(self, run: RunEntry, plan: Plan) -> bool:
        """Return whether a model would be asked at another address, or for another workspace, than in a run."""
        ends, then = ClaudeProvider(plan.runtime).endpoints(plan), run.about.get("addresses") or {}
        workspaces = run.about.get("workspaces") or {}
        return any(
            end.answerer != then.get(name, run.about["address"]) or end.keys().workspace != workspaces.get(name, "")
            for name, end in ends.items()
        )

    async def forecast(self, plan: Plan) -> RunForecast | None:
        """Return what a run would send; `None` if its rows can be read only once."""
        if not self.pipeline.source.is_repeatable:
            return None
        return await estimate(self.pipeline, params=plan.params, options=self.options)

    async def changes(self, plan: Plan, before: Lock) -> tuple[str, ...]:
        """Return what decides the output and is not as it was, as phrases."""
        now = lock_of(plan)
        given = before.input
        if before.input.digest is not None:
            rows = await in_thread(partial(read_digest, self.pipeline, plan, self.place.folder, self.options))
            given = now.input.model_copy(update={"rows": rows.rows, "digest": rows.value})
        found = differences(before, now.model_copy(update={"input": given}))
        return tuple(each.what for each in found if each.part in {*MADE_OF, "input"})

    async def by_store(self, plan: Plan, made: PipelineStatus) -> PipelineStatus:
        """Return the status after a change: what a run would send, by the answers in the store."""
        forecast = await self.forecast(plan)
        if forecast is None:
            return replace(made, state="behind" if made.changes else made.state)
        is_behind = made.changes or forecast.requests or forecast.waiting
        at_most = any(step.least_requests != step.requests for step in forecast.steps if step.requests)
        return replace(made, state="behind", forecast=forecast, at_most=at_most) if is_behind else made

    async def by_lock(self, plan: Plan, made: PipelineStatus) -> PipelineStatus:
        """Return the status after a change in a clone: without a store, a run sends everything."""
        return replace(made, state="behind", forecast=await self.forecast(plan), at_most=True)

    async def by_hash(self, plan: Plan, run: RunEntry) -> PipelineStatus:
        """Return the status after a run of an older version, which has recorded neither fingerprints nor digests."""
        made = PipelineStatus(self.pipeline.shown, "up_to_date", "store")
        is_same = run.about["pipeline"]["hash"] == fingerprint(self.pipeline.parsed.document.data)
        if not is_same or run.about.get("params") != plan.params:
            made = replace(made, changes=("the pipeline",))
        return self.with_outputs(plan, await self.by_store(plan, made), {})

    async def with_stages(self, made: PipelineStatus) -> PipelineStatus:
        """Return the status with the stages that would run first, on whose outputs the requests depend.

        Raises:
            YamlgenError: the status of a stage is unknown.
        """
        late = []
        for stage in self.pipeline.stages.values():
            place = location_of(stage.pipeline.path, self.options.store)
            found = await _Inspection(stage.pipeline, place, self.options).status(stage.params)
            late += [] if found.is_current else [f"the stage `{found.file}` ({found.state.replace('_', ' ')})"]
        return replace(made, state="behind", changes=(*made.changes, *late), forecast=None) if late else made

    def with_outputs(self, plan: Plan, made: PipelineStatus, known: Mapping[str, str | None]) -> PipelineStatus:
        """Return the status with the files of the outputs that are absent, or not as the run left them.

        Args:
            plan: the plan.
            made: the status of what the outputs are made of.
            known: the digest of each output; `None` if the run did not write it.
        """
        paths = output_paths(plan.outputs, plan.folder, {}, simulated=False, limit=None)
        found: list[tuple[Path, str]] = []
        for output in plan.outputs:
            files = paths.of(output.name)
            absent = [each.path for each in files if not each.path.is_file()]
            found += [(path, "absent") for path in absent]
            digest = known.get(output.name or STEP)
            if not absent and digest is not None and not made.changes:
                digests = [{each.path: _digest(each.path, lf=lf) for each in files} for lf in (False, True)]
                if digest not in [output_digest(files, each) for each in digests]:
                    found += [(each.path, "edited") for each in files]
        if not found:
            return made
        state: State = "output_absent" if any(how == "absent" for _, how in found) else "output_edited"
        return replace(made, outputs=tuple(found), state=state if made.is_current else made.state)


def _digest(path: Path, *, lf: bool) -> str:
    """Return the sha256 of a file; with `lf`, as it was before git has checked it out with CRLF.

    Raises:
        EnvironmentProblem: the file cannot be read.
    """
    made = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for chunk in file if lf else iter(lambda: file.read(_CHUNK), b""):
                made.update(chunk.removesuffix(b"\r\n") + b"\n" if lf and chunk.endswith(b"\r\n") else chunk)
    except OSError as error:
        message = f"cannot read the output {near(path)}: {error.strerror or error}"
        raise EnvironmentProblem(message, code=Code.UNREADABLE, hint="check that it is a file you can read") from None
    return made.hexdigest()
