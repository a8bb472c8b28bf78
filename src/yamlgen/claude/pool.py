"""A pool: the models that share their quotas, and how many of their requests may be in flight.

Owns how the ceiling is found (it doubles until the API objects, then grows slowly and gives way quickly), the gate
that a rate limit closes, and the budget of failures: when it is empty, the API is asked by single probes until one
comes through. How long an answer takes is no signal: a language model takes as long as its answer is.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from yamlgen.claude.quota import Claim, Quota
from yamlgen.errors import Code, RunStopped
from yamlgen.events import PaceChanged

START: Final = 48
"""Requests at once to begin with: fewer than the fifty a minute of the smallest account, which nobody knows yet."""

MAX_PAUSE: Final = 600.0
"""Seconds that a run waits for an API that answers nothing but failures, where nothing is set."""

_HALF: Final = 0.5
_CUT: Final = 0.8
_GROWTH: Final = 0.05
_STEP: Final = 0.25
_USED: Final = 0.8
"""What the limit becomes at the first rate limit, since doubling may have gone twice too far, and at later ones; by how
much it grows in a window of answers afterwards, as a share of it and at least; and while how much of it is in use."""

_COOL: Final = 5.0
"""Seconds between two cuts for rate limits that say how long to wait: those are of a rate, and the gate obeys them."""

_CROWD: Final = 20
_SHARE: Final = 0.2
"""The last answers that are looked at, and the share of failures among them that tells of a server in trouble."""

_BUDGET: Final = 100.0
_LIMITED: Final = 1.0
_FAILED: Final = 5.0
_REFUND: Final = 1.0
_REOPENED: Final = 50.0
"""What a pool's budget of failures holds, what a rate limit and another failure take of it, what an answer gives back,
and what it holds again once a probe has come through."""

UNHEARD: Final = 8.0
"""Seconds of failures that an address has from which nothing was ever heard: it may be a wrong one."""

_TRIES: Final = 15
"""About how often a row is tried before it is set aside in a pause."""

_FIRST_WAIT: Final = 0.5
_MOST_WAIT: Final = 30.0
"""Seconds for which a gate is closed where the API does not say how long: they double with each probe that fails."""


@dataclass(eq=False)
class Pool:
    """The models that share their quotas: how many requests they may have in flight now, and when the next may go.

    Attributes:
        name: the family's.
        ceiling: the most requests in flight.
        max_pause: seconds without an answer that its failures may take before the run ends.
        unheard: seconds of failures that an address has from which nothing was ever heard.
        limit: how many may be in flight now.
        flying: how many are.
        most: how many were at once.
        limited: rate limits until now.
        overloaded: other failures until now.
        open_at: when its gate opens, by the monotonic clock.
        succeeded_at: when the last answer came through.
        paused: whether its budget of failures is empty, so that only probes go.
        quota: what the API's headers leave.
        waiting: those who wait, as a heap.
    """

    name: str
    ceiling: int
    max_pause: float
    unheard: float = UNHEARD
    limit: float = field(init=False)
    flying: int = 0
    most: int = 0
    limited: int = 0
    overloaded: int = 0
    open_at: float = 0.0
    succeeded_at: float = -math.inf
    paused: bool = False
    quota: Quota = field(default_factory=Quota)
    waiting: list[Any] = field(default_factory=list)
    _reason: str | None = None
    _held: float = 0.0
    _growing: bool = True
    _budget: float = _BUDGET
    _silent_since: float | None = None
    _over: bool = False
    _cut_at: float = -math.inf
    _held_since: float | None = None
    _drawn_at: float = -math.inf
    _paused_at: float = math.inf
    _probes: int = 0
    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=_CROWD))

    def __post_init__(self) -> None:
        self.limit = float(min(START, self.ceiling))

    def wait(self, now: float, step: str) -> float:
        """Seconds until a request of `step` may go; infinite while places are taken."""
        if self.flying >= (1 if self.paused else int(self.limit)):
            return math.inf
        return max(self.open_at - now, self.quota.wait(now, step))

    def launch(self, now: float, step: str) -> Claim:
        """A request of `step` goes out; what it takes of the quota."""
        self.hold(now, held=False)
        self.flying += 1
        self.most = max(self.most, self.flying)
        return self.quota.claim(now, step)

    def hold(self, now: float, *, held: bool) -> None:
        """Keep the time for which requests are held by a gate or a quota."""
        if held and self._held_since is None:
            self._held_since = now
        elif not held and self._held_since is not None:
            self._held += now - self._held_since
            self._held_since = None

    def hear(self) -> None:
        """The API takes requests, though their answers may take long."""
        self._silent_since, self._over = None, False

    def succeed(self, now: float, sent: float) -> None:
        """A final answer has come through, be it a refusal of what was asked."""
        self.hear()
        self.succeeded_at, self._reason = now, None
        self._recent.append(False)
        self._budget = min(_BUDGET, self._budget + _REFUND)
        if self.paused and sent >= self._paused_at:
            self.paused, self._budget, self._paused_at = False, _REOPENED, math.inf
        if self.flying >= _USED * self.limit:
            more = 1.0 if self._growing else max(_GROWTH, _STEP / self.limit)  # by each of a window's answers
            self.limit = min(self.ceiling, self.limit + more)

    def refuse(self, now: float, sent: float, retry_after: float | None) -> float:
        """A rate limit: close the gate, for as long as the API asks or ever longer where it does not say.

        Returns:
            Seconds until the gate opens.

        Raises:
            RunStopped: that is longer than a run waits.
        """
        self.limited += 1
        others = self.succeeded_at > sent  # come through: without a word of waiting, it is a matter of how many
        since = self._draw(now, sent, _LIMITED, "rate limit (429)")
        if retry_after is None or now - self._cut_at > _COOL:
            self._cut(now, sent)
        if others and retry_after is None:
            return max(0.0, self.open_at - now)
        wait = retry_after or min(_MOST_WAIT, max(_FIRST_WAIT, now - since))  # zero would hammer on a closed door
        if now - since + wait > self.max_pause:
            if self.flying <= 1 or self._over:
                self._over = True  # for whoever still waits too
                asked = f", and asks to wait {retry_after:.0f} s" if retry_after else ""
                limits = f"the API has answered {self.name} with rate limits (429) alone for {now - since:.0f} s"
                raise _given_up(limits + asked, self.max_pause)
            wait = min(wait, _MOST_WAIT, self.max_pause / 2)  # what is still in flight may come through
        self._close(now, wait)
        return self.open_at - now

    def fail(self, now: float, sent: float, reason: str, *, heard: bool) -> bool:
        """A failure of the server or of the connection; `heard`: whether anything ever came back.

        Returns:
            Whether to go on: an address from which nothing was ever heard has not much time.

        Raises:
            RunStopped: nothing else has come back for longer than a run waits.
        """
        self.overloaded += 1
        since = self._draw(now, sent, _FAILED, reason)
        self._recent.append(True)
        if len(self._recent) * _SHARE <= sum(self._recent) and len(self._recent) == _CROWD:
            self._recent.clear()
            self._cut(now, sent)
        if self.paused:
            # So short that rows which always fail, and nothing else, are through with their tries before a pause is.
            each = self.max_pause / 2 / (_TRIES * (1 + len(self.waiting)))
            wait = min(_MOST_WAIT, _FIRST_WAIT * 2.0 ** min(self._probes, 30), max(_FIRST_WAIT, each))
            self._probes += sent >= self._paused_at  # what was in flight when the pause began is no probe
            self._close(now, wait)
            if not heard:
                return now - since <= self.unheard
            if now - since + wait > self.max_pause:
                message = f"the API has answered nothing for {now - since:.0f} s but: {reason}"
                raise _given_up(message, self.max_pause)
        return True

    def _draw(self, now: float, sent: float, cost: float, reason: str) -> float:
        """Draw on the budget; since when nothing has come through, though somebody asked."""
        self._budget -= cost
        if not self.paused and self._budget <= 0:
            self.paused, self._paused_at, self._probes = True, now, 0
        self._reason = reason
        if self._silent_since is None or sent - max(self._drawn_at, self.open_at) > _MOST_WAIT:
            self._silent_since = now
        self._drawn_at = now
        return self._silent_since

    def _close(self, now: float, wait: float) -> None:
        jitter = random.uniform(0, min(1.0, 0.1 * wait + 0.05))  # noqa: S311 - jitter is no secret
        self.open_at = max(self.open_at, now + wait + jitter)

    def _cut(self, now: float, sent: float) -> None:
        """Fewer at once; not again for what was sent before the last cut, nor for a probe."""
        if self._cut_at < sent < self._paused_at:
            self.limit = max(1.0, (_HALF if self._growing else _CUT) * self.limit)
            self._cut_at, self._growing = now, False

    def state(self, now: float) -> PaceChanged:
        """What a reader is told of the pool."""
        waits = len(self.waiting)
        told = [part for part in ("paused" if self.paused else None, self._reason) if part]
        held = self._held + (0.0 if self._held_since is None else now - self._held_since)
        return PaceChanged(
            pool=self.name,
            limit=1 if self.paused else int(self.limit),
            in_flight=self.flying,
            most=self.most,
            waiting=waits if self._held_since is not None else 0,
            closed=max(0.0, self.open_at - now),
            reason=": ".join(told) or None,
            limited=self.limited,
            overloaded=self.overloaded,
            held=held,
        )


def _given_up(message: str, most: float) -> RunStopped:
    hint = f"run again later, what is finished is kept; `limits.max_pause` ({most:g} s) says how long a run waits"
    return RunStopped(message, code=Code.PAUSED_TOO_LONG, hint=hint)
