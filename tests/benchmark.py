"""Figures, by hand: `python tests/benchmark.py`. Whole processes, medians of pairs, ratios within one run.

Measured in November 2026 with Python 3.11 on two shared cores:

| what | figure | goal |
|---|---|---|
| `yamlgen --help` against `python -c "import click"` | 1.2 times (0.050 s, 0.043 s) | 3 times |
| `yamlgen validate`, 1,965 lines, whole process | 0.35 s; up to 0.54 s while the machine was busy | 0.5 s |
| `yamlgen run --simulate`, 5,000 rows, one structured step | 444 rows/s, the simulator in the same process | none |
| re-run of 10,000 finished rows, whole process | 5.3 s: 1,900 rows/s, peak 144 MiB | none |
| re-run of 100,000 finished rows, whole process | 29.5 s: 3,400 rows/s, peak 159 MiB | none |
| re-run of 1,000,000 rows, the store filled directly | 373 s: 2,700 rows/s, peak 159 MiB | flat: 1.10 times |
| the store's share of a row against the simulator without latency | 26% of the CPU: 1.87 ms, 1.39 without | none |
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from yamlgen.api.execution import execute
from yamlgen.api.loading import load
from yamlgen.api.options import Options
from yamlgen.claude.access import reach
from yamlgen.claude.failure import Sender
from yamlgen.claude.model import ClaudeModel, Keeping
from yamlgen.claude.structured import Structured
from yamlgen.halt import Halt
from yamlgen.language.settings import PUBLIC_URL
from yamlgen.run.local import LocalEngine
from yamlgen.store.ledger import Reuse
from yamlgen.store.packing import packed
from yamlgen.store.place import place_of
from yamlgen.store.session import held, opened

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


def fill(pipeline: Path) -> None:
    """Put an answer for every row of a pipeline of one step into its store, as a run would have kept it."""
    loaded = load(pipeline)
    plan = loaded.plan()
    (step,) = plan.steps
    place = place_of(plan.file)
    sender = Sender(step.model, PUBLIC_URL, "ANTHROPIC_API_KEY", "")
    structured = Structured(step.name, step.schema, step.settings, step.mode)
    model = ClaudeModel(None, step.settings, sender, structured=structured)
    response = packed(
        {
            "id": "msg_filled",
            "type": "message",
            "role": "assistant",
            "model": step.model,
            "content": [{"type": "text", "text": '{"label": "a"}'}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 300, "output_tokens": 10},
        }
    )
    with held(place, "filling") as connection, opened(place, Reuse()) as session:
        keeping = Keeping(session.ledger, PUBLIC_URL, plan.runtime.api_version)

        def answers() -> Iterator[tuple[bytes, bytes]]:
            for row in loaded.source.rows(None, plan.columns):
                body = model.request(step.prompt(row.row, plan.params, {}))
                yield keeping.key(body, row.identity), packed(body)

        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO attempt (key, run, step, received, request, response, requested, model, stop_reason, "
            "input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens, cost, seconds, "
            "request_characters) "
            "VALUES (?, 0, 'label', '2026-11-22', ?, ?, '', '', 'end_turn', 300, 10, 0, 0, 0, 1, 900)",
            ((key, request, response) for key, request in answers()),
        )
        connection.execute("COMMIT")


def measured(*command: str) -> tuple[float, float]:
    """Wall seconds and peak memory in MiB of one run of a command."""
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, said
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def rerun(yamlgen: str, rows: int) -> None:
    """Time runs whose answers are all in the store: the first writes its rows there, the second finds them."""
    with tempfile.TemporaryDirectory(dir=".") as name:
        path = many_rows(Path(name), rows)
        fill(path)
        for which in ("first", "second"):
            took, peak = measured(yamlgen, "run", str(path), "--offline", "--progress", "none")
            print(f"{which} re-run, {rows:>9,} rows   {took:.1f} s: {rows / took:,.0f} rows/s, peak {peak:.0f} MiB")


class Kept:
    """A sink in memory."""

    def __init__(self) -> None:
        self.rows: list[object] = []

    async def add(self, outcome: object) -> None:
        """Keep an outcome."""
        self.rows.append(outcome)


def store_share(folder: Path, rows: int) -> None:
    """What the store adds to a run against the simulator without latency, in CPU seconds of this process."""
    path = many_rows(folder, rows)
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        os.environ |= {"ANTHROPIC_BASE_URL": server.stdout.readline().strip(), "ANTHROPIC_API_KEY": "any"}
        loaded = load(path)
        plan = loaded.plan()

        async def bare() -> None:
            halt = Halt()
            async with reach(plan.runtime, None) as provider, provider.open(plan, halt) as models:
                engine = LocalEngine(plan, models, Kept(), lambda _: None, halt, plan.concurrency)
                await engine.run(loaded.source.rows(None, plan.columns))

        figures: dict[str, list[float]] = {"bare": [], "stored": []}
        for _ in range(5):
            for name, work in (("bare", bare), ("stored", lambda: execute(loaded, options=Options(fresh=True)))):
                started = time.process_time()
                asyncio.run(work())
                figures[name].append(time.process_time() - started)
        server.terminate()
    for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"):
        del os.environ[name]
    without, with_store = (1000 * statistics.median(figures[name]) / rows for name in ("bare", "stored"))
    share = (with_store - without) / with_store
    print(f"a row against the simulator   {with_store:.2f} ms CPU, {without:.2f} without the store: {share:.0%} of it")


SERVE = """
import asyncio
from yamlgen.claude.simulator import Simulator
async def serve():
    async with Simulator() as simulator:
        print(simulator.url, flush=True)
        await asyncio.sleep(3600)
asyncio.run(serve())
"""


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
        store_share(folder, 2_000)
    for rows in (10_000, 100_000, 1_000_000):
        rerun(yamlgen, rows)


if __name__ == "__main__":
    main()
