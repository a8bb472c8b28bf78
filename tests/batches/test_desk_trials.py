"""Many equal failures in rows that are run again, after a batch."""

import json

from yamlgen.claude.sending import SingleRequestSender
from yamlgen.errors import Code, RowError

BAD = 100
PIPELINE = """\
version: 1
name: small
model: {id: claude-haiku-5-5, max_tokens: 100}
limits: {max_failures: 100%}
input: {path: rows.jsonl, id: id}
steps:
  note: {prompt: "Write a note on {{ row.topic }}.", batch: true}
  title: {prompt: "A title for {{ row.topic }}{{ ':' if steps.note else '' }}", model: claude-sonnet-5}
output: {path: out/notes.jsonl}
"""


def test_other_rows_are_tried_before_a_run_ends_for_equal_failures(small, call, monkeypatch):
    """The first rows are bad: the API refuses their requests in the step behind the batch."""
    send = SingleRequestSender.send

    async def refusing(self, request):
        if "A title for bad" in str(request.body["messages"]):
            raise RowError("not allowed", code=Code.BAD_REQUEST, status=400)
        return await send(self, request)

    monkeypatch.setattr(SingleRequestSender, "send", refusing)
    topics = ["bad" if number < BAD else "good" for number in range(2 * BAD)]
    rows = "\n".join(json.dumps({"id": number, "topic": f"{topic} {number}"}) for number, topic in enumerate(topics))
    (small / "small.yaml").write_text(PIPELINE)
    (small / "rows.jsonl").write_text(rows)
    called = call("run", "small.yaml", "--simulate", "--output-format", "json")
    assert called.out, called.err
    rows = json.loads(called.out)["rows"]
    assert (rows["finished"], rows["failed"]) == (BAD, BAD)
