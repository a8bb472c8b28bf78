"""A store by hand: runs whose models are answered by the test, without an engine."""

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import replace

from yamlgen.errors import RowError
from yamlgen.interfaces import UNOBSERVED, RequestContext
from yamlgen.output.failure_records import compose_failed
from yamlgen.output.row_composer import RowComposer, outputs_of
from yamlgen.output.row_detail import describe_row
from yamlgen.reports.report import Report
from yamlgen.row_result import Answer, RowResult
from yamlgen.store.location import StoreLocation
from yamlgen.store.pruning import prune
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.run_session import begin_run, locked_connection, open_runs, open_session
from yamlgen.value_objects import Attempt, InputRow, Usage

ALL = ReusePolicy()
ROW = InputRow(0, {"town": "Oslo"}, '"Oslo"')


class HandMadeStore:
    """A store in a folder, and the runs that go through it."""

    def __init__(self, folder):
        self.place = StoreLocation(folder, "a.yaml")

    def run(self, name, work, reuse=ALL, **about):
        """What `work(ledger)` comes to in a run of that name."""

        async def main():
            with locked_connection(self.place, f"run {name}") as connection, open_session(self.place, reuse) as session:
                async with begin_run(session, connection, name, about) as run:
                    made = await work(session.run_recorder)
                    await run.end("finished", Report().as_json())
                    return made

        return asyncio.run(main())

    def retry(self, *runs):
        """What a retry of these runs may take out of the store."""
        return ReusePolicy(retry=tuple(self.number(run) for run in runs))

    def number(self, run):
        """The number of a run."""
        with open_runs(self.place) as run_reader:
            return run_reader.run(run).number

    def prune(self, *runs):
        """Take runs out."""
        prune(self.place, [self.number(run) for run in runs], lambda _: True)

    def rows(self, run):
        """The rows that an output of a run has."""
        with open_runs(self.place) as run_reader:
            entry = run_reader.run(run)
            steps = dict.fromkeys(result.step for row in run_reader.rows(entry) for result in row.results)
            (output,) = outputs_of(entry)
            with RowComposer(run_reader, entry, replace(output, steps=tuple(steps))) as composer:
                return [json.loads(line) for line in composer.lines()]

    def failed(self, run, *, items=False):
        """The records of what failed in a run."""
        with open_runs(self.place) as run_reader:
            return [json.loads(line) for line in compose_failed(run_reader, run_reader.run(run), items=items)]

    def detail(self, run, number):
        """All that is known of a row of a run."""
        with open_runs(self.place) as run_reader:
            return describe_row(run_reader, run_reader.run(run), number)

    def query(self, text):
        """What a query finds."""
        with closing(sqlite3.connect(self.place.database)) as connection:
            return connection.execute(text).fetchall()


async def ask(run_recorder, key, row=ROW):
    """The answer to a first request, out of the store or else paid for."""
    async with run_recorder.attempts_of((key,), RequestContext("facts", row.identity, UNOBSERVED.observer)) as chain:
        found = chain.recall((key,))
        if found is not None:
            return found
        assert chain.sends
        request = {"model": "m", "messages": [key.decode()]}
        return await chain.record(key, b"setup", request, Attempt({"model": "m"}, Usage(10, 5), cost=0.5))


async def ask_all(run_recorder, keys):
    """The answers to the first requests of several items."""
    return [await ask(run_recorder, key) for key in keys]


def refused(key, attempt, code, said="no"):
    """The error of one request."""
    return RowError(said, code=code, request={"messages": [key.decode()]}, attempts=(attempt,), key=key)


def failed(error, row=ROW, **answers):
    """The outcome of a row that failed at the step `facts`."""
    return RowResult(row, answers, {"facts": error})


def finished(row=ROW, **answers):
    """The outcome of a row that did not fail."""
    return RowResult(row, answers, {})


SKIPPED = Answer(None, skipped=True)
