"""A pool: the models that share their quotas, and how many of their requests may be in flight.

Owns how the ceiling is found (it doubles until the API objects, then grows slowly at first and gives way quickly), what
a rate limit holds, and the budget of failures: when it is empty, the API is asked by single probes until one comes
through. A rate limit among answers holds its own request, the pool's gate is closed by one whose headers say that
nothing is left, and when most of what comes back is rate limits. How long an answer takes is no signal: a language
model takes as long as its answer is.
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
"""Requests at once to begin with: fewer than the fifty a minute of the smallest account, which nobody knows yet."""

MAX_PAUSE: Final = 600.0
"""Seconds that a run waits for an API that answers nothing but failures, where nothing is set."""

UNHEARD: Final = 8.0
"""Seconds of failures that an address has from which nothing was ever heard: it may be a wrong one."""

_HALF: Final = 0.5
_CUT: Final = 0.8
_GROWTH: Final = 0.05
_STEP: Final = 0.25
_USED: Final = 0.8
"""What the limit becomes when failures pile up while it doubles, since that may have gone twice too far, and later; by
how much it grows in the first window of answers afterwards, as a share of it and at least, twice as much in each one
that follows without an objection; and while how much of it is in use."""

_WEIGHT: Final = 0.1
"""How much an answer counts in the mean of the time that answers take."""

_LAST: Final = 20
_FEW: Final = 5
_SHARE: Final = 0.2
"""The last answers that are looked at; from how many rate limits on they may be a crowd; and the share of failures, or
of rate limits, that tells of a server with too much to do."""

_BUDGET: Final = 100.0
_COST: Final = 5.0
_REFUND: Final = 1.0
_REOPENED: Final = 50.0
"""What a pool's budget of failures holds, what a failure takes of it, what an answer gives back, and what it holds when
a probe has come through."""

_TRIES: Final = 15
"""About how often a row is tried before it is set aside in a pause."""

FIRST_WAIT: Final = 0.5
_DOUBLED: Final = 4
MOST_WAIT: Final = 30.0
"""Seconds for which a gate is closed, or a request is held, where the API does not say how long: they double with each
probe that fails, and with each time that the same request is refused."""


class RateRefusal(NamedTuple):
    """What a rate limit means for the request that met it.

    Attributes:
        wait: seconds until it may go again.
        own: whether it waits by itself, while others go.
        alone: whether it was sent alone.
    """

    wait: float
    own: bool
    alone: bool


@dataclass(eq=False)
class Pool:
    """The models that share their quotas: how many requests they may have in flight now, and when the next may go.

    Attributes:
        name: of the models that share the rate limit.
        ceiling: the most requests in flight.
        max_pause: seconds without an answer that its failures may take before the run ends.
        unheard: the same where nothing was ever heard from the address.
        models: the models of the pipeline in this pool: their aliases, or the id of a model without an alias.
        limit: how many may be in flight now.
        flying: how many are.
        most: how many were at once.
        limited: rate limits until now.
        overloaded: other failures until now.
        open_at: when its gate opens, by the monotonic clock.
        succeeded_at: when the last answer came through.
        paused: whether its budget of failures is empty, so that only probes go.
        growing: whether its limit doubles with each window of answers: nothing has objected yet.
        quota: what the API's headers leave.
        spacing: how far apart requests are kept.
        waiting: those who wait, as a heap.
    """

    name: str
    ceiling: int
    max_pause: float
    unheard: float = UNHEARD
    models: tuple[str, ...] = ()
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
        """Seconds until a request of `step` may go; infinite while places are taken."""
        if self.flying >= (1 if self.paused else int(self.limit)):
            return math.inf
        if self._over:  # whoever still waits is to learn it
            return 0.0
        return max(self._closed(now), self.quota.wait(now, step))

    def _closed(self, now: float) -> float:
        """Seconds until the gate opens, and the last one that went is far enough away.

        After a crowd requests go in even intervals: a rate lets more be in flight only if they do not go all at once.
        """
        pace = self._took / self.limit if self._crowded else 0.0
        return max(0.0, self.open_at - now, self._launched_at + pace - now, self.spacing.wait(now))

    def launch(self, now: float, step: str) -> Claim:
        """A request of `step` goes out; what it takes of the quota."""
        self.hold(now, held=False)
        self.flying += 1
        self.most = max(self.most, self.flying)
        self._launched_at = now
        self.spacing.launch(now)
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
        self._limited_since, self._over = None, False

    def succeed(self, now: float, sent: float) -> None:
        """A final answer has come through, be it a refusal of what was asked."""
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
        """By how much each of a window's answers raises the limit."""
        if self.growing:
            return 1.0
        self._calm += 1 / self.limit
        return min(1.0, max(_GROWTH, _STEP / self.limit) * 2.0 ** min(int(self._calm), _LAST))

    def refuse(
        self, now: float, sent: float, retry_after: float | None, step: str = "", before: int = 0, *, odd: bool = False
    ) -> RateRefusal | None:
        """A rate limit: hold its request, or, where it is everybody's, close the gate.

        Args:
            now: the time.
            sent: when the request was sent.
            retry_after: the seconds that the API asks for, if it does; zero would hammer on a closed door.
            step: whose request it was.
            before: how often it was refused by itself until now.
            odd: whether it has waited for so long, while others came through, that it is to be given up before the run.

        Returns:
            What it waits for; `None` where it is given up.

        Raises:
            RunStopped: that is longer than a run waits.
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
        left = max(0.0, self.max_pause - silent)  # a guess of ours does not end a run before its time
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
        """Count how a request ended, among the last of them: as many as go in two rounds."""
        self._window.append(limited)
        while len(self._window) > max(_LAST, 2 * self.limit):
            self._window.popleft()

    def _is_crowded(self) -> bool:
        """Whether most of what comes back is rate limits; this one has been counted."""
        limited = sum(self._window)
        if int(self.limit) == 1 and list(self._window)[-2:] == [True, True]:
            return True
        others = len(self._window) - limited + self.flying - 1  # a refusal comes at once, so these have come through
        return limited > others and (limited >= _FEW or not others)

    def _is_full(self) -> bool:
        """Whether the places are what holds requests back."""
        return self.flying >= _USED * int(self.limit)

    def _objects(self) -> bool:
        """Whether so many of the last requests were refused that there should not be more of them at once."""
        return sum(self._window) >= _SHARE * max(_LAST, len(self._window))

    def _yield(self, sent: float) -> None:
        """What is in flight besides this one was not refused: so many may be, and no more; a probe tells nothing."""
        if sent < self._paused_at:
            self.limit = min(self.limit, max(1.0, self.flying - 1.0))
            self.growing, self._calm = False, 0.0

    def _patience(self, silent: float, wait: float, *, alone: bool) -> float:
        """What is waited where that is longer than a run waits: what is still in flight may come through.

        Raises:
            RunStopped: nothing is.
        """
        if alone or self._over:
            self._over = True  # for whoever still waits too
            asked = f", and asks to wait {wait:.0f} s" if wait > MOST_WAIT else ""
            limits = f"the API has answered {self.name} with rate limits (429) alone for {silent:.0f} s"
            raise _given_up(limits + asked, self.max_pause)
        return min(wait, MOST_WAIT, self.max_pause / 2)

    def fail(self, now: float, sent: float, reason: str, *, heard: bool) -> bool:
        """A failure of the server or of the connection; `heard`: whether anything ever came back.

        Returns:
            Whether to go on: an address from which nothing was ever heard has not much time.

        Raises:
            RunStopped: nothing else has come back for longer than a run waits.
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
            # So short that rows which always fail, and nothing else, are through with their tries before a pause is.
            each = self.max_pause / 2 / (_TRIES * (1 + len(self.waiting)))
            wait = min(MOST_WAIT, FIRST_WAIT * 2.0 ** min(self._probes, 30), max(FIRST_WAIT, each))
            self._probes += sent >= self._paused_at  # what was in flight when the pause began is no probe
            self._close(now, wait)
            if not heard:
                return now - since <= self.unheard
            if now - since + wait > self.max_pause:
                message = f"the API has answered nothing for {now - since:.0f} s but: {reason}"
                raise _given_up(message, self.max_pause)
        return True

    def _since(self, since: float | None, now: float, sent: float) -> float:
        """Since when nothing has come through, though somebody asked."""
        unasked = sent - max(self._asked_until, self.open_at) > MOST_WAIT
        return now if since is None or unasked else since

    def _close(self, now: float, wait: float) -> None:
        self.open_at = max(self.open_at, now + wait + _jitter(wait))

    def _cut(self, now: float, sent: float) -> None:
        """Fewer at once; not again for what was sent before the last cut, nor for a probe."""
        if self._cut_at < sent < self._paused_at:
            self.limit = max(1.0, (_HALF if self.growing else _CUT) * self.limit)
            self._cut_at, self.growing, self._calm = now, False, 0.0

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
            closed=self._closed(now) if self.waiting or self.open_at > now else 0.0,
            reason=": ".join(told) or None,
            limited=self.limited,
            overloaded=self.overloaded,
            held=held,
            models=self.models,
        )


def _jitter(wait: float) -> float:
    return random.uniform(0, min(1.0, 0.1 * wait + 0.05))  # noqa: S311 - jitter is no secret


def _given_up(message: str, most: float) -> RunStopped:
    hint = f"run again later, what is finished is kept; `limits.max_pause` ({most:g} s) says how long a run waits"
    return RunStopped(message, code=Code.PAUSED_TOO_LONG, hint=hint)
