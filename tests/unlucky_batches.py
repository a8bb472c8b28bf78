"""Batch endpoints in memory where everything may go wrong, and runs against them that may be killed anywhere.

There is no network, and time is virtual. A kill takes the store as it lies on the disk at that moment, so that whatever
the process does later has not happened.
"""

import asyncio
import hashlib
import json
import sqlite3
from collections import Counter
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scripted_api import error, message
from virtual_time import VirtualTimeLoop
from yamlgen import failpoint
from yamlgen.api.loading import load
from yamlgen.api.run_execution import execute
from yamlgen.api.run_options import RunOptions
from yamlgen.batches.batch_api import BatchCallFailed, RemoteBatch
from yamlgen.cancellation import Cancellation
from yamlgen.claude import open_endpoint
from yamlgen.claude.response_checks import RawAnswer
from yamlgen.claude.sending import SingleRequestSender
from yamlgen.errors import Code, RunStopped, YamlgenError

PIPELINE = """\
version: 1
name: unlucky
batch: {{minimum: {minimum}}}
models: {{quick: {{id: claude-haiku-5-5, max_tokens: 100}}}}
runtime: {{base_url: "http://127.0.0.1:9", max_retries: {retries}}}
limits: {{max_unusable: none}}
input: {{path: rows.jsonl, id: id}}
steps:
  line: {{model: quick, prompt: "A line on {{{{ row.id }}}}."}}
  side: {{model: quick, prompt: "Aside on {{{{ row.id }}}}.", batch: {side}}}
  score:
    model: quick
    prompt: "Score {{{{ steps.line }}}}"
    output: {{reasks: 2, schema: {{type: object, properties: {{n: {{type: integer}}}}, required: [n]}}}}
output: {{path: out.jsonl}}
"""
BAD_READINGS = 3
"""Per batch: fewer than those after which a result that never comes is sent again, and billed again."""

LISTED, FOUND = 100.0, 6.0
"""Seconds within which a new batch is in the list, and is found by its id: both before a doubt ends."""


def failed(status, *, transient=True):
    """A call that fails."""
    return BatchCallFailed(RunStopped("no", code=Code.TRANSPORT), status=status, transient=transient)


@dataclass
class UnluckyBatch:
    """A batch: its requests, when it is listed, found and ended, and its results."""

    id: str
    requests: dict
    created: float
    listed: float
    found: float
    ends: float
    results: dict = field(default_factory=dict)
    readings: int = 0


class UnluckyAPI:
    """The endpoints; a seed decides what happens to each request and call.

    Attributes:
        billed: how often each custom id has succeeded in a batch.
        begun: how many places were reached at which the process may be killed.
    """

    is_simulated = False

    def __init__(self, seed, foreign=()):
        self.seed, self.time, self.batches, self.begun = seed, 0.0, [], 0
        self.billed, self.sent, self.draws = Counter(), Counter(), Counter()
        self.place = lambda: None
        for number, size in enumerate(foreign):
            self._add({f"id-{number}-{each}": {} for each in range(size)})

    def now(self):
        """The time of its clock."""
        return datetime(2026, 11, 28, tzinfo=UTC) + timedelta(seconds=self._seconds())

    def _seconds(self):
        return self.time + asyncio.get_running_loop().time() if asyncio._get_running_loop() else self.time

    def draw(self, *what):
        """A number from 0 to 1 that depends on the seed, and on how often this was drawn."""
        self.draws[what] += 1
        text = f"{self.seed} {what} {self.draws[what]}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:6], "big") / 2**48

    async def reach(self):
        """Reach a place at which the process may be killed; a killed one goes no further."""
        if self.place() == "killed":
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    def answer(self, body):
        """What the model answers: one in ten is invalid, one in twenty refuses."""
        text, luck = body["messages"][-1]["content"], self.draw("answer", json.dumps(body["messages"]))
        if luck < 0.05:
            return message(stop="refusal", model=body["model"])
        is_line = str(body["messages"][0]["content"]).startswith("A")
        return message("none" if luck < 0.15 and not is_line else '{"n": 1}' if not is_line else f"Re: {text}")

    def _add(self, requests):
        now = self._seconds()
        number = len(self.batches)
        listed, found, ends = (most * self.draw(number, most) ** 2 for most in (LISTED, FOUND, 300.0))
        self.batches.append(UnluckyBatch(f"b{number}", requests, now, now + listed, now + found, now + ends))
        return self.batches[-1]

    def _described(self, batch):
        is_over = self._seconds() >= batch.ends
        if is_over and not batch.results:
            batch.results = {name: self._result(name, params) for name, params in batch.requests.items()}
        day = self.now() - timedelta(seconds=self._seconds())
        created, ended = (day + timedelta(seconds=each) for each in (batch.created, batch.ends))
        counts = Counter(each["type"] for each in batch.results.values()) or {"processing": len(batch.requests)}
        return RemoteBatch(
            batch.id, "ended" if is_over else "in_progress", created, ended, canceled=False, counts=counts
        )

    def _result(self, name, params):
        luck = self.draw("result", name)
        if luck < 0.12 or not params:
            return {"type": ("expired", "canceled")[luck < 0.04]}
        if luck < 0.24:
            kind = "api_error" if luck < 0.18 else "invalid_request_error"
            return {"type": "errored", "error": error(kind, "no")}
        self.billed[name] += 1
        return {"type": "succeeded", "message": self.answer(params)}

    async def create(self, pieces, length, betas=()):  # noqa: ARG002
        """Create a batch, perhaps without an answer, or create none."""
        body = b"".join([piece async for piece in pieces])
        assert len(body) == length
        await self.reach()
        luck = self.draw("creation")
        if luck < 0.1:
            raise failed(429)
        if luck < 0.2:
            raise failed(0 if luck < 0.15 else 500)
        requests = {each["custom_id"]: each["params"] for each in json.loads(body)["requests"]}
        batch = self._add(requests)
        await self.reach()
        if luck < 0.45:
            raise failed(0 if luck < 0.35 else 500)
        return self._described(batch)

    async def list(self, after=None, limit=100):
        """A page of the batches that are listed already."""
        await self._trouble()
        found = [batch for batch in self.batches if batch.listed <= self._seconds()][::-1]
        first = next((place + 1 for place, batch in enumerate(found) if batch.id == after), 0)
        page = [self._described(batch) for batch in found[first : first + limit]]
        return page, page[-1].id if len(found) > first + limit else None

    async def retrieve(self, id):  # noqa: A002
        """A batch, once it is found."""
        await self._trouble()
        batch = self.batches[int(id[1:])]
        if batch.found > self._seconds():
            raise failed(404, transient=False)
        return self._described(batch)

    @asynccontextmanager
    async def results(self, id):  # noqa: A002
        """The results, in which lines may be missing, twice or damaged; the connection may break."""
        await self._trouble()
        batch = self.batches[int(id[1:])]
        lines = [json.dumps({"custom_id": name, "result": each}).encode() for name, each in batch.results.items()]
        batch.readings += 1
        luck = self.draw("reading", batch.id) if batch.readings <= BAD_READINGS else 1.0
        yield self._lines(lines, luck)

    async def _lines(self, lines, luck):
        for place, line in enumerate(lines * 2 if luck < 0.1 else lines):
            await self.reach()
            if 0.1 <= luck < 0.2 and place == len(lines) // 2:
                raise failed(0)
            if 0.2 <= luck < 0.3 and place % 3 == 0:
                continue
            yield line[4:] if 0.3 <= luck < 0.4 and place % 3 == 0 else line

    async def synchronize(self):
        """The clocks agree."""

    async def _trouble(self):
        await self.reach()
        if self.draw("call") < 0.1:
            raise failed(529)


@dataclass
class UnluckyRun:
    """What a run came to: its events, what ended it, and whether it was killed."""

    events: list = field(default_factory=list)
    error: YamlgenError | None = None
    killed: bool = False

    def of(self, *kinds):
        """The events of these kinds."""
        return [event for event in self.events if isinstance(event, kinds)]


@dataclass
class UnluckyProject:
    """A pipeline of three steps, runs of which are killed and said again."""

    folder: Path
    api: UnluckyAPI

    def save(self, rows, **options):
        """Write the pipeline and its rows."""
        (self.folder / "unlucky.yaml").write_text(PIPELINE.format(**options))
        (self.folder / "rows.jsonl").write_text("".join(f'{{"id": {number}}}\n' for number in range(rows)))

    @property
    def database(self):
        """The store."""
        return self.folder / ".yamlgen" / "unlucky.yaml.db"

    def run(self, patch, kill=0, later=0.0):
        """Run the pipeline; at the place with the number `kill`, the process is killed."""
        done, api, left = UnluckyRun(), self.api, [kill]
        api.time += later
        loop = VirtualTimeLoop()

        def reached(*_):
            left[0] -= 1
            if left[0] == 0 and self.database.exists():
                with closing(sqlite3.connect(self.database)) as ours, closing(sqlite3.connect(self._taken)) as taken:
                    ours.backup(taken)
                done.killed = True
                task.cancel()
            return "killed" if done.killed else ""

        def tell(event):
            if not done.killed:
                done.events.append(event)
                reached()

        @asynccontextmanager
        async def calls(**_):
            yield api

        async def send(_self, request):
            await api.reach()
            answer = api.answer(request.body)
            await api.reach()
            return RawAnswer(answer, None)

        async def main():
            try:
                await execute(load(self.folder / "unlucky.yaml"), options=RunOptions(), emit=tell, cancellation=off)
            except YamlgenError as stopped:
                done.error = stopped

        off, api.place = Cancellation(), reached
        with patch.context() as patched:
            patched.setattr(open_endpoint, "open_batch_calls", calls)
            patched.setattr(SingleRequestSender, "send", send)
            patched.setattr(failpoint, "reach", lambda name: name.startswith("batch-") and reached())
            patched.setenv("ANTHROPIC_API_KEY", "k")
            try:
                asyncio.set_event_loop(loop)
                task = loop.create_task(main())
                loop.run_until_complete(task)
            except asyncio.CancelledError:
                assert done.killed
            finally:
                left = asyncio.all_tasks(loop)
                for each in left:
                    each.cancel()
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
                api.time += loop.time()
                asyncio.set_event_loop(None)
                loop.close()
        if done.killed:
            self._restore()
        return done

    @property
    def _taken(self):
        return self.folder / "taken.db"

    def _restore(self):
        for suffix in ("-wal", "-shm"):
            Path(f"{self.database}{suffix}").unlink(missing_ok=True)
        self._taken.replace(self.database)

    def look(self, query):
        """What a query finds in the store."""
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()
