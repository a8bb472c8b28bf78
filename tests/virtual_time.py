"""A loop whose time is virtual, and APIs without a network: hours of rate limits in no time, the same each time."""

import asyncio
import math
import random
import selectors
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

from yamlgen.cancellation import Cancellation
from yamlgen.errors import RunStopped
from yamlgen.interfaces import UNOBSERVED, RequestContext
from yamlgen.pacing import limiter as limiting
from yamlgen.pacing.limiter import Limiter, Slot

MODEL = "claude-haiku-5-5"


class VirtualClock(selectors.SelectSelector):
    """Where nobody is ready to act, it is at once as late as the next timer wants."""

    now = 1000.0

    def select(self, timeout=None):
        """What is ready; nothing is waited for."""
        self.now += max(0.0, timeout or 0.0)
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop by such a clock."""

    def __init__(self):
        self._clock = VirtualClock()
        super().__init__(self._clock)

    def time(self):
        """The virtual time."""
        return self._clock.now


class VirtualApi:
    """Answers after a latency, or refuses at once; `grants` says which.

    Attributes:
        ok: when it answered.
        limited: how many it refused.
    """

    def __init__(self, latency=0.05, hint=None):
        self.latency = latency
        self.hint = hint
        self.ok, self.limited, self.flying, self.most = [], 0, 0, 0
        self.sent = []
        self.random = random.Random(1)  # noqa: S311 - the same draws each time

    def grants(self, row, now):  # noqa: ARG002
        """Whether a request may be answered."""
        return True

    def after(self, now):  # noqa: ARG002
        """The seconds that a refused one is told to wait."""
        return self.hint

    def headers(self, now):  # noqa: ARG002
        """What an answer tells of a quota."""
        return {}

    async def __call__(self, row):
        """The status of a request, and its `retry-after`."""
        now = asyncio.get_running_loop().time()
        self.sent.append(now)
        if not self.grants(row, now):
            self.limited += 1
            await asyncio.sleep(0.004)
            return 429, self.after(now)
        self.flying += 1
        self.most = max(self.most, self.flying)
        await asyncio.sleep(self.latency)
        self.flying -= 1
        self.ok.append(now)
        return 200, None


class SteadyApi(VirtualApi):
    """One request each so many seconds."""

    def __init__(self, every, *, told=False, **options):
        super().__init__(**options)
        self.every, self.told, self.last = every, told, -1e9

    def grants(self, _, now):
        """Once the last one is long enough ago."""
        if now - self.last <= self.every:
            return False
        self.last = now
        return True

    def after(self, now):
        """The whole seconds until the next is granted."""
        return int(self.every - (now - self.last)) + 1 if self.told else self.hint


class WindowedApi(VirtualApi):
    """So many requests in each window of a clock."""

    def __init__(self, most, seconds=60.0, **options):
        super().__init__(**options)
        self.size, self.seconds, self.window, self.left = most, seconds, None, 0

    def grants(self, _, now):
        """While the window has some left."""
        if now // self.seconds != self.window:
            self.window, self.left = now // self.seconds, self.size
        self.left -= 1
        return self.left >= 0


class BucketApi(VirtualApi):
    """A bucket of so many requests that fills at a rate a second."""

    def __init__(self, depth, rate, **options):
        super().__init__(**options)
        self.depth, self.rate, self.level, self.at = depth, rate, depth, None

    def grants(self, _, now):
        """While it holds one."""
        self.level = min(self.depth, self.level + (now - (self.at or now)) * self.rate)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


class TellingApi(BucketApi):
    """A bucket of the requests of a minute, which tells what is left of it."""

    def __init__(self, a_minute, **options):
        super().__init__(a_minute, a_minute / 60, **options)

    def headers(self, now):
        """The headers of the API."""
        level = min(self.depth, self.level + (now - self.at) * self.rate)
        clock = datetime.fromtimestamp(now, UTC).replace(microsecond=0)
        reset = clock + timedelta(seconds=math.ceil((self.depth - level) / self.rate))
        told = {"limit": str(self.depth), "remaining": str(int(level)), "reset": reset.isoformat()}
        return {
            **{f"anthropic-ratelimit-requests-{name}": value for name, value in told.items()},
            "date": format_datetime(clock, usegmt=True),
        }


class ConcurrencyApi(VirtualApi):
    """So many requests at once."""

    def __init__(self, most, **options):
        super().__init__(**options)
        self.places = most

    def grants(self, *_):
        """While a place is free."""
        return self.flying < self.places


class RandomFailureApi(VirtualApi):
    """Refuses some by chance, and some rows always."""

    def __init__(self, share=0.0, rows=(), **options):
        super().__init__(**options)
        self.refused, self.rows = share, rows

    def grants(self, row, _):
        """Unless it draws badly."""
        return row not in self.rows and self.random.random() >= self.refused


@dataclass
class VirtualRun:
    """What came of a run.

    Attributes:
        done: how many rows were answered.
        failed: the rows that were given up.
        stopped: what ended the run.
        seconds: from its start to its last answer.
        limited: how many requests were refused.
        held: the most that a request waited by itself.
    """

    done: int = 0
    failed: list = field(default_factory=list)
    stopped: RunStopped | None = None
    seconds: float = 0.0
    limited: int = 0
    held: float = 0.0
    most: int = 0
    told: list = field(default_factory=list)


def run(api, rows, *, ceiling=1000, window=None, until=None, **options):
    """Ask `api` for so many rows, as many at once as a run has under way."""
    loop, ran, cancellation = VirtualTimeLoop(), VirtualRun(), Cancellation()
    limiter = Limiter(ceiling, cancellation, emit=ran.told.append, **options)
    waiting = deque(range(rows))

    async def ask(row):
        slot = Slot(RequestContext("answer", f"{row}", UNOBSERVED.observer, row))
        while True:
            await limiter.admit(slot, MODEL)
            status, retry_after = await api(row)
            limiter.answered(slot, status, api.headers(loop.time()))
            if status == 200:
                limiter.succeeded(slot)
                slot.give_back()
                ran.done += 1
                ran.held = max(ran.held, slot.waited)
                return
            try:
                wait = limiter.refused(slot, retry_after)
            finally:
                slot.give_back()
            if wait is None:
                ran.failed.append(row)
                return

    async def worker():
        while waiting and ran.stopped is None:
            try:
                await ask(waiting.popleft())
            except RunStopped as stopped:
                ran.stopped = stopped
                cancellation.request("stopped")

    async def main():
        size = window or int(1.25 * ceiling) + 4
        started = loop.time()
        workers = [asyncio.ensure_future(worker()) for _ in range(min(size, rows))]
        await asyncio.wait(workers, timeout=until)
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        ran.seconds = (api.ok[-1] if api.ok else loop.time()) - started + api.latency
        ran.limited = api.limited
        ran.most = api.most
        ran.ended = loop.time() - started

    real = limiting.time
    limiting.time = SimpleNamespace(monotonic=loop.time)
    try:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(main())
    finally:
        limiting.time = real
        asyncio.set_event_loop(None)
        loop.close()
    return ran
