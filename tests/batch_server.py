"""A Messages API on loopback with batches that a test scripts. Nothing says that it is simulated.

Owns what a real API may do to a batch: creations that succeed without an answer, clocks that differ, batches that are
listed late, results that are damaged. It counts what it bills.
"""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from aiohttp import web

from scripted_api import KINDS, error, message

PATH = "/v1/messages/batches"
GOOD_KEY = "our-key"
HANG = 3600.0

DROP = "the batch is created, and the connection drops"
STALL = "the batch is created, and nothing is answered"
CUT_OFF = "nothing is created, and the connection drops"


def answer_to(params):
    """What the model answers to the params of a request."""
    return message(f"Re: {params['messages'][-1]['content']}", model=params["model"])


@dataclass
class ServedBatch:
    """A batch of the server.

    Attributes:
        requests: its requests, by custom id.
        created: when, by the server's clock.
        looks: how often it is looked at until it has ended; `None`: it never ends.
        unlisted: how often it is not found yet.
        outcomes: the result of each request, once it has ended.
        canceled: whether it was canceled.
    """

    id: str
    requests: dict
    created: datetime
    looks: int | None
    unlisted: int = 0
    outcomes: dict = field(default_factory=dict)
    canceled: bool = False


class BatchServer:
    """The server.

    Attributes:
        shift: how far its clock is ahead.
        creations: what the next creations come to: a status, `DROP`, `STALL`, or `CUT_OFF`; then each is answered.
        looks: how often a batch is looked at until it has ended.
        unlisted: how often a new batch is not found.
        misfortune: returns the result of a request, or `None` for an answer, of its params and how often it was sent.
        readings: what the next readings of results come to: each returns the pieces of its lines; `None` hangs up.
        statuses: the statuses of the next other calls, which then do nothing.
        is_deaf: whether it answers nothing about batches.
        hangs: how many of the next looks get no answer.
        created: called when a batch was created.
        asked: called with the text of each single message.
        slow: the seconds that a single message takes once there are batches.
        key: the key that it accepts.
        posts: the custom ids of each creation that it has accepted.
        headers: the headers of each call that creates or cancels a batch.
        tries: when creations came, by the monotonic clock.
        billed: how often each custom id has succeeded.
        singles: how often each message was sent by itself.
    """

    def __init__(self):
        self.shift, self.key, self.url = timedelta(), GOOD_KEY, ""
        self.looks, self.unlisted, self.is_deaf, self.hangs = 1, 0, False, 0
        self.created, self.asked, self.slow = lambda: None, lambda _: None, 0.0
        self.creations, self.readings, self.statuses = [], [], []
        self.misfortune = lambda _params, _times: None
        self.batches, self.posts, self.tries, self.headers = {}, [], [], []
        self.billed, self.singles, self.sent, self.calls = Counter(), Counter(), Counter(), Counter()

    async def __aenter__(self):
        app = web.Application(middlewares=[self._guard], client_max_size=2**28)
        app.router.add_post("/v1/messages", self._message)
        app.router.add_post(PATH, self._create)
        app.router.add_get(PATH, self._list)
        app.router.add_get(f"{PATH}/{{id}}", self._retrieve)
        app.router.add_post(f"{PATH}/{{id}}/cancel", self._cancel)
        app.router.add_get(f"{PATH}/{{id}}/results", self._results)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    @property
    def now(self):
        """The time of its clock."""
        return datetime.now(UTC) + self.shift

    def add(self, requests, *, looks=1, ago=timedelta(), unlisted=0):
        """Add a batch of these requests, which somebody posted a while ago."""
        batch = ServedBatch(f"msgbatch_{len(self.batches) + 1:03}", requests, self.now - ago, looks, unlisted)
        self.batches[batch.id] = batch
        return batch

    def end(self, batch):
        """End a batch: its requests get their outcomes."""
        batch.looks = 0
        for name, params in batch.requests.items():
            self.sent[name] += 1
            result = self.misfortune(params, self.sent[name])
            if batch.canceled:
                result = {"type": "canceled"}
            batch.outcomes[name] = result or {"type": "succeeded", "message": answer_to(params)}
            self.billed[name] += result is None

    @web.middleware
    async def _guard(self, request, handler):
        self.calls[request.method, request.path] += 1
        is_batch = request.path != "/v1/messages"
        is_look = is_batch and request.method == "GET"
        self.hangs -= is_look
        if is_batch and (self.is_deaf or (is_look and self.hangs >= 0)):
            await asyncio.sleep(HANG)
        if self.key not in (request.headers.get("x-api-key"), request.headers.get("Authorization", "")[7:]):
            response = _failed(401)
        elif self.statuses and is_look:
            response = _failed(self.statuses.pop(0))
        else:
            response = await handler(request)
        if not response.prepared:
            response.headers["Date"] = format_datetime(self.now, usegmt=True)
        return response

    async def _message(self, request):
        params = await request.json()
        self.asked(params["messages"][-1]["content"])
        await asyncio.sleep(self.slow if self.batches else 0)
        self.singles[params["messages"][-1]["content"]] += 1
        return web.json_response(answer_to(params))

    async def _create(self, request):
        body = await request.json()
        self.tries.append(time.monotonic())
        self.headers.append(request.headers)
        what = self.creations.pop(0) if self.creations else 200
        if what == CUT_OFF:
            request.transport.abort()
            return web.Response()
        if what not in (200, DROP, STALL):
            return _failed(what)
        wanted = {each["custom_id"]: each["params"] for each in body["requests"]}
        batch = self.add(wanted, looks=self.looks, unlisted=self.unlisted)
        self.posts.append([*wanted])
        self.created()
        if what == STALL:
            await asyncio.sleep(HANG)
        if what == DROP:
            request.transport.abort()
        return web.json_response(self.describe(batch))

    async def _list(self, request):
        known = [batch for batch in self.batches.values() if self._looked(batch)][::-1]
        names = [batch.id for batch in known]
        first = names.index(request.query["after_id"]) + 1 if "after_id" in request.query else 0
        last = first + int(request.query.get("limit", "20"))
        shown = [self.describe(batch) for batch in known[first:last]]
        ends = {"first_id": shown[0]["id"], "last_id": shown[-1]["id"]} if shown else {}
        return web.json_response({"data": shown, "has_more": last < len(known), **ends})

    async def _retrieve(self, request):
        batch = self.batches.get(request.match_info["id"])
        if batch is None or not self._looked(batch):
            return _failed(404)
        return web.json_response(self.describe(batch))

    async def _cancel(self, request):
        self.headers.append(request.headers)
        batch = self.batches[request.match_info["id"]]
        batch.canceled = True
        self.end(batch)
        return web.json_response(self.describe(batch))

    async def _results(self, request):
        batch = self.batches.get(request.match_info["id"])
        if batch is None or batch.looks != 0:
            return _failed(404)
        found = [json.dumps({"custom_id": name, "result": result}) for name, result in batch.outcomes.items()]
        pieces = self.readings.pop(0)(found) if self.readings else [f"{line}\n" for line in found]
        response = web.StreamResponse(headers={"Content-Type": "application/x-jsonl"})
        await response.prepare(request)
        for piece in pieces:
            if piece is None:
                await asyncio.sleep(0.02)  # what was written arrives before the end
                request.transport.abort()
                return response
            await response.write(piece.encode())
        await response.write_eof()
        return response

    def _looked(self, batch):
        """Look at a batch: whether it is found already."""
        if batch.unlisted > 0:
            batch.unlisted -= 1
            return False
        if batch.looks == 1:
            self.end(batch)
        elif batch.looks:
            batch.looks -= 1
        return True

    def describe(self, batch):
        """The batch as the API shows it."""
        is_over = batch.looks == 0
        kinds = Counter(result["type"] for result in batch.outcomes.values())
        names = ("succeeded", "errored", "canceled", "expired")
        counts = {"processing": 0 if is_over else len(batch.requests), **{name: kinds[name] for name in names}}
        stamp = batch.created.isoformat()
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if is_over else "in_progress",
            "request_counts": counts,
            "created_at": stamp,
            "expires_at": (batch.created + timedelta(hours=24)).isoformat(),
            "ended_at": stamp if is_over else None,
            "cancel_initiated_at": stamp if batch.canceled else None,
            "archived_at": None,
            "results_url": None,
        }


def _failed(status):
    return web.json_response(error(KINDS.get(status, "api_error"), "no"), status=status)
