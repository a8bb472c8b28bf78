"""What batches take: a run whose requests go out in batches, against the simulated API in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pipelines
from processes import YAMLGEN, Took, run
from table import Line

_FEW: Final = 10_000
_MANY: Final = 100_000
_SEED: Final = "1"


def measure_batches(_pairs: int) -> Iterator[Line]:
    """How fast requests are gathered, posted, read and written, and whether many need more memory than few."""
    few, many = posted(_FEW), posted(_MANY)
    work = f"{_MANY:,} rows in batches: gather, post, read, write"
    yield Line(
        work, "rows a second of CPU; rows a second", "none", f"{_MANY / many.cpu:,.0f}; {_MANY / many.wall:,.0f}"
    )
    figure = f"{many.peak / few.peak:.2f} ({many.peak:.0f} MiB, {few.peak:.0f} MiB)"
    yield Line("the same", f"peak memory against that of {_FEW:,} rows", "at most 1.15", figure)


def posted(rows: int) -> Took:
    """A run of so many rows in batches."""
    with tempfile.TemporaryDirectory() as name, simulated() as url:
        path = pipelines.many(Path(name), rows)
        command = (YAMLGEN, "run", str(path), "--batch", "--yes", "--progress", "none", "--quiet")
        return run("env", f"ANTHROPIC_BASE_URL={url}", "ANTHROPIC_API_KEY=any", *command)


@contextmanager
def simulated() -> Iterator[str]:
    """The address of `yamlgen simulate` while it runs."""
    command = (YAMLGEN, "simulate", "--seed", _SEED, "--batch-delay", "1")
    with subprocess.Popen(command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield next(word for line in server.stdout for word in line.split() if word.startswith("http://"))
        except StopIteration:
            sys.exit("yamlgen simulate did not start")
        finally:
            server.terminate()
