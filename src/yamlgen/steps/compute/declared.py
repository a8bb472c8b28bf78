"""A step that evaluates expressions, as a file declares it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from yamlgen.expressions.static_types import View
from yamlgen.schemas.types import ANYTHING, Type, object_of
from yamlgen.steps.compute.fields import Compute
from yamlgen.steps.compute.plan_step import ComputeStep
from yamlgen.steps.declared import DeclaredStep


class DeclaredCompute(DeclaredStep[Compute]):
    """A `compute` step: its value has the types of its expressions."""

    fields = Compute
    planned = ComputeStep

    def hides_type(self) -> bool:
        """Whether one of its expressions is left out."""
        return self.file.is_broken_within("values")

    def type_of(self, values: Mapping[str, View]) -> Type | None:
        """The mapping of the types of its expressions."""
        if self.step.output is not None:
            return None
        return object_of({name: values[name].type() if name in values else ANYTHING for name in self.step.values})

    def own_fields(self) -> dict[str, Any]:
        """Its expressions."""
        return {"values": {passage.name: passage.source for passage, _ in self.of("value")}}


DECLARED: Final = DeclaredCompute
