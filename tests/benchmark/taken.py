"""What finished rows cost in the next run and the next plan, which take them over by set, against `--recheck`.

A store is filled through the recorder of a run, as the run would have done it, without asking.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import kept
import pipelines
from processes import HERE, YAMLGEN, in_turn, middle, ratio, run
from table import Line

from yamlgen.api.loading import load
from yamlgen.api.preparation import prepare
from yamlgen.api.run_facts import stored_facts
from yamlgen.api.run_fingerprint import run_fingerprint
from yamlgen.api.run_options import RunOptions
from yamlgen.reports.report import Report
from yamlgen.row_result import Answer, RowResult
from yamlgen.store.run_session import begin_run
from yamlgen.value_objects import Attempt, InputRow, Usage

_FILL: Final = "import sys, pathlib, taken; taken.fill(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
_QUIET: Final = ("--offline", "--progress", "none", "--quiet")


def measure_taken(pairs: int) -> Iterator[Line]:
    """`run` and `plan` of 100,000 finished rows, each against the long way."""
    rows = 100_000
    with _filled(rows, rows) as path:
        for words, goal in ((("run", *_QUIET), "under 6 s"), (("plan",), "under 5 s")):
            command = (YAMLGEN, *words, str(path))
            runs = in_turn(pairs, lambda each=command: run(*each), lambda each=command: run(*each, "--recheck"))
            yield Line(
                f"{rows:,} finished rows, `{words[0]}`",
                "seconds against those of `--recheck`",
                goal,
                f"{ratio(runs, 0, 1, 'wall'):.2f} ({middle(runs, 0, 'wall'):.1f} s, {middle(runs, 1, 'wall'):.1f} s; "
                f"CPU {middle(runs, 0, 'cpu'):.1f} s, {middle(runs, 1, 'cpu'):.1f} s)",
            )


def measure_added(_pairs: int) -> Iterator[Line]:
    """1,000 rows after a million that are finished, and the memory that it takes."""
    few, many, more = 10_000, 1_000_000, 1_000
    took = []
    for finished in (few, many):
        with _filled(finished + more, finished) as path:
            took.append(run(YAMLGEN, "run", *_QUIET, str(path)))
    work = f"{more:,} new rows on {many:,} finished ones"
    yield Line(work, "whole process", "under 60 s", f"{took[1].wall:.1f} s (CPU {took[1].cpu:.1f} s)")
    peaks = took[1].peak, took[0].peak
    figure = f"{peaks[0] / peaks[1]:.2f} ({peaks[0]:.0f} MiB, {peaks[1]:.0f} MiB)"
    yield Line("the same", f"peak memory against {few:,} finished ones", "none", figure)


class _filled:  # noqa: N801 - a context manager
    """A pipeline of so many rows, all of them answered and the first ones finished, in a folder for the time."""

    def __init__(self, rows: int, finished: int) -> None:
        self._counts = rows, finished
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Path:
        rows, finished = self._counts
        path = pipelines.many(Path(self._folder.name), rows)
        subprocess.run([sys.executable, "-c", _FILL, str(path), str(finished)], cwd=HERE, check=True)
        return path

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def fill(pipeline: Path, finished: int) -> None:
    """Put an answer for every row into the store of a pipeline, and a run that has finished the first rows."""
    kept.fill(pipeline)
    asyncio.run(_finish(pipeline, finished))


async def _finish(pipeline: Path, finished: int) -> None:
    loaded, options = load(pipeline), RunOptions(offline=True)
    plan = loaded.plan()
    async with prepare(loaded, plan, options, "filling") as ready:
        _, by_tool = await ready.look_ahead(quick=True)
        equal = run_fingerprint(plan, ready.provider, by_tool)
        about = {"params": {}, "limit": None, "address": "", **stored_facts(loaded, ready, options, {}, by_tool)}
        async with begin_run(ready.session, ready.connection, "filled", about, fingerprint=equal) as active:
            recorder = ready.session.run_recorder
            keys = dict(enumerate(_keys(ready.connection)))

            def outcome(row: InputRow) -> RowResult:
                attempt = Attempt({}, Usage(), number=row.index + 1, reused=True)
                return RowResult(row, {"label": Answer({"label": "a"}, (attempt,), keys.pop(row.index))}, {})

            read = ready.source.rows(finished, plan.columns)
            while rows := list(islice(read, 1_000)):
                await asyncio.gather(*(recorder.add(outcome(row)) for row in rows))
            report = {**Report().as_json(), "rows": {"input": finished, "finished": finished}}
            await active.end("finished", json.loads(json.dumps(report)))


def _keys(connection: object) -> Iterator[bytes]:
    return (key for (key,) in connection.execute("SELECT key FROM attempt ORDER BY id").fetchall())
