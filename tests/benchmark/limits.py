"""How a run with its defaults gets along with an API that has limits and bad days: quotas, and a storm of faults.

The server counts what came and what it refused, and knows the bound that its quotas set; what became of the rows is
read in the report and in the output itself.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pipelines
from processes import YAMLGEN, Took, run, serving
from table import Line

_QUOTAS = (
    ("1,000 requests a minute", 2_000, {"requests": 1_000}),
    ("100,000 output tokens a minute", 1_000, {"requests": 4_000, "output_tokens": 100_000}),
)
_STORM = {"rate_limited": 0.05, "overloaded": 0.02, "dropped": 0.01, "invalid": 0.03}


def measure_quota(_pairs: int) -> Iterator[Line]:
    """How near a run comes to the bound of its quotas, and how often it is refused on the way."""
    for name, rows, rules in _QUOTAS:
        work = f"{rows:,} rows, {name}, 300 ms"
        took, _ = _run(rows, rules)
        seen, report = took.seen, json.loads(took.printed)
        yield Line(
            work,
            f"first request to last answer against the quota's {seen['bound']:.1f} s",
            "at most 1.05",
            f"{seen['seconds'] / seen['bound']:.3f} ({seen['seconds']:.1f} s)",
        )
        yield Line(
            work,
            "requests answered with 429",
            "under 1%",
            f"{seen['limited'] / seen['came']:.1%} ({seen['limited']:,} of {seen['came']:,})",
        )
        yield Line(work, "failed rows", "none", str(report["rows"]["failed"] + report["rows"]["missing"]))


def measure_storm(_pairs: int) -> Iterator[Line]:
    """How many rows come right out of a storm."""
    rows = 1_000
    took, written = _run(rows, _STORM)
    right = {row["n"] for row in written if row["label"] == _expected(row["n"])}
    seen = took.seen
    yield Line(
        f"{rows:,} rows; 5% 429, 2% 529, 1% dropped, 3% invalid",
        "right rows, with defaults",
        "all",
        f"{len(right):,} of {rows:,} ({seen['came']:,} requests, {took.wall:.1f} s)",
    )


def _expected(row: int) -> dict[str, Any]:
    return {"label": "question", "score": 3, "reason": f"Row number {row}"}


def _run(rows: int, rules: dict[str, Any]) -> tuple[Took, list[dict[str, Any]]]:
    """Run the pipeline against an API with such rules; what it took, and the rows that it wrote."""
    with tempfile.TemporaryDirectory() as name, serving("quota.py", json.dumps(rules)) as url:
        folder = Path(name)
        path = pipelines.label(folder, rows)
        command = (YAMLGEN, "run", str(path), "--progress", "none", "--quiet", "--output-format", "json")
        took = run(*command, url=url, status=1)
        lines = (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
        return took, [json.loads(line) for line in lines]
