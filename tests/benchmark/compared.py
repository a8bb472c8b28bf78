"""What `diff` costs against `plan`: many rows of two steps, after an edit of the first prompt."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from processes import HERE, YAMLGEN, in_turn, middle, ratio, run
from table import Line

_PIPELINE: Final = """\
version: 1
input: {path: rows.jsonl, id: n}
steps:
  label:
    model: claude-haiku-5-5
    prompt: "Label this text: {{ row.text }}"
    output:
      schema:
        type: object
        additionalProperties: false
        required: [label]
        properties: {label: {enum: [a, b, c]}}
  reply:
    model: claude-haiku-5-5
    prompt: "Answer this {{ steps.label.label }}: {{ row.text }}"
output: {path: out.jsonl}
"""
_TEXT: Final = "could you tell me where the station is, please? I have been walking for an hour."
_FILL: Final = "import sys, pathlib, kept; kept.fill(pathlib.Path(sys.argv[1]))"
_GIT: Final = ("git", "-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
_ROWS: Final = 100_000
_FEW: Final = 10_000


def measure_compared(pairs: int) -> Iterator[Line]:
    """How much CPU a comparison takes against a plan, and whether its memory grows with the rows."""
    for stored in (False, True):
        work = f"{_ROWS:,} rows of two steps, {'answers of the first step' if stored else 'no store'}"
        peaks = []
        for rows in (_FEW, _ROWS):
            with tempfile.TemporaryDirectory() as name:
                path = _edited(Path(name), rows, stored=stored)
                diff, plan = ((YAMLGEN, command, str(path)) for command in ("diff", "plan"))
                runs = in_turn(1 if rows == _FEW else pairs, lambda one=diff: run(*one), lambda one=plan: run(*one))
            peaks.append(max(took.peak for took, _ in runs))
        figure = f"{ratio(runs, 0, 1, 'cpu'):.2f} ({middle(runs, 0, 'cpu'):.1f} s, {middle(runs, 1, 'cpu'):.1f} s)"
        yield Line(work, "CPU of `diff` against that of `plan`", "at most 2.5", figure)
        figure = f"{peaks[1] / peaks[0]:.2f} ({peaks[1]:.0f} MiB, {peaks[0]:.0f} MiB)"
        yield Line(work, f"peak memory of `diff` against that of {_FEW:,} rows", "at most 1.5", figure)


def _edited(folder: Path, rows: int, *, stored: bool) -> Path:
    """A pipeline in a repository, whose first prompt was edited after the commit."""
    texts = ({"n": n, "text": f"Row number {n}: {_TEXT}"} for n in range(rows))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")
    path = folder / "two.yaml"
    path.write_text(_PIPELINE, encoding="utf-8")
    if stored:
        subprocess.run([sys.executable, "-c", _FILL, str(path)], cwd=HERE, check=True)
    for command in (("init", "-q"), ("add", "rows.jsonl", "two.yaml"), ("commit", "-q", "-m", "before")):
        subprocess.run([*_GIT, *command], cwd=folder, check=True)
    path.write_text(_PIPELINE.replace("Label this text", "Label the text"), encoding="utf-8")
    return path
