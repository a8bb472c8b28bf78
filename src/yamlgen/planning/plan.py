"""A plan: a pipeline checked, resolved and ordered, as immutable values that can be sent anywhere.

Owns what a run needs to know and nothing that a run holds: no client, no open file, no loop. Templates and expressions
stay their source text, schemas their JSON text; what is compiled from them is cached where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from yamlgen.expressions.name_resolution import all_of
from yamlgen.pipeline.pipeline_model import Input, Limits, Output, Runtime
from yamlgen.planning.step_order import ordered
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.steps.config_fields import MOST_CONCURRENCY, ModelSettings
from yamlgen.steps.fan_out import Scope
from yamlgen.steps.plan_step import PlanStep, Variant
from yamlgen.value_objects import JSON, Row


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole pipeline, ready to run.

    Attributes:
        file: the pipeline's file.
        params: every parameter's value.
        declared: what each may be.
        models: the aliases.
        steps: in file order; the graph is in their `needs`.
    """

    name: str
    file: Path
    params: Mapping[str, JSON]
    declared: Mapping[str, JSONSchema]
    models: Mapping[str, ModelSettings]
    runtime: Runtime
    limits: Limits
    input: Input
    steps: tuple[PlanStep, ...]
    output: Output

    def __repr__(self) -> str:
        count = len(self.steps)
        return f"<Plan of {self.name}: {count} step{'' if count == 1 else 's'}>"

    def ordered(self) -> tuple[PlanStep, ...]:
        """The steps so that each comes after those it needs."""
        steps = {step.name: step for step in self.steps}
        return tuple(steps[name] for name in ordered({name: step.needs for name, step in steps.items()}))

    @property
    def generating(self) -> tuple[PlanStep, ...]:
        """The steps that ask a model."""
        return tuple(step for step in self.steps if step.variants)

    @property
    def variants(self) -> tuple[tuple[PlanStep, Variant], ...]:
        """Each model that is asked, with the step that asks it."""
        return tuple((step, variant) for step in self.steps for variant in step.variants)

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns that decide what is asked; `None` when a step that does needs the row as a whole.

        A step on whose value neither a request nor a draw depends has no part in it: adding one must not make new rows
        of all.
        """
        steps = {step.name: step for step in self.steps}
        reached: set[str] = set()
        waiting = [name for name, step in steps.items() if step.knows_row]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting.extend(steps[name].needs)
        return all_of(steps[name].columns for name in reached)

    def scope(self, row: Row, outputs: Mapping[str, JSON]) -> Scope:
        """What the templates of a row's steps see."""
        return {"row": row, "params": self.params, "steps": outputs}

    @property
    def concurrency(self) -> int:
        """The most requests in flight at once."""
        ceiling = self.runtime.concurrency
        return MOST_CONCURRENCY if ceiling == "auto" else ceiling

    @property
    def folder(self) -> Path:
        """Where the paths of the pipeline start from."""
        return self.file.parent
