"""Functions that compute: rows a second with worker processes against threads, and what a short call costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from processes import YAMLGEN, Took, run
from table import Line

_ROWS: Final = 1_000
_SECONDS: Final = 0.02
_WORKERS: Final = 2
_SHORT: Final = 5_000
"""The rows of calls that compute nothing."""

_PIPELINE: Final = """\
version: 1
input: {range: ROWS}
steps:
  score: {kind: python, call: "computing:score", args: {n: row.number}}
output: {path: out.jsonl}
"""
_MODULE: Final = """\
def score(n):
    total = n
    for number in range(TURNS):
        total = (total * 31 + number) % 1_000_003
    return total
"""


def measure_workers(pairs: int) -> Iterator[Line]:
    """Run the same rows with threads and with as many processes as there are cores here."""
    turns = _turns()
    with tempfile.TemporaryDirectory() as name:
        path = _written(Path(name), _ROWS, turns)
        yield Line("two bare processes that compute", "work against that of one", "2", f"{_cores(turns):.2f}")
        both = [(_run(path, 0), _run(path, _WORKERS)) for _ in range(pairs)]
        ratio = statistics.median(threads.wall / processes.wall for threads, processes in both)
        threads, processes = (
            statistics.median(_ROWS / each.wall for each in which) for which in zip(*both, strict=True)
        )
        yield Line(
            f"{_ROWS:,} rows of a Python function of {_SECONDS * 1000:g} ms, `python_workers: {_WORKERS}`",
            "rows a second of the whole command against `python_workers: 0`",
            "at least 1.7",
            f"{ratio:.2f} ({processes:.0f}, {threads:.0f})",
        )
        work = statistics.median(processes.cpu / threads.cpu for threads, processes in both)
        yield Line("the same", "CPU of the whole command, workers included, against it", "none", f"{work:.2f}")
        path = _written(Path(name), _SHORT, 0)
        short = [(_run(path, 0), _run(path, _WORKERS)) for _ in range(pairs)]
        more = statistics.median(processes.cpu - threads.cpu for threads, processes in short) / _SHORT
        yield Line(
            f"{_SHORT:,} rows of a Python function that returns at once",
            f"CPU of a row with `python_workers: {_WORKERS}` beyond that with 0, start included",
            "none",
            f"{more * 1000:.2f} ms",
        )


def _cores(turns: int) -> float:
    """Return how much more than one process two of them compute here: what no program can surpass."""
    command = [sys.executable, "-c", f"{_MODULE.replace('TURNS', str(turns * 100))}\nscore(1)"]
    took = []
    for count in (1, 2):
        began = time.perf_counter()
        started = [subprocess.Popen(command) for _ in range(count)]
        for each in started:
            each.wait()
        took.append(time.perf_counter() - began)
    return 2 * took[0] / took[1]


def _run(path: Path, workers: int) -> Took:
    setting = f"runtime.python_workers={workers}"
    return run(YAMLGEN, "run", str(path), "--simulate", "--set", setting, "--progress", "none", "--quiet")


def _written(folder: Path, rows: int, turns: int) -> Path:
    (folder / "computing.py").write_text(_MODULE.replace("TURNS", str(turns)), encoding="utf-8")
    path = folder / "computing.yaml"
    path.write_text(_PIPELINE.replace("ROWS", str(rows)), encoding="utf-8")
    return path


def _turns() -> int:
    """Return how many turns of the loop take so long on this machine, at the best of some tries."""
    names: dict[str, object] = {}
    exec(_MODULE.replace("TURNS", "n"), names)  # noqa: S102 - the module above
    tried, took = 100_000, []
    for _ in range(5):
        began = time.process_time()
        names["score"](tried)  # type: ignore[operator]
        took.append(time.process_time() - began)
    return round(tried * _SECONDS / min(took))
