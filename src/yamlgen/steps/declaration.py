"""A step as declared in a file: the interface of a kind of step to the checks of a pipeline.

A kind checks its own keys, infers the type of one output, and adds its own fields to the step of the plan. It sees the
file as a `StepFile`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

from yamlgen.diagnostics import Diagnostic
from yamlgen.expressions.name_resolution import all_of
from yamlgen.expressions.static_types import TypeView
from yamlgen.expressions.template_checks import TemplateAnalysis
from yamlgen.parsing.project_folder import Stamp
from yamlgen.schemas.author_schema import json_schema
from yamlgen.schemas.types import ANYTHING, Type
from yamlgen.steps import fan_out
from yamlgen.steps.plan_step import PlanStep
from yamlgen.steps.step_config import StepConfig
from yamlgen.steps.step_file import StepFile
from yamlgen.steps.step_template import ABOUT, StepTemplate

FieldsT = TypeVar("FieldsT", bound=StepConfig)

TEXT: Final = Type({"type": "string"})
"""The type of a `generate` step without a schema."""


@dataclass
class DeclaredStep(Generic[FieldsT]):
    """A step with its templates, each with its analysis.

    Attributes:
        planned: the class of its step of the plan.
        step: its keys, as written.
        file: the file that contains it.
        needs: the steps that it refers to.
        asks: the steps that its own `when` refers to.
        items: the minimum and maximum number of items of its `for_each`; the maximum is `None` if it is unknown.
        output: the type of one output of it.
    """

    planned: ClassVar[type[PlanStep]]

    name: str
    step: FieldsT
    file: StepFile
    templates: list[tuple[StepTemplate, TemplateAnalysis]] = field(default_factory=list, init=False)
    needs: frozenset[str] = field(default=frozenset(), init=False)
    asks: frozenset[str] = field(default=frozenset(), init=False)
    items: tuple[int, int | None] = field(default=(0, None), init=False)
    output: Type = field(default=ANYTHING, init=False)

    def of(self, *roles: str) -> list[tuple[StepTemplate, TemplateAnalysis]]:
        """Return the templates with any of these roles."""
        return [each for each in self.templates if each[0].role in roles]

    @property
    def keeps_thinking(self) -> bool:
        """Whether what its model thought is kept."""
        return False

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns on which its value depends; `None` if it needs the whole row."""
        return all_of(analysis.uses.columns for template, analysis in self.templates if template.role not in ABOUT)

    def check(self) -> Iterator[Diagnostic]:
        """Check its own keys, and keep what is found for the plan."""
        yield from ()

    def check_texts(self) -> Iterator[Diagnostic]:
        """Check its templates, after all of them were read."""
        yield from ()

    def output_type(self) -> Type | None:
        """Return the type of one output, before its expressions are read; `None` if a mistake hides it."""
        is_lost = self.step.schema_written() is not None or self.file.is_broken("output", "schema")
        return None if is_lost else ANYTHING

    def hides_type(self) -> bool:
        """Return whether an already reported mistake in its expressions hides the type of its value."""
        return False

    def type_of(self, values: Mapping[str, TypeView]) -> Type | None:
        """Return the type of one output without a schema, inferred from its expressions; `None` if it is unknown.

        Args:
            values: the known types of its expressions, by name.
        """
        del values
        return None

    def files_behind(self) -> Mapping[Path, Stamp]:
        """Return the files that its kept values depend on, each with its state when it was read."""
        return {}

    def plan_step(self, value: Type) -> PlanStep:
        """Return the step of the plan.

        Args:
            value: the type of the step's value.
        """
        return self.planned(
            name=self.name,
            type=json_schema(value.schema),
            needs=self.needs,
            asks=self.asks,
            columns=self.columns,
            when=self.step.when,
            null_if_failed=self.step.null_if_failed,
            templates=tuple(template for template, _ in self.templates),
            schema=self.file.schema,
            **fan_out.planned(self.step, self.items),
            **self.own_fields(),
        )

    def own_fields(self) -> dict[str, Any]:
        """Return the fields of the step of the plan that only this kind has."""
        return {}
