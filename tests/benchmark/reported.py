"""What the report of a large run takes. Its store is filled directly, as in `kept`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

import kept
import pipelines
from processes import HERE, YAMLGEN, run
from table import Line

_ROWS: Final = 100_000
_FILL: Final = "import sys, pathlib, reported; reported.fill(pathlib.Path(sys.argv[1]))"
_WORDS: Final = ("station", "long walk", "question", "answer", "time of day", "place", "person who asks", "polite tone")


def fill(pipeline: Path) -> None:
    """Put answers with reasons of 20 to 60 words into the store of a pipeline."""
    random = Random(7)  # noqa: S311 - the same answers each time

    def answer(_: int) -> str:
        reason = " ".join(random.choices(_WORDS, k=random.randint(20, 60)))
        label, score = random.choice(["question", "statement"]), random.randint(1, 5)
        return json.dumps({"label": label, "score": score, "reason": f"{reason.capitalize()}."})

    kept.fill(pipeline, answer)


def measure_report(_pairs: int) -> Iterator[Line]:
    """What the report of a run over 100,000 rows takes, and how large its page is."""
    with tempfile.TemporaryDirectory() as name:
        path = pipelines.drawn(Path(name), _ROWS)
        subprocess.run([sys.executable, "-c", _FILL, str(path)], cwd=HERE, check=True)
        run(YAMLGEN, "run", str(path), "--offline", "--progress", "none", "--quiet")
        page = Path(name) / "report.html"
        took = run(YAMLGEN, "report", str(path), "-o", str(page))
        size = page.stat().st_size
    what = f"the report of {_ROWS:,} rows"
    yield Line(what, "whole process", "under 15 s", f"{took.wall:.1f} s, {took.cpu:.1f} s of CPU")
    yield Line(what, "peak memory", "under 300 MB", f"{took.peak * 1.048576:.0f} MB")
    yield Line(what, "size of the page", "under 150,000 bytes", f"{size:,} bytes")
