"""A Messages API with quotas and faults: `python quota.py '{"requests": 1000}'` prints its address, then serves.

Quotas are token buckets as Anthropic describes its own: full at the start, a minute's worth deep, refilled without a
pause. A request is taken from its bucket when it comes, its input tokens too; the output tokens when the answer ends,
and may leave that bucket in debt. A request that finds a bucket empty gets a 429 with the seconds to wait, and takes
nothing. Every response says in the real headers how the buckets stand.

So `n` requests with `t` output tokens in all take the longer of two times, plus the latency of the last:

    (n - requests) / (requests / 60)     and     (t - output_tokens) / (output_tokens / 60)

That is the bound. Debt is lent: whoever ends in it may come in a little below the second.

With `every` it has no quotas: it grants one request each so many seconds, and its headers tell nothing but, where it is
`told`, the whole seconds to wait. With `answers` it falls silent after so many: it takes requests, and never answers.

`GET /figures` tells the bound for what was answered, the seconds it took, and how many came and were refused. What is
answered, how long it is, and which request meets a fault are drawn from a seed in the order of the requests. The
reason of an output repeats the `Row number N` of its request, by which an answer is seen to be in the right row.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from server import TOOL
from wire import message, response, serve

_ROW: Final = re.compile(rb"Row number \d+")
_CHARACTERS: Final = 4
_FEWEST, _MOST = 40, 400
_PLENTY: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """The quotas a minute, the seconds of an answer, and the share of requests that meet each fault, or no quotas."""

    requests: int = _PLENTY
    input_tokens: int = _PLENTY
    output_tokens: int = _PLENTY
    latency: float = 0.3
    seed: int = 0
    rate_limited: float = 0.0
    overloaded: float = 0.0
    dropped: float = 0.0
    invalid: float = 0.0
    every: float = 0.0
    told: bool = False
    answers: int | None = None


class Bucket:
    """A quota a minute that refills without a pause."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.rate = limit / 60
        self._level, self._at = float(limit), time.monotonic()

    def level(self) -> float:
        """What is in it now; less than nothing, when more was taken than there was."""
        now = time.monotonic()
        self._level = min(self.limit, self._level + (now - self._at) * self.rate)
        self._at = now
        return self._level

    def take(self, amount: float) -> None:
        """Take so much out of it."""
        self._level = self.level() - amount

    def headers(self, name: str) -> dict[str, object]:
        """How it stands, as the API says it."""
        level = self.level()
        full = datetime.now(UTC) + timedelta(seconds=(self.limit - level) / self.rate)
        return {
            f"anthropic-ratelimit-{name}-limit": self.limit,
            f"anthropic-ratelimit-{name}-remaining": max(0, math.floor(level)),
            f"anthropic-ratelimit-{name}-reset": full.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


class Limited:
    """Answers while its quotas last, and meets requests with faults."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.random = random.Random(rules.seed)  # noqa: S311 - the same faults each time
        self.requests = Bucket(rules.requests)
        self.input, self.output = Bucket(rules.input_tokens), Bucket(rules.output_tokens)
        self.came = self.answered = self.limited = self.tokens = 0
        self.first = self.last = 0.0
        self.granted = -math.inf

    def take(self, request: bytes, transport: asyncio.Transport) -> None:
        """Answer, refuse, or drop the connection."""
        self.came += 1
        self.first = self.first or time.monotonic()
        rules, drawn, tokens = self.rules, self.random.random(), self.random.randint(_FEWEST, _MOST)
        if rules.answers is not None and self.came > rules.answers:
            return
        wait = self._rate() if rules.every else self._wait()
        if wait is None and drawn < rules.rate_limited:
            wait = 1
        drawn -= rules.rate_limited
        if wait is not None:
            self.limited += 1
            said = {"retry-after": wait} if rules.told or not rules.every else {}
            self._refuse(transport, 429, "rate_limit_error", said)
        elif 0 <= drawn < rules.overloaded:
            self._refuse(transport, 529, "overloaded_error", {})
        elif 0 <= drawn - rules.overloaded < rules.dropped:
            transport.abort()
        else:
            invalid = 0 <= drawn - rules.overloaded - rules.dropped < rules.invalid
            self.requests.take(1)
            self.input.take(len(request) / _CHARACTERS)
            row, tool = _ROW.search(request)[0].decode(), TOOL.search(request)
            output = {"label": "question", "score": 99 if invalid else 3, "reason": row}
            made = message(tool[1].decode() if tool else None, output, tokens)
            asyncio.get_running_loop().call_later(rules.latency, self._answer, transport, made, tokens)

    def figures(self) -> dict[str, Any]:
        """What was seen, and the seconds that the quotas alone would have taken for it."""
        bound = max(
            (self.answered - self.requests.limit) / self.requests.rate,
            (self.tokens - self.output.limit) / self.output.rate,
            0,
        )
        return {
            "came": self.came,
            "answered": self.answered,
            "limited": self.limited,
            "seconds": self.last - self.first,
            "bound": bound + self.rules.latency,
        }

    def _rate(self) -> int | None:
        """The whole seconds until the next request is granted, `None` where this one is."""
        now = time.monotonic()
        missing = self.granted + self.rules.every - now
        if missing >= 0:
            return math.floor(missing) + 1
        self.granted = now
        return None

    def _wait(self) -> int | None:
        """The whole seconds until no bucket is empty, `None` where none is."""
        needs = [(bucket, 1 - bucket.level()) for bucket in (self.requests, self.input, self.output)]
        waits = [missing / bucket.rate for bucket, missing in needs if missing > 0]
        return math.ceil(max(waits)) if waits else None

    def _answer(self, transport: asyncio.Transport, made: dict[str, Any], tokens: int) -> None:
        self.output.take(tokens)
        self.answered += 1
        self.tokens += tokens
        transport.write(response(200, made, self._headers()))
        self.last = time.monotonic()

    def _refuse(self, transport: asyncio.Transport, status: int, kind: str, headers: dict[str, object]) -> None:
        body = {"type": "error", "error": {"type": kind, "message": "more than this API gives"}}
        transport.write(response(status, body, self._headers() | headers))

    def _headers(self) -> dict[str, object]:
        if self.rules.every:
            return {}
        return (
            self.requests.headers("requests")
            | self.input.headers("input-tokens")
            | self.output.headers("output-tokens")
        )


if __name__ == "__main__":
    asyncio.run(serve(Limited(Rules(**json.loads(sys.argv[1])))))
