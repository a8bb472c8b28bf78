"""Functions of the author before a step that waits for batches."""

import sqlite3

PIPELINE = """\
version: 1
name: small
model: {id: claude-haiku-5-5, max_tokens: 100}
batch: true
input: {path: rows.jsonl, id: id}
steps:
  hint: {kind: python, call: "hints:of", args: {topic: row.topic}, for_each: "[1, 1]"}
  note: {prompt: "Write a note on {{ row.topic }}: {{ steps.hint }}."}
output: {path: out/notes.jsonl}
"""

HINTS = """\
import random

def of(topic):
    with open("calls.txt", "a") as file:
        file.write(f"{topic}\\n")
    return f"{topic} {random.random()}"
"""


def test_a_function_is_called_once_for_a_row_that_is_run_again(small, call):
    """Otherwise one that returns another value each time would send another request each time, and never end."""
    (small / "small.yaml").write_text(PIPELINE)
    (small / "hints.py").write_text(HINTS)
    called = call("run", "small.yaml", "--simulate")
    assert called.code == 0, called.err
    assert called.err.count("requests posted") == 1
    assert len((small / "calls.txt").read_text().splitlines()) == 16
    (store,) = (small / ".yamlgen").glob("*.db")
    with sqlite3.connect(store) as connection:
        assert connection.execute("SELECT count(*) FROM held").fetchone() == (0,)
