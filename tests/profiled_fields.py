"""A pipeline with draws, samples, a matrix and three outputs, and ways to profile its runs."""

import json

import yamlgen
from yamlgen.api.history import find_run, store_locations
from yamlgen.api.run_reports import ReportOptions, profiled

PIPELINE = """\
version: 1
input: {path: rows.jsonl, id: id}
model: {id: claude-haiku-5-5, max_tokens: 512}
x-verdict: &verdict
  schema:
    type: object
    additionalProperties: false
    required: [label, score, why]
    properties:
      label: {enum: [yes, no]}
      score: {type: [integer, "null"], minimum: 1, maximum: 5}
      why: {type: string, minLength: 80}
  reasks: 0
steps:
  mood: {kind: draw, draws: {tone: {choices: [dry, warm]}, size: {integer: [1, 3]}}}
  votes:
    samples: 3
    on_item_error: null
    prompt: "{{ row.id }} {{ steps.mood.tone }}"
    output: *verdict
  looks:
    matrix: {light: [red, green]}
    on_item_error: null
    prompt: "{{ row.id }} {{ matrix.light }}"
    output: *verdict
  best: {kind: compute, values: {scores: "steps.votes | select | map(attribute='score') | list"}}
outputs:
  all: {path: out/all.jsonl}
  votes:
    path: out/votes.jsonl
    for_each: steps.votes
    where: item is not none and item.label == "yes"
    columns: {id: row.id, meta: {text: row.text, score: item.score}, tone: steps.mood.tone}
  short: {path: out/short.jsonl, exclude: [text, steps.looks], failed: keep}
"""


def write(folder, rows, text=PIPELINE):
    """Write a pipeline and its rows into a folder, and return the path of the pipeline."""
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    (folder / "fields.yaml").write_text(text, encoding="utf-8")
    return folder / "fields.yaml"


def run(path, **options):
    """Run a pipeline, simulated."""
    return yamlgen.run(path, simulate=True, **options)


def profile(path, output=None):
    """Return the profile of its latest run."""
    return profiled(find_run(store_locations([path], None), None), ReportOptions(output))
