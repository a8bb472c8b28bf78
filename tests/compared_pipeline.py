"""A pipeline with choices, numbers and texts, which is run twice for comparisons."""

import json

import yamlgen

PIPELINE = """\
version: 1
name: judged
params: {tone: {type: string, default: kind}}
input: {path: rows.jsonl%(id)s}
steps:
  verdict:
    model: claude-haiku-5-5
    max_tokens: 1024
    prompt: "%(prompt)s {{ row.text }}, in a {{ params.tone }} tone"
    output:
      schema:
        type: object
        additionalProperties: false
        required: [label, good, score, why]
        properties:
          label: {type: string, enum: [keep, drop, ask]}
          good: {type: boolean}
          score: {type: integer, minimum: 1, maximum: 5}
          why: {type: string, minLength: 120, maxLength: 300}
output: {path: out/judged.jsonl}
"""


def write(folder, rows, *, has_ids=True, prompt="Judge"):
    """Write the pipeline and its rows into a folder, and return the path of the pipeline."""
    folder.mkdir(exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    text = PIPELINE % {"id": ", id: id" if has_ids else "", "prompt": prompt}
    (folder / "judged.yaml").write_text(text, encoding="utf-8")
    return folder / "judged.yaml"


def run(path, **options):
    """Run the pipeline, simulated, and return the name of the run."""
    return yamlgen.run(path, simulate=True, **options).report.run
