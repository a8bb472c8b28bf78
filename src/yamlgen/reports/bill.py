"""The bill of answers: their tokens, their cost, and what the prompt cache has saved."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from yamlgen.value_objects import Usage

SIMULATED: Final = " (simulated)"
"""Follows each amount of dollars that nobody pays."""

_DIGITS: Final = 9
_LEAST: Final = 0.0001


@dataclass
class UsageTotal:
    """Answers, with their tokens and cost; `unpriced` counts those whose price is unknown.

    `saved` is how much less they cost than without the prompt cache.
    """

    attempts: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: float = 0.0
    unpriced: int = 0
    saved: float = 0.0

    def add(self, usage: Usage, cost: float | None, *, attempts: int = 1, saved: float = 0.0) -> None:
        """Add several answers, or one; or, with `attempts=0`, a stream that broke off."""
        self.attempts += attempts
        self.usage += usage
        self.cost += cost or 0.0
        self.unpriced += cost is None
        self.saved += saved

    def __add__(self, other: UsageTotal) -> UsageTotal:
        return UsageTotal(
            self.attempts + other.attempts,
            self.usage + other.usage,
            self.cost + other.cost,
            self.unpriced + other.unpriced,
            self.saved + other.saved,
        )

    @property
    def cost_usd(self) -> float | None:
        """The cost in US dollars, or `None` if a price is unknown."""
        return None if self.unpriced else round(self.cost, _DIGITS)

    @property
    def cache_saved_usd(self) -> float | None:
        """How much less they cost than without the prompt cache, in US dollars; `None` if a price is unknown."""
        return None if self.unpriced else round(self.saved, _DIGITS)

    def as_json(self) -> dict[str, Any]:
        """Return the total as JSON values."""
        return {
            "attempts": self.attempts,
            "usage": asdict(self.usage),
            "cost_usd": self.cost_usd,
            "cache_saved_usd": self.cache_saved_usd,
        }


def dollars(amount: float, *, simulated: bool = False) -> str:
    """Return an amount of US dollars: from one dollar in cents, below in hundredths of a cent."""
    mark = SIMULATED if simulated else ""
    if amount and amount < _LEAST:
        return f"<${_LEAST}{mark}"
    return f"${amount:,.2f}{mark}" if amount >= 1 or not amount else f"${amount:.4f}{mark}"
