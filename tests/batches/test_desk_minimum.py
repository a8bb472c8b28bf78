"""Requests that are too few for a batch."""

LONG = """\
version: 1
name: small
model: {id: claude-sonnet-5, max_tokens: 200000}
batch: {minimum: 100}
input: {path: rows.jsonl, id: id}
steps:
  note: {prompt: "Write a note on {{ row.topic }}."}
output: {path: out/notes.jsonl}
"""


def test_a_request_that_only_a_batch_takes_is_sent_in_a_batch_below_the_minimum(small, call):
    """Such as one for a very long answer."""
    (small / "small.yaml").write_text(LONG)
    called = call("run", "small.yaml", "--simulate")
    assert called.code == 0, called.err
    assert "8 requests posted" in called.err
