"""How far apart requests have to be for an API that gives so many in a time, and does not say how many.

Owns the search for that time. While a request that was sent alone is refused, the waits double; after the first that
comes through the next is sent at once, which tells a quota that has been filled again, where all may go, from a steady
rate. A steady rate is followed: a refusal means a quarter more, and each answer in a row takes off more than the last
one did, so that little is lost when the rate was none, or is over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

_FIRST: Final = 0.5
_MOST: Final = 30.0
"""Seconds that are waited first, and at most, from one refusal to the next try."""

_MORE: Final = 1.25
_LESS: Final = 0.95
_AGAIN: Final = 3
_NONE: Final = 0.02
"""What a refusal makes of the time between two requests, and an answer; after how many refusals in a row it is doubled;
and below how many seconds it is none."""


class _Phase(Enum):
    NONE = "nothing is known"
    SEARCH = "everything is refused"
    TRIAL = "one came through; does the next at once?"
    STEADY = "requests keep a distance"


@dataclass
class Spacing:
    """The seconds between two requests of a pool; none until one that was sent alone is refused.

    Attributes:
        seconds: how far apart they are.
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
        """Whether requests are held apart."""
        return self._phase is not _Phase.NONE

    def wait(self, now: float) -> float:
        """Seconds until the next may go."""
        return max(0.0, self._next - now)

    def launch(self, now: float) -> None:
        """One goes."""
        if self._phase is _Phase.STEADY:
            self._next = now + self.seconds

    def succeed(self, now: float, sent: float) -> None:
        """One has come through that was sent then."""
        before, self._granted = self._granted, max(sent, self._granted or sent)
        self._refused = 0
        if self._phase is not _Phase.STEADY and sent < self._changed:
            return
        if self._phase is _Phase.SEARCH:
            search = 2 * (sent - self._searched)  # where nothing came through for long before it, nobody had asked
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
            elif shorter > 2 * self._tried:  # no distance helps: it may be none that is wanted
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
        """One was refused; seconds until the next may go.

        Args:
            now: the time.
            sent: when it was sent.
            retry_after: the seconds that the API asks for; once they were too few, they are the least.
            usual: the seconds between two answers until now.
            most: how long it may be at most, where the API does not ask for more.
            alone: whether nothing else was in flight, so that the last one that came through is known.
        """
        if sent < self._changed:  # by a distance that is no longer kept
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
        """Let the next one go then at the latest."""
        self._next = min(self._next, until)

    def _try(self, now: float) -> None:
        """Let the next one go at once."""
        self._phase, self._next, self._changed = _Phase.TRIAL, now, now

    def _forget(self) -> None:
        self.seconds, self._phase, self._next = 0.0, _Phase.NONE, -math.inf
