"""What a run sent over time and how it went, in at most 600 slots of equal width, folded from its events.

The width doubles when the slots are full, so that a run of any length has between 300 and 600 of them, or, if it is
short, as many as its seconds have quarters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from yamlgen.events import (
    AnswerReceived,
    BatchEnded,
    BatchPosted,
    Event,
    PaceChanged,
    RequestRetried,
    RequestSent,
    RunFinished,
    RunStarted,
    StreamCut,
)

MOST_SLOTS: Final = 600
_FIRST_WIDTH: Final = 0.25
_DIGITS: Final = 2
_SEEN: Final = frozenset(
    {
        RequestSent,
        AnswerReceived,
        PaceChanged,
        RequestRetried,
        StreamCut,
        BatchPosted,
        BatchEnded,
        RunStarted,
        RunFinished,
    }
)
_LEVELS: Final = ("most_in_flight", "limit")
"""The columns that have a level and not a count: it lasts until an event changes it."""

COLUMNS: Final = (
    *_LEVELS,
    "sent",
    "answered",
    "rate_limits",
    "failures",
    "held_seconds",
    "batch_requests",
    "batch_answers",
)
"""What is known of each slot.

- `most_in_flight`: the most requests in flight;
- `limit`: how many might be in flight; 0 where that is not known yet;
- `sent`: requests that were sent, also again, without those in batches;
- `answered`: their answers;
- `rate_limits`: 429s;
- `failures`: other failures of the server or the connection;
- `held_seconds`: for how many seconds requests waited for the API or for a quota;
- `batch_requests`: requests that were posted in batches;
- `batch_answers`: answers that came with batches.
"""


class Timeline:
    """Folds the events of a run into slots, each at the time at which it is observed.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._width = _FIRST_WIDTH
        self._start: float | None = None
        self._at = 0
        self._columns: dict[str, list[Any]] = {name: [0] for name in COLUMNS}
        self._paces: dict[str, PaceChanged] = {}
        self._in_flight = 0

    def observe(self, event: Event) -> None:
        """Add an event that happens now."""
        if type(event) not in _SEEN:
            return
        now = self._clock()
        if self._start is None:
            self._start = now
        at = int((now - self._start) / self._width)
        if at > self._at:
            at = self._move(at)
        columns = self._columns
        match event:
            case RequestSent():
                columns["sent"][-1] += 1
                self._fly(1)
            case AnswerReceived():
                if not (event.reused or event.batch):
                    columns["answered"][-1] += 1
                    self._fly(-1)
            case RequestRetried() | StreamCut():
                self._fly(-1)
            case PaceChanged():
                self._pace(event, now)
            case BatchPosted():
                columns["batch_requests"][-1] += 0 if event.earlier else event.requests
            case BatchEnded():
                columns["batch_answers"][-1] += event.counts.get("succeeded", 0)
            case _:
                pass

    def _fly(self, more: int) -> None:
        """Count the requests in flight until the first state of a pool, which knows them better."""
        if not self._paces:
            self._in_flight = max(0, self._in_flight + more)
            self._raise("most_in_flight", self._in_flight)

    def _pace(self, pace: PaceChanged, now: float) -> None:
        columns, before = self._columns, self._paces.get(pace.pool)
        self._paces[pace.pool] = pace
        columns["rate_limits"][-1] += pace.limited - (before.limited if before else 0)
        columns["failures"][-1] += pace.overloaded - (before.overloaded if before else 0)
        self._hold(pace.held - (before.held if before else 0.0), now)
        self._in_flight = sum(each.in_flight for each in self._paces.values())
        self._raise("most_in_flight", self._in_flight)
        self._raise("limit", self._limit())

    def _hold(self, seconds: float, now: float) -> None:
        """Count seconds for which requests were held until now: they are told afterwards, at least once a second."""
        column, end = self._columns["held_seconds"], now - (self._start or 0.0)
        for at in range(len(column) - 1, -1, -1):
            if seconds <= 0:
                return
            part = min(seconds, end - at * self._width)
            column[at] += part
            seconds, end = seconds - part, at * self._width

    def _limit(self) -> int:
        return sum(each.limit for each in self._paces.values())

    def _raise(self, level: str, to: int) -> None:
        column = self._columns[level]
        column[-1] = max(column[-1], to)

    def _move(self, at: int) -> int:
        """Begin the slots up to a position, and return where it is after pairs of slots were merged."""
        while at >= MOST_SLOTS:
            self._merge()
            at //= 2
        for name, column in self._columns.items():
            lasting = {"most_in_flight": self._in_flight, "limit": self._limit()}.get(name, 0)
            column.extend([lasting] * (at + 1 - len(column)))
        self._at = at
        return at

    def _merge(self) -> None:
        self._width *= 2
        self._at //= 2
        for name, column in self._columns.items():
            merge: Callable[[Sequence[Any]], Any] = max if name in _LEVELS else sum
            self._columns[name] = [merge(column[each : each + 2]) for each in range(0, len(column), 2)]

    def as_json(self) -> dict[str, Any] | None:
        """Return the slots as JSON values; `None` if the run sent nothing.

        Returns:
            `seconds`, the width of a slot, and a list for each of `COLUMNS`, all of the same length.
        """
        columns = {name: [round(each, _DIGITS) for each in column] for name, column in self._columns.items()}
        is_empty = not any(map(any, (columns["sent"], columns["batch_requests"], columns["batch_answers"])))
        return None if is_empty else {"seconds": self._width, **columns}
