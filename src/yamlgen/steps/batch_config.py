"""The key `batch`: whether a step's requests are sent in Message Batches."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pydantic import Field, StringConstraints

from yamlgen.steps.config_fields import FrozenModel
from yamlgen.value_objects import JSON

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}

WAIT: Final = r"^[1-9][0-9]{0,5}(s|m|h|d)$"
"""A duration: a number and a unit."""

MOST_MINIMUM: Final = 100_000
"""The maximum number of requests in a batch, which the API sets."""

LEAST: Final = 1
LEAST_REASKS: Final = 100
"""The default of `minimum`, for first requests and for re-asks."""


class Batch(FrozenModel):
    """How requests are sent in Message Batches.

    ```yaml
    batch: {minimum: 100, wait: 2h}
    steps:
      summary: {model: claude-haiku-5-5, prompt: "Sum this up in five words: {{ row.text }}"}
    ```
    """

    minimum: int | None = Field(None, ge=1, le=MOST_MINIMUM)
    """Minimum number of requests in a batch. Fewer requests are sent one by one, at the full price. Default: 1, and 100
    for re-asks."""
    wait: Annotated[str, StringConstraints(pattern=WAIT)] | None = None
    """How long a run waits for its batches, such as `2h`: a number and `s`, `m`, `h` or `d`. After that, the run ends
    with exit code 5, and the next run continues. Default: until all batches have ended, at most 24 hours each."""

    @property
    def seconds(self) -> float | None:
        """The wait in seconds."""
        return None if self.wait is None else float(int(self.wait[:-1]) * _SECONDS[self.wait[-1]])

    def least(self, *, reasks: bool) -> int:
        """Return the smallest batch, of re-asks only or of others too."""
        return self.minimum or (LEAST_REASKS if reasks else LEAST)

    @property
    def written(self) -> bool | dict[str, JSON]:
        """The value of the key: `True`, or the settings that differ from their defaults."""
        return self.model_dump(exclude_none=True) or True


BatchValue: TypeAlias = bool | Batch
"""The value of the key `batch`."""


def chosen(step: BatchValue | None, pipeline: BatchValue) -> Batch | None:
    """Return how the requests of a step are sent in batches; `None` if they are sent one by one.

    Args:
        step: the key of the step, which has precedence; `None` without the key.
        pipeline: the key of the pipeline.
    """
    value = pipeline if step is None else step
    return (Batch() if value else None) if isinstance(value, bool) else value
