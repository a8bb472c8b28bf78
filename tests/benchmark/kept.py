"""What the store costs and what it saves: its share of a row, and runs whose answers are all in it.

A store of a million answers is filled directly: it would take hours to ask for them.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pipelines
from processes import HERE, YAMLGEN, Took, run, serving
from table import Line

from yamlgen.api.loading import load
from yamlgen.api.run_execution import execute
from yamlgen.api.run_options import RunOptions
from yamlgen.cancellation import Cancellation
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.model import ClaudeModel
from yamlgen.claude.provider_setup import open_provider
from yamlgen.claude.structured import StructuredOutput
from yamlgen.engine.scheduler import RowScheduler
from yamlgen.engine.step_runner import StepRunner
from yamlgen.interfaces import UNOBSERVED
from yamlgen.pipeline.model_settings import PUBLIC_URL
from yamlgen.store.codec import packed
from yamlgen.store.location import location_of
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.run_session import locked_connection, open_session

_FILL: Final = "import sys, pathlib, kept; kept.fill(pathlib.Path(sys.argv[1]))"


def measure_rerun(_pairs: int) -> Iterator[Line]:
    """How fast rows come out of the store."""
    for rows in (10_000, 100_000):
        yield from _told(rows, rerun(rows))


def measure_memory(_pairs: int) -> Iterator[Line]:
    """Whether a million rows need more memory than ten thousand."""
    few, many = 10_000, 1_000_000
    small, large = rerun(few), rerun(many)
    yield from _told(many, large)
    peaks = [max(took.peak for took in runs) for runs in (small, large)]
    yield Line(
        f"{many:,} rows from the store",
        f"peak memory against that of {few:,} rows",
        "at most 1.15",
        f"{peaks[1] / peaks[0]:.2f} ({peaks[1]:.0f} MiB, {peaks[0]:.0f} MiB)",
    )


def _told(rows: int, runs: list[Took]) -> Iterator[Line]:
    """The first run writes its rows into the store, the second finds them there."""
    for which, took in zip(("first", "second"), runs, strict=True):
        figure = f"{took.wall:.1f} s: {rows / took.wall:,.0f} rows/s, peak {took.peak:.0f} MiB"
        yield Line(f"{rows:,} rows from the store", f"{which} re-run, whole process", "none", figure)


def rerun(rows: int) -> list[Took]:
    """Two runs over rows whose answers are all in the store."""
    with tempfile.TemporaryDirectory() as name:
        path = pipelines.many(Path(name), rows)
        # In a process of its own: on Linux a command inherits the peak of the process that starts it.
        subprocess.run([sys.executable, "-c", _FILL, str(path)], cwd=HERE, check=True)
        return [run(YAMLGEN, "run", str(path), "--offline", "--progress", "none", "--quiet") for _ in range(2)]


def fill(pipeline: Path, answer: Callable[[int], str] = lambda _: '{"label": "a"}') -> None:
    """Put an answer of the first step for every row into the store of a pipeline, as a run would have kept it.

    Args:
        pipeline: the pipeline.
        answer: what the model answers to a row, by its position.
    """
    loaded = load(pipeline)
    plan = loaded.plan()
    step = plan.steps[0]
    place = location_of(plan.file)
    (asked,) = step.variants
    error_context = ErrorContext(asked.model, PUBLIC_URL, "ANTHROPIC_API_KEY", "")
    structured = StructuredOutput(step.name, step.schema, asked.settings, asked.mode)
    model = ClaudeModel(None, asked.settings, error_context, structured=structured)
    response = {
        "id": "msg_filled",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 300, "output_tokens": 10},
    }
    with locked_connection(place, "filling") as connection, open_session(place, ReusePolicy()):
        keys = AnswerKeys(PUBLIC_URL, plan.runtime.api_version)

        def answers() -> Iterator[tuple[bytes, bytes, bytes]]:
            for number, row in enumerate(loaded.source.rows(None, plan.columns)):
                body = model.request(step.prompt({"row": row.row, "params": plan.params, "steps": {}}))
                content = [{"type": "text", "text": answer(number)}]
                key = keys.keys(body, replace(UNOBSERVED, identity=row.identity))[0]
                yield key, packed(body), packed({**response, "content": content})

        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO attempt (key, run, step, received, request, response, requested, model, stop_reason, "
            "input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens, cost, seconds, "
            "request_characters) "
            "VALUES (?, 0, 'label', '2026-11-22', ?, ?, '', '', 'end_turn', 300, 10, 0, 0, 0, 1, 900)",
            answers(),
        )
        connection.execute("COMMIT")


def measure_size(_pairs: int) -> Iterator[Line]:
    """What a row takes on the disk: of answers that are all alike, and of answers with texts and ids of their own."""
    for rows, simulated, goal in ((20_000, False, "under 0.9 kB"), (3_000, True, "none")):
        with tempfile.TemporaryDirectory() as name, serving("server.py", "0") as url:
            size, answers = _stored(pipelines.label(Path(name), rows), None if simulated else url)
        told = f"{size / rows / 1000:.2f} kB (answers {answers / rows / 1000:.2f})"
        work = f"{rows:,} {'simulated' if simulated else 'structured'} rows"
        yield Line(work, "size of the store, for each row", goal, told)


def _stored(path: Path, url: str | None) -> tuple[int, int]:
    """How many bytes the store of a run has, and its table of answers; without a server the run is simulated."""
    sets = ("--set", "runtime.concurrency=64", "--set", "steps.label.output.mode=tools")
    run(YAMLGEN, "run", str(path), "--progress", "none", "--quiet", *sets, *(() if url else ("--simulate",)), url=url)
    database = location_of(path, simulated=url is None).database
    with closing(sqlite3.connect(database)) as connection:
        (answers,) = connection.execute("SELECT sum(pgsize) FROM dbstat WHERE name = 'attempt'").fetchone()
    return database.stat().st_size, answers


class Kept:
    """A sink in memory."""

    def __init__(self) -> None:
        self.rows: list[object] = []

    async def add(self, outcome: object) -> None:
        """Keep an outcome."""
        self.rows.append(outcome)


def measure_share(pairs: int) -> Iterator[Line]:
    """What the store adds to a row that the API answers at once, in CPU seconds of this process."""
    rows = 2_000
    figures: dict[str, list[float]] = {"bare": [], "stored": []}
    with tempfile.TemporaryDirectory() as name, serving("server.py", "0") as url:
        path = pipelines.label(Path(name), rows)
        os.environ |= {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "any"}
        loaded = load(path)
        plan = loaded.plan()

        async def bare() -> None:
            cancellation = Cancellation()
            async with open_provider(plan.runtime, None) as provider, provider.open(plan, cancellation) as models:
                scheduler = RowScheduler(plan, StepRunner(models), Kept(), lambda _: None, cancellation)
                await scheduler.run(loaded.source.rows(None, plan.columns))

        for _ in range(pairs):
            for kind, work in (("bare", bare), ("stored", lambda: execute(loaded, options=RunOptions(fresh=True)))):
                started = time.process_time()
                asyncio.run(work())
                figures[kind].append(time.process_time() - started)
        del os.environ["ANTHROPIC_BASE_URL"], os.environ["ANTHROPIC_API_KEY"]
    without, stored = (1000 * statistics.median(figures[kind]) / rows for kind in ("bare", "stored"))
    yield Line(
        f"{rows:,} rows, no latency",
        "the store's share of the CPU",
        "none",
        f"{(stored - without) / stored:.0%} ({stored:.2f} ms a row, {without:.2f} without)",
    )
