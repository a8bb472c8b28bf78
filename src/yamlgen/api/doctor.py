"""Whether a run would work here: what it needs is looked at, and the API is asked what costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from yamlgen.api.api_checks import check_api
from yamlgen.api.doctor_report import CheckList, DoctorReport
from yamlgen.api.environment_checks import check_connection, check_disk, check_store
from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.loading import loaded
from yamlgen.claude.endpoints import Endpoint
from yamlgen.claude.provider import ClaudeProvider
from yamlgen.claude.provider_setup import open_provider
from yamlgen.errors import Code, UsageError
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.planning.plan import Plan
from yamlgen.simulator.settings import SimulatorSettings
from yamlgen.steps.config_fields import ModelRuntime
from yamlgen.store.api_facts import ApiFacts
from yamlgen.store.location import FOLDER, location_of
from yamlgen.sync_bridge import synchronous
from yamlgen.value_objects import JSON


async def adoctor(
    pipeline: str | Path | Pipeline | None = None,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    store: str | Path | None = None,
    simulate: bool = False,
) -> DoctorReport:
    """Check what a run needs: key, address, proxy, certificates, the API, models, quota, store and disk.

    Only requests that cost nothing are sent, each with a deadline of seconds. What the API says about the models of the
    pipeline is compared with the table of models of this version, and with the settings of its steps.

    Args:
        pipeline: a pipeline file, or what `load` returned. Default: only the environment is checked.
        params: the parameters, by name.
        overrides: values to set, by dotted path; not if `pipeline` is loaded.
        store: the folder of the store. Default: `.yamlgen/` next to the pipeline.
        simulate: check a run with the simulator.

    Returns:
        A check for each thing that a run needs; `is_healthy` is whether a run would work.

    Raises:
        InvalidPipeline: the file has errors; `.diagnostics` contains all of them with their places.
    """
    if pipeline is None and (params or overrides):
        raise UsageError("parameters and overrides need a pipeline", code=Code.BAD_PARAM, hint="name the pipeline")
    checks, folder = CheckList(), None if store is None else Path(store)
    plan = None
    if pipeline is not None:
        whole = loaded(pipeline, overrides, None, None)
        plan = whole.plan(params)
        for found in whole.warnings:
            if found.code in (Code.MISSING_INPUT, Code.BAD_INPUT):
                where = f"{found.mark.file}:{found.mark.line}"
                checks.fail("input", found.message, found.hint, where, str(found.code))
    place = None if plan is None else location_of(plan.file, folder, simulated=simulate)
    around = place.folder if place is not None else (folder or Path(FOLDER)).absolute()
    runtime = Runtime() if plan is None else plan.runtime
    reached = open_provider(plan, SimulatorSettings()) if simulate else nullcontext(ClaudeProvider(runtime))
    async with reached as provider:
        ends: list[_Connection] = []
        with checks.checking("address"):
            ends = _connections(provider, plan)
        for end, part, name, own in ends:
            checks.connection = name if len(ends) > 1 else None
            sets_address = f"{name}.base_url" if own is not None and own.base_url else "runtime.base_url"
            if check_connection(checks, end, sets_address, sends=plan is None or bool(plan.variants)):
                with checks.checking("api"):
                    await check_api(checks, end, part, ApiFacts(around, end.account))
        checks.connection = None
    if place is not None:
        check_store(checks, place)
    check_disk(checks, around)
    return DoctorReport(tuple(checks.made))


class _Connection(NamedTuple):
    """An end of a plan.

    Attributes:
        end: the end.
        plan: the part of the plan whose models it serves.
        name: the place of its keys in the pipeline.
        own: the keys that a model overrides.
    """

    end: Endpoint
    plan: Plan | None = None
    name: str = "runtime"
    own: ModelRuntime | None = None


def _connections(provider: ClaudeProvider, plan: Plan | None) -> list[_Connection]:
    served = {} if plan is None else provider.endpoints(plan)
    if plan is None or not served:
        return [_Connection(provider.endpoint(), plan)]
    found: dict[tuple[str, ...], _Connection] = {}
    for step, variant in plan.variants:
        end, own, name = served[variant.name], variant.connection, "runtime"
        if own is not None:
            aliases = [alias for alias, each in plan.models.items() if each.runtime == own]
            name = f"models.{aliases[0]}.runtime" if aliases else f"steps.{step.name}.model.runtime"
        found.setdefault(end.identity, _Connection(end, None, name, own))
    members = {key: {name for name, end in served.items() if end.identity == key} for key in found}
    return [each._replace(plan=plan.at(members[key])) for key, each in found.items()]


doctor = synchronous(adoctor)
