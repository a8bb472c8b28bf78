"""A step as a file declares it, as far as all kinds are the same: what the language needs of a kind.

A kind says what can be wrong with its own keys, what type one output has, and what its step of the plan holds besides
what every step has. Of the file it sees a `StepFile`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

from yamlgen.errors import Diagnostic
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
from yamlgen.steps.step_template import StepTemplate

FieldsT = TypeVar("FieldsT", bound=StepConfig)

TEXT: Final = Type({"type": "string"})
"""What a step gives that has no schema, where it asks a model."""


@dataclass
class DeclaredStep(Generic[FieldsT]):
    """A step with its templates, each with what it uses and what is wrong with it.

    Attributes:
        fields: the model of its keys.
        planned: the class of its step of the plan.
        step: its keys, as they are written.
        file: where it stands.
        needs: the steps that it refers to.
        asks: those that its own `when` asks about.
        items: the fewest and the most items of its `for_each`; `None` where nothing says how many at most.
        output: the type of one output of it.
    """

    fields: ClassVar[type[StepConfig]]
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
        """The templates of some roles."""
        return [each for each in self.templates if each[0].role in roles]

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns that it refers to; `None` when it needs the row as a whole."""
        return all_of(analysis.uses.columns for _, analysis in self.templates)

    def check(self) -> Iterator[Diagnostic]:
        """What is wrong with its own keys; what is found on the way is kept for the plan."""
        yield from ()

    def check_texts(self) -> Iterator[Diagnostic]:
        """What is wrong with its texts, all of which are read by now."""
        yield from ()

    def output_type(self) -> Type | None:
        """The type of one output before its expressions are read; `None` where a mistake hides it."""
        is_lost = self.step.schema_written() is not None or self.file.is_broken("output", "schema")
        return None if is_lost else ANYTHING

    def hides_type(self) -> bool:
        """Whether a mistake among its expressions, which was told, hides the type of its value."""
        return False

    def type_of(self, values: Mapping[str, TypeView]) -> Type | None:
        """The type of one output without a schema, as its expressions tell it; `None` where they do not.

        Args:
            values: what is known of the values of its expressions, by name.
        """
        del values
        return None

    def files_behind(self) -> Mapping[Path, Stamp]:
        """The files that its kept values depend on, each in the state that it was read in."""
        return {}

    def plan_step(self, value: Type) -> PlanStep:
        """The step of the plan.

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
            templates=tuple(template for template, _ in self.templates),
            schema=self.file.schema,
            **fan_out.planned(self.step, self.items),
            **self.own_fields(),
        )

    def own_fields(self) -> dict[str, Any]:
        """What the step of the plan holds besides what every step has."""
        return {}
