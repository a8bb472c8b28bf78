"""What an account may still send, as the API's own headers tell it: requests, input tokens, output tokens.

Owns the reckoning from a header that was true when its request was sent to what is left now. The API fills its
buckets continuously, and says when a bucket will be full again; what was sent since that request is not in its answer
yet, so it is counted here. A header that makes no sense is as good as none: nothing waits for it for ever.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

from yamlgen.value_objects import Usage

_PREFIX: Final = "anthropic-ratelimit-"
_MINUTE: Final = 60.0
_MARGIN: Final = 0.01
"""The share of a bucket that is left in it: two clocks and a network never agree to the last request."""

_SURE: Final = 1.0
"""Seconds to a bucket's reset from which on they say how fast it fills; they are told in whole ones."""

_FARTHEST: Final = 2 * _MINUTE
"""Seconds to a reset that are believed: a bucket is a minute's."""

LONGEST_WAIT: Final = 15.0
"""Seconds that a request waits for a bucket at most; then it is sent, and the API says itself whether it may be."""

_WEIGHT: Final = 0.1
_USUAL: Final = 500
"""The tokens of a prompt, and of an answer, where none has come yet."""


@dataclass
class Bucket:
    """One quota. It is unknown, and holds nothing back, until a header tells it."""

    limit: float = 0.0
    spent: float = 0.0
    _rate: float = 0.0
    _level: float = 0.0
    _at: float = 0.0
    _newest: float = -math.inf

    def spend(self, now: float, cost: float) -> None:
        """Count what is sent now."""
        self.spent += cost
        self._level, self._at = self._left(now) - cost, now

    def _left(self, now: float) -> float:
        """What the bucket holds now: it fills all the time, and never above its limit."""
        return min(self.limit, self._level + self._rate * (now - self._at))

    def learn(self, now: float, sent: float, spent: float, told: tuple[float, float, float | None]) -> None:
        """Take over what a header tells.

        Args:
            now: the time.
            sent: when the request was sent that the header answers.
            spent: what had been spent in all by then, that request included.
            told: the limit, what remains of it, and the seconds until it is whole again, if that is known.
        """
        if sent < self._newest:  # a slow answer: a request that was sent later has told more
            return
        limit, remaining, reset = told
        if limit != self.limit:
            self._rate = limit / _MINUTE
        if reset is not None and reset >= _SURE and remaining < (1 - _MARGIN) * limit:
            self._rate = (limit - remaining) / reset
        self.limit, self._newest, self._at = limit, sent, now
        self._level = min(limit, remaining + self._rate * (now - sent) - (self.spent - spent))

    def wait(self, now: float, cost: float) -> float:
        """Seconds until the bucket holds what a request takes; its longest wait counts from what it last knew."""
        if not self.limit:
            return 0.0
        wanted = min(cost + _MARGIN * self.limit, self.limit)
        missing = wanted - self._left(now)
        return 0.0 if missing <= 0 else max(0.0, min(missing / self._rate, self._at + LONGEST_WAIT - now))

    def lacks(self, now: float, cost: float) -> bool:
        """Whether it holds less than a request takes."""
        return self.limit > 0 and self._left(now) < min(cost, self.limit)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request took of a quota when it was sent: the time, and what each bucket had spent by then."""

    sent: float
    spent: tuple[float, float, float]


class Quota:
    """The three buckets of a pool, and what the answers of each step take of them on the average."""

    def __init__(self) -> None:
        self._buckets = {"requests": Bucket(), "input-tokens": Bucket(), "output-tokens": Bucket()}
        self._each = tuple(self._buckets.values())
        self._means: dict[str, tuple[float, float]] = {}
        self.known = False

    def wait(self, now: float, step: str) -> float:
        """Seconds until a request of `step` may be sent."""
        if not self.known:
            return 0.0
        costs = self._costs(step)
        return max(bucket.wait(now, cost) for bucket, cost in zip(self._each, costs, strict=True))

    def exhausted(self, now: float, step: str) -> bool:
        """Whether too little is left for another request of `step`."""
        return any(bucket.lacks(now, cost) for bucket, cost in zip(self._each, self._costs(step), strict=True))

    def claim(self, now: float, step: str) -> Claim:
        """Count a request that is sent now."""
        for bucket, cost in zip(self._each, self._costs(step), strict=True):
            bucket.spend(now, cost)
        requests, read, written = self._each
        return Claim(now, (requests.spent, read.spent, written.spent))

    def learn(self, now: float, claim: Claim, headers: Mapping[str, str]) -> None:
        """Take over what the headers of an answer tell."""
        for (name, bucket), spent in zip(self._buckets.items(), claim.spent, strict=True):
            told = _told(headers, name)
            if told is not None:
                self.known = True
                bucket.learn(now, claim.sent, spent, told)

    def note(self, step: str, usage: Usage) -> None:
        """Count what an answer of `step` took."""
        read, written = usage.input_tokens + usage.cache_creation_input_tokens, usage.output_tokens
        before = self._means.get(step)
        if before is None:
            self._means[step] = (read, written)
        else:
            self._means[step] = (before[0] + _WEIGHT * (read - before[0]), before[1] + _WEIGHT * (written - before[1]))

    def _costs(self, step: str) -> tuple[float, float, float]:
        read, written = self._means.get(step, (_USUAL, _USUAL))
        return 1.0, read, written


def _told(headers: Mapping[str, str], name: str) -> tuple[float, float, float | None] | None:
    """What the headers say of a bucket, as far as it makes sense."""
    limit = _number(headers.get(f"{_PREFIX}{name}-limit"))
    if not limit or limit < 1:  # not one request, not one token: no bucket
        return None
    remaining = _number(headers.get(f"{_PREFIX}{name}-remaining"))
    if remaining is None:
        return None
    reset = _moment(headers.get(f"{_PREFIX}{name}-reset"))
    if reset is not None:
        reset -= _date(headers.get("date", "")) or time.time()
        if reset < 0:
            return None  # full by now, whatever remained
        if reset > _FARTHEST:
            reset = None
    return limit, min(remaining, limit), reset


def _number(header: str | None) -> float | None:
    try:
        value = float(header or "")
    except ValueError:
        return None
    return max(0.0, value) if math.isfinite(value) else None


def _moment(header: str | None) -> float | None:
    """A time of RFC 3339, in seconds."""
    try:
        return datetime.fromisoformat(header or "").timestamp()
    except (ValueError, OverflowError, OSError):
        return None


@lru_cache(maxsize=4)
def _date(header: str) -> float | None:
    """The server's own clock, so that one that is wrong here does no harm."""
    try:
        return parsedate_to_datetime(header).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
