"""How much of the limits per minute of a pool a run has used in its fullest minute."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

_MINUTE: Final = 60


@dataclass
class QuotaUse:
    """Sums up the last minute, second by second.

    Attributes:
        most: the largest share of a limit until now; `None` before a limit is known. At most 1: the API lets a run that
            begins with a full quota use more than a minute's in its first minute.
    """

    most: float | None = None
    _seconds: deque[tuple[int, list[float]]] = field(default_factory=deque)
    _sums: list[float] = field(default_factory=lambda: [0.0] * 3)

    def spend(self, now: float, costs: Sequence[float], limits: Sequence[float]) -> None:
        """Count requests, input tokens and output tokens. A time in the past counts as now; a limit of 0 is unknown."""
        second = math.floor(now)
        if not self._seconds or second > self._seconds[-1][0]:
            while self._seconds and self._seconds[0][0] <= second - _MINUTE:
                _, gone = self._seconds.popleft()
                self._sums = [total - each for total, each in zip(self._sums, gone, strict=True)]
            self._seconds.append((second, [0.0] * 3))
        counts, sums = self._seconds[-1][1], self._sums
        for index, cost in enumerate(costs):
            counts[index] += cost
            sums[index] += cost
            limit = limits[index]
            if limit:
                self.most = min(1.0, max(self.most or 0.0, sums[index] / limit))
