"""A run that is half done in one way and finished in the other: nothing is sent twice, and the files are the same."""

import pytest

from batching_api import LATER, apart_from_way, batching

PIPELINE = """\
version: 1
name: small
models:
  quick: {id: claude-haiku-5-5, max_tokens: 1000}
  twin: {id: claude-haiku-5-5, max_tokens: 1000}
  slow: {id: claude-sonnet-5-5, max_tokens: 1000}
input: {path: rows.jsonl, id: id}
steps:
  tags:
    model: quick
    prompt: "Tags of {{ row.topic }}."
    samples: 2
    check: ["output | length < 3"]
    on_item_error: null
    output: {reasks: 2, schema: {type: array, minItems: 1, maxItems: 4, items: {type: string, maxLength: 6}}}
  all: {kind: compute, value: "steps.tags | reject('none') | sum(start=[])"}
  line:
    for_each: steps.all
    matrix: {model: [quick, twin, slow], tone: [dry, warm]}
    prompt: "A {{ matrix.tone }} line on {{ item }}."
    on_item_error: null
  verdict:
    model: slow
    when: "row.id != 3"
    prompt: "Judge {{ steps.line | length }} lines on {{ row.topic }}."
    output: {schema: {type: object, required: [good], properties: {good: {type: boolean}}}}
    on_error: null
outputs:
  lines:
    path: out/lines.jsonl
    for_each: steps.line
    columns: {id: row.id, line: item}
    unique: item
    where: "item is not none"
    rejected: out/none.jsonl
  rows: {path: out/rows.jsonl, failed: keep}
"""
WAYS = {
    "batches": [["--batch"]],
    "singly, then by batches": [["--max-requests", "17"], ["--max-requests", "40"], ["--batch"]],
    "a part of the rows, then by batches": [["--limit", "3"], ["--batch"]],
    "a part of the rows by batches, then singly": [["--limit", "3", "--batch"], []],
    "batches, stopped by a limit, then singly": [["--batch", "--max-requests", "12"], []],
    "a batch, left, then singly": [["--batch", "--detach"], []],
    "batches, left one after the other, the last one finished singly": [["--batch", "--detach"]] * 3 + [[]],
    "a batch, left, then another minimum": [["--batch", "--detach"], ["--batch", "--set", "batch={minimum: 30}"]],
    "one step by batches, left, then the others": [
        ["--set", "steps.line.batch=true", "--detach"],
        ["--set", "steps.tags.batch=true", "--set", "steps.verdict.batch=true"],
    ],
}
FAULTS = ("invalid_output=0.3", "refusal=0.1", "truncate=0.05", "blank=0.05")


def came_of(call, monkeypatch, folder, runs, store):
    """The last code, the files, and how often each body was asked."""
    (folder / "small.yaml").write_text(PIPELINE, encoding="utf-8")
    is_left = any("--detach" in options for options in runs)
    with batching(monkeypatch, *FAULTS, delay=LATER if is_left else 0.0) as server:
        for number, options in enumerate(runs):
            if number and number == len(runs) - 1:
                monkeypatch.setattr(server._batches._lives, "_delay", 0.0)
            done = call("run", "small.yaml", "-q", "--store", store, *options)
            server.finish()
    written = [path for path in (folder / "out").glob("*.jsonl") if "limit" not in path.name]
    return done.code, {path.name: apart_from_way(path) for path in written}, server


@pytest.fixture(scope="module")
def singly():
    """What single requests come to, once for all ways."""
    return {}


@pytest.mark.parametrize("way", WAYS)
def test_the_way_makes_no_difference(call, small, monkeypatch, singly, way):
    """Bodies are asked as often as by a run of single requests, and all files are the same byte by byte."""
    if not singly:
        code, files, server = came_of(call, monkeypatch, small, [[]], "single")
        singly.update(code=code, files=files, asked=server.asked)
        assert {"lines.jsonl", "none.jsonl", "rows.jsonl"} <= files.keys()
        for path in (small / "out").iterdir():
            path.unlink()
    code, files, server = came_of(call, monkeypatch, small, WAYS[way], "other")
    assert code == singly["code"]
    assert server.asked == singly["asked"]
    assert server.sizes
    assert files == singly["files"]
