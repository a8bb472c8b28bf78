"""How a run gets along with an API that has limits and bad days: quotas, rates, a storm of faults, silence.

The server counts what came and what it refused, and knows the bound that its quotas set; what became of the rows is
read in the report and in the output itself.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pipelines
from processes import YAMLGEN, Took, in_turn, run, serving
from table import Line

_QUOTAS = (
    ("1,000 requests a minute", 2_000, {"requests": 1_000}),
    ("100,000 output tokens a minute", 1_000, {"requests": 4_000, "output_tokens": 100_000}),
)
_STORM = {"rate_limited": 0.05, "overloaded": 0.02, "dropped": 0.01, "invalid": 0.03}
_SQUALL = {"rate_limited": 0.05, "overloaded": 0.02, "invalid": 0.03}
_RATES = (("6 a minute", 15, 10.0), ("30 a minute", 40, 2.0), ("2 a second", 40, 0.5), ("2 a second", 100, 0.5))


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


def measure_squall(pairs: int) -> Iterator[Line]:
    """What faults cost a run that is fast without them."""
    rows, latency, settings = 10_000, 0.05, ("runtime.concurrency=64",)
    runs = in_turn(
        pairs,
        lambda: _run(rows, {"latency": latency, **_SQUALL}, *settings)[0],
        lambda: _run(rows, {"latency": latency}, *settings)[0],
    )
    storm, calm = (statistics.median(each[which].seen["seconds"] for each in runs) for which in (0, 1))
    ratio = statistics.median(each[0].seen["seconds"] / each[1].seen["seconds"] for each in runs)
    yield Line(
        f"{rows:,} rows, 50 ms, 64 at once; 5% 429 with `retry-after: 1`, 2% 529, 3% invalid",
        "first request to last answer against the calm run's",
        "at most 1.5",
        f"{ratio:.2f} ({storm:.1f} s, {calm:.1f} s)",
    )


def measure_rates(_pairs: int) -> Iterator[Line]:
    """How near a run comes to a rate that no header tells, and how often it is refused on the way."""
    for name, rows, every in _RATES:
        for told in (False, True) if every == _RATES[0][2] else (False,):
            took, written = _run(rows, {"every": every, "told": told, "latency": 0.0})
            seen, bound = took.seen, (rows - 1) * every
            yield Line(
                f"{rows} rows, {name}, {'a right' if told else 'no'} `retry-after`",
                f"written rows; 429s an answer; first request to last answer against {bound:.1f} s",
                "all; at most 2; at most 1.5",
                f"{len(written)}; {seen['limited'] / max(1, seen['answered']):.2f}; "
                f"{seen['seconds'] / bound:.2f} ({seen['seconds']:.1f} s)",
            )


def measure_hang(_pairs: int) -> Iterator[Line]:
    """When a run ends that is never answered, and how it says so."""
    rows, timeout = 60, 1
    for name, answered, patience in (("from the start", 0, None), ("after 20 answers", 20, 20)):
        settings = (f"runtime.timeout={timeout}", *((f"limits.max_pause={patience}",) if patience else ()))
        took, _ = _run(rows, {"answers": answered, "latency": 0.0}, *settings, status=3)
        report = json.loads(took.printed) if took.printed else {"rows": {"failed": "unknown"}}
        yield Line(
            f"{rows} rows, an API that takes requests and answers none {name}, `timeout: {timeout}`"
            + (f", `max_pause: {patience}`" if patience else ""),
            "exit code; seconds of the command; rows set aside; requests",
            "3; below 30; none",
            f"{took.status}; {took.wall:.0f}; {report['rows']['failed']}; {took.seen['came']}",
        )


def _expected(row: int) -> dict[str, Any]:
    return {"label": "question", "score": 3, "reason": f"Row number {row}"}


def _run(rows: int, rules: dict[str, Any], *settings: str, status: int = 1) -> tuple[Took, list[dict[str, Any]]]:
    """Run the pipeline against an API with such rules; what it took, and the rows that it wrote."""
    with tempfile.TemporaryDirectory() as name, serving("quota.py", json.dumps(rules)) as url:
        folder = Path(name)
        path = pipelines.label(folder, rows)
        command = (YAMLGEN, "run", str(path), "--progress", "none", "--quiet", "--output-format", "json")
        took = run(*command, *(part for value in settings for part in ("--set", value)), url=url, status=status)
        output = folder / "out.jsonl"
        lines = output.read_text(encoding="utf-8").splitlines() if output.exists() else []
        return took, [json.loads(line) for line in lines]
