"""A pipeline of two batched steps, killed anywhere in the life of a batch: what must hold at the end.

Owns the pipeline, the reference of an undisturbed run, and the audit: what the server has answered, and what the store
has of it. Each story has a server of its own, so that no batch of another is on its list.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from detached_runs import calls_at
from forked_processes import ForkServer
from killed_pipeline import look, outputs
from threaded_simulator import FixedFaults, serving
from yamlgen.simulator.faults import ON_MESSAGES, Faults
from yamlgen.simulator.server import Simulator

KEY = "canary-key-71d0c5"
LOOK = 0.03
DELAY = 0.04
MOST_ROWS = 230
"""Enough for a batch whose results are stored in two parts."""

PIPELINE = """\
version: 1
name: towns
batch: {{minimum: 2}}
runtime: {{base_url: "{url}", concurrency: 8, max_retries: 6}}
limits: {{max_unusable: none}}
input: {{path: rows.jsonl, id: id}}
steps:
  facts:
    model: claude-haiku-5-5
    max_tokens: 1000
    prompt: "Facts on {{{{ row.town }}}}."
    output:
      reasks: 1
      schema:
        type: object
        additionalProperties: false
        required: [score]
        properties: {{score: {{type: integer, minimum: 1, maximum: 5}}}}
  line:
    model: claude-haiku-5-5
    max_tokens: 1000
    prompt: "A line on {{{{ row.town }}}}: {{{{ steps.facts.score }}}}."
output: {{path: out/towns.jsonl}}
"""
PASSING = ("batch_expired", "batch_canceled", "batch_errored", "batch_twice", "batch_lost", "batch_cut")


class PassingFaults(FixedFaults):
    """Faults of batches pass when a request is sent again; those of an answer depend on its request alone."""

    def pick(self, digest, before, names=ON_MESSAGES):
        """The first fault that a request has."""
        chosen = (Faults.pick(self, digest, before if name in PASSING else 0, (name,)) for name in names)
        return next(filter(None, chosen), None)


CALM = {"invalid_output": 0.3, "refusal": 0.06}
STORMY = {**CALM, "batch_lost": 0.4, "batch_cut": 0.4, "batch_twice": 0.1, "batch_expired": 0.1, "batch_errored": 0.1}


@dataclass
class BatchAudit:
    """What a story came to.

    Attributes:
        codes: how its runs ended.
        twice: the custom ids that have succeeded in two batches.
        batches: the number of batches at the server.
    """

    codes: list = field(default_factory=list)
    twice: list = field(default_factory=list)
    batches: int = 0


@dataclass
class BatchKills:
    """Stories of kills, and the output and the failed rows of an undisturbed run to compare with."""

    fork_server: ForkServer
    folder: Path

    def __post_init__(self):
        self.reference = self._run("reference", (), MOST_ROWS, CALM)[1]

    def run_with_kills(self, *failpoints, rows=24, faults=CALM):
        """Run with a kill at each failpoint, one run each, and then undisturbed; check what must hold."""
        audit, found = self._run("-".join(failpoints).replace(":", " "), failpoints, rows, faults)
        assert found == [[line for line in lines if _id(line) < rows] for lines in self.reference]
        return audit

    def _run(self, name, failpoints, rows, faults):
        folder, audit = self.folder / f"{name} {rows} {len(faults)}", BatchAudit()
        folder.mkdir()
        lines = [json.dumps({"id": number, "town": f"town {number}"}) + "\n" for number in range(rows)]
        (folder / "rows.jsonl").write_text("".join(lines), "utf-8")
        with serving(Simulator(faults=PassingFaults(faults), batch_delay=DELAY)) as server:
            (folder / "towns.yaml").write_text(PIPELINE.format(url=server.url), "utf-8")
            for failpoint in (*failpoints, ""):
                options = {"failpoint": failpoint, "first_look": LOOK, "ANTHROPIC_API_KEY": KEY}
                ended = self.fork_server.call(folder, "run", "towns.yaml", **options)
                assert ended.code in (-9, 1), ended.err
                audit.codes.append(ended.code)
            asyncio.run(_ask(server.url, audit))
        check_store(folder)
        return audit, [each.splitlines() for each in outputs(folder)]


def _id(line):
    """The id of a row, finished or failed."""
    row = json.loads(line)
    return row.get("row", row)["id"]


def check_store(folder):
    """Check that no answer is there twice, that no request is left, and that no batch is open or in doubt."""
    assert look(folder, "SELECT count(*) - count(DISTINCT key) FROM attempt") == [(0,)]
    assert look(folder, "SELECT count(*) FROM batch_request") == [(0,)]
    assert look(folder, "SELECT count(*) FROM batch WHERE state <> 'collected'") == [(0,)]


async def _ask(url, audit):
    """Ask the server which custom ids have succeeded, and in how many batches."""
    answers = Counter()
    async with calls_at(url) as calls:
        batches, after = await calls.list()
        assert after is None
        for batch in batches:
            assert batch.status == "ended"
            answers.update(await _answered(calls, batch))
    audit.batches, audit.twice = len(batches), [name for name, times in answers.items() if times > 1]


async def _answered(calls, batch):
    async with calls.results(batch.id) as lines:
        results = [json.loads(line) async for line in lines]
    return {each["custom_id"] for each in results if each["result"]["type"] == "succeeded"}
