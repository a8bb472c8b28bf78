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

    fields = Compute
    planned = ComputeStep

    def hides_type(self) -> bool:
        """Return whether one of its expressions was dropped because it is wrong."""
        return self.file.is_broken_within("values")

    def type_of(self, values: Mapping[str, TypeView]) -> Type | None:
        """Return the type of an object with the types of its expressions."""
        if self.step.output is not None:
            return None
        return object_of({name: values[name].type() if name in values else ANYTHING for name in self.step.values})

    def own_fields(self) -> dict[str, Any]:
        """Return its expressions."""
        return {"values": {template.name: template.source for template, _ in self.of("value")}}


DECLARED: Final = DeclaredCompute
