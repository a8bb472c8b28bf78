"""A plan: a checked and resolved pipeline, as immutable values that can be pickled.

Owns the data that a run needs, but no resources of a run: no client, no open file, no event loop. Templates and
expressions are source text, and schemas are JSON text. What is compiled from them is cached where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from yamlgen.expressions.name_resolution import all_of
from yamlgen.pipeline.input_config import Input
from yamlgen.pipeline.pipeline_model import Limits, Runtime
from yamlgen.planning.error_location import located_errors
from yamlgen.planning.step_order import ordered
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.shaping.output_plan import OutputPlan
from yamlgen.steps.config_fields import MOST_CONCURRENCY, ModelSettings
from yamlgen.steps.fan_out import Scope
from yamlgen.steps.plan_step import PlanStep, Variant
from yamlgen.system_limits import usable_cores
from yamlgen.value_objects import JSON, Row

if TYPE_CHECKING:
    from yamlgen.row_result import Answer

_NOTHING: Final[Mapping[str, JSON]] = {}


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole pipeline, ready to run.

    Attributes:
        file: the pipeline file.
        params: the values of all parameters.
        declared: the schemas of the parameters.
        models: the models, by alias.
        steps: the steps, in file order; their `needs` are the graph.
        outputs: the outputs, in file order.
        rows_given: whether a Python caller gives the rows, in place of the input of the file.
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
    outputs: tuple[OutputPlan, ...]
    rows_given: bool = False

    def __repr__(self) -> str:
        count = len(self.steps)
        return f"<Plan of {self.name}: {count} step{'' if count == 1 else 's'}>"

    def ordered(self) -> tuple[PlanStep, ...]:
        """Return the steps in an order in which each comes after the steps that it needs."""
        steps = {step.name: step for step in self.steps}
        return tuple(steps[name] for name in ordered({name: step.needs for name, step in steps.items()}))

    @property
    def generating(self) -> tuple[PlanStep, ...]:
        """The steps that send requests to a model."""
        return tuple(step for step in self.steps if step.variants)

    @property
    def variants(self) -> tuple[tuple[PlanStep, Variant], ...]:
        """All variants, each with its step; also those that are only asked after a refusal."""
        return tuple((step, variant) for step in self.steps for variant in step.every_variant)

    def runtime_of(self, variant: Variant) -> Runtime:
        """Return the connection of a model: that of the file, with what the model overrides."""
        return self.runtime if variant.connection is None else variant.connection.over(self.runtime)

    def at(self, variants: AbstractSet[str]) -> Plan:
        """Return the part of the plan that asks some of its models, by the names of the variants."""
        steps = (
            replace(
                step,
                variants=tuple(
                    replace(each, fallbacks=tuple(other for other in each.fallbacks if other.name in variants))
                    for each in step.variants
                    if each.name in variants
                ),
            )
            for step in self.steps
        )
        return replace(self, steps=tuple(step for step in steps if step.variants))

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns on which requests and draws depend; `None` if one of their steps needs the whole row.

        A step whose value affects neither a request nor a draw does not count: adding such a step must not turn all
        rows into new rows.
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

    def check_outputs(self, row: Row, answers: Mapping[str, Answer]) -> None:
        """Check that the output rows of a finished row can be made.

        Raises:
            RowError: an expression of an output fails, or an output row does not have its shape.
        """
        for output in self.outputs:
            with located_errors(output.templates, f"`{output.key}`"):
                output.check(self.scope_of(row, answers))

    @property
    def taken(self) -> frozenset[str]:
        """The names of output columns that an input column must not have."""
        return frozenset[str]().union(*(output.taken for output in self.outputs))

    def bound(self, params: Mapping[str, JSON]) -> Plan:
        """Return the plan with these parameters, also in the paths of its outputs.

        Raises:
            RowError: a path cannot be rendered.
        """
        return replace(self, params=params, outputs=tuple(output.bound(params) for output in self.outputs))

    def scope(self, row: Row, outputs: Mapping[str, JSON], thinking: Mapping[str, JSON] = _NOTHING) -> Scope:
        """Return the names that templates can read in a row.

        Args:
            row: the row.
            outputs: the values of the steps that have one.
            thinking: what the models of these steps thought, by step.
        """
        made = {"row": row, "params": self.params, "steps": outputs}
        kept = [step.name for step in self.steps if step.keeps_thinking]
        return {**made, "thinking": {name: thinking.get(name) for name in kept if name in outputs}} if kept else made

    def scope_of(self, row: Row, answers: Mapping[str, Answer]) -> Scope:
        """Return the names that templates can read in a row, from the answers of its steps."""
        values = {name: answer.value for name, answer in answers.items()}
        return self.scope(row, values, {name: answer.thinking for name, answer in answers.items()})

    @property
    def concurrency(self) -> int:
        """The maximum number of requests in flight."""
        ceiling = self.runtime.concurrency
        return MOST_CONCURRENCY if ceiling == "auto" else ceiling

    @property
    def python_workers(self) -> int:
        """The number of processes that call Python functions on this machine; 0: threads of the run call them."""
        workers = self.runtime.python_workers
        return usable_cores() if workers == "auto" else workers

    @property
    def credential_variables(self) -> frozenset[str]:
        """The environment variables with credentials that the connections name."""
        own = (model.runtime for model in self.models.values() if model.runtime is not None)
        runtimes = [each.over(self.runtime) for each in own] + [self.runtime_of(each) for _, each in self.variants]
        return self.runtime.variables.union(*(each.variables for each in runtimes))

    @property
    def folder(self) -> Path:
        """The folder that the pipeline's paths are relative to."""
        return self.file.parent
