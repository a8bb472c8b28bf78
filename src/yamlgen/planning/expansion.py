"""A plan written as a pipeline, with everything resolved, for a person to read."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

from yamlgen.planning.plan import Plan


def _outputs(plan: Plan) -> dict[str, Any]:
    """Return the outputs, under the key with which the file declares them."""
    written = {output.name: output.config.written() for output in plan.outputs}
    return {"output": written[""]} if "" in written else {"outputs": written}


def resolved(plan: Plan, by_tool: AbstractSet[str] = frozenset()) -> dict[str, Any]:
    """Return the pipeline with everything resolved, as the data of a valid pipeline.

    Args:
        plan: the plan of the pipeline.
        by_tool: the names of the variants for which a run requests JSON with a tool, including those whose schemas the
            API has refused.
    """
    limits = plan.limits.model_dump(exclude_none=True)
    named = plan.models if any(step.names_aliases for step in plan.steps) else {}
    models = {alias: model.model_dump(exclude_none=True) for alias, model in named.items()}
    return {
        "version": 1,
        "name": plan.name,
        "params": {name: {**plan.declared[name].value, "default": value} for name, value in plan.params.items()},
        **({"models": models} if models else {}),
        "runtime": plan.runtime.model_dump(exclude_none=True),
        **({"limits": limits} if limits else {}),
        "input": plan.input.model_dump(exclude_none=True, exclude_unset=True),
        "steps": {step.name: step.written(by_tool) for step in plan.steps},
        **_outputs(plan),
    }
