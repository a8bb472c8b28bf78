"""The part of a quota that a run uses, so that the rest is free for other programs of the same account.

Owns the even distance that this part needs: the limits in the headers are per minute and may be used up at once, which
would leave nothing to others until they have refilled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

_MINUTE: Final = 60.0
_ROUNDING: Final = 1e-6
"""Seconds that are no wait: so little might not move the clock."""

_AHEAD: Final = 0.5
"""Seconds by which a request may be early, because timers are late."""

_MARGIN: Final = 0.99
"""The part of its own part that a run uses: together with the requests that are early, a minute never has more."""


@dataclass
class QuotaShare:
    """The part of the limits of a pool that its requests may use.

    Attributes:
        share: more than 0, and at most 1, which is no limit of its own.
    """

    share: float = 1.0
    _free_at: list[float] = field(default_factory=lambda: [-math.inf] * 3)

    @property
    def is_part(self) -> bool:
        """Whether it is less than the whole quota."""
        return self.share < 1

    def wait(self, now: float) -> float:
        """Return the seconds until the share has room for another request."""
        wait = max(self._free_at) - now
        return wait if self.is_part and wait > _ROUNDING else 0.0

    def spend(self, now: float, costs: Sequence[float], limits: Sequence[float]) -> None:
        """Count a request that is sent now. A limit of 0 is unknown."""
        if self.is_part:
            self._free_at = [max(now - _AHEAD, at) for at in self._free_at]
            self._move(costs, limits)

    def correct(self, more: Sequence[float], limits: Sequence[float]) -> None:
        """Count what an answer cost more than was assumed; negative if it cost less."""
        if self.is_part:
            self._move(more, limits)

    def _move(self, costs: Sequence[float], limits: Sequence[float]) -> None:
        rates = [_MARGIN * self.share * limit / _MINUTE for limit in limits]
        moves = zip(self._free_at, costs, rates, strict=True)
        self._free_at = [at + cost / rate if rate else at for at, cost, rate in moves]
