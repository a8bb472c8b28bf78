"""Whatever was run, stopped, edited, retried and pruned before: a run gives what a run from nothing gives.

The simulator answers by the whole request and the row that asks, so that a run into an empty store tells what any
run of the same pipeline must come to. Hypothesis makes up the histories.

One that fails is told as it is; with `SHRINK=1` the shortest that fails is looked for (that takes minutes).
"""

import os
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import Phase, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from counted_runs import PipelineProject, keys
from yamlgen.api import run_execution
from yamlgen.api.history import prune_runs
from yamlgen.api.loading import load
from yamlgen.canonical_json import short_digest
from yamlgen.errors import Code
from yamlgen.output.failure_records import compose_failed
from yamlgen.output.row_composer import RowComposer, outputs_of
from yamlgen.store.location import location_of
from yamlgen.store.run_session import open_runs

TOWNS = ("Oslo", "Rome", "Graz")
KINDS = ["old", "new", 3, 4]
CHECKS = ({}, {"type": "string"}, {"type": "integer"}, {"const": "old"})
"""What an output must be besides what is sent, from nothing to what few answers are."""

TEXTS = {
    "pick": ("Pick for {{ row.town }}.", "Choose for {{ row.town }}, {{ row.note }}."),
    "line": ("A line on {{ row.town }}, {{ steps.pick.kind }}.", "A line on {{ steps.pick.kind }}."),
    "side": ("Aside: {{ row.town }}.", "Aside: {{ row.note }}."),
}
HARMLESS = (
    ("runtime.timeout", 100),
    ("runtime.timeout", 200),
    ("runtime.concurrency", 1),
    ("runtime.concurrency", 3),
    ("description", "Towns."),
    ("output.path", "out/others.csv"),
    ("output.path", "out/towns.jsonl"),
    ("output.provenance", True),
    ("output.provenance", False),
)
PLACES = st.integers(0, 20)


def pipeline():
    """A step that is checked, one that needs it, and one that stands beside them."""
    steps = {name: {"model": "quick", "max_tokens": 1000, "prompt": texts[0]} for name, texts in TEXTS.items()}
    return {
        "version": 1,
        "models": {"quick": {"id": "claude-haiku-5-5"}},
        "runtime": {"concurrency": 3},
        "input": {"path": "rows.jsonl"},
        "steps": steps,
        "output": {"path": "out/towns.jsonl"},
    }


def schema(check):
    """The schema of the checked step: of each check the same is sent."""
    kind = {"enum": KINDS, **check}
    return {"type": "object", "required": ["kind"], "additionalProperties": False, "properties": {"kind": kind}}


class Histories(RuleBasedStateMachine):
    """A pipeline that is edited, and its store, which every kind of run goes through."""

    def __init__(self):
        super().__init__()
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(run_execution, "surroundings", cache(run_execution.surroundings))
        self.project = self.stack.enter_context(PipelineProject(folder))
        self.project.document = pipeline()
        self.project.set("steps.pick.output", {"schema": schema({})})
        self.project.rows = []
        self.known = {}
        self.settled = None
        for town in TOWNS:
            self.add(town)

    def teardown(self):
        """Close what is open."""
        self.stack.close()

    # What is edited.

    @rule(town=st.sampled_from(TOWNS))
    def add(self, town):
        """A row more, which may be equal to another one."""
        assume(len(self.project.rows) < 6)
        number = max((row["id"] for row in self.project.rows), default=0) + 1
        self.project.rows.append({"id": number, "town": town, "note": town[0], "free": 0})

    @rule(place=PLACES)
    def drop(self, place):
        """A row less."""
        assume(len(self.project.rows) > 1)
        self.project.rows.pop(place % len(self.project.rows))

    @rule(place=PLACES)
    def move(self, place):
        """A row goes to the end."""
        self.project.rows.append(self.project.rows.pop(place % len(self.project.rows)))

    @rule(place=PLACES, column=st.sampled_from(["town", "note", "free"]), value=st.sampled_from(TOWNS))
    def change(self, place, column, value):
        """Another value in a row."""
        self.project.rows[place % len(self.project.rows)][column] = value

    @rule(given=st.booleans())
    def name_rows(self, given):
        """Rows are told apart by their ids, or by their values."""
        self.project.set("input.id", "id" if given else None)

    @rule(step=st.sampled_from(sorted(TEXTS)), number=st.integers(0, 1))
    def prompt(self, step, number):
        """Another prompt."""
        self.project.set(f"steps.{step}.prompt", TEXTS[step][number])

    @rule(step=st.sampled_from(["line", "side"]), most=st.sampled_from([1000, 38, 30]))
    def shorten(self, step, most):
        """Room for longer answers, or shorter ones: what is cut off has failed."""
        self.project.set(f"steps.{step}.max_tokens", most)

    @rule(check=st.sampled_from(CHECKS))
    def check(self, check):
        """A stricter check of what is answered, or a looser one."""
        self.project.set("steps.pick.output.schema", schema(check))

    @rule(mode=st.sampled_from(["native", "tools", "json"]), reasks=st.integers(0, 2))
    def ask_otherwise(self, mode, reasks):
        """Another way to ask for JSON, and to ask again."""
        self.project.set("steps.pick.output.mode", mode)
        self.project.set("steps.pick.output.reasks", reasks)

    @rule(change=st.sampled_from(HARMLESS))
    def change_nothing_sent(self, change):
        """What no request shows."""
        self.project.set(*change)

    # What is run.

    @rule()
    def run(self):
        """A plain run sends what is missing, and no more."""
        missing = self.missing()
        self.completed(self.project.run(simulate=True), missing)

    @rule(after=st.integers(1, 8), cancel=st.booleans(), fresh=st.booleans())
    def stop(self, after, cancel, fresh):
        """A run that is stopped leaves the output alone, and sent nothing that was there."""
        self.project.save()
        missing = self.reference()[2].total() if fresh else self.missing()
        before = self.project.files()
        done = self.project.run(simulate=True, stop_after=after, cancel=cancel, fresh=fresh)
        assert done.asked <= missing
        if done.finished:
            self.completed(done, missing)
            return
        assert done.error is None or done.error.code is Code.STOPPED
        assert self.project.files() == before

    @rule()
    def fresh(self):
        """A fresh run sends everything."""
        whole = self.reference()[2].total()
        self.completed(self.project.run(simulate=True, fresh=True), whole)

    @rule()
    def offline(self):
        """A run without requests comes to its end when nothing is missing, and leaves the output alone otherwise."""
        missing, before = self.missing(), self.project.files()
        done = self.project.run(simulate=True, offline=True)
        assert done.asked == 0
        if missing:
            self.incomplete(done, before)
        else:
            self.completed(done, 0)

    @precondition(lambda self: self.failed_runs())
    @rule(place=PLACES)
    def retry(self, place):
        """A retry sends for rows that failed, and for no others; what else is missing keeps it from its end."""
        runs = self.failed_runs()
        run = runs[place % len(runs)]
        self.project.save()
        may, before = self.failed_rows(run), self.project.files()
        most = self.reference()[2].total()
        done = self.project.run(simulate=True, retry=run.name)
        assert done.rows <= may
        assert done.asked <= most
        if done.error is None:
            self.completed(done, done.asked)
        else:
            self.incomplete(done, before)

    @rule(keep=st.integers(0, 3))
    def prune(self, keep):
        """Old runs go; the newest whole ones, all that came after them and what those retried stay."""
        if not self.place.database.exists():
            return
        runs = self.runs()
        whole = [run.number for run in runs if run.status == "finished"]
        first = whole[-keep:][0] if whole else 0
        retried = {run.retry for run in runs if run.number >= first}
        stay = [run.name for run in runs if keep and (run.number >= first or run.name in retried)]
        prune_runs([self.place], keep=keep, confirm=lambda *_: True)
        assert [run.name for run in self.runs()] == stay
        if not keep:
            self.settled = None
        elif self.settled == self.signature():
            assert self.missing() == 0

    # What must hold.

    @property
    def place(self):
        """The store."""
        return location_of(self.project.path, simulated=True)

    def signature(self):
        """All that decides what a run comes to."""
        self.project.save()
        return self.project.path.read_text(), (self.project.folder / "rows.jsonl").read_text()

    def reference(self):
        """The rows, the failed rows and the requests of a run into an empty store."""
        now = self.signature()
        if now not in self.known:
            with tempfile.TemporaryDirectory() as folder:
                place = location_of(self.project.path, Path(folder), simulated=True)
                done = self.project.run(simulate=True, store=Path(folder), output=Path(folder) / "rows.jsonl")
                self.known[now] = (*self.came_to(done, place), keys(place.database))
        return self.known[now]

    def missing(self):
        """How many requests of a run from nothing have no answer in the store."""
        return len(set(self.reference()[2]) - set(keys(self.place.database)))

    def came_to(self, done, place):
        """The rows of a run as its store has them, and its failed ones."""
        with open_runs(place) as run_reader:
            entry = run_reader.run(done.report.run)
            (output,) = outputs_of(entry)
            output = replace(output, config=output.config.model_copy(update={"provenance": False}))
            with RowComposer(run_reader, entry, output) as composer:
                return list(composer.lines()), list(compose_failed(run_reader, entry))

    def completed(self, done, asked):
        """A run came to the end that a run from nothing comes to; another one sends nothing and writes the same."""
        assert done.error is None
        assert self.came_to(done, self.place) == self.reference()[:2]
        assert done.asked == asked
        before = self.project.files()
        again = self.project.run(simulate=True)
        assert (again.error, again.asked) == (None, 0)
        assert self.project.files() == before
        self.settled = self.signature()

    def incomplete(self, done, before):
        """A run could not finish every row, said so, and left the output alone."""
        assert done.error is not None
        assert done.error.code is Code.NOT_STORED
        assert self.project.files() == before

    def runs(self):
        """All runs of the store."""
        if not self.place.database.exists():
            return []
        with open_runs(self.place) as run_reader:
            return run_reader.runs()

    def failed_runs(self):
        """Those that have failed rows."""
        return [run for run in self.runs() if run.failed]

    def failed_rows(self, run):
        """The places of today's rows that failed in a run."""
        loaded = load(self.project.path)
        with closing(sqlite3.connect(f"file:{self.place.database}?mode=ro", uri=True)) as connection:
            query = "SELECT identity FROM row WHERE run = ? AND status = 'failed'"
            failed = {identity for (identity,) in connection.execute(query, (run.number,))}
        rows = loaded.source.rows(None, loaded.plan().columns)
        return {row.index for row in rows if short_digest(row.identity) in failed}


Histories.TestCase.settings = settings(
    max_examples=settings().max_examples * 2 // 3,
    phases=[Phase.generate, Phase.shrink] if "SHRINK" in os.environ else [Phase.generate],
    stateful_step_count=20,
)
TestHistories = Histories.TestCase
