"""A replay: what is recorded comes to what it came to, what is not is told, and nothing is sent."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from counted_runs import TOWNS, fact
from replayed_runs import case_of, outcome_of, recorded, replayed
from scripted_api import call, refusal, said
from yamlgen.api.loading import load
from yamlgen.errors import Code
from yamlgen.reports.report import Report
from yamlgen.store.location import location_of
from yamlgen.testing.recording_file import read_recordings, write_recordings
from yamlgen.testing.recordings import RecordedAnswers
from yamlgen.testing.replay import replay

ALL = len(TOWNS)
NATIVE = {
    "type": "object",
    "required": ["kind"],
    "properties": {"kind": {"enum": ["old", "new", "odd"]}},
    "additionalProperties": False,
}


class Taken:
    """A project whose run was recorded.

    Attributes:
        outcome: what the run came to.
        recordings: its recordings.
    """

    def __init__(self, project, **options):
        self.project = project
        self.run = project.run()
        self.outcome, self.recordings = recorded(location_of(project.path), *self.now(), **options)

    def now(self):
        """The plan and the rows as they are now."""
        self.project.save()
        pipeline = load(self.project.path)
        plan = pipeline.plan()
        return plan, list(pipeline.source.rows(columns=plan.columns))

    def replay(self, recordings=None, **options):
        """A replay of the pipeline as it is now."""
        return replayed(*self.now(), self.recordings if recordings is None else recordings, **options)


def codes(replay):
    """The codes of the errors of each step, of all rows."""
    return [(step, error[0]) for row in replay.outcome.results.values() for step, _, _, error in row if error]


def test_a_recorded_run_replays(project):
    """The same rows, without a miss; every recording is used."""
    taken = Taken(project)
    again = taken.replay()
    assert (again.missing, again.outcome, again.entry.finished) == ((), taken.outcome, ALL)
    assert len(again.used) == len(taken.recordings) == 2 * ALL


def test_the_address_is_no_part_of_a_recording(project, monkeypatch):
    """Without the key, at another address, on another path, all is found."""
    taken = Taken(project)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "not even an address")
    project.set("runtime.base_url", "https://gateway.example/v1x")
    elsewhere = project.folder / "elsewhere"
    elsewhere.mkdir()
    project.folder = elsewhere
    assert taken.replay().missing == ()


def test_an_edited_prompt_is_missed_by_its_step_alone(project):
    """The step behind it is not reached, because what it would read is unknown."""
    taken = Taken(project)
    project.set("steps.facts.system", "You know {{ row.town }} well.")
    again = taken.replay()
    assert [(each.step, each.row, each.variant) for each in again.missing] == [
        ("facts", row, "facts") for row in range(ALL)
    ]
    assert again.missing[0].body["system"] == "You know Oslo well."
    assert again.not_reached == {"facts": {"line": ALL}}
    assert (again.entry.missing, again.entry.failed) == (ALL, 0)


def test_a_step_behind_an_edited_one_keeps_its_recordings(project):
    """The last step is edited: the first one is replayed."""
    taken = Taken(project)
    project.set("steps.line.prompt", "Another line on {{ row.town }}.")
    again = taken.replay()
    assert {each.step for each in again.missing} == {"line"}
    assert set(again.used) == {each.key for each in taken.recordings.of_step("facts")}


def test_a_re_ask_is_a_recording_of_its_own(project):
    """An invalid answer and the re-ask are replayed; without the re-ask, that request is missing."""
    project.refuse("Facts on Oslo", reply=fact("none"))
    taken = Taken(project)
    assert len(taken.recordings) == 2 * ALL + 1
    assert taken.replay().outcome == taken.outcome
    reask = next(each for each in taken.recordings.of_step("facts") if len(each.request["messages"]) > 3)
    again = taken.replay(RecordedAnswers(each for each in taken.recordings if each is not reask))
    assert [(each.step, each.row, each.reask) for each in again.missing] == [("facts", 0, True)]


def test_an_answer_that_an_edited_check_rejects_fails_its_row(project):
    """Its re-ask would be another request, but the row is judged on what is recorded: it is no miss."""
    taken = Taken(project)
    project.set("steps.facts.check", ["output.kind != 'new'"])
    again = taken.replay()
    assert again.missing == ()
    assert codes(again) == [("facts", Code.INVALID_OUTPUT)] * 2
    message = "the output is invalid: `output.kind != 'new'` does not hold"
    assert [row[0][3] for row in again.outcome.results.values() if row[0][3]] == [(Code.INVALID_OUTPUT, message)] * 2


def test_an_answer_that_an_edited_check_accepts_is_used(project):
    """The first answer counts, although a re-ask is recorded."""
    project.set("steps.facts.check", ["output.kind != 'old' or output.sure"])
    project.refuse("Facts on Oslo", reply=fact("old"))
    taken = Taken(project)
    project.set("steps.facts.check", None)
    again = taken.replay()
    assert {each.step for each in again.missing} <= {"line"}
    assert ("facts", Code.INVALID_OUTPUT) not in codes(again)


def test_a_step_that_may_be_null_is_null_by_an_edited_check(project):
    """`on_error: null` counts for an answer that a check rejects, and not for a request that is missing."""
    taken = Taken(project)
    project.set("steps.line.on_error", "null")
    project.set("steps.line.check", ["false"])
    again = taken.replay()
    assert (again.missing, again.entry.finished) == ((), ALL)
    assert all(row["line"] is None for _, row in again.outcome.lines[""])
    project.set("steps.line.max_tokens", 99)
    assert len(taken.replay().missing) == ALL


def test_a_refused_schema_is_replayed_by_the_tool(project):
    """The refusal is recorded, so that the replay requests the tool too."""

    def reply(body):
        town = next(town for town in TOWNS if town in json.dumps(body["messages"]))
        if "tools" in body:
            return said(call({"kind": TOWNS[town]}), stop="tool_use")
        return refusal(400, "Schema is too complex for compilation.")

    project.script = reply
    project.set("steps.line", None)
    project.set("steps.facts.output.schema", NATIVE)
    taken = Taken(project)
    assert [each.refusal for each in taken.recordings if each.refusal] == [
        (400, "the API refused the request (400): Schema is too complex for compilation.")
    ]
    again = taken.replay()
    assert (again.missing, again.outcome) == ((), taken.outcome)
    assert again.used == {each.key for each in taken.recordings}


def test_a_schema_that_is_refused_natively_and_as_a_tool_is_replayed(project):
    """No request was answered, but each row fails as it did, without a miss."""
    project.script = lambda body: refusal(
        400, "Schema is too complex for compilation." if "tools" not in body else "no"
    )
    project.set("steps.line", None)
    project.set("steps.facts.output.schema", NATIVE)
    taken = Taken(project)
    again = taken.replay()
    assert (again.missing, again.outcome) == ((), taken.outcome)
    assert codes(again) == [("facts", Code.BAD_REQUEST)] * ALL


def test_a_refused_request_is_replayed(project):
    """A row that the API has refused fails in the same way."""
    project.refuse("A line on Rome", reply=refusal(400, "not allowed"))
    taken = Taken(project)
    again = taken.replay()
    assert (again.missing, again.outcome) == ((), taken.outcome)
    assert codes(again) == [("line", Code.BAD_REQUEST)]


def test_a_failure_of_the_connection_is_not_recorded(project):
    """Nothing was answered: the request is missing."""
    project.refuse("A line on Rome", reply=refusal(500, "no"))
    taken = Taken(project)
    assert [(each.step, each.row) for each in taken.replay().missing] == [("line", 1)]


@pytest.mark.parametrize("more", [{"samples": 3}, {"for_each": "['sea', 'air', 'sea']"}, {"matrix": {"tone": [1, 2]}}])
def test_equal_requests_of_a_row_have_their_own_answers(project, more):
    """They are numbered; if one is missing, it alone is."""
    project.set("steps.line", {"model": "quick", "prompt": "A line on {{ row.town }}.", **more})
    taken = Taken(project)
    again = taken.replay()
    assert (again.missing, again.outcome) == ((), taken.outcome)
    last = max(taken.recordings.of_step("line"), key=lambda each: (each.sample, each.fingerprint))
    again = taken.replay(RecordedAnswers(each for each in taken.recordings if each is not last))
    assert len(again.missing) == 1


@pytest.mark.parametrize("with_ids", [True, False])
def test_equal_requests_of_rows_have_their_own_answers(project, with_ids):
    """Rows that send the same request got different answers; a new row gets the newest of them."""
    project.set("steps", {"idea": {"model": "quick", "prompt": "A line on anything."}})
    if with_ids:
        project.set("input.id", "town")
    taken = Taken(project)
    assert len(taken.recordings) == ALL
    again = taken.replay()
    assert (again.missing, again.outcome) == ((), taken.outcome)
    project.rows.append({"town": "Bath"})
    assert taken.replay().missing == ()


def test_draws_are_drawn_and_functions_called(project):
    """Both come to what they came to in the run."""
    (project.folder / "scoring.py").write_text("def score(town):\n    return len(town)\n")
    project.set("steps.dice", {"kind": "draw", "draws": {"eye": {"integer": [1, 600]}}})
    project.set("steps.score", {"kind": "python", "call": "scoring:score", "args": {"town": "row.town"}, "keep": True})
    project.set("steps.line.prompt", "A line on {{ row.town }}, {{ steps.dice.eye }}, {{ steps.score }}.")
    taken = Taken(project)
    again = taken.replay()
    assert (again.missing, again.outcome) == ((), taken.outcome)


def test_cases_run_side_by_side(project):
    """On one event loop, each on a store of its own."""
    taken = Taken(project)
    plan, rows = taken.now()

    async def one(case):
        async with replay(case, taken.recordings) as done:
            await asyncio.sleep(0)
            return outcome_of(done.run_reader, done.entry)

    async def main():
        return await asyncio.gather(*(one(case_of(plan, rows)) for _ in range(5)))

    assert asyncio.run(main()) == [taken.outcome] * 5


def test_a_replay_leaves_nothing_behind(project):
    """Its store is removed, and that of the pipeline is not touched."""
    taken = Taken(project)
    before = project.store().read_bytes()
    plan, rows = taken.now()

    async def main():
        async with replay(case_of(plan, rows), taken.recordings) as done:
            return done.run_reader.place.folder

    assert not asyncio.run(main()).exists()
    assert project.store().read_bytes() == before


ALONE = """\
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
import socket
def refuse(*_, **__): raise AssertionError("a socket connects")
socket.socket.connect = socket.socket.connect_ex = refuse
from replayed_runs import replayed
from yamlgen.api.loading import load
from yamlgen.testing.recording_file import read_recordings
pipeline = load(sys.argv[1])
plan = pipeline.plan()
rows = list(pipeline.source.rows(columns=plan.columns))
done = replayed(plan, rows, read_recordings(Path("towns.answers.jsonl")).recordings)
print(done.entry.finished, len(done.missing))
"""


def can_unshare():
    """Whether a process may make a network namespace."""
    try:
        return subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def test_a_replay_needs_no_network(project, monkeypatch):
    """In a process without a key whose sockets do not connect, and without interfaces where the system allows it."""
    taken = Taken(project)
    write_recordings(Path("towns.answers.jsonl"), taken.recordings)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name)
    way = ["unshare", "-rn"] if can_unshare() else []
    tests = str(Path(__file__).parent.parent)
    command = [*way, sys.executable, "-c", ALONE, str(project.path), tests]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.stderr) == (f"{ALL} 0\n", "")


def test_a_clone_with_other_line_ends_replays(project):
    """As git makes one with `core.autocrlf`: pipeline, prompt, rows and recordings have CRLF."""
    (project.folder / "line.md").write_bytes(b"A line on {{ row.town }},\nwhich is {{ steps.facts.kind }}.\n\nNow!\n")
    project.set("steps.line.prompt", {"file": "line.md"})
    taken = Taken(project)
    answers = project.folder / "towns.answers.jsonl"
    write_recordings(answers, taken.recordings)
    for path in (project.path, project.folder / "line.md", project.folder / "rows.jsonl", answers):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    pipeline = load(project.path)
    plan = pipeline.plan()
    again = replayed(plan, pipeline.source.rows(columns=plan.columns), read_recordings(answers).recordings)
    assert (again.missing, again.outcome) == ((), taken.outcome)


def test_provenance_is_that_of_the_run(project):
    """Models, stop reasons, tokens, and the cost at the author's price."""
    project.set("output.provenance", value=True)
    project.set("models.quick.price", {"input": 1, "output": 5})
    taken = Taken(project)
    (_, row), *_ = taken.outcome.lines[""]
    assert row["provenance"]["line"]["cost_usd"] == 0.000035
    assert taken.replay().outcome == taken.outcome


def test_events_are_those_of_a_run(project):
    """A listener sees the start, every answer as one that was stored, and the end of each row."""
    taken, report = Taken(project), Report()
    plan, rows = taken.now()

    async def main():
        async with replay(case_of(plan, rows), taken.recordings, report.observe):
            pass

    asyncio.run(main())
    assert (report.finished, report.paid.attempts, report.reused.attempts) == (ALL, 0, 2 * ALL)
