"""The keys of a `draw` step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

from yamlgen.steps.config_fields import Name
from yamlgen.steps.draw.rules import DrawRule, rules_of
from yamlgen.steps.step_config import StepConfig


class Draw(StepConfig):
    """Random values from a seed, for variety. The same row always draws the same values, in any order of the rows.

    Each draw depends only on the seed, the row's `id` (or all its values), the step's name, the item, the sample and
    the draw's name. If you add, remove or move a draw, the others do not change. A small change of a weight changes
    few rows.

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

    With `range`, the rows need no file:

    ```yaml
    input: {range: 4}
    steps:
      trip:
        kind: draw
        seed: 7
        draws: {day: {date: [2026-01-01, 2026-12-31]}, km: {number: [1, 40], decimals: 1}}
        samples: 2
      diary:
        for_each: steps.trip
        model: claude-haiku-5-5
        prompt: A diary entry of {{ item.day }}, about a walk of {{ item.km }} km.
    ```
    """

    model_config = ConfigDict(json_schema_extra={"required": ["kind", "draws"]})

    does: ClassVar[str] = "draws random values from a seed"
    gives: ClassVar[str] = "an object with one value for each draw"

    kind: Literal["draw"] = "draw"
    """The kind of the step: `draw` draws random values."""
    seed: int = 0
    """The seed. Another seed draws other values. Default: 0."""
    draws: Annotated[dict[Name, DrawRule], Field(min_length=1)] = Field(default_factory=dict)
    """The values to draw, by name. The step's value is an object with one value for each draw."""
    samples: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Number of independent draws to make. The step's value is the list of them."""

    def files(self, fitting: Callable[[str], list[str]]) -> Iterator[str]:
        """Yield the paths of files that it reads."""
        yield from super().files(fitting)
        yield from (rule.path for rule in rules_of(self.draws.values()) if rule.path)


KEYS: Final = Draw
