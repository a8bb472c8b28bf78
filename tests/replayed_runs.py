"""Runs that are recorded and replayed: what both come to, as values that can be compared."""

import asyncio
import json
import re
from contextlib import ExitStack
from dataclasses import dataclass

from yamlgen.diagnostics import Mark
from yamlgen.output.row_composer import RowComposer, outputs_of
from yamlgen.store.run_session import open_runs
from yamlgen.testing.extraction import extract
from yamlgen.testing.recordings import RecordedAnswers
from yamlgen.testing.replay import replay
from yamlgen.testing.suite import CheckedCase
from yamlgen.testing.suite_config import CaseModel


@dataclass(frozen=True)
class Outcome:
    """What a run or a replay came to.

    Attributes:
        lines: the lines of each output, by name.
        results: for each row, the steps with their status, and their value or the code and message of their error.
    """

    lines: dict
    results: dict


@dataclass(frozen=True)
class Replay:
    """What a replay came to, and what was not recorded."""

    outcome: Outcome
    missing: tuple
    not_reached: dict
    used: frozenset
    entry: object


def case_of(plan, rows):
    """A case with these rows."""
    rows = list(rows)
    return CheckedCase(
        CaseModel(name="a case"), Mark("p.test.yaml", 1, 1, 1, 2), plan, len(rows), lambda: iter(rows), ()
    )


def outcome_of(run_reader, run):
    """What the rows of a run came to. The names of runs are left out."""
    lines = {}
    with ExitStack() as stack:
        for output in outputs_of(run):
            composer = stack.enter_context(RowComposer(run_reader, run, output))
            lines[output.name] = [(part, _unnamed(line)) for part, line in composer.parted()]
    results = {}
    for row in run_reader.rows(run, failed=True):
        results[row.number] = [
            (each.step, each.status, each.value, _told(run_reader.error(each))) for each in row.results
        ]
    return Outcome(lines, results)


def _unnamed(line):
    """An output row without the runs that paid for it, which a replay without recordings does not know."""
    row = json.loads(line)
    for origin in (row.get("provenance") or {}).values() if isinstance(row.get("provenance"), dict) else ():
        if isinstance(origin, dict):
            origin.pop("runs", None)
            origin.pop("simulated", None)
    return row


def _told(error):
    """The code and the message of an error; the id of a request is that of a header, which is not recorded."""
    return error and (error["code"], re.sub(r" \(request \S+\)", "", error["message"]))


def recorded(place, plan, rows, *, redact=(), run=-1):
    """What the last run of a store came to, and the recordings of its rows."""
    with open_runs(place) as run_reader:
        entry = run_reader.runs()[run]
        found = extract(run_reader, entry, plan, {row.index: row.identity for row in rows}, redact=redact)
        return outcome_of(run_reader, entry), RecordedAnswers(found.recordings)


def replayed(plan, rows, recordings, *, redact=()):
    """A replay of rows."""

    async def main():
        async with replay(case_of(plan, rows), recordings, redact=redact) as done:
            outcome = outcome_of(done.run_reader, done.entry)
            return Replay(outcome, done.missing, done.not_reached, done.used, done.entry)

    return asyncio.run(main())
