"""A `compute` step, as declared in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from yamlgen.expressions.static_types import TypeView
from yamlgen.schemas.types import ANYTHING, Type, object_of
from yamlgen.steps.compute.config import Compute
from yamlgen.steps.compute.plan_step import ComputeStep
from yamlgen.steps.declaration import DeclaredStep


class DeclaredCompute(DeclaredStep[Compute]):
    """A `compute` step, whose value has the types of its expressions."""

    planned = ComputeStep

    def hides_type(self) -> bool:
        """Return whether one of its expressions was dropped because it is wrong."""
        return self.file.is_broken_within("values") or self.file.is_broken("value")

    def type_of(self, values: Mapping[str, TypeView]) -> Type | None:
        """Return the type of its expression, or of an object with the types of its expressions."""
        if self.step.output is not None:
            return None
        if self.step.values is None:
            return _of_value(values[""].type()) if "" in values else None
        return object_of({name: values[name].type() if name in values else ANYTHING for name in self.step.values})

    def own_fields(self) -> dict[str, Any]:
        """Return its expressions."""
        return {"value": self.step.value, "values": self.step.values}


def _of_value(made: Type) -> Type:
    """Return the type of a step whose value is that of its expression, given the expression's type.

    A null of the expression is a value of the step: it does not mean that the step was skipped.
    """
    why = "the value of its expression may be null"
    return Type(made.schema, {at: why if made.is_own_null(at) else told for at, told in made.nulls.items()})


DECLARED: Final = DeclaredCompute
