"""The keys of a `compute` step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

from yamlgen.steps.config_fields import Name
from yamlgen.steps.step_config import Expression, StepConfig, StepText, TypedOutput


class Compute(StepConfig):
    """Values that are calculated by expressions, without a model.

    Write either `values` or `value`. An expression cannot read the other values of its own step.

    ```yaml
    steps:
      score:
        model: claude-haiku-5-5
        prompt: "Rate this text from 1 to 10: {{ row.text }}"
        output: {schema: {type: integer, minimum: 1, maximum: 10}}
      verdict:
        kind: compute
        values:
          label: '"good" if steps.score >= 7 else "bad"'
          words: row.text.split() | length
      sentences:
        kind: compute
        value: row.text.split(". ")
      translation:
        for_each: steps.sentences
        model: claude-haiku-5-5
        prompt: "Translate into English: {{ item }}"
    ```

    Two lists of equal length become one list of objects, of which the best is chosen:

    ```yaml
    steps:
      draft: {samples: 3, model: claude-haiku-5-5, prompt: "A headline about {{ row.topic }}."}
      score:
        for_each: steps.draft
        model: claude-haiku-5-5
        prompt: "Rate this headline from 1 to 10: {{ item }}"
        output: {schema: {type: integer, minimum: 1, maximum: 10}}
      rated:
        kind: compute
        for_each: steps.draft
        value: '{"text": item, "score": steps.score[item_index]}'
      best:
        kind: compute
        value: (steps.rated | max(attribute="score")).text
    ```
    """

    model_config = ConfigDict(
        json_schema_extra={"required": ["kind"], "oneOf": [{"required": ["values"]}, {"required": ["value"]}]},
    )

    does: ClassVar[str] = "evaluates expressions"
    gives: ClassVar[str] = "the value of `value`, or an object with one value for each expression of `values`"

    kind: Literal["compute"] = "compute"
    """The kind of the step: `compute` evaluates expressions."""
    values: Annotated[dict[Name, Expression], Field(min_length=1)] | None = None
    """The expressions, by name. The step's value is an object with one value for each of them."""
    value: Expression | None = None
    """One expression instead of `values`. Its value, such as a string, a number or a list, is the step's value."""
    output: TypedOutput | None = None
    """The schema of the value. A row with an invalid value fails. Later steps take their types from the schema."""

    def sources(self) -> Iterator[StepText]:
        """Yield its expressions."""
        yield from super().sources()
        yield StepText("value", self.value, ("value",))
        for name, source in (self.values or {}).items():
            yield StepText("value", source, ("values", name), name)


KEYS: Final = Compute
