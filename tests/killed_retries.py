"""Retries that are killed, and said again until one comes to its end: what they cost in all.

Owns the story: each row's answer is cut off, in the run and in its retry, so that what a retry pays for fails again.
"""

import json
from dataclasses import dataclass, field

from forked_processes import ForkServer
from killed_pipeline import KEY, kept, look
from threaded_simulator import CountingSimulator, FixedFaults

ROWS = 60
CONCURRENCY = 8
PIPELINE = """\
version: 1
runtime: {{base_url: "{url}", concurrency: {concurrency}}}
limits: {{max_unusable: none}}
input: {{path: rows.jsonl, id: id}}
steps:
  line: {{model: claude-haiku-5-5, max_tokens: 1000, prompt: "A line on {{{{ row.town }}}}."}}
output: {{path: out/towns.jsonl}}
"""


def simulator():
    """A server that cuts off every answer."""
    return CountingSimulator(faults=FixedFaults({"truncate": 1.0}), latency=0.01)


@dataclass
class RetryCounts:
    """What the retries of one story came to.

    Attributes:
        kills: how many of them were killed.
        paid: the requests of all of them together.
        answers: the answers of them that are in the store.
        codes: how they ended.
    """

    kills: int = 0
    paid: int = 0
    answers: int = 0
    codes: list = field(default_factory=list)


def retry_with_kills(fork_server: ForkServer, server: CountingSimulator, folder, *numbers):
    """Run, then retry: killed when so many requests came, each of `numbers` once, then undisturbed."""
    folder.mkdir()
    (folder / "towns.yaml").write_text(PIPELINE.format(url=server.url, concurrency=CONCURRENCY), "utf-8")
    lines = [json.dumps({"id": number, "town": f"town {number}"}) + "\n" for number in range(ROWS)]
    (folder / "rows.jsonl").write_text("".join(lines), "utf-8")
    assert fork_server.call(folder, "run", "towns.yaml", ANTHROPIC_API_KEY=KEY).code == 1
    told, before, held = RetryCounts(), server.asked, kept(folder)
    for number in numbers:
        asked = server.asked
        life = fork_server.start(folder, "retry", "towns.yaml", ANTHROPIC_API_KEY=KEY)
        server.until(asked + number)
        told.codes.append(life.kill().code)
        told.kills += told.codes[-1] == -9
        server.settle()
    if told.kills:
        told.codes.append(fork_server.call(folder, "retry", "towns.yaml", ANTHROPIC_API_KEY=KEY).code)
    told.paid, told.answers = server.asked - before, kept(folder) - held
    assert look(folder, "SELECT count(*) FROM row WHERE run = (SELECT max(id) FROM run)") == [(ROWS,)]
    return told
