"""How fast typed tables become typed tables: a filter, a projection and a step that is computed, without a model."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
from processes import HERE, YAMLGEN, Took
from pyarrow import parquet
from table import Line

_PIPELINE: Final = """\
version: 1
input: {path: reviews.parquet, id: id, where: row.lang == "en"}
steps:
  made: {kind: compute, values: {words: row.text | wordcount, cheap: row.price < 1000}}
output:
  path: out.parquet
  columns: {id: row.id, words: steps.made.words, cheap: steps.made.cheap, tags: row.tags}
"""
_FILL: Final = "import sys, pathlib, tables; tables.fill(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
_RUN: Final = "import sys, processes; took = processes.run(*sys.argv[1:]); print(took.wall, took.cpu, took.peak)"
_GROUP: Final = 50_000


def measure_parquet(_pairs: int) -> Iterator[Line]:
    """How fast a million rows are read, filtered, computed and written, and whether two million need more memory."""
    one, two = 1_000_000, 2_000_000
    first, second = computed(one), computed(two)
    work = f"{one:,} Parquet rows through `where` (half), `compute` and `columns` into Parquet"
    figure = f"{one / first.cpu:,.0f} ({first.cpu:.0f} s of CPU, {first.wall:.0f} s)"
    yield Line(work, "rows a second of CPU", "none", figure)
    yield Line("the same", "peak memory", "at most 400 MiB", f"{first.peak:.0f} MiB")
    peaks = f"{second.peak / first.peak:.2f} ({second.peak:.0f} MiB, {first.peak:.0f} MiB)"
    yield Line(f"{two:,} rows", "peak memory against that", "at most 1.15", peaks)


def computed(rows: int) -> Took:
    """What it takes to run the pipeline on so many rows."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "tables.yaml"
        path.write_text(_PIPELINE, encoding="utf-8")
        # In processes of their own: on Linux a command inherits the peak of the process that starts it.
        fill_it = [sys.executable, "-c", _FILL, str(path.with_name("reviews.parquet")), str(rows)]
        subprocess.run(fill_it, cwd=HERE, check=True)
        command = [sys.executable, "-c", _RUN, YAMLGEN, "run", str(path), "--yes", "--quiet"]
        measured = subprocess.run(command, cwd=HERE, check=True, capture_output=True)
        wall, cpu, peak = map(float, measured.stdout.split())
        return Took(wall, cpu, peak, "", 0)


def fill(path: Path, rows: int) -> None:
    """Write a file of so many reviews."""
    tags = pa.list_(pa.string())
    kinds = {"id": pa.int64(), "lang": pa.string(), "text": pa.string(), "price": pa.float64(), "tags": tags}
    schema = pa.schema(kinds)
    with parquet.ParquetWriter(path, schema) as writer:
        for begin in range(0, rows, _GROUP):
            numbers = range(begin, min(rows, begin + _GROUP))
            columns = [
                list(numbers),
                [("en", "de")[number % 2] for number in numbers],
                [f"The kettle of order {number} leaks after {number % 90} days." for number in numbers],
                [number / 7 for number in numbers],
                [["leak", "kettle"] if number % 3 else None for number in numbers],
            ]
            writer.write_table(pa.table(columns, schema=schema))
