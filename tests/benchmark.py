"""Figures, by hand: `python tests/benchmark.py`. Whole processes, medians of pairs, ratios within one run.

Measured in November 2026 with Python 3.11 on two shared cores:

| what | figure | goal |
|---|---|---|
| `yamlgen --help` against `python -c "import click"` | 1.2 times (0.050 s, 0.043 s) | 3 times |
| `yamlgen validate`, 1,965 lines, whole process | 0.35 s; up to 0.54 s while the machine was busy | 0.5 s |
| `yamlgen run --simulate`, 5,000 rows, one structured step | 444 rows/s, the simulator in the same process | none |
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAIRS = 11


def seconds(*command: str) -> float:
    """Wall seconds of one run of a command."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def pairs(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[float, float, float]:
    """The medians of two commands run in turn, and the median of their ratios."""
    seconds(*first), seconds(*second)
    runs = [(seconds(*first), seconds(*second)) for _ in range(PAIRS)]
    return (
        statistics.median(a for a, _ in runs),
        statistics.median(b for _, b in runs),
        statistics.median(a / b for a, b in runs),
    )


def long_pipeline(folder: Path) -> Path:
    """A valid pipeline of about 2,000 lines: 140 steps with schemas, each referring to the one before."""
    lines = ["version: 1", "models: {m: {id: claude-haiku-5-5}}", "input: {rows: [{text: a}]}", "steps:"]
    for number in range(140):
        before = f"{{{{ steps.s{number - 1}.label }}}}" if number else "nothing"
        lines += [
            f"  s{number}:",
            "    model: m",
            "    prompt: |",
            "      Label this text: {{ row.text }}",
            f"      The label before it was {before}.",
            "    output:",
            "      schema:",
            "        type: object",
            "        additionalProperties: false",
            "        required: [label, score]",
            "        properties:",
            "          label: {type: string, enum: [a, b, c]}",
            "          score: {type: integer, minimum: 1, maximum: 5}",
            "      reasks: 1",
        ]
    path = folder / "long.yaml"
    path.write_text("\n".join([*lines, "output: {path: out.jsonl}", ""]), encoding="utf-8")
    return path


def many_rows(folder: Path, rows: int) -> Path:
    """A pipeline of one structured step over `rows` rows."""
    (folder / "rows.jsonl").write_text("".join(f'{{"n": {n}, "text": "some text"}}\n' for n in range(rows)), "utf-8")
    path = folder / "many.yaml"
    path.write_text(
        "version: 1\ninput: {path: rows.jsonl, id: n}\nruntime: {concurrency: 64}\nsteps:\n  label:\n"
        "    model: claude-haiku-5-5\n    prompt: 'Label {{ row.n }}: {{ row.text }}'\n    output:\n      schema:\n"
        "        type: object\n        additionalProperties: false\n        required: [label]\n"
        "        properties: {label: {type: string, enum: [a, b, c]}}\noutput: {path: out.jsonl}\n",
        encoding="utf-8",
    )
    return path


def main() -> None:
    """Print the table."""
    yamlgen = str(Path(sys.executable).with_name("yamlgen"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        help_, click, ratio = pairs((yamlgen, "--help"), (sys.executable, "-c", "import click"))
        print(f"yamlgen --help          {help_:.3f} s, import click {click:.3f} s: {ratio:.2f} times")
        long = long_pipeline(folder)
        count = len(long.read_text(encoding="utf-8").splitlines())
        took = statistics.median(seconds(yamlgen, "validate", str(long)) for _ in range(PAIRS))
        print(f"validate, {count:,} lines   {took:.3f} s")
        rows = 5_000
        took = seconds(yamlgen, "run", str(many_rows(folder, rows)), "--simulate", "--progress", "none")
        print(f"run, {rows:,} rows         {took:.1f} s, the simulator in it: {rows / took:.0f} rows/s")


if __name__ == "__main__":
    main()
