"""Steps that wait for batches at the same time, in one row."""

import json

import pytest

from yamlgen.batches import follower, gathering
from yamlgen.batches.desk import BatchDesk

ROWS = 60

PARALLEL = """\
version: 1
name: small
model: {{id: claude-haiku-5-5, max_tokens: 100}}
batch: true
input: {{path: rows.jsonl, id: id}}
steps:
  note: {{prompt: "Write a note on {{{{ row.topic }}}}."}}
  song: {{prompt: "{song}"}}
output: {{path: out/notes.jsonl}}
"""


@pytest.fixture
def run(small, call):
    """Run a pipeline of two steps side by side, and return the report of the run."""

    def run(song):
        (small / "small.yaml").write_text(PARALLEL.format(song=song))
        rows = (json.dumps({"id": number, "topic": f"town {number}"}) for number in range(ROWS))
        (small / "rows.jsonl").write_text("\n".join(rows))
        called = call("run", "small.yaml", "--simulate", "--output-format", "json")
        assert called.code == 0, called.err
        return json.loads(called.out)

    return run


def test_a_row_never_finds_a_part_of_the_results_that_it_waits_for(run, monkeypatch):
    """If it did, it would finish, and be run again when the rest is there."""
    monkeypatch.setattr(follower, "_AT_ONCE", 1)
    report = run("Write a song on {{ row.topic }}.")
    assert report["rows"]["finished"] == ROWS
    tokens = [report["steps"][step]["paid"]["usage"]["output_tokens"] for step in ("note", "song")]
    assert min(tokens) > ROWS  # each answer was reported


def test_equal_requests_of_two_steps_are_one_request(run):
    """The other step waits for it; it has no empty batch."""
    report = run("Write a note on {{ row.topic }}.")
    assert report["rows"]["finished"] == ROWS
    assert [(batch["step"], batch["requests"]) for batch in report["batches"]] == [("note", ROWS - 1)]


def test_a_full_batch_is_posted_once_while_rows_with_its_requests_arrive(run, monkeypatch):
    """Its last requests are written to the store when an equal one is looked for."""
    monkeypatch.setattr(gathering, "_LEAST_FULL", 5)
    monkeypatch.setattr(gathering, "MOST_REQUESTS", 5)
    report = run("Write a note on {{ row.topic }}.")
    assert report["rows"]["finished"] == ROWS
    assert sum(batch["requests"] for batch in report["batches"]) == ROWS - 1
    assert report["steps"]["note"]["paid"]["attempts"] == ROWS


def test_a_row_that_has_ended_is_not_run_again(run, monkeypatch):
    """Even if it did not need all that it waited for, such as a re-ask of an answer that is valid the second time."""
    take = BatchDesk._take
    monkeypatch.setattr(BatchDesk, "_take", lambda desk: sorted({*take(desk), *range(ROWS)}))
    report = run("Write a song on {{ row.topic }}.")
    assert report["rows"]["finished"] == ROWS
