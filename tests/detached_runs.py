"""Runs that leave batches at an API, and what a store then has of them."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from batch_requests import params
from yamlgen.batches.batch_store import BatchOrigin, GatheredRequest
from yamlgen.claude.batch_calls import open_batch_calls
from yamlgen.claude.credentials import ApiKey
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.events import BatchPosted, RunStarted
from yamlgen.reports.report import Report
from yamlgen.store.location import location_of
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.run_session import begin_run, locked_connection, open_runs, open_session

KEY = "our-key"


@dataclass(frozen=True)
class DetachedRun:
    """A run whose batches are in progress: its name, and the ids of its batches."""

    name: str
    batches: list[str]


def request_of(run, number):
    """A request of a run, by its number."""
    key, body = f"{run} {number}".encode().ljust(32, b"."), params(f"Row {number}.")
    entry = json.dumps({"custom_id": key.hex(), "params": body}).encode()
    return GatheredRequest(key, b"setup", "note", entry, body)


def calls_at(url):
    """The calls of the batch endpoints at an address."""
    sender = ErrorContext("", url, "ANTHROPIC_API_KEY", KEY)
    return open_batch_calls(credentials=ApiKey(KEY), error_context=sender, timeout=20)


def status_at(url, batch):
    """The state of a batch at an API."""
    return next(each.status for each in batches_at(url) if each.id == batch)


def batches_at(url):
    """The batches of an API, newest first."""

    async def main():
        async with calls_at(url) as calls:
            return (await calls.list())[0]

    return asyncio.run(main())


async def _pieces(body):
    yield body


def detach(pipeline, url, *, name="20261128T081000-aaaaaa", sizes=(2, 1), confirmed=True, simulated=False):
    """End a run of a pipeline that has posted batches of these sizes, and knows their ids if they are confirmed."""
    place = location_of(Path(pipeline), simulated=simulated)
    with open_runs(place) as run_reader:
        about = run_reader.runs()[-1].about
    origin = BatchOrigin(url, "ANTHROPIC_API_KEY", "2026-10-21", simulated)
    report = Report()
    report.observe(RunStarted(name, "small", ("note",), 8))

    async def post(recorder):
        numbers, ids = iter(range(1, 100)), []
        async with calls_at(url) as calls:
            for size in sizes:
                number = await recorder.batches.begin_batch("note", (), origin)
                for _ in range(size):
                    await recorder.batches.add(number, request_of(name, next(numbers)))
                await recorder.batches.intend(number, calls.now(), None)
                entries = [json.loads(each) for each in recorder.batches.entries(number)]
                body = json.dumps({"requests": entries}).encode()
                remote = await calls.create(_pieces(body), len(body))
                ids.append(remote.id)
                if confirmed:
                    await recorder.batches.posted(number, remote)
                    report.observe(BatchPosted(remote.id, "note", size))
        return ids

    async def main():
        with locked_connection(place, f"run {name}") as connection, open_session(place, ReusePolicy()) as session:
            async with begin_run(session, connection, name, about) as run:
                ids = await post(session.run_recorder)
                await run.end("detached", report.as_json())
                return ids

    return DetachedRun(name, asyncio.run(main()))
