"""What a run may still send in batches, and how it ends at its limit."""

from __future__ import annotations

from typing import Protocol

from yamlgen.errors import Code, LimitReached
from yamlgen.option_names import option


class Allowance(Protocol):
    """What a run may still send."""

    def requests_left(self) -> int | None:
        """Return the number of requests; `None` without a limit."""
        ...

    def usd_left(self) -> float | None:
        """Return the US dollars, without those of batches that are still open; `None` without a limit."""
        ...


def limit_reached(limit: str, allowance: Allowance) -> LimitReached:
    """Return the error of a run that ends because a limit allows no batch: `max_requests` or `max_cost_usd`."""
    left = allowance.usd_left()
    why = f"the next batch may cost more than the ${left or 0.0:.4f} that is left"
    if limit == "max_requests":
        why = f"it allows {allowance.requests_left():,} more requests"
    hint = f"raise it with `limits.{limit}` or {option(limit, 'N')}, or run again: each run counts from zero"
    return LimitReached(f"stopped at `limits.{limit}`: {why}", code=Code.LIMIT, hint=hint)
