"""A pipeline whose requests are batched, run in this process against a scripted server, and what it left in the store.

The waits between two looks are short here, so that hours of an API take a second.
"""

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from batch_server import GOOD_KEY, BatchServer
from yamlgen.api import batch_desk
from yamlgen.api.loading import load
from yamlgen.api.run_execution import execute
from yamlgen.api.run_options import RunOptions
from yamlgen.batches import waits
from yamlgen.batches.waits import Backoff, Waits
from yamlgen.cancellation import Cancellation
from yamlgen.errors import YamlgenError
from yamlgen.events import BatchEnded, BatchPosted, RunWarned
from yamlgen.reports.report import Report

FIRST_LOOK = 0.01
DEADLINE = 30
DOUBT = 0.4
"""Seconds for which a batch in doubt is searched for; a real run takes minutes."""

ROWS = 6
PIPELINE = """\
version: 1
name: lines
batch: true
runtime: {{base_url: "{url}", max_retries: {retries}, timeout: {timeout}}}
limits: {{max_pause: {pause}}}
input: {{path: rows.jsonl, id: id}}
steps:
  line: {{model: claude-haiku-5-5, max_tokens: 100, prompt: "A line on {{{{ row.town }}}}."}}
output: {{path: out/lines.jsonl}}
"""


@dataclass
class BatchedRun:
    """What a run came to.

    Attributes:
        error: what ended it early.
        events: what it told.
        report: its events, folded.
        is_stopped: whether it was ended at once.
    """

    error: YamlgenError | None = None
    events: list = field(default_factory=list)
    report: Report = field(default_factory=Report)
    is_stopped: bool = False

    @property
    def code(self):
        """The exit code."""
        return int(self.error.exit_code) if self.error else int(bool(self.report.failed))

    def of(self, kind):
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def posted(self):
        """The ids of the batches that it posted or found."""
        return [event.batch for event in self.of(BatchPosted)]

    @property
    def ended(self):
        """The ids of the batches that it collected."""
        return [event.batch for event in self.of(BatchEnded)]

    @property
    def warnings(self):
        """What it warned of, as one text."""
        return "\n".join(event.message for event in self.of(RunWarned))


class BatchedProject:
    """A folder with a pipeline of one step, a scripted server, and runs of the one against the other."""

    def __init__(self, folder):
        self.folder, self.server = folder, BatchServer()
        self.folder.mkdir(exist_ok=True)
        self.retries, self.timeout, self.pause = 2, 5, 20

    def __enter__(self):
        self._runner = asyncio.Runner()
        self._runner.run(self.server.__aenter__())
        self.save()
        return self

    def __exit__(self, *_):
        self._runner.run(self.server.__aexit__())
        self._runner.close()

    def save(self, rows=ROWS):
        """Write the pipeline and its rows."""
        told = {"url": self.server.url, "retries": self.retries, "timeout": self.timeout, "pause": self.pause}
        (self.folder / "lines.yaml").write_text(PIPELINE.format(**told))
        lines = [json.dumps({"id": number, "town": f"Town {number}"}) + "\n" for number in range(rows)]
        (self.folder / "rows.jsonl").write_text("".join(lines))

    def run(self, *, stop_at=None, observe=None, **options):
        """Run the pipeline until it ends, or the first event of the kind `stop_at`, or `stop` is called."""
        done = BatchedRun()

        async def main():
            def told(event):
                done.events.append(event)
                done.report.observe(event)
                if observe is not None:
                    observe(event)
                if stop_at is not None and isinstance(event, stop_at):
                    self.stop()

            chosen, cancellation = RunOptions(**options), Cancellation()
            running = execute(load(self.folder / "lines.yaml"), options=chosen, emit=told, cancellation=cancellation)
            self._task = asyncio.ensure_future(running)
            try:
                async with asyncio.timeout(DEADLINE):
                    await self._task
            except YamlgenError as error:
                done.error = error
            except asyncio.CancelledError:
                done.is_stopped = True

        self._runner.run(main())
        return done

    def stop(self):
        """End the run at once, as a second Ctrl-C does."""
        self._task.cancel()

    def look(self, query):
        """What a query finds in the store."""
        with closing(sqlite3.connect(self.folder / ".yamlgen" / "lines.yaml.db")) as connection:
            return connection.execute(query).fetchall()

    def edit(self, statement, *values):
        """Change the store."""
        with closing(sqlite3.connect(self.folder / ".yamlgen" / "lines.yaml.db")) as connection, connection:
            connection.execute(statement, values)

    def age(self, **by):
        """Make the batches of the store older, as time does."""
        then = (datetime.now(UTC) - timedelta(**by)).isoformat()
        change = "UPDATE batch SET intended = ?, created = iif(created IS NULL, NULL, ?)"
        self.edit(change, then, then)

    def copy(self, folder):
        """A copy of the whole project, with the store as it is now; the server is the same."""
        shutil.copytree(self.folder, folder)
        made = BatchedProject(folder)
        made.server, made._runner = self.server, self._runner
        return made

    def lines(self):
        """The rows of the output: the line of each town."""
        path = self.folder / "out" / "lines.jsonl"
        found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return {row["town"]: row["line"] for row in found}

    def failed(self):
        """The code of each row that failed."""
        path = self.folder / "out" / "lines.failed.jsonl"
        found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return {row["row"]["town"]: row["code"] for row in found}

    def check_end(self, rows=ROWS, *, failed=()):
        """Check that every row has its line, that each was billed once, and that no batch is left open."""
        towns = [f"Town {number}" for number in range(rows)]
        assert self.lines() == {town: f"Re: A line on {town}." for town in towns if town not in failed}
        assert set(self.failed()) == set(failed)
        self.check_bills()
        assert self.look("SELECT count(*) FROM batch_request") == [(0,)]
        assert self.look("SELECT count(*) FROM batch WHERE state NOT IN ('collected', 'lost')") == [(0,)]

    def check_bills(self):
        """Check that nothing was billed twice, in batches or by itself."""
        assert set(self.server.billed.values()) <= {0, 1}
        assert set(self.server.singles.values()) <= {1}
        assert self.look("SELECT count(*) - count(DISTINCT key) FROM attempt") == [(0,)]
        by_batch = self.look("SELECT count(*) FROM attempt WHERE batch IS NOT NULL")
        assert by_batch == [(self.server.billed.total(),)]


def shorten_waits(patch):
    """Make the waits of batches short."""
    patch.setattr(waits, "_GROWTH", 1.0)
    patch.setattr(Backoff.__init__, "__defaults__", (FIRST_LOOK,))
    patch.setattr(batch_desk, "Waits", partial(Waits, doubt=DOUBT))
    patch.setenv("ANTHROPIC_API_KEY", GOOD_KEY)
