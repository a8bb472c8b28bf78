"""A pipeline in a folder: changed at will, run again and again in this process, each request counted.

Owns the way of the tests of resumption: the pipeline is data until it is written, the API is scripted and numbers its
answers (so that equal rows of two runs show that the second took them out of the store), and a run that ends early
comes back as a value too.
"""

import asyncio
import json
import sqlite3
from collections import Counter
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from scripted_api import ScriptedServer, call, refusal, said
from yamlgen.api.loading import load
from yamlgen.api.preparation import estimate
from yamlgen.api.run_execution import FinishedRun, execute
from yamlgen.api.run_options import RunOptions
from yamlgen.cancellation import Cancellation
from yamlgen.errors import YamlgenError
from yamlgen.events import RequestSent
from yamlgen.reports.report import Report

TOWNS = {"Oslo": "old", "Rome": "old", "Graz": "new", "Cork": "new"}
"""The rows, and what the scripted API says of them."""

SCHEMA = {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["old", "new", 3]}}}
PIPELINE = {
    "version": 1,
    "name": "towns",
    "models": {"quick": {"id": "claude-haiku-5-5", "max_tokens": 2000}},
    "runtime": {"max_retries": 0},
    "input": {"path": "rows.jsonl"},
    "steps": {
        "facts": {
            "model": "quick",
            "system": "You know {{ row.town }}.",
            "messages": [
                {"role": "user", "content": "Facts on Troy."},
                {"role": "assistant", "content": '{"kind": "old"}'},
                {"role": "user", "content": "Facts on {{ row.town }}."},
            ],
            "output": {"schema": SCHEMA},
        },
        "line": {"model": "quick", "prompt": "A line on {{ row.town }}, which is {{ steps.facts.kind }}."},
    },
    "output": {"path": "out/towns.jsonl"},
}


def put(document, path, value):
    """Set what a dotted path names; `None` takes it away."""
    *way, last = path.split(".")
    for key in way:
        document = document[int(key)] if isinstance(document, list) else document.setdefault(key, {})
    if isinstance(document, list):
        document[int(last)] = value
    elif value is None:
        document.pop(last, None)
    else:
        document[last] = value


def fact(kind, **more):
    """A reply with facts."""
    return said(json.dumps({"kind": kind, **more}))


class ScriptedReplies:
    """What the API answers: facts by town, and lines that are numbered.

    Attributes:
        wrong: words -> replies that come first, one after the other, to requests with these words in their turns.
    """

    def __init__(self, **wrong):
        self.wrong = {words.replace("_", " "): replies for words, replies in wrong.items()}
        self.lines = 0

    def __call__(self, body):
        """The reply to a body."""
        turns = [turn["content"] for turn in body["messages"]]
        asked = json.dumps(turns)
        for words, replies in self.wrong.items():
            if words in asked and replies:
                return replies.pop(0)
        if "A line on" not in asked:
            town = next((town for town in TOWNS if town in asked), "Oslo")
            return fact(TOWNS[town]) if "tools" not in body else said(call({"kind": TOWNS[town]}), stop="tool_use")
        self.lines += 1
        return said(f"Line {self.lines} of {turns[-1]}")


@dataclass
class CountedRun:
    """What a run came to.

    Attributes:
        sent: requests by step.
        rows: those that were sent for, by their places from 0.
        error: what ended it early, if it was not cancelled.
        report: its events, folded.
        finished: what it came to, if it came to its end.
        events: its events.
    """

    sent: Counter = field(default_factory=Counter)
    error: YamlgenError | None = None
    report: Report = field(default_factory=Report)
    rows: set = field(default_factory=set)
    finished: FinishedRun | None = None
    events: list = field(default_factory=list)

    @property
    def code(self):
        """The exit code."""
        return int(self.error.exit_code) if self.error else int(bool(self.report.failed))

    @property
    def asked(self):
        """How many requests were sent."""
        return self.sent.total()


class PipelineProject:
    """A folder with a pipeline, a scripted API, and runs of the one against the other."""

    def __init__(self, folder, script=None):
        self.folder = folder
        self.document = deepcopy(PIPELINE)
        self.rows = [{"town": town} for town in TOWNS]
        self.script = script or ScriptedReplies()
        self.server = ScriptedServer(self._reply)
        self.text = None

    def __enter__(self):
        self._runner = asyncio.Runner()
        self._runner.run(self.server.__aenter__())
        return self

    def __exit__(self, *_):
        self._runner.run(self.server.__aexit__())
        self._runner.close()

    def wait(self, work):
        """What a coroutine comes to, in the loop of the scripted API."""
        return self._runner.run(work)

    def _reply(self, body):
        return self.script(body)

    @property
    def path(self):
        """The pipeline file."""
        return self.folder / "towns.yaml"

    def set(self, path, value):
        """Change what a dotted path names."""
        put(self.document, path, value)

    def refuse(self, *words, reply=None):
        """Answer the next request with such words with a refusal, or otherwise."""
        for each in words:
            self.script.wrong.setdefault(each, []).append(reply or said(stop="refusal"))

    def save(self):
        """Write the pipeline, as its text says or else its document, and its rows."""
        self.path.write_text(self.text or yaml.dump(self.document, Dumper=yaml.CSafeDumper, sort_keys=False))
        (self.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in self.rows))

    def run(self, *, stop_after=None, stop_at=(), cancel=False, params=None, simulate=False, stdout=None, **options):
        """Run the pipeline as it is now; `stop_after` so many requests it is asked to stop, or is cancelled.

        It is asked to stop at an event of the kinds `stop_at`, too.
        """
        self.save()
        done, before = CountedRun(), len(self.server.bodies)

        async def main():
            cancellation = Cancellation()

            def observe(event):
                done.report.observe(event)
                done.events.append(event)
                if isinstance(event, stop_at):
                    cancellation.request("enough")
                if isinstance(event, RequestSent):
                    done.sent[event.step] += 1
                    done.rows.add(event.row)
                    if done.asked == stop_after:
                        task.cancel() if cancel else cancellation.request("enough")

            chosen = RunOptions(simulate=simulate, **options)
            told = {"emit": observe, "cancellation": cancellation, "stdout": stdout}
            running = execute(load(self.path), params=params, options=chosen, **told)
            task = asyncio.ensure_future(running)
            return await task

        try:
            done.finished = self.wait(main())
        except YamlgenError as error:
            done.error = error
        except asyncio.CancelledError:
            assert cancel
        assert simulate or cancel or done.asked == len(self.server.bodies) - before
        return done

    def plan(self, params=None, **options):
        """What a run of the pipeline as it is now would ask."""
        self.save()
        return self.wait(estimate(load(self.path), params=params, options=RunOptions(**options)))

    def files(self):
        """The bytes of the output and of the failed rows; the record tells times, which differ."""
        found = sorted((self.folder / "out").glob("*"))
        return {path.name: path.read_bytes() for path in found if not path.name.endswith(".run.json")}

    def lines(self, name="towns.jsonl"):
        """The rows of the output by town."""
        path = self.folder / "out" / name
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return {row["town"]: row["line"] for row in rows}

    def failed(self, name="towns.failed.jsonl"):
        """The towns that failed, and why."""
        path = self.folder / "out" / name
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return {row["row"]["town"]: row["code"] for row in rows}

    def store(self, *, simulated=False):
        """The file of the store."""
        return self.folder / ".yamlgen" / f"towns.yaml{'.simulated' if simulated else ''}.db"


def keys(path: Path):
    """The keys of all answers that a store holds, each as often as it was answered."""
    if not path.exists():
        return Counter()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return Counter(key for (key,) in connection.execute("SELECT key FROM attempt"))


REFUSED, SERVER_ERROR = said(stop="refusal"), refusal(500)
CUT = said('{"kind": "o', stop="max_tokens")
