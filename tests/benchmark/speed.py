"""How fast rows go through, against scripts that a good engineer writes on the SDK: CPU, latency, throughput.

Ours does all it ever does: it validates, keeps every answer in its store, and tells its events. Each run is a whole
process in a fresh folder.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pipelines
from processes import HERE, YAMLGEN, Took, in_turn, middle, ratio, run, serving
from table import Line

_OURS, _BARE, _PATCHED, _FASTER = range(4)


def measure_cpu(pairs: int) -> Iterator[Line]:
    """What a row costs."""
    rows = 2_000
    work = f"{rows:,} rows, no latency, 64 at once"
    with serving("server.py", "0") as url:
        runs = in_turn(pairs, *(_work(kind, url, rows, 64) for kind in (_OURS, _BARE, _PATCHED)))
    ours, bare, patched = (1000 * middle(runs, which, "cpu") / rows for which in (_OURS, _BARE, _PATCHED))
    yield Line(
        work,
        "CPU against the bare SDK's",
        "at most 1.0, fails above 1.3",
        f"{ratio(runs, _OURS, _BARE, 'cpu'):.2f} ({ours:.2f} ms a row, {bare:.2f})",
    )
    yield Line(
        work,
        "CPU against instructor's with pydantic",
        "at most 0.5",
        f"{ratio(runs, _OURS, _PATCHED, 'cpu'):.2f} ({ours:.2f} ms a row, {patched:.2f})",
    )
    yield _server(work, runs)


def measure_slope(pairs: int) -> Iterator[Line]:
    """What one more row costs, and a long run, against the loop on the SDK's aiohttp transport, which ours uses too."""
    few, many = 2_000, 20_000
    with serving("server.py", "0") as url:
        works = [_work(kind, url, rows, 64) for kind in (_OURS, _FASTER) for rows in (few, many)]
        runs = in_turn(pairs, *works)
    slopes = [
        tuple((each[at + 1].cpu - each[at].cpu) / (many - few) for at in (0, 2)) for each in runs
    ]  # seconds of CPU a row: of ours, of the loop
    ours, bare = (1000 * statistics.median(each[which] for each in slopes) for which in (0, 1))
    yield Line(
        f"from {few:,} to {many:,} rows, no latency, 64 at once",
        "CPU of a row against the bare SDK's on aiohttp",
        "at most 1.15",
        f"{statistics.median(own / loop for own, loop in slopes):.2f} ({ours:.2f} ms a row, {bare:.2f})",
    )
    work = f"{many:,} rows, no latency, 64 at once"
    yield Line(
        work,
        "CPU of the whole command against the bare SDK's on aiohttp",
        "at most 1.17",
        f"{ratio(runs, 1, 3, 'cpu'):.2f} ({middle(runs, 1, 'cpu'):.1f} s, {middle(runs, 3, 'cpu'):.1f} s)",
    )


def measure_latency(pairs: int) -> Iterator[Line]:
    """How near a run comes to what the latency alone would take."""
    rows, latency, concurrency = 2_000, 0.2, 64
    work = f"{rows:,} rows, 200 ms, {concurrency} at once"
    with serving("server.py", str(latency)) as url:
        runs = in_turn(pairs, *(_work(kind, url, rows, concurrency) for kind in (_OURS, _BARE)))
    bound = rows / concurrency * latency
    ours, bare = (statistics.median(each[which].seen["seconds"] for each in runs) for which in (_OURS, _BARE))
    yield Line(
        work,
        f"first request to last answer against {bound:.2f} s",
        "at most 1.05",
        f"{ours / bound:.3f} ({ours:.2f} s, {_most(runs)} in flight; the bare SDK {bare / bound:.3f})",
    )
    yield Line(
        work,
        "whole command against the bare SDK's",
        "at most 1.10",
        f"{ratio(runs, _OURS, _BARE, 'wall'):.2f} ({middle(runs, _OURS, 'wall'):.2f} s, "
        f"{middle(runs, _BARE, 'wall'):.2f} s)",
    )
    yield _server(work, runs)


def measure_throughput(pairs: int) -> Iterator[Line]:
    """How many rows a second go through many connections."""
    rows, concurrency = 10_000, 256
    work = f"{rows:,} rows, 50 ms, {concurrency} at once"
    with serving("server.py", "0.05") as url:
        runs = in_turn(pairs, *(_work(kind, url, rows, concurrency) for kind in (_OURS, _BARE)))
    ours, bare = (rows / middle(runs, which, "wall") for which in (_OURS, _BARE))
    yield Line(
        work,
        "rows a second against the bare SDK's",
        "at least 1.2",
        f"{ratio(runs, _BARE, _OURS, 'wall'):.2f} ({ours:.0f} rows/s, {bare:.0f}; {_most(runs)} in flight)",
    )
    yield _server(work, runs)


def measure_fan(pairs: int) -> Iterator[Line]:
    """What a request of a fan-out costs against one of a row of its own."""
    rows, items = 2_000, 10
    work = f"{rows:,} rows, `for_each` of {items}, no latency, 64 at once"
    with serving("server.py", "0") as url:
        runs = in_turn(pairs, lambda: _fanned(url, rows, items), lambda: _fanned(url, rows * items, 1))
    fan, single = (1000 * middle(runs, which, "cpu") / (rows * items) for which in (0, 1))
    figure = f"{ratio(runs, 0, 1, 'cpu'):.2f} ({fan:.2f} ms a request, {single:.2f})"
    yield Line(work, f"CPU against {rows * items:,} rows of one prompt", "at most 1.0", figure)
    yield _server(work, runs)


def _fanned(url: str, rows: int, items: int) -> Took:
    with tempfile.TemporaryDirectory() as name:
        path = pipelines.label(Path(name), rows) if items == 1 else pipelines.fan(Path(name), rows, items)
        sets = ("--set", "runtime.concurrency=64", "--set", "steps.label.output.mode=tools")
        return run(YAMLGEN, "run", str(path), "--progress", "none", "--quiet", *sets, url=url)


def _most(runs: list[tuple[Took, ...]]) -> int:
    """How many requests of ours were in flight at most."""
    return max(each[_OURS].seen["most"] for each in runs)


def _server(work: str, runs: list[tuple[Took, ...]]) -> Line:
    """The server's part, by which it is seen not to be what is measured."""
    cost = statistics.median(1e6 * each[_OURS].seen["cpu"] / each[_OURS].seen["answered"] for each in runs)
    share = statistics.median(each[_OURS].seen["cpu"] / each[_OURS].wall for each in runs)
    figure = f"{cost:.0f} µs a request, {share:.0%} of a core"
    return Line(work, "the server's own CPU while ours runs", "none", figure)


def _work(kind: int, url: str, rows: int, concurrency: int) -> Callable[[], Took]:
    """One of the programs over rows of its own."""

    def work() -> Took:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            path = pipelines.label(folder, rows)
            if kind == _OURS:
                sets = (f"runtime.concurrency={concurrency}", "steps.label.output.mode=tools")
                command = (YAMLGEN, "run", str(path), "--fresh", "--progress", "none", "--quiet")
                command += tuple(part for value in sets for part in ("--set", value))
            else:
                script = HERE / ("patched.py" if kind == _PATCHED else "bare.py")
                command = (sys.executable, str(script), str(folder / "rows.jsonl"), str(folder / "out.jsonl"))
                command += (str(concurrency), *(("aiohttp",) if kind == _FASTER else ()))
            took = run(*command, url=url)
            written = len((folder / "out.jsonl").read_text(encoding="utf-8").splitlines())
            if written != rows:
                sys.exit(f"{' '.join(command)} wrote {written} rows of {rows}")
            return took

    return work
