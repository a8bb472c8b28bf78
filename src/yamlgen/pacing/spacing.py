"""The distance between requests for an API that limits their rate without reporting the limit.

Owns the search for that distance. While a request sent alone is refused, the waits double. After the first success the
next request is sent immediately: this distinguishes a refilled quota, where all may be sent, from a steady rate. A
steady rate is followed: a refusal adds a quarter to the distance, and each answer in a row reduces it more than the
one before, so that little time is lost if there was no rate, or no longer is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

_FIRST: Final = 0.5
_MOST: Final = 30.0
"""Seconds from a refusal to the next try: first and maximum."""

_MORE: Final = 1.25
_LESS: Final = 0.95
_AGAIN: Final = 3
_NONE: Final = 0.02
"""The factors of a refusal and of an answer for the distance; after how many refusals in a row it doubles; and the
seconds below which it is 0."""


class _Phase(Enum):
    NONE = "nothing is known"
    SEARCH = "everything is refused"
    TRIAL = "one came through; does the next at once?"
    STEADY = "requests keep a distance"


@dataclass
class Spacing:
    """The distance between two requests of a pool; 0 until a rate limit shows the need.

    Attributes:
        seconds: the distance.
    """

    seconds: float = 0.0
    _phase: _Phase = _Phase.NONE
    _next: float = -math.inf
    _granted: float | None = None
    _changed: float = -math.inf
    _searched: float = 0.0
    _tried: float = 0.0
    _step: float = _FIRST
    _answers: int = 0
    _refused: int = 0

    @property
    def active(self) -> bool:
        """Whether a distance is kept."""
        return self._phase is not _Phase.NONE

    def wait(self, now: float) -> float:
        """Return the seconds until the next request may be sent."""
        return max(0.0, self._next - now)

    def launch(self, now: float) -> None:
        """Note that a request is sent."""
        if self._phase is _Phase.STEADY:
            self._next = now + self.seconds

    def succeed(self, now: float, sent: float) -> None:
        """Note the success of a request that was sent at `sent`."""
        before, self._granted = self._granted, max(sent, self._granted or sent)
        self._refused = 0
        if self._phase is not _Phase.STEADY and sent < self._changed:
            return
        if self._phase is _Phase.SEARCH:
            search = 2 * (sent - self._searched)  # a long time without success before it was one without requests
            self.seconds = search if before is None else min(search, sent - before)
            self._tried = self.seconds
            self._try(now)
        elif self._phase is _Phase.TRIAL:
            self._forget()
        elif self._phase is _Phase.STEADY:
            shorter = self.seconds * _LESS ** (2**self._answers)
            self._answers += 1
            self._next += shorter - self.seconds
            self.seconds = shorter
            if shorter < _NONE:
                self._forget()
            elif shorter > 2 * self._tried:  # no distance helps: try without one
                self._try(now)

    def refuse(
        self,
        now: float,
        sent: float,
        retry_after: float | None,
        *,
        alone: bool,
        usual: float = 0.0,
        most: float = math.inf,
    ) -> float:
        """Note a refusal, and return the seconds until the next request may be sent.

        Args:
            now: the time.
            sent: when the request was sent.
            retry_after: the seconds that the API requests; after a second refusal, the minimum.
            usual: the usual seconds between two answers so far.
            most: the maximum wait, unless the API requests more.
            alone: whether nothing else was in flight, so that the last success is known.
        """
        if sent < self._changed:  # under a distance that is no longer kept
            return self.wait(now)
        self._answers, self._changed = 0, now
        self._refused += 1
        if self._phase is _Phase.NONE and not alone:
            self._phase, self.seconds, self._tried = _Phase.STEADY, max(usual, _NONE), max(usual, _NONE)
        elif self._phase is _Phase.NONE:
            self._phase, self._step, self._searched = _Phase.SEARCH, _FIRST, now
        elif self._phase is _Phase.TRIAL:
            self._phase = _Phase.STEADY
        elif self._phase is _Phase.STEADY:
            gap = sent - self._granted if alone and self._granted is not None else 0.0
            least = max(self.seconds, gap)
            more = _MORE if self._refused <= _AGAIN else 2.0
            self.seconds = min(more * least, least + _MOST)
        if self._phase is _Phase.SEARCH:
            wait, self._step = self._step, min(_MOST, 2 * self._step)
        else:
            since = self._granted if alone and self._granted is not None else now
            wait = max(0.0, since + self.seconds - now)
        wait = min(wait, most)
        if retry_after is not None:
            wait = max(wait, retry_after) if self._refused > 1 else retry_after
        self._next = now + wait
        return wait

    def bound(self, until: float) -> None:
        """Allow the next request at `until` at the latest."""
        self._next = min(self._next, until)

    def _try(self, now: float) -> None:
        """Allow the next request immediately."""
        self._phase, self._next, self._changed = _Phase.TRIAL, now, now

    def _forget(self) -> None:
        self.seconds, self._phase, self._next = 0.0, _Phase.NONE, -math.inf
