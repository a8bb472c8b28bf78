"""The quota of an account as the API's headers report it: requests, input tokens, output tokens.

Owns the estimate of what is left now from a header that was true when its request was sent. The API fills its buckets
continuously, and reports when a bucket will be full. Requests sent since then are not in the header, so they are
counted here. An implausible header is ignored, so that no request waits for it forever.
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

from yamlgen.pacing.quota_share import QuotaShare
from yamlgen.pacing.quota_use import QuotaUse
from yamlgen.value_objects import RateLimits, Usage

_PREFIX: Final = "anthropic-ratelimit-"
_NAMES: Final = ("requests", "input-tokens", "output-tokens")
_FAST_PREFIX: Final = "anthropic-fast-"
_MINUTE: Final = 60.0
_MARGIN: Final = 0.01
"""The share of a bucket kept in reserve: two clocks and a network never agree exactly."""

_ROUNDING: Final = 1e-6
"""What a bucket may lack because of rounding: a wait for less might not move the clock."""

_SURE: Final = 1.0
"""Minimum seconds to a reset from which the fill rate is computed: the API reports whole seconds."""

_FARTHEST: Final = 2 * _MINUTE
"""Maximum plausible seconds to a reset: a bucket holds the quota of a minute."""

LONGEST_WAIT: Final = 15.0
"""Maximum seconds that a request waits for a bucket. Then it is sent, and the API decides."""

_WEIGHT: Final = 0.1
_USUAL: Final = 500
"""The assumed tokens of a prompt and of an answer before the first answer."""


@dataclass
class Bucket:
    """One quota. Until a header reports it, it holds no request back."""

    limit: float = 0.0
    spent: float = 0.0
    _rate: float = 0.0
    _level: float = 0.0
    _at: float = 0.0
    _newest: float = -math.inf

    def spend(self, now: float, cost: float) -> None:
        """Count a request that is sent now."""
        self.spent += cost
        self._level, self._at = self._left(now) - cost, now

    def _left(self, now: float) -> float:
        """Return the current level: it rises continuously up to the limit."""
        return min(self.limit, self._level + self._rate * (now - self._at))

    def learn(self, now: float, sent: float, spent: float, told: tuple[float, float, float | None]) -> None:
        """Learn from a header.

        Args:
            now: the time.
            sent: when the request of the header was sent.
            spent: the total spent by then, that request included.
            told: the limit, the rest of it, and the seconds until the bucket is full, if known.
        """
        if sent < self._newest:  # a slow answer: a later request has newer headers
            return
        limit, remaining, reset = told
        if limit != self.limit:
            self._rate = limit / _MINUTE
        if reset is not None and reset >= _SURE and remaining < (1 - _MARGIN) * limit:
            self._rate = (limit - remaining) / reset
        self.limit, self._newest, self._at = limit, sent, now
        self._level = min(limit, remaining + self._rate * (now - sent) - (self.spent - spent))

    def wait(self, now: float, cost: float) -> float:
        """Return the seconds until the bucket has enough for a request. The maximum counts from the last header."""
        if not self.limit:
            return 0.0
        wanted = min(cost + _MARGIN * self.limit, self.limit)
        missing = wanted - self._left(now)
        return 0.0 if missing <= _ROUNDING else max(0.0, min(missing / self._rate, self._at + LONGEST_WAIT - now))

    def lacks(self, now: float, cost: float) -> bool:
        """Return whether it has too little for a request."""
        return self.limit > 0 and self._left(now) < min(cost, self.limit)


@dataclass(frozen=True, slots=True)
class Claim:
    """A request's claim on a quota: when it was sent, what it may cost, and what each bucket had spent by then."""

    sent: float
    costs: tuple[float, float, float]
    spent: tuple[float, float, float]


class Quota:
    """The three buckets of a pool, and the mean use of each step.

    Args:
        share: the part of each limit that may be used.
        fast: whether it is that of fast mode, which has headers of its own.

    Attributes:
        known: whether a header has shown a limit.
        heard: whether a response has arrived, whose headers may show the limits.
    """

    def __init__(self, share: float = 1.0, *, fast: bool = False) -> None:
        self._prefix = _FAST_PREFIX if fast else _PREFIX
        self._buckets = {name: Bucket() for name in _NAMES}
        self._each = tuple(self._buckets.values())
        self._means: dict[str, tuple[float, float]] = {}
        self._share = QuotaShare(share)
        self._use = QuotaUse()
        self.known = False
        self.heard = False

    @property
    def is_awaited(self) -> bool:
        """Whether a single request is to find out the limits, because only a part of them may be used."""
        return self._share.is_part and not self.heard

    @property
    def is_hidden(self) -> bool:
        """Whether only a part of the limits may be used, but the responses do not show them."""
        return self._share.is_part and self.heard and not self.known

    @property
    def limits(self) -> RateLimits | None:
        """The limits per minute; `None` if no header has shown one."""
        return RateLimits(*(bucket.limit or None for bucket in self._each)) if self.known else None

    @property
    def used(self) -> float | None:
        """The largest share of a limit that was used in any minute, from 0 to 1; `None` if no header has shown one."""
        return self._use.most

    def wait(self, now: float, step: str) -> float:
        """Return the seconds until a request of `step` may be sent."""
        if not self.known:
            return 0.0
        costs = self._costs(step)
        longest = max(bucket.wait(now, cost) for bucket, cost in zip(self._each, costs, strict=True))
        return max(longest, self._share.wait(now))

    def exhausted(self, now: float, step: str) -> bool:
        """Return whether too little is left for another request of `step`."""
        return any(bucket.lacks(now, cost) for bucket, cost in zip(self._each, self._costs(step), strict=True))

    def claim(self, now: float, step: str) -> Claim:
        """Count a request that is sent now."""
        costs = self._costs(step)
        for bucket, cost in zip(self._each, costs, strict=True):
            bucket.spend(now, cost)
        self._share.spend(now, costs, self._limits())
        self._use.spend(now, (1.0, 0.0, 0.0), self._limits())
        requests, read, written = self._each
        return Claim(now, costs, (requests.spent, read.spent, written.spent))

    def learn(self, now: float, claim: Claim, headers: Mapping[str, str]) -> None:
        """Learn from the headers of an answer."""
        was, self.heard = self.known, True
        for (name, bucket), spent in zip(self._buckets.items(), claim.spent, strict=True):
            told = _told(headers, f"{self._prefix}{name}")
            if told is not None:
                self.known = True
                bucket.learn(now, claim.sent, spent, told)
        if self.known and not was:
            self._share.spend(claim.sent, claim.costs, self._limits())

    def note(self, step: str, usage: Usage, claim: Claim | None = None, now: float = 0.0) -> None:
        """Count the tokens of an answer of `step`, which came now."""
        read, written = usage.input_tokens + usage.cache_creation_input_tokens, usage.output_tokens
        if claim is not None:
            more = 0.0, read - claim.costs[1], written - claim.costs[2]
            self._share.correct(more, self._limits())
        self._use.spend(now, (0.0, read, written), self._limits())
        before = self._means.get(step)
        if before is None:
            self._means[step] = (read, written)
        else:
            self._means[step] = (before[0] + _WEIGHT * (read - before[0]), before[1] + _WEIGHT * (written - before[1]))

    def _limits(self) -> tuple[float, ...]:
        return tuple(bucket.limit for bucket in self._each)

    def _costs(self, step: str) -> tuple[float, float, float]:
        read, written = self._means.get(step, (_USUAL, _USUAL))
        return 1.0, read, written


def limits_in(headers: Mapping[str, str]) -> RateLimits | None:
    """Return the limits per minute that headers show; `None` if they show none."""
    limits = [_number(headers.get(f"{_PREFIX}{name}-limit")) or None for name in _NAMES]
    return RateLimits(*limits) if any(limits) else None


def _told(headers: Mapping[str, str], name: str) -> tuple[float, float, float | None] | None:
    """Return the limit, rest and reset of a bucket; `None` if the headers are implausible."""
    limit = _number(headers.get(f"{name}-limit"))
    if not limit or limit < 1:  # less than one request or token: not a bucket
        return None
    remaining = _number(headers.get(f"{name}-remaining"))
    if remaining is None:
        return None
    reset = _moment(headers.get(f"{name}-reset"))
    if reset is not None:
        reset -= _date(headers.get("date", "")) or time.time()
        if reset < 0:
            return None  # full by now, whatever remained
        if reset > _FARTHEST:
            reset = None
    return limit, min(remaining, limit), reset


def _number(header: str | None) -> float | None:
    if not header:
        return None
    try:
        value = float(header)
    except ValueError:
        return None
    return max(0.0, value) if math.isfinite(value) else None


def _moment(header: str | None) -> float | None:
    """Return an RFC 3339 time in seconds."""
    try:
        return datetime.fromisoformat(header or "").timestamp()
    except (ValueError, OverflowError, OSError):
        return None


@lru_cache(maxsize=4)
def _date(header: str) -> float | None:
    """Return the time by the server's clock, so that a wrong local clock does no harm."""
    try:
        return parsedate_to_datetime(header).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
