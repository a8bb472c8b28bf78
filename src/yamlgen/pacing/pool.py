"""A pool: the models that share a rate limit, and how many of their requests may be in flight.

Owns the search for the limit in flight: it doubles until the API objects, then grows slowly and falls quickly. Owns
also the effect of a rate limit. One among answers holds only its own request. The gate of the whole pool closes if the
headers show that nothing is left, or if most responses are rate limits. A budget counts failures; once it is empty,
the pool pauses and sends single probes until one succeeds. The time that an answer takes is not a signal: it depends
on the length of the answer.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from yamlgen.errors import Code, RunStopped
from yamlgen.events import PaceChanged
from yamlgen.pacing.quota import Claim, Quota
from yamlgen.pacing.spacing import Spacing

START: Final = 48
"""Requests in flight at the start: fewer than the 50 per minute of the smallest account."""

MAX_PAUSE: Final = 600.0
"""Seconds that a run waits for an API that returns only failures. The default of `limits.max_pause`."""

UNHEARD: Final = 8.0
"""The same for an address from which nothing was ever received: it may be wrong."""

_HALF: Final = 0.5
_CUT: Final = 0.8
_GROWTH: Final = 0.05
_STEP: Final = 0.25
_USED: Final = 0.8
"""Changes of the limit in flight: its factor when failures pile up while it still doubles, and later; its growth in the
first window of answers after that, as a share of the limit and as a minimum (doubled in each further window without an
objection); and the share of the limit that must be in use for it to grow."""

_WEIGHT: Final = 0.1
"""The weight of one answer in the mean duration of answers."""

_LAST: Final = 20
_FEW: Final = 5
_SHARE: Final = 0.2
"""The number of last answers considered; the minimum of rate limits for a crowd; and the share of failures or rate
limits that shows an overloaded server."""

_BUDGET: Final = 100.0
_COST: Final = 5.0
_REFUND: Final = 1.0
_REOPENED: Final = 50.0
"""The budget of failures: its size, the cost of a failure, the refund of an answer, and its level after a successful
probe."""

_TRIES: Final = 15
"""About how often a row is tried in a pause before it fails."""

FIRST_WAIT: Final = 0.5
_DOUBLED: Final = 4
MOST_WAIT: Final = 30.0
"""Seconds for which a gate is closed or a request is held if the API sends no `retry-after`: first and maximum. They
double with each failed probe, and each time the same request is refused."""


class RateRefusal(NamedTuple):
    """The effect of a rate limit on the refused request.

    Attributes:
        wait: seconds until it may be sent again.
        own: whether only this request waits.
        alone: whether it was sent alone.
    """

    wait: float
    own: bool
    alone: bool


@dataclass(eq=False)
class Pool:
    """The models that share a rate limit: how many requests may be in flight, and when the next may be sent.

    Attributes:
        name: the name of the rate limit.
        ceiling: the maximum number of requests in flight.
        max_pause: seconds of failures without an answer after which the run ends.
        unheard: the same for an address from which nothing was ever received.
        models: the models of the pipeline in this pool: their aliases, or the id of a model without an alias.
        address: the address for messages; empty if the run has only one.
        limit: how many requests may be in flight now.
        flying: how many are in flight.
        most: the maximum that were in flight at once.
        limited: the number of rate limits so far.
        overloaded: the number of other failures so far.
        open_at: the monotonic time at which its gate opens.
        succeeded_at: the time of the last answer.
        paused: whether the budget of failures is empty, so that only probes are sent.
        growing: whether the limit doubles with each window of answers, because nothing has objected yet.
        quota: the quota that the API's headers report.
        spacing: the distance between requests.
        waiting: the waiting requests, as a heap.
    """

    name: str
    ceiling: int
    max_pause: float
    unheard: float = UNHEARD
    models: tuple[str, ...] = ()
    address: str = ""
    limit: float = field(init=False)
    flying: int = 0
    most: int = 0
    limited: int = 0
    overloaded: int = 0
    open_at: float = 0.0
    succeeded_at: float = -math.inf
    paused: bool = False
    growing: bool = True
    quota: Quota = field(default_factory=Quota)
    spacing: Spacing = field(default_factory=Spacing)
    waiting: list[Any] = field(default_factory=list)
    _reason: str | None = None
    _held: float = 0.0
    _budget: float = _BUDGET
    _calm: float = 0.0
    _crowded: bool = False
    _took: float = 0.0
    _launched_at: float = -math.inf
    _limited_since: float | None = None
    _failing_since: float | None = None
    _over: bool = False
    _cut_at: float = -math.inf
    _held_since: float | None = None
    _asked_until: float = -math.inf
    _paused_at: float = math.inf
    _probes: int = 0
    _crowded_at: float = math.inf
    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=_LAST))
    _window: deque[bool] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.limit = float(min(START, self.ceiling))

    def wait(self, now: float, step: str) -> float:
        """Return the seconds until a request of `step` may be sent; infinite while all places are taken."""
        if self.flying >= (1 if self.paused or self.quota.is_awaited else int(self.limit)):
            return math.inf
        if self._over:  # the waiting requests are to fail
            return 0.0
        return max(self._closed(now), self.quota.wait(now, step))

    def _closed(self, now: float) -> float:
        """Return the seconds until the gate is open and the last request is long enough ago.

        After a crowd of rate limits, requests are sent at even intervals: a rate allows them only if they are spread.
        """
        pace = self._took / self.limit if self._crowded else 0.0
        return max(0.0, self.open_at - now, self._launched_at + pace - now, self.spacing.wait(now))

    def launch(self, now: float, step: str) -> Claim:
        """Note that a request of `step` is sent, and return its claim on the quota."""
        self.hold(now, held=False)
        self.flying += 1
        self.most = max(self.most, self.flying)
        self._launched_at = now
        self.spacing.launch(now)
        return self.quota.claim(now, step)

    def hold(self, now: float, *, held: bool) -> None:
        """Measure the time for which requests are held by a gate or a quota."""
        if held and self._held_since is None:
            self._held_since = now
        elif not held and self._held_since is not None:
            self._held += now - self._held_since
            self._held_since = None

    def hear(self) -> None:
        """Note that the API accepts requests, though their answers may take long."""
        self._limited_since, self._over = None, False

    def succeed(self, now: float, sent: float) -> None:
        """Note a final answer. A refusal of the request's content is one too."""
        self.hear()
        self.succeeded_at, self._reason, self._failing_since = now, None, None
        if sent >= self._crowded_at:  # the crowd is over
            self._window.clear()
            self._crowded_at = math.inf
        self._recent.append(False)
        self._note(limited=False)
        self._budget = min(_BUDGET, self._budget + _REFUND)
        if self.paused and sent >= self._paused_at:
            self.paused, self._budget, self._paused_at = False, _REOPENED, math.inf
        took = max(0.0, now - sent)
        self._took += _WEIGHT * (took - self._took) if self._took else took
        self.spacing.succeed(now, sent)
        if self._is_full() and not self.spacing.wait(now):
            self.limit = min(self.ceiling, self.limit + self._growth())

    def _growth(self) -> float:
        """Return by how much each answer of a window raises the limit."""
        if self.growing:
            return 1.0
        self._calm += 1 / self.limit
        return min(1.0, max(_GROWTH, _STEP / self.limit) * 2.0 ** min(int(self._calm), _LAST))

    def refuse(
        self, now: float, sent: float, retry_after: float | None, step: str = "", before: int = 0, *, odd: bool = False
    ) -> RateRefusal | None:
        """Note a rate limit: hold its request or, if it affects all requests, close the gate.

        Args:
            now: the time.
            sent: when the request was sent.
            retry_after: the seconds that the API requests; 0 counts as none, because it would cause a busy loop.
            step: the step of the request.
            before: how often only this request was refused so far.
            odd: whether to give up the request rather than the run, because others succeeded while it waited long.

        Returns:
            How long it waits; `None` if it is given up.

        Raises:
            RunStopped: the wait is longer than a run waits.
        """
        self.limited += 1
        self._reason = "rate limit (429)"
        self._note(limited=True)
        retry_after, alone = retry_after or None, self.flying <= 1
        empty = self.quota.exhausted(now, step)
        crowd = not empty and self._is_crowded()
        spaced = not (empty or self.paused) and (
            self.spacing.active or (crowd and alone) or (self._crowded and not crowd and retry_after is None)
        )
        own = not (empty or crowd or spaced or self.paused)
        if crowd or (spaced and not (alone or self.spacing.active)) or (own and self._is_full() and self._objects()):
            self._yield(sent)
        if crowd:
            self._crowded, self._crowded_at = True, now
        since = self._limited_since = self._since(self._limited_since, now, sent)
        silent = now - since
        left = max(0.0, self.max_pause - silent)  # our own estimate does not end a run early
        if own:
            wait = retry_after or FIRST_WAIT * 2.0 ** min(before, _DOUBLED)
        elif spaced:
            usual = self._took / self.limit
            wait = self.spacing.refuse(now, sent, retry_after, alone=alone, usual=usual, most=left)
        elif self.paused:
            wait = retry_after or min(MOST_WAIT, max(FIRST_WAIT, silent))
        else:
            wait = retry_after or 0.0
        if wait > left or not left:
            if odd:
                return None
            wait = self._patience(silent, wait, alone=alone and not (own and self.waiting))
            self.spacing.bound(now + wait)
        if own:
            wait += _jitter(wait)
        elif retry_after or self.paused:
            self._close(now, wait)
        self._asked_until = max(self._asked_until, now + wait)
        return RateRefusal(wait if own else max(wait, self.open_at - now), own, alone or spaced)

    def _note(self, *, limited: bool) -> None:
        """Count the outcome of a request among the last ones, as many as are sent in two rounds."""
        self._window.append(limited)
        while len(self._window) > max(_LAST, 2 * self.limit):
            self._window.popleft()

    def _is_crowded(self) -> bool:
        """Return whether most responses are rate limits, the current one included."""
        limited = sum(self._window)
        if int(self.limit) == 1 and list(self._window)[-2:] == [True, True]:
            return True
        others = len(self._window) - limited + self.flying - 1  # a refusal is immediate, so these were accepted
        return limited > others and (limited >= _FEW or not others)

    def _is_full(self) -> bool:
        """Return whether the limit in flight is what holds requests back."""
        return self.flying >= _USED * int(self.limit)

    def _objects(self) -> bool:
        """Return whether too many of the last requests were refused for the limit to grow."""
        return sum(self._window) >= _SHARE * max(_LAST, len(self._window))

    def _yield(self, sent: float) -> None:
        """Lower the limit to the other requests in flight, which were not refused. A probe changes nothing."""
        if sent < self._paused_at:
            self.limit = min(self.limit, max(1.0, self.flying - 1.0))
            self.growing, self._calm = False, 0.0

    def _patience(self, silent: float, wait: float, *, alone: bool) -> float:
        """Return a shorter wait than one that exceeds the limit of the run: requests in flight may still succeed.

        Raises:
            RunStopped: no request is in flight.
        """
        if alone or self._over:
            self._over = True  # for the waiting requests too
            asked = f", and requests a wait of {wait:.0f} s" if wait > MOST_WAIT else ""
            limits = f"the API has returned only rate limits (429) for {self.name} for {silent:.0f} s"
            raise _given_up(limits + asked, self.max_pause)
        return min(wait, MOST_WAIT, self.max_pause / 2)

    def fail(self, now: float, sent: float, reason: str, *, heard: bool) -> bool:
        """Note a failure of the server or the connection.

        Args:
            now: the time.
            sent: when the request was sent.
            reason: the failure in words.
            heard: whether anything was ever received from the address.

        Returns:
            Whether to continue. An address from which nothing was ever received is given up soon.

        Raises:
            RunStopped: there were only failures for longer than a run waits.
        """
        self.overloaded += 1
        self._budget -= _COST
        if not self.paused and self._budget <= 0:
            self.paused, self._paused_at, self._probes = True, now, 0
        self._reason = reason
        since = self._failing_since = self._since(self._failing_since, now, sent)
        self._asked_until = max(self._asked_until, now)
        self._recent.append(True)
        if len(self._recent) * _SHARE <= sum(self._recent) and len(self._recent) == _LAST:
            self._recent.clear()
            self._cut(now, sent)
        if self.paused:
            # Short enough that rows which always fail use up their tries before the pause ends the run.
            each = self.max_pause / 2 / (_TRIES * (1 + len(self.waiting)))
            wait = min(MOST_WAIT, FIRST_WAIT * 2.0 ** min(self._probes, 30), max(FIRST_WAIT, each))
            self._probes += sent >= self._paused_at  # a request sent before the pause is not a probe
            self._close(now, wait)
            if not heard:
                return now - since <= self.unheard
            if now - since + wait > self.max_pause:
                api = f"the API at {self.address}" if self.address else "the API"
                message = f"{api} has returned only failures for {now - since:.0f} s: {reason}"
                raise _given_up(message, self.max_pause)
        return True

    def _since(self, since: float | None, now: float, sent: float) -> float:
        """Return since when no request has succeeded, not counting times without requests."""
        unasked = sent - max(self._asked_until, self.open_at) > MOST_WAIT
        return now if since is None or unasked else since

    def _close(self, now: float, wait: float) -> None:
        self.open_at = max(self.open_at, now + wait + _jitter(wait))

    def _cut(self, now: float, sent: float) -> None:
        """Lower the limit, unless the request was sent before the last cut or is a probe."""
        if self._cut_at < sent < self._paused_at:
            self.limit = max(1.0, (_HALF if self.growing else _CUT) * self.limit)
            self._cut_at, self.growing, self._calm = now, False, 0.0

    def state(self, now: float) -> PaceChanged:
        """Return the state of the pool as an event."""
        waits = len(self.waiting)
        told = [part for part in ("paused" if self.paused else None, self._reason) if part]
        held = self._held + (0.0 if self._held_since is None else now - self._held_since)
        return PaceChanged(
            pool=self.name,
            limit=1 if self.paused else int(self.limit),
            in_flight=self.flying,
            most=self.most,
            waiting=waits if self._held_since is not None else 0,
            closed=self._closed(now) if self.waiting or self.open_at > now else 0.0,
            reason=": ".join(told) or None,
            limited=self.limited,
            overloaded=self.overloaded,
            held=held,
            models=self.models,
            quota=self.quota.limits,
            quota_used=self.quota.used,
        )


def _jitter(wait: float) -> float:
    return random.uniform(0, min(1.0, 0.1 * wait + 0.05))  # noqa: S311 - jitter is no secret


def _given_up(message: str, most: float) -> RunStopped:
    hint = f"run again later: finished rows are stored; `limits.max_pause` ({most:g} s) sets how long a run waits"
    return RunStopped(message, code=Code.PAUSED_TOO_LONG, hint=hint)
