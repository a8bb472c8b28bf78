"""A pipeline of two steps, killed anywhere: what must hold after the kill, after the next run, and after the third.

Owns the pipeline, the reference of an undisturbed run, and the judgement of one story of kills.
"""

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from forked_processes import EndedProcess, ForkedProcess, ForkServer
from threaded_simulator import CountingSimulator, FixedFaults

KEY = "canary-key-71d0c5"
CONCURRENCY = 8
IN_FLIGHT = CONCURRENCY
"""What a kill may cost: a place in flight is free again once the answer is on disk, so never more than there are."""

ROWS = 60
PREVIOUS = b'{"the output": "of another version"}\n'
FILES = ("out/towns.jsonl", "out/towns.failed.jsonl", "out/towns.run.json")
FAULTS = FixedFaults({"invalid_output": 0.35, "refusal": 0.06, "truncate": 0.03})
LATENCY = 0.01

POINTS = {
    "before-send": 110,
    "after-receive": 110,
    "before-commit": 60,
    "after-commit": 60,
    "during-export": 40,
    "before-rename": 3,
    "after-rename": 3,
}
"""Each failpoint, with a number of times that runs come to it."""

COMMITS = POINTS["after-receive"] // IN_FLIGHT
"""So many every run makes: all answers in flight may come to be in one commit. Most runs make many more."""

AT_THE_START = "the start"

PIPELINE = """\
version: 1
name: towns
runtime: {{base_url: "{url}", concurrency: {concurrency}}}
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
        required: [score, motto]
        properties: {{score: {{type: integer, minimum: 1, maximum: 5}}, motto: {{type: string}}}}
  line:
    model: claude-haiku-5-5
    max_tokens: 1000
    prompt: "A line on {{{{ row.town }}}}: {{{{ steps.facts.score }}}}, {{{{ steps.facts.motto }}}}."
output: {{path: out/towns.jsonl}}
"""


def lay_out(folder, url, rows=ROWS, *, previous=True):
    """Write the pipeline, its rows and the output of another version into a new folder; the folder."""
    folder.mkdir(parents=True)
    (folder / "towns.yaml").write_text(PIPELINE.format(url=url, concurrency=CONCURRENCY), "utf-8")
    lines = [json.dumps({"id": number, "town": f"town {number}"}) + "\n" for number in range(rows)]
    (folder / "rows.jsonl").write_text("".join(lines), "utf-8")
    if previous:
        (folder / "out").mkdir()
        for name in FILES:
            (folder / name).write_bytes(PREVIOUS)
    return folder


def database(folder):
    """The database of the pipeline's store."""
    return folder / ".yamlgen" / "towns.yaml.db"


def look(folder, query, *values):
    """What a query finds in a copy of the store as it lies there, so that looking changes nothing."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for suffix in ("", "-wal"):
        path = Path(f"{database(folder)}{suffix}")
        if path.exists():
            shutil.copy(path, copy)
    if not (copy / database(folder).name).exists():
        return []
    with closing(sqlite3.connect(copy / database(folder).name)) as connection:
        found = connection.execute(query, values).fetchall()
    shutil.rmtree(copy)
    return found


def kept(folder):
    """How many answers the store holds."""
    found = look(folder, "SELECT count(*) FROM attempt")
    return found[0][0] if found else 0


def outputs(folder):
    """The bytes of the output and of the failed file."""
    return [(folder / name).read_bytes() for name in FILES[:2]]


def leftovers(folder):
    """What lies beside the output that is none of a run's three files."""
    return sorted(path.name for path in (folder / "out").iterdir() if f"out/{path.name}" not in FILES)


@dataclass(frozen=True)
class Reference:
    """What an undisturbed run comes to: its files, and how many requests it takes."""

    outputs: list
    requests: int
    code: int


@dataclass(frozen=True)
class Kill:
    """Where a run is killed: at a failpoint, or when the server was asked so often, plus a moment."""

    name: str
    number: int
    moment: float = 0.0

    @property
    def certain(self):
        """Whether every run comes to it."""
        return self.name in POINTS and (self.number <= COMMITS or not self.name.endswith("-commit"))

    @classmethod
    def drawn(cls, name, random, requests):
        """A kill at a place that a seed picks."""
        if name in POINTS:
            return cls(name, random.randint(1, POINTS[name]))
        if name == AT_THE_START:
            return cls(name, 0, random.uniform(0, 0.25))
        return cls(name, random.randint(1, requests), random.uniform(0, 0.05))


@dataclass
class KillCounts:
    """What one story of kills came to: what every kill cost, and what was lost."""

    killed: int = 0
    repaid: list = field(default_factory=list)
    lost: int = 0
    doubled: int = 0


@dataclass
class KillScenario:
    """A server, a fork server, and the reference of an undisturbed run at that server."""

    fork_server: ForkServer
    server: CountingSimulator
    folder: Path
    rows: int = ROWS
    reference: Reference = None

    def __post_init__(self):
        folder = lay_out(self.folder / "reference", self.server.url, self.rows)
        ended = self.run(folder)
        self.reference = Reference(outputs(folder), self.server.asked, ended.code)
        assert ended.code == 1, ended.err
        assert kept(folder) == self.server.asked
        assert leftovers(folder) == []

    def start(self, folder, *arguments, **options) -> ForkedProcess:
        """Start a run of the pipeline in a folder."""
        return self.fork_server.start(folder, "run", "towns.yaml", *arguments, ANTHROPIC_API_KEY=KEY, **options)

    def run(self, folder, *arguments, **options) -> EndedProcess:
        """Run the pipeline in a folder to its end."""
        return self.start(folder, *arguments, **options).wait()

    def run_with_kills(self, name, *kills):
        """Run with kills, one run each, then undisturbed, then once more; everything promised is checked on the way."""
        folder, told = lay_out(self.folder / name, self.server.url, self.rows), KillCounts()
        for kill in kills:
            self._one(folder, kill, told)
        before, held = self.server.asked, kept(folder)
        ended = self.run(folder)
        assert ended.code == self.reference.code, ended.err
        assert self.server.asked - before == self.reference.requests - held, "what was kept was asked again, or lost"
        self._check_end(folder)
        told.doubled += look(folder, "SELECT count(*) - count(DISTINCT key) FROM attempt")[0][0]
        before = self.server.asked
        ended = self.run(folder)
        assert (ended.code, self.server.asked - before) == (self.reference.code, 0)
        self._check_end(folder)
        shutil.rmtree(folder)
        return told

    def _one(self, folder, kill, told):
        """One run that is killed."""
        before, held = self.server.asked, kept(folder)
        life = self._killed(folder, kill)
        ended = life.wait()
        assert ended.code in (-9, self.reference.code), ended.err
        told.killed += ended.code == -9
        added = kept(folder) - held
        self.server.settle()
        told.repaid.append(ended.count("RequestSent") - added)
        assert self.server.asked - before - added <= told.repaid[-1] <= IN_FLIGHT
        self._check_whole(folder)
        told.lost += self._lost(folder, ended)

    def _killed(self, folder, kill):
        if kill.name in POINTS:
            return self.start(folder, failpoint=f"{kill.name}:{kill.number}")
        before, life = self.server.asked, None
        held = kept(folder)
        life = self.start(folder)
        assert self.server.until(before + max(0, min(kill.number, self.reference.requests - held)))
        life.pause(kill.moment)
        life.kill()
        return life

    def _lost(self, folder, ended):
        """How many answers and rows the run told of that are not in the store."""
        run = look(folder, "SELECT max(id) FROM run")
        number = run[0][0] if run else None
        attempts = dict(look(folder, "SELECT step, count(*) FROM attempt WHERE run = ? GROUP BY step", number))
        rows = set(look(folder, "SELECT number, status FROM row WHERE run = ?", number))
        lost = 0
        for step in ("facts", "line"):
            told = sum(event[0] == "AnswerReceived" and event[2:] == [step, "False"] for event in ended.told)
            lost += max(0, told - attempts.get(step, 0))
        for kind, status in (("RowFinished", "finished"), ("RowFailed", "failed")):
            lost += len({(int(event[1]), status) for event in ended.told if event[0] == kind} - rows)
        return lost

    def _check_whole(self, folder):
        """Each file is the one of before, or the new one; nothing in between."""
        for name, new in zip(FILES, self.reference.outputs, strict=False):
            assert (folder / name).read_bytes() in (PREVIOUS, new), name
        record = (folder / FILES[2]).read_bytes()
        assert record == PREVIOUS or json.loads(record)["rows"]["input"] == self.rows

    def _check_end(self, folder):
        assert outputs(folder) == self.reference.outputs
        assert json.loads((folder / FILES[2]).read_bytes()) != json.loads(PREVIOUS)
        assert leftovers(folder) == []


def seeded(count, seed=0):
    """So many names of kills, each failpoint and a random moment in turn, with the numbers of a seed."""
    names = [*POINTS, "a random moment", AT_THE_START]
    return [(names[number % len(names)], Random(f"{seed} {number}")) for number in range(count)]  # noqa: S311


def simulator():
    """The server of these stories."""
    return CountingSimulator(faults=FAULTS, latency=LATENCY)
