"""A plan back to a pipeline: everything resolved, nothing left to look up, for a person to read."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

from yamlgen.planning.plan import Plan


def resolved(plan: Plan, by_tool: AbstractSet[str] = frozenset()) -> dict[str, Any]:
    """The pipeline with everything resolved, as data that is a pipeline itself.

    Args:
        plan: of the pipeline.
        by_tool: the names of the variants that a run asks by a tool, the schemas that the API has refused included.
    """
    limits = plan.limits.model_dump(exclude_none=True)
    named = plan.models if any(step.names_models for step in plan.steps) else {}
    models = {alias: model.model_dump(exclude_none=True) for alias, model in named.items()}
    return {
        "version": 1,
        "name": plan.name,
        "params": {name: {**plan.declared[name].value, "default": value} for name, value in plan.params.items()},
        **({"models": models} if models else {}),
        "runtime": plan.runtime.model_dump(exclude_none=True),
        **({"limits": limits} if limits else {}),
        "input": plan.input.model_dump(exclude_none=True),
        "steps": {step.name: step.written(by_tool) for step in plan.steps},
        "output": plan.output.model_dump(exclude_none=True),
    }
