"""A plan back to a pipeline: everything resolved, nothing left to look up, for a person to read."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from yamlgen import capabilities
from yamlgen.canonical_json import fingerprint
from yamlgen.planning.plan import AnyStep, ComputeStep, DrawStep, GenerateStep, Plan, PythonStep
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.schemas.native_subset import choose_mode
from yamlgen.schemas.root_wrapper import outgoing
from yamlgen.steps.fields import Settings
from yamlgen.values import JSON


def resolved(plan: Plan, by_tool: AbstractSet[str] = frozenset()) -> dict[str, Any]:
    """The pipeline with everything resolved, as data that is a pipeline itself.

    Args:
        plan: of the pipeline.
        by_tool: the names of the variants that a run asks by a tool, the schemas that the API has refused included.
    """
    limits = plan.limits.model_dump(exclude_none=True)
    named = plan.models if any(_names_models(step) for step in plan.generating) else {}
    models = {alias: model.model_dump(exclude_none=True) for alias, model in named.items()}
    return {
        "version": 1,
        "name": plan.name,
        "params": {name: {**plan.declared[name].value, "default": value} for name, value in plan.params.items()},
        **({"models": models} if models else {}),
        "runtime": plan.runtime.model_dump(exclude_none=True),
        **({"limits": limits} if limits else {}),
        "input": plan.input.model_dump(exclude_none=True),
        "steps": {step.name: _resolved_step(step, by_tool) for step in plan.steps},
        "output": plan.output.model_dump(exclude_none=True),
    }


def _names_models(step: GenerateStep) -> bool:
    """Whether a step's models stand in its matrix, by their names."""
    return step.matrix is not None and "model" in step.matrix[0]


def _resolved_step(step: AnyStep, by_tool: AbstractSet[str]) -> dict[str, Any]:
    made: dict[str, Any] = {} if isinstance(step, GenerateStep) else {"kind": step.kind}
    if step.when is not None:
        made["when"] = step.when
    if step.for_each is not None:
        made["for_each"] = step.for_each
    match step:
        case GenerateStep():
            made |= _generated(step, by_tool)
        case ComputeStep():
            made |= {"values": dict(step.values), **_typed(step.schema)}
        case PythonStep():
            kept = step.depends is not None
            made |= {"call": step.call, "args": dict(step.args), "timeout": step.timeout, "keep": kept}
            if step.depends is not None and step.depends.reads:
                made["reads"] = list(step.depends.reads)
            made |= _typed(step.schema)
        case DrawStep():
            rules = {name: rule.model_dump(exclude_none=True) for name, rule in step.draws.items()}
            made |= {"seed": step.seed, "draws": rules}
    if step.samples is not None:
        made["samples"] = step.samples
    if step.null_items:
        made["on_item_error"] = "null"
    return made


def _typed(schema: JSONSchema | None) -> dict[str, Any]:
    return {} if schema is None else {"output": {"schema": schema.value}}


def _generated(step: GenerateStep, by_tool: AbstractSet[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if _names_models(step):
        made |= _settings(step.own)
    else:
        (variant,) = step.variants
        made["model"] = {"max_tokens": variant.max_tokens, **_settings(variant.settings)}
        if variant.price is not None:
            made["model"]["price"] = variant.price.model_dump(exclude_none=True)
    if step.matrix is not None:
        made["matrix"] = {name: _axis(step.matrix, name) for name in step.matrix[0]}
    if step.system is not None:
        made["system"] = step.system
    made["messages"] = [{"role": turn.role, "content": turn.content} for turn in step.messages]
    if step.schema is not None:
        made["output"] = {"schema": step.schema.value, "mode": _mode(step, step.schema, by_tool), "reasks": step.reasks}
    else:
        made["output"] = {"reasks": step.reasks}
    if step.checks:
        made["check"] = [
            check.expression if check.message is None else {"expression": check.expression, "message": check.message}
            for check in step.checks
        ]
    return made


def _axis(combinations: tuple[Mapping[str, JSON], ...], name: str) -> list[JSON]:
    """The values of one axis of a matrix, in their order."""
    made: list[JSON] = []
    for labels in combinations:
        if not any(fingerprint(labels[name]) == fingerprint(value) for value in made):
            made.append(labels[name])
    return made


def _settings(settings: Settings) -> dict[str, Any]:
    return settings.model_dump(exclude_none=True)


def _mode(step: GenerateStep, schema: JSONSchema, by_tool: AbstractSet[str]) -> str:
    """The mode of the step's answers; of several models each may have its own."""
    if step.mode != "auto":
        return step.mode
    sent = outgoing(schema.value)[0]
    modes = {
        "tools" if variant.name in by_tool else choose_mode(sent, capabilities.of(variant.model))
        for variant in step.variants
    }
    return modes.pop() if len(modes) == 1 else "auto"
