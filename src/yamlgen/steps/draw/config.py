"""What a step that draws values may say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from yamlgen.steps.config_fields import Name
from yamlgen.steps.draw.rules import DrawRule, rules_of
from yamlgen.steps.step_config import StepConfig


class Draw(StepConfig):
    """Seeded draws, for variety. The same row always draws the same, whatever the order of the rows.

    Each draw has a chance of its own, made from the seed, the row's `id` (or all its values), the step's name, the
    item, the sample and the draw's name. So a draw that is added, removed or moved changes no other one, and a weight
    that changes a little changes few rows.

    `towns.csv`:

    ```csv
    town,country
    Lima,PE
    Oslo,NO
    ```

    ```yaml
    steps:
      customer:
        kind: draw
        draws:
          age: {integer: [18, 90]}
          mood: {choices: [calm, angry], weights: [3, 1]}
          town: {path: towns.csv, column: town}
          language: {given: town, cases: {Lima: {choices: [Spanish, Quechua]}}, otherwise: {choices: [Norwegian]}}
      complaint:
        model: claude-haiku-5-5
        prompt: |
          Write a complaint about {{ row.topic }} in {{ steps.customer.language }}. The customer is
          {{ steps.customer.age }} years old, lives in {{ steps.customer.town }} and is {{ steps.customer.mood }}.
    ```
    """

    model_config = ConfigDict(json_schema_extra={"required": ["kind", "draws"]})

    does: ClassVar[str] = "draws values by chance, always the same for a row"
    gives: ClassVar[str] = "a mapping from their names to the values"

    kind: Literal["draw"] = "draw"
    """What the step does: `draw` draws values."""
    seed: int = 0
    """Another seed gives other draws."""
    draws: Annotated[dict[Name, DrawRule], Field(min_length=1)] = Field(default_factory=dict)
    """The values to draw, by name. The step's value is the mapping of them."""
    samples: Annotated[int, Field(ge=1, le=1000)] | None = None
    """How many independent draws to make; the value is a list of them."""

    def files(self, fitting: Callable[[str], list[str]]) -> Iterator[str]:
        """The paths that it names for reading."""
        yield from super().files(fitting)
        yield from (rule.path for rule in rules_of(self.draws.values()) if rule.path)
