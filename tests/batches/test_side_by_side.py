"""Pipelines with several batched steps: in a chain, side by side, and between steps that are not batched."""

import json
import threading
import time

import pytest

from batching_api import LATER, batching

HEAD = (
    "version: 1\nname: small\nbatch: true\ninput: {path: rows.jsonl, id: id}\noutput: {path: out/notes.jsonl}\nsteps:\n"
)
BESIDE = """\
  good: {model: claude-haiku-5-5, max_tokens: 100, prompt: "Praise {{ row.topic }}."}
  slow: {kind: python, call: "gate:wait", args: {text: steps.good, id: row.id}}
  bad: {model: claude-haiku-5-5, max_tokens: 200, prompt: "Blame {{ row.topic }}."}
"""
GATE = '''\
"""A step that lets the other batch end while rows are in progress."""

import asyncio
from pathlib import Path


async def wait(text, id):
    if id <= 4:
        Path("go").touch()
        await asyncio.sleep(0.5)
    return len(text)
'''
CHAIN = """\
  plan: {model: claude-haiku-5-5, max_tokens: 100, prompt: "Plan {{ row.topic }}."}
  size: {kind: compute, value: steps.plan | length}
  draft: {model: claude-haiku-5-5, max_tokens: 200, batch: false, prompt: "Draft {{ steps.plan }} {{ steps.size }}."}
  text: {model: claude-haiku-5-5, max_tokens: 300, when: "row.id != 3", prompt: "Text of {{ steps.draft }}."}
"""


@pytest.fixture
def rows(small):
    """Twenty rows."""
    lines = "".join(f'{{"id": {number}, "topic": "town {number}"}}\n' for number in range(1, 21))
    (small / "rows.jsonl").write_text(lines, encoding="utf-8")
    return small


def ids(folder):
    """The ids of the rows in the output."""
    return [json.loads(line)["id"] for line in (folder / "out" / "notes.jsonl").read_text().splitlines()]


def test_a_batch_may_end_while_rows_of_another_are_in_progress(call, rows, monkeypatch):
    """Rows that waited for both, and finish in that pass, are stored once."""
    (rows / "small.yaml").write_text(HEAD + BESIDE, encoding="utf-8")
    (rows / "gate.py").write_text(GATE, encoding="utf-8")
    with batching(monkeypatch, delay=LATER) as server:

        def end_one_after_the_other():
            while len(server.batches) < 2:
                time.sleep(0.01)
            first = next(
                each for each in server.batches if '"max_tokens": 100' in json.dumps(each._requests.request(0))
            )
            first._ends = 0.0
            while not (rows / "go").exists():
                time.sleep(0.01)
            server.finish()

        ending = threading.Thread(target=end_one_after_the_other)
        ending.start()
        done = call("run", "small.yaml", "-q", "--max-concurrency", "1")
        ending.join()
    assert done.code == 0, done.err
    assert ids(rows) == [*range(1, 21)]
    assert set(server.asked.values()) == {1}


def test_steps_behind_a_batched_step_start_when_their_rows_are_there(call, rows, monkeypatch):
    """Two batches in a chain, with single requests and computed values between them; a skipped row skips its part."""
    (rows / "small.yaml").write_text(HEAD + CHAIN, encoding="utf-8")
    with batching(monkeypatch, delay=0.0) as server:
        assert call("run", "small.yaml", "-q").code == 0
    assert server.sizes == [19, 18]
    assert server.single.total() == 1 + 20 + 1
    assert set(server.asked.values()) == {1}
    written = (rows / "out" / "notes.jsonl").read_bytes()
    with batching(monkeypatch) as single:
        assert call("run", "small.yaml", "-q", "--no-batch", "--store", "other").code == 0
    assert single.asked == server.asked
    assert (rows / "out" / "notes.jsonl").read_bytes() == written


def test_a_chain_is_detached_step_by_step(call, rows, monkeypatch):
    """Each run collects one batch and posts the next; while one is processed, another run changes nothing."""
    (rows / "small.yaml").write_text(HEAD + CHAIN, encoding="utf-8")
    with batching(monkeypatch) as server:
        for sizes in ([19], [19, 18]):
            for _ in range(2):
                assert call("run", "small.yaml", "-q", "--detach").code == 5
                assert server.sizes == sizes
            assert not (rows / "out" / "notes.jsonl").exists()
            server.finish()
        assert call("run", "small.yaml", "-q", "--detach").code == 0
    assert ids(rows) == [*range(1, 21)]
    assert set(server.asked.values()) == {1}
