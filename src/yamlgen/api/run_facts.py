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
from yamlgen.value_objects import JSON


def recorded_facts(pipeline: Pipeline, ready: Preparation, options: RunOptions, paths: OutputPaths) -> dict[str, JSON]:
    """Return what the record of a run says about it, apart from its report."""
    plan = ready.plan
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
        "headers": list(ready.provider.headers().names),
        "address": ready.provider.answerer(),
        "simulated": options.simulate,
        "simulation": ready.simulation,
        "provenance": any(output.config.provenance for output in plan.outputs),
    }


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
    plan = ready.plan
    return {
        "resolved": resolved(plan, by_tool),
        "options": _repeated(pipeline, options, given),
        "rows": ready.rows,
        "types": {output.name: output.type.value for output in plan.outputs},
        "lock": lock_of(plan).as_json(),
    }


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
