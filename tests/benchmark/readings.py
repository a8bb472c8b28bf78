"""How fast the input is read and finished rows are put together, against Python's own work on the same lines."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pipelines
import shaped
from table import Line

from yamlgen.api.loading import load
from yamlgen.comparison.locked_parts import RowsDigest
from yamlgen.output.row_composer import RowComposer, outputs_of
from yamlgen.store.location import location_of
from yamlgen.store.run_session import open_runs

_ROWS: Final = 100_000


def measure_reading(pairs: int) -> Iterator[Line]:
    """What a run does to every row of its input and of its output, in CPU of this process."""
    with tempfile.TemporaryDirectory() as name:
        yield from _input(Path(name), pairs)
    with tempfile.TemporaryDirectory() as name:
        yield _output(Path(name), pairs)


def _input(folder: Path, pairs: int) -> Iterator[Line]:
    loaded = load(pipelines.many(folder, _ROWS))
    plan, lines = loaded.plan(), folder / "rows.jsonl"
    source, _ = loaded.source.scan(plan.taken, plan.columns)

    def parse() -> None:
        with lines.open(encoding="utf-8") as file:
            for line in file:
                json.loads(line)

    def digest() -> None:
        for _ in RowsDigest().of(source.rows(None, plan.columns)):
            pass

    work = f"{_ROWS:,} rows of JSON Lines with ids"
    told = "CPU against `json.loads` of each line: {}"
    scanned = _ratio(pairs, lambda: loaded.source.scan(plan.taken, plan.columns), parse)
    yield Line(work, told.format("the check of all rows before the first request"), "none", scanned)
    yield Line("the same", told.format("the reading of a run, with the digest"), "none", _ratio(pairs, digest, parse))


def _output(folder: Path, pairs: int) -> Line:
    path, rows = folder / "plain.yaml", _ROWS // 5
    path.write_text(shaped.PLAIN, encoding="utf-8")
    shaped.fill(path, rows)
    with open_runs(location_of(path)) as run_reader:
        run = run_reader.run("filled")
        (output,) = outputs_of(run)
        with RowComposer(run_reader, run, output) as composer:
            lines = list(composer.lines())

            def write_anew() -> None:
                for line in lines:
                    json.dumps(json.loads(line))

            ratio = _ratio(pairs, lambda: sum(map(len, composer.lines())), write_anew)
    measure = "CPU of putting them together from the store against `json.dumps(json.loads(line))` of the output"
    return Line(f"{rows:,} finished rows of two steps, default columns", measure, "none", ratio)


def _ratio(pairs: int, work: Callable[[], object], other: Callable[[], object]) -> str:
    """The median of the ratios of the CPU of two works that are done in turn."""
    found = [(_cpu(work), _cpu(other)) for _ in range(pairs)]
    return f"{statistics.median(one / two for one, two in found):.2f}"


def _cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
