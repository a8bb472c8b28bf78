"""A plan back to a pipeline: everything resolved, nothing left to look up, for a person to read."""

from __future__ import annotations

from typing import Any

from yamlgen.language import capabilities
from yamlgen.language.native import choose_mode
from yamlgen.language.plan import Plan, PlanStep
from yamlgen.language.wrapping import outgoing


def resolved(plan: Plan) -> dict[str, Any]:
    """The pipeline with everything resolved, as data that is a pipeline itself."""
    limits = plan.limits.model_dump(exclude_none=True)
    return {
        "version": 1,
        "name": plan.name,
        "params": {name: {"const": value, "default": value} for name, value in plan.params.items()},
        "runtime": plan.runtime.model_dump(exclude_none=True),
        **({"limits": limits} if limits else {}),
        "input": plan.input.model_dump(exclude_none=True),
        "steps": {step.name: _resolved_step(step) for step in plan.steps},
        "output": plan.output.model_dump(exclude_none=True),
    }


def _resolved_step(step: PlanStep) -> dict[str, Any]:
    made: dict[str, Any] = {"model": {"max_tokens": step.max_tokens, **step.settings.model_dump(exclude_none=True)}}
    if step.price is not None:
        made["model"]["price"] = step.price.model_dump(exclude_none=True)
    if step.system is not None:
        made["system"] = step.system
    made["messages"] = [{"role": turn.role, "content": turn.content} for turn in step.messages]
    if step.schema is not None:
        schema = step.schema.value
        mode = choose_mode(outgoing(schema)[0], capabilities.of(step.model)) if step.mode == "auto" else step.mode
        made["output"] = {"schema": schema, "mode": mode, "reasks": step.reasks}
    return made
