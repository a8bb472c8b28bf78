"""Profiles of runs that fail in many ways, for tests of what a report says."""

import json
import sqlite3
from contextlib import closing

import yamlgen
from yamlgen.api import run_reports
from yamlgen.api.history import find_run, store_locations

PIPELINE = """\
version: 1
name: notes
model: claude-haiku-5-5
params: {tone: {type: string, default: calm}}
input: {path: rows.jsonl, id: id}
steps:
  facts:
    prompt: Facts on {{ row.town }}, {{ params.tone }}
    output:
      reasks: 2
      schema:
        type: object
        additionalProperties: false
        required: [score]
        properties: {score: {type: integer, minimum: 1, maximum: 5}}
  lines:
    for_each: "[1, 2]"
    prompt: Line {{ item }} on {{ row.town }}
    on_item_error: "null"
    on_truncated: retry_larger
  motto: {prompt: "A motto for {{ row.town }}", on_error: "null", max_tokens: 64}
  share: {kind: compute, value: 10 / (row.number % 7)}
output:
  path: out/notes.jsonl
  columns: {town: row.town, half: 10 / (row.number % 9)}
"""
FAULTS = ("invalid_output=0.3", "refusal=0.08", "truncate=0.08", "blank=0.05")
ROWS = 30
"""Each two of them have equal prompts."""


def lay_out(folder, pipeline=PIPELINE, rows=ROWS):
    """Write the pipeline and its rows into a folder; the path of the pipeline."""
    lines = [
        json.dumps({"id": f"T-{number}", "number": number, "town": f"town {number // 2}"})
        for number in range(1, rows + 1)
    ]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "notes.yaml").write_text(pipeline, encoding="utf-8")
    return folder / "notes.yaml"


def ran(path, **options):
    """The result of a simulated run with many faults, unless others are chosen."""
    return yamlgen.run(path, simulate=True, **{"faults": FAULTS, "max_unusable": "none", **options})


def profiled(path, name=None):
    """The profile of a run, and its entry in the store."""
    run = find_run(store_locations([path], None), name)
    return run_reports.profiled(run, run_reports.ReportOptions(rows=20)), run.entry


def edited(path, statement, *values):
    """Change the store of the simulated runs of a pipeline."""
    with closing(sqlite3.connect(path.parent / ".yamlgen" / "notes.yaml.simulated.db")) as connection, connection:
        connection.execute(statement, values)
