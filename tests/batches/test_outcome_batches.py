"""Truncated answers and refusals of a batch: larger requests and other models, in a further batch or one by one."""

import json

import pytest

from batching_api import batching

NOTES = """\
version: 1
name: small
batch: {minimum: 2}
models:
  first: {id: claude-opus-4-8, max_tokens: 300}
  other: {id: claude-haiku-5-5, max_tokens: 300}
input: {path: rows.jsonl, id: id}
steps:
  note:
    model: first
    on_truncated: retry_larger
    on_refusal: [other]
    prompt: "A note on {{ row.topic }}."
output: {path: out/notes.jsonl}
"""


@pytest.fixture
def notes(small):
    """The small pipeline with larger requests and another model."""
    (small / "small.yaml").write_text(NOTES, encoding="utf-8")
    return small


def sizes(server):
    """The model and the `max_tokens` of every request."""
    return [(body["model"], body["max_tokens"]) for body in map(json.loads, server.texts)]


@pytest.mark.usefixtures("notes")
def test_larger_requests_go_into_further_batches(call, monkeypatch):
    """Up to the maximum in a batch, under the beta that it takes."""
    with batching(monkeypatch, "truncate=1", delay=0.0) as server:
        assert call("run", "small.yaml", "-q", "--set", "steps.note.max_tokens=100000").code == 1
    assert sorted(size for _, size in sizes(server)) == sorted([100_000, 200_000, 300_000] * 8)
    assert server.single.total() == 1
    assert set(server.asked.values()) == {1}


@pytest.mark.usefixtures("notes")
def test_refused_rows_go_to_the_other_model_in_a_further_batch(call, monkeypatch):
    """No request of a batch has `fallbacks`."""
    with batching(monkeypatch, "refusal=1", delay=0.0) as server:
        assert call("run", "small.yaml", "-q").code == 1
    assert sorted(sizes(server)) == sorted([("claude-opus-4-8", 300), ("claude-haiku-5-5", 300)] * 8)
    assert server.single.total() == 2  # one for each model, which the API judges before a batch
    assert not any("fallbacks" in json.loads(text) for text in server.texts)


def test_both_ways_come_to_the_same_file(call, notes, monkeypatch):
    """With some answers that are cut off and some refusals, in batches or one by one."""
    found = []
    for number, options in enumerate((["--no-batch"], [])):
        with batching(monkeypatch, "truncate=0.4", "refusal=0.3", delay=0.0) as server:
            call("run", "small.yaml", "-q", "--store", f"store{number}", *options)
        found.append(((notes / "out" / "notes.jsonl").read_bytes(), server.asked))
        assert bool(server.sizes) == bool(number)
    assert found[0] == found[1]
    assert max(found[0][1].values()) == 1


@pytest.mark.usefixtures("notes")
def test_a_second_run_sends_nothing(call, monkeypatch):
    """What came with batches is found by its keys, one by one too."""
    with batching(monkeypatch, "truncate=0.4", "refusal=0.3", delay=0.0) as server:
        call("run", "small.yaml", "-q")
        before = server.asked.copy()
        call("run", "small.yaml", "-q")
        call("run", "small.yaml", "-q", "--no-batch")
        assert server.asked == before
