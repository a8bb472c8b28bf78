"""How fast stored rows become output rows: `for_each`, `where`, `unique`, `columns` over a store that is filled here.

The rows are written by the statements that a run uses, without an engine: it would take an hour to run them.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from processes import HERE, YAMLGEN, Took
from table import Line

from yamlgen.api.loading import load
from yamlgen.canonical_json import short_digest
from yamlgen.planning.expansion import resolved
from yamlgen.reports.report import Report
from yamlgen.row_result import Answer
from yamlgen.store.location import location_of
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.run_session import begin_run, locked_connection, open_session
from yamlgen.store.stored_rows import insert_row, result_of, row_digests
from yamlgen.value_objects import InputRow

_PIPELINE: Final = """\
version: 1
input: {path: rows.jsonl, id: n}
steps:
  draft: {model: claude-haiku-5-5, prompt: "Write on {{ row.text }}"}
  questions:
    model: claude-haiku-5-5
    prompt: "Questions on {{ steps.draft }}"
    output:
      schema:
        type: array
        items:
          type: object
          required: [question, answer, score]
          additionalProperties: false
          properties: {question: {type: string}, answer: {type: string}, score: {type: integer}}
output:
  path: out.jsonl
  for_each: steps.questions
  where: item.score >= 4
  unique: item.question | lower
  columns:
    id: row.n ~ "-" ~ item_index
    messages:
      - {role: "'user'", content: item.question}
      - {role: "'assistant'", content: item.answer}
"""
PLAIN: Final = _PIPELINE.partition("  for_each")[0]
"""The same steps, with the default columns."""

_FILL: Final = "import sys, pathlib, shaped; shaped.fill(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
_RUN: Final = "import sys, processes; took = processes.run(*sys.argv[1:]); print(took.wall, took.cpu, took.peak)"
_ITEMS: Final = 3
"""The items of a row: one of them is dropped by `where`, and one in ten of the others by `unique`."""


def measure_outputs(_pairs: int) -> Iterator[Line]:
    """How fast a million stored rows are written in another shape, and whether they need more memory than a few."""
    few, many = 10_000, 1_000_000
    small, large = exported(few), exported(many)
    work = f"{many:,} stored rows of {_ITEMS} items through `for_each`, `where`, `unique`, `columns`"
    figure = f"{many / large.cpu:,.0f}; {_ITEMS * many / large.cpu:,.0f} ({large.cpu:.0f} s of CPU, {large.wall:.0f} s)"
    yield Line(work, "`runs export`: rows, and items, a second of CPU", "none", figure)
    peaks = f"{large.peak / small.peak:.2f} ({large.peak:.0f} MiB, {small.peak:.0f} MiB)"
    yield Line("the same", f"peak memory against that of {few:,} rows", "at most 1.15", peaks)


def exported(rows: int) -> Took:
    """What it takes to write so many rows of a store."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "shaped.yaml"
        path.write_text(_PIPELINE, encoding="utf-8")
        (path.parent / "rows.jsonl").write_text(json.dumps(_row(0)) + "\n", encoding="utf-8")
        # In processes of their own: on Linux a command inherits the peak of the process that starts it.
        subprocess.run([sys.executable, "-c", _FILL, str(path), str(rows)], cwd=HERE, check=True)
        export = (YAMLGEN, "runs", "export", str(path), "--output", str(path.with_name("out.jsonl")))
        measured = subprocess.run([sys.executable, "-c", _RUN, *export], cwd=HERE, check=True, capture_output=True)
        wall, cpu, peak = map(float, measured.stdout.split())
        return Took(wall, cpu, peak, "", 0)


def _row(number: int) -> dict[str, object]:
    return {"n": number, "text": f"the text of row {number}"}


def _questions(number: int) -> list[dict[str, object]]:
    return [
        {
            "question": f"What is {(number - number % 10 // 9) * _ITEMS + item}?",
            "answer": "A number.",
            "score": 3 + item,
        }
        for item in range(_ITEMS)
    ]


def fill(pipeline: Path, rows: int) -> None:
    """Put a run of so many finished rows into the store of a pipeline."""
    plan = load(pipeline).plan()
    place = location_of(plan.file)
    about = {"params": {}, "resolved": resolved(plan), "rows": rows}

    async def main() -> None:
        with locked_connection(place, "filling") as connection, open_session(place, ReusePolicy()) as session:
            async with begin_run(session, connection, "filled", about) as run:
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute("BEGIN")
                for number in range(rows):
                    made = {"draft": f"A draft on row {number}.", "questions": _questions(number)}
                    results = [result_of(step, Answer(value, key=short_digest(step))) for step, value in made.items()]
                    digests = row_digests(InputRow(number, _row(number), str(number)))
                    row = {"run": 1, "number": number, "identity": digests.identity, "status": "finished", "kept": None}
                    insert_row(connection, row, digests, results)
                connection.execute("COMMIT")
                await run.end("finished", {**Report().as_json(), "rows": {"input": rows, "finished": rows}})

    asyncio.run(main())
