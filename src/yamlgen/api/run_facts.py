"""What a store keeps about a run: the pipeline as it runs, its parameters, its options, and what its lock needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.preparation import Preparation
from yamlgen.api.run_options import RunOptions
from yamlgen.canonical_json import fingerprint
from yamlgen.comparison.locked_parts import lock_of
from yamlgen.output.files import OutputPaths
from yamlgen.planning.expansion import resolved
from yamlgen.steps.plan_step import PlanStep
from yamlgen.value_objects import JSON


def recorded_facts(pipeline: Pipeline, ready: Preparation, options: RunOptions, paths: OutputPaths) -> dict[str, JSON]:
    """Return what the record of a run says about it, apart from its report."""
    plan = ready.plan
    address, addresses = _addresses(ready)
    return {
        "pipeline": {
            "name": plan.name,
            "file": pipeline.shown,
            "hash": fingerprint(pipeline.parsed.document.data),
        },
        "params": dict(plan.params),
        "overrides": dict(pipeline.overrides),
        "models": {variant.name: variant.model for _, variant in plan.variants},
        "input": ready.source.name(),
        "output": paths.names(plan.folder),
        "limit": options.limit,
        "headers": list(ready.provider.headers(plan).names),
        "address": address,
        **({"addresses": addresses} if addresses else {}),
        "simulated": options.simulate,
        "simulation": ready.simulation,
        "provenance": any(output.config.provenance for output in plan.outputs),
    }


def _addresses(ready: Preparation) -> tuple[str, dict[str, JSON]]:
    """Return who answers most models, and who answers the models with connections of their own, if others do."""
    ends = ready.provider.endpoints(ready.plan)
    own = {variant.name for _, variant in ready.plan.variants if variant.connection is not None}
    first = next((name for name in ends if name not in own), next(iter(ends), None))
    address = ready.provider.endpoint().answerer if first is None else ends[first].answerer
    return address, {name: ends[name].answerer for name in ends if ends[name].answerer != address}


def stored_facts(
    pipeline: Pipeline, ready: Preparation, options: RunOptions, given: Mapping[str, str], by_tool: frozenset[str]
) -> dict[str, JSON]:
    """Return what only the store keeps about a run: the resolved pipeline, the options of a retry, and its lock.

    Args:
        pipeline: the pipeline.
        ready: the run.
        options: its options.
        given: the paths in place of those of the outputs, by name.
        by_tool: the variants whose requests use a tool.
    """
    plan, ends = ready.plan, ready.provider.endpoints(ready.plan)
    return {
        "resolved": resolved(plan, by_tool),
        "options": _repeated(pipeline, options, given),
        "rows": ready.rows,
        "declared": {step.name: _declared(step) for step in plan.steps},
        "types": {output.name: output.type.value for output in plan.outputs},
        "lock": lock_of(plan).as_json(),
        "workspaces": {name: keys.workspace for name, end in ends.items() if (keys := end.keys()).workspace},
    }


def _declared(step: PlanStep) -> dict[str, JSON]:
    """Return what a report needs to know of a step: its kind, its type, and the columns that it reads; null for all."""
    columns = None if step.columns is None else sorted(step.columns)
    return {"kind": step.kind, "type": step.type.value, "columns": columns}


def _repeated(pipeline: Pipeline, options: RunOptions, outputs: Mapping[str, str]) -> dict[str, JSON]:
    """Return the options that a retry reuses."""
    given, source = pipeline.input, pipeline.source
    if source.is_from_python:
        given = source.name()
    elif given not in (None, "-"):
        given = source.location
    return {
        "input": given,
        "output": {name: path if path == "-" else str(Path(path).absolute()) for name, path in outputs.items()},
        "limit": options.limit,
        "faults": list(options.faults),
        "seed": options.seed,
        "batch": options.batch,
    }
