"""Invalid outputs of a batch: asked again in a further batch, or one by one if they are few."""

import json

import pytest

from batching_api import batching

RATED = """\
version: 1
name: small
batch: {minimum: 2}
input: {path: rows.jsonl, id: id}
steps:
  note:
    model: claude-haiku-5-5
    prompt: "Rate {{ row.topic }}."
    output:
      reasks: 3
      schema: {type: object, required: [score], additionalProperties: false, properties: {score: {type: integer}}}
output: {path: out/notes.jsonl}
"""


@pytest.fixture
def rated(small):
    """The small pipeline with a schema, and up to three re-asks."""
    (small / "small.yaml").write_text(RATED, encoding="utf-8")
    return small


def rounds(server):
    """The number of the re-ask that each request is; 0 for a first request."""
    return [len(json.loads(text)["messages"]) - 1 for text in server.texts]


@pytest.mark.usefixtures("rated")
def test_invalid_outputs_go_into_further_batches(call, monkeypatch):
    """All of them in each round, with the answer and what is wrong with it; up to the maximum of re-asks."""
    with batching(monkeypatch, "invalid_output=1", delay=0.0) as server:
        assert call("run", "small.yaml", "-q").code == 1
    assert server.sizes == [8, 8, 8, 7]  # the re-ask of the first row joins the first requests of the others
    assert server.single.total() == 1
    assert sorted(rounds(server)) == sorted([0, 1, 2, 3] * 8)
    assert set(server.asked.values()) == {1}
    assert '"score" is a required property' in json.loads(server.texts[-1])["messages"][-1]["content"]


@pytest.mark.usefixtures("rated")
def test_few_are_asked_again_one_by_one(call, monkeypatch):
    """That is told once, with the price; the rest of the rounds goes on in the same way."""
    with batching(monkeypatch, "invalid_output=1", delay=0.0) as server:
        done = call("run", "small.yaml", "--set", "batch=true")
    assert done.code == 1
    assert server.sizes == [8]
    assert server.single.total() == 4 * 8 - 8
    told = [line for line in done.err.splitlines() if "one by one, at the full price" in line]
    assert len(told) == 1
    assert "step `note`: 8 re-asks are sent one by one, at the full price: fewer than `batch.minimum`, 100" in told[0]


def test_what_is_asked_again_is_the_same_in_both_ways(call, rated, monkeypatch):
    """Some outputs are invalid, some more than once: batches, and both ways mixed, come to the same file."""
    found = []
    for number, options in enumerate((["--no-batch"], [], ["--set", "batch.minimum=3"], ["--set", "batch=true"])):
        with batching(monkeypatch, "invalid_output=0.6", delay=0.0) as server:
            code = call("run", "small.yaml", "-q", "--store", f"store{number}", *options).code
        found.append((code, (rated / "out" / "notes.jsonl").read_bytes(), server.asked))
        assert bool(server.sizes) == bool(number)
    assert all(each == found[0] for each in found)
