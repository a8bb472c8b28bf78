"""A pipeline of two steps with tests, recorded on the simulator, for the tests of what a test reports."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

import yamlgen

PIPELINE = """\
version: 1
name: triage
input: {path: tickets.csv, id: id}
params:
  language: {type: string, default: English}
models:
  small: {id: claude-haiku-5-5, max_tokens: 300}
steps:
  label:
    model: small
    system: "You label tickets.\\nBe brief."
    prompt: {file: prompts/triage.md}
    output: {schema: schemas/triage.json}
    check:
      - row.id != "t-3"
  reply:
    model: {id: claude-haiku-5-5, max_tokens: 200}
    prompt: |
      Write a reply to {{ row.text }}.
      The topic is {{ steps.label.topic }}.
output: {path: out/triage.jsonl}
"""
PROMPT = """\
Read this ticket:

{{ row.text }}

Give it up to three labels.
Answer in {{ params.language }}.
"""
SCHEMA = """\
{
  "type": "object",
  "required": ["topic", "urgent"],
  "additionalProperties": false,
  "properties": {
    "topic": {"enum": ["billing", "praise"]},
    "urgent": {"type": "boolean"}
  }
}
"""
TESTS = """\
version: 1
pipeline: triage.yaml
cases:
  - name: one ticket
    row: {id: t-0, text: "Where is my money?"}
    expect: [steps.label.topic != "", output.reply != ""]
  - name: two tickets
    rows: {path: tickets.csv, limit: 2}
    golden: golden/two.jsonl
  - name: all tickets
    rows: {path: tickets.csv}
    gold: {on: id, fields: {label.topic: topic}}
    expect: ["finished == 3", "failed == 1", "gold.label.topic.n == 4"]
"""
TICKETS = "id,text,topic\nt-1,My parcel is late,billing\nt-2,I love it,praise\nt-3,A row that fails,billing\n"
TICKETS += "t-4,A refund please,billing\n"


def write(folder):
    """Write the pipeline and its tests, without recordings."""
    for name, text in {
        "triage.yaml": PIPELINE,
        "prompts/triage.md": PROMPT,
        "schemas/triage.json": SCHEMA,
        "triage.test.yaml": TESTS,
        "tickets.csv": TICKETS,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@cache
def _recorded():
    folder = Path(tempfile.mkdtemp(prefix="tested-triage-"))
    write(folder)
    yamlgen.test(folder / "triage.test.yaml", record=True, simulate=True, update=True)
    shutil.rmtree(folder / ".yamlgen")
    return folder


def recorded(folder):
    """Write the pipeline with its tests, their recordings and the golden file."""
    shutil.copytree(_recorded(), folder, dirs_exist_ok=True)


def edit(path, old, new):
    """Replace a text in a file, in which it occurs once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (text.count(old), old)
    path.write_text(text.replace(old, new), encoding="utf-8")
