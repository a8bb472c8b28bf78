"""The simulated API in a thread of this process, for processes that are killed: requests are counted as they come."""

import asyncio
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

from yamlgen.simulator.answers import digest_of
from yamlgen.simulator.faults import Faults
from yamlgen.simulator.server import Simulator

_DEADLINE = 60


@dataclass(frozen=True, slots=True)
class FixedFaults(Faults):
    """Faults that depend on the body alone: the same request is answered alike, whoever was killed before."""

    def pick(self, digest, _before, *names):
        """As if this body never came before."""
        return Faults.pick(self, digest, 0, *names)


class CountingSimulator(Simulator):
    """Counts each body when it comes (an asker that is killed is not there any more when its answer is ready).

    Attributes:
        bodies: how often each body came, by its digest.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.bodies = Counter()
        self._open = asyncio.Event()
        self._open.set()
        self._changed = threading.Condition()

    async def start(self, *address):
        """Listen, and remember on which loop."""
        self._loop = asyncio.get_running_loop()
        return await super().start(*address)

    async def _message(self, request):
        body = await request.json()
        with self._changed:
            self.bodies[digest_of(body, 0)] += 1
            self._changed.notify_all()
        await self._open.wait()
        return await super()._message(request)

    def hold(self):
        """Stop answering."""
        self._do(self._open.clear)

    def release(self):
        """Answer again."""
        self._do(self._open.set)

    def _do(self, work):
        async def turn():
            work()
            for _ in range(50):
                await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(turn(), self._loop).result(_DEADLINE)

    @property
    def asked(self):
        """Return the number of requests received."""
        with self._changed:
            return self.bodies.total()

    def settle(self):
        """Let all that askers sent before they were killed come in."""
        self._do(lambda: None)

    def until(self, asked):
        """Wait until so many requests have come; whether they did before the deadline."""
        with self._changed:
            return self._changed.wait_for(lambda: self.bodies.total() >= asked, _DEADLINE)


class Told:
    """A server that answers each body with `reply(body)`: a status and a JSON value."""

    def __init__(self, reply):
        self._reply = reply
        self.url = ""

    async def start(self):
        """Listen on a free port."""
        app = web.Application()
        app.router.add_post("/v1/messages", self._message)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self):
        """Stop listening."""
        await self._runner.cleanup()

    async def _message(self, request):
        status, body = self._reply(await request.json())
        return web.json_response(body, status=status)


@contextmanager
def serving(server):
    """Run a server in its own thread until the context ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(_DEADLINE)
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(_DEADLINE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_DEADLINE)
        loop.close()
