"""What a command takes before and without the API: the help, a check of a long file, a run against the simulator."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pipelines
from processes import HERE, YAMLGEN, Took, in_turn, middle, ratio, run, until_request
from table import Line


def measure_start(pairs: int) -> Iterator[Line]:
    """How soon a command is there."""
    runs = in_turn(2 * pairs + 1, lambda: run(YAMLGEN, "--help"), lambda: run(sys.executable, "-c", "import click"))
    yield Line(
        "`yamlgen --help`",
        "whole process against `python -c 'import click'`",
        "at most 3",
        f"{ratio(runs, 0, 1, 'wall'):.2f} ({middle(runs, 0, 'wall'):.3f} s, {middle(runs, 1, 'wall'):.3f} s)",
    )
    with tempfile.TemporaryDirectory() as name:
        path = pipelines.long(Path(name))
        lines = len(path.read_text(encoding="utf-8").splitlines())
        runs = in_turn(2 * pairs + 1, lambda: run(YAMLGEN, "validate", str(path)))
        took = middle(runs, 0, "wall")
        yield Line(f"`yamlgen validate`, {lines:,} lines", "whole process", "at most 0.5 s", f"{took:.3f} s")
        folder = Path(name)
        path = pipelines.label(folder, 64)
        runs = in_turn(2 * pairs + 1, lambda: run(YAMLGEN, "validate", str(path)))
        yield Line(
            "`yamlgen validate` of a small pipeline",
            "whole process; its CPU",
            "at most 0.3 s",
            f"{middle(runs, 0, 'wall'):.3f} s; {middle(runs, 0, 'cpu'):.3f} s",
        )
        ours = (YAMLGEN, "run", str(path), "--fresh", "--progress", "none", "--quiet")
        loop = (sys.executable, str(HERE / "bare.py"), str(folder / "rows.jsonl"), str(folder / "o"), "64", "aiohttp")
        runs = in_turn(pairs, lambda: until_request(*ours), lambda: until_request(*loop))
        yield Line(
            "64 structured rows, from the start of the process",
            "first request against the bare SDK's on aiohttp; CPU until then",
            "at most 1.1",
            f"{ratio(runs, 0, 1, 'wall'):.2f} ({middle(runs, 0, 'wall'):.2f} s, {middle(runs, 1, 'wall'):.2f} s); "
            f"{ratio(runs, 0, 1, 'cpu'):.2f}",
        )


def measure_completion(pairs: int) -> Iterator[Line]:
    """How soon a shell has the words that may follow."""
    path = Path(__file__).parents[2] / "pipelines" / "ticket_triage.yaml"

    def completed(*words: str) -> Took:
        line = " ".join(("yamlgen", *words))
        asked = (f"COMP_WORDS={line}", f"COMP_CWORD={len(words)}", "_YAMLGEN_COMPLETE=bash_complete")
        return run("env", *asked, YAMLGEN)

    for what, words in (
        ("`-p`", ("run", str(path), "-p", "")),
        ("`--set`", ("run", str(path), "--set", "steps.")),
        ("the names of runs", ("retry", str(path), "")),
    ):
        runs = in_turn(2 * pairs + 1, partial(completed, *words), lambda: run(YAMLGEN, "--help"))
        yield Line(
            f"shell completion of {what}",
            "whole process; against `yamlgen --help`",
            "at most 0.3 s",
            f"{middle(runs, 0, 'wall'):.3f} s; {ratio(runs, 0, 1, 'wall'):.2f}",
        )


def measure_simulator(_pairs: int) -> Iterator[Line]:
    """How fast a run goes when the simulator lives in the same process."""
    rows = 5_000
    with tempfile.TemporaryDirectory() as name:
        path = pipelines.many(Path(name), rows)
        took = run(YAMLGEN, "run", str(path), "--simulate", "--progress", "none", "--quiet")
    yield Line(f"`yamlgen run --simulate`, {rows:,} rows", "whole process", "none", f"{rows / took.wall:.0f} rows/s")
