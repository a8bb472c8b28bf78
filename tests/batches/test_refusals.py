"""What the API refuses: settings, schemas, and batches themselves. It costs as little as possible."""

import pytest

from batching_api import batching, refused

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
      schema: {type: object, required: [score], additionalProperties: false, properties: {score: {type: integer}}}
output: {path: out/notes.jsonl}
"""
TWO = """\
version: 1
name: small
batch: true
input: {path: rows.jsonl, id: id}
steps:
  good: {model: claude-haiku-5-5, max_tokens: 100, prompt: "Praise {{ row.topic }}."}
  bad: {model: claude-sonnet-5-5, max_tokens: 200, prompt: "Blame {{ row.topic }}."}
output: {path: out/notes.jsonl}
"""


def lines(folder):
    """The rows of the output."""
    return (folder / "out" / "notes.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.mark.usefixtures("small")
def test_a_setting_that_is_refused_costs_no_batch(call, monkeypatch):
    """The first request is sent by itself; the others wait for it, and none is posted."""
    with batching(monkeypatch) as server:
        server.refuse = lambda _: refused(400, "max_tokens: 1024 > 512")
        done = call("run", "small.yaml", "--batch")
    assert done.code == 1  # as if each row were bad by itself
    assert server.posts == 0
    assert set(server.asked.values()) == {1}


def test_each_setup_is_tried_by_itself(call, small, monkeypatch):
    """A step whose settings are refused posts nothing, whatever another one has posted."""
    (small / "small.yaml").write_text(TWO, encoding="utf-8")
    with batching(monkeypatch, delay=0.0) as server:
        server.refuse = lambda body: refused(400, "no") if body["max_tokens"] == 200 else None
        assert call("run", "small.yaml", "-q").code == 1
    assert server.sizes == [7]
    assert set(server.asked.values()) == {1}


@pytest.mark.usefixtures("small")
def test_the_others_wait_for_the_first(call, monkeypatch):
    """With many rows in progress one request goes out; what is proven in one run is proven in the next."""
    with batching(monkeypatch, delay=0.0) as server:
        assert call("run", "small.yaml", "-q", "--batch", "--limit", "4").code == 0
        assert (server.single.total(), server.sizes) == (1, [3])
        assert call("run", "small.yaml", "-q", "--batch").code == 0
        assert (server.single.total(), server.sizes) == (1, [3, 4])


def test_a_schema_that_is_refused_natively_goes_on_by_a_tool(call, small, monkeypatch):
    """The one request that learns it is the only one that is sent natively; the batch has tools."""
    (small / "small.yaml").write_text(RATED, encoding="utf-8")
    said = "output_config.format.schema: the compiled grammar is too large"
    with batching(monkeypatch, delay=0.0) as server:
        server.refuse = lambda body: refused(400, said) if "output_config" in body else None
        done = call("run", "small.yaml")
        assert done.code == 0, done.err
        assert done.err.count("does not accept the schema as native output") == 1
        assert sum("output_config" in text for text in server.texts) == 1
        assert server.sizes == [7]
        assert call("run", "small.yaml", "-q", "--fresh").code == 0
        assert sum("output_config" in text for text in server.texts) == 1
    assert len(lines(small)) == 8


@pytest.mark.parametrize("status", [404, 405, 501])
@pytest.mark.parametrize("where", ["list", "creation"])
def test_a_platform_without_batches_is_told_with_the_way_out(call, small, monkeypatch, status, where):
    """Once, with exit code 3; what the first request brought is kept, and single requests work."""
    with batching(monkeypatch) as server:
        problem = refused(status, "no such route", "not_found_error")
        if where == "list":
            server.refuse_list = problem
        else:
            server.refuse_batch = lambda _: problem
        done = call("run", "small.yaml", "--batch")
        assert done.code == 3
        assert done.err.count("has no Message Batches") == 1
        assert "remove `batch` from the pipeline, or turn it off with `--no-batch`" in done.err
        assert (server.sizes, server.single.total()) == ([], 1)
        done = call("run", "small.yaml", "--no-batch")
        assert done.code == 0
        assert "in a batch already" not in done.err  # what was gathered was never posted
        assert set(server.asked.values()) == {1}
    assert len(lines(small)) == 8


@pytest.mark.usefixtures("small")
def test_a_full_queue_is_waited_for(call, monkeypatch):
    """A 429 on creation created nothing: it is told once, and the batch is posted when there is room."""
    with batching(monkeypatch, delay=0.0) as server:
        server.refuse_batch = lambda _: refused(429, "too many", "rate_limit_error") if server.posts < 4 else None
        done = call("run", "small.yaml", "--batch")
    assert done.code == 0
    assert done.err.count("the API does not accept a batch of step `note` yet; it is posted later") == 1
    assert (server.posts, server.sizes) == (4, [7])


@pytest.mark.usefixtures("small")
def test_a_full_queue_ends_a_detached_run(call, monkeypatch):
    """It says that nothing was accepted yet; the next run posts it."""
    with batching(monkeypatch, queue=5) as server:
        done = call("run", "small.yaml", "--batch", "--detach")
        assert done.code == 5
        assert "the API does not accept all batches yet" in done.err
        server._batches._lives._most_queued = 7
        assert call("run", "small.yaml", "-q", "--batch", "--detach").code == 5
        assert server.sizes == [7]
        server.finish()
        assert call("run", "small.yaml", "-q", "--batch").code == 0
    assert set(server.asked.values()) == {1}


def test_a_batch_that_is_too_large_is_posted_in_parts(call, small, monkeypatch):
    """A 413 halves what a batch may have until the API takes it; every row is asked once."""
    rows = "".join(f'{{"id": {number}, "topic": "town {number}"}}\n' for number in range(41))
    (small / "rows.jsonl").write_text(rows, encoding="utf-8")
    with batching(monkeypatch, delay=0.0) as server:
        server.refuse_batch = lambda count: refused(413, "large", "request_too_large") if count > 9 else None
        assert call("run", "small.yaml", "-q", "--batch").code == 0
    assert sum(server.sizes) == 40
    assert max(server.sizes) <= 9
    assert set(server.asked.values()) == {1}
    assert len(lines(small)) == 41


@pytest.mark.usefixtures("small")
def test_creations_that_fail_for_too_long_end_the_run(call, monkeypatch):
    """An API that answers each with a 500 has created none: nothing is left open, and the next run posts it."""
    with batching(monkeypatch, delay=0.0) as server:
        server.refuse_batch = lambda _: refused(500, "down", "api_error")
        done = call("run", "small.yaml", "--batch", "--max-pause", "0.3")
        assert done.code == 3
        assert "calls of the batch endpoints have failed for 0.3 s" in done.err
        assert "still in progress" not in done.err
        assert 1 < server.posts < 40
        server.refuse_batch = lambda _: None
        assert call("run", "small.yaml", "-q", "--batch").code == 0
    assert set(server.asked.values()) == {1}


@pytest.mark.usefixtures("small")
def test_requests_that_are_too_large_fail_their_rows(call, monkeypatch):
    """There is no smaller batch than one of one request."""
    with batching(monkeypatch, delay=0.0) as server:
        server.refuse_batch = lambda _: refused(413, "large", "request_too_large")
        done = call("run", "small.yaml", "--batch")
    assert done.code == 1
    assert "413" in done.err
    assert server.posts < 30
    assert server.single.total() == 1
