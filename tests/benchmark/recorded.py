"""What a test on recorded answers costs: a case of many rows of two steps against `plan` of the same rows."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from processes import YAMLGEN, in_turn, middle, ratio, run
from table import Line

_PIPELINE: Final = """\
version: 1
input: {path: rows.jsonl, id: n}
steps:
  label:
    model: claude-haiku-5-5
    system: You label texts.
    prompt: "Label this text: {{ row.text }}"
    output:
      schema:
        type: object
        additionalProperties: false
        required: [label, score]
        properties: {label: {enum: [question, statement, other]}, score: {type: integer}}
  reply:
    model: claude-haiku-5-5
    prompt: "Answer this {{ steps.label.label }}: {{ row.text }}"
output: {path: out.jsonl}
"""
_TEST: Final = """\
version: 1
pipeline: many.yaml
cases:
  - name: all rows
    rows: {path: rows.jsonl}
    expect: ["finished == ROWS", 'rows | map(attribute="label.score") | sum > 0']
"""
_TEXT: Final = "could you tell me where the station is, please? I have been walking for an hour."
_ROWS: Final = 1_000


def measure_recorded(pairs: int) -> Iterator[Line]:
    """How long a recorded test takes and how much memory it needs, against a plan."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = ({"n": n, "text": f"Row number {n}: {_TEXT}"} for n in range(_ROWS))
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")
        pipeline, test = folder / "many.yaml", folder / "many.test.yaml"
        pipeline.write_text(_PIPELINE, encoding="utf-8")
        test.write_text(_TEST.replace("ROWS", str(_ROWS)), encoding="utf-8")
        record = [YAMLGEN, "test", str(test), "--record", "--simulate", "-y"]
        done = subprocess.run(record, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        runs = in_turn(pairs, lambda: run(YAMLGEN, "test", str(test)), lambda: run(YAMLGEN, "plan", str(pipeline)))
    work = f"{_ROWS:,} recorded rows of two steps, `test`"
    for figure, what in (("wall", "seconds"), ("cpu", "seconds of CPU")):
        told = f"{ratio(runs, 0, 1, figure):.2f} ({middle(runs, 0, figure):.1f} s, {middle(runs, 1, figure):.1f} s)"
        yield Line(work, f"{what} against those of `plan` of the same rows", "at most 2.5", told)
    peaks = f"{ratio(runs, 0, 1, 'peak'):.2f} ({middle(runs, 0, 'peak'):.0f} MiB, {middle(runs, 1, 'peak'):.0f} MiB)"
    yield Line("the same", "peak memory against that of `plan`", "none", peaks)
