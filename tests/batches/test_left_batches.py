"""Runs that end while their batches are processed: detached, out of patience, stopped by a signal, canceled."""

import json
import signal
import threading
import time

import pytest

import yamlgen
from batching_api import batching
from yamlgen.errors import Detached

DETACHED = 5
RUN = ("run", "small.yaml", "-q", "--batch")


def files(folder):
    """The files of the pipeline, apart from the store."""
    return {
        path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".yamlgen" not in str(path)
    }


def rows(folder):
    """How many rows the output has."""
    return len((folder / "out" / "notes.jsonl").read_text(encoding="utf-8").splitlines())


@pytest.fixture
def api(monkeypatch, small):  # noqa: ARG001 - the folder is there
    """An API whose batches end when the test says so."""
    with batching(monkeypatch) as server:
        yield server


def test_a_detached_run_leaves_the_files_and_the_store(call, small, api):
    """Older output stays as it was, the lock is free, and the same command goes on until all is there."""
    assert call("run", "small.yaml", "-q", "--limit", "3", "-o", "out/notes.jsonl").code == 0
    before = files(small)
    for _ in range(2):
        assert call(*RUN, "--detach").code == DETACHED
        assert files(small) == before
        assert api.sizes == [5]
    assert [run["status"] for run in json.loads(call("runs", "ls", "--json").out)["runs"]][1:] == ["detached"] * 2
    api.finish()
    assert call(*RUN, "--detach").code == 0
    assert rows(small) == 8
    assert set(api.asked.values()) == {1}


def test_what_is_left_is_told(call, api):
    """How many, and how to go on, to look and to cancel; as JSON too, with the code and the batch."""
    done = call("run", "small.yaml", "--batch", "--detach", "--output-format", "json", "--progress", "none")
    assert done.code == DETACHED
    told = json.loads(done.out)
    assert (told["error"]["code"], told["batches"][0]["requests"], told["steps"]["note"]["sent"]) == ("YG622", 7, 8)
    done = call("run", "small.yaml", "--batch", "--detach")
    assert "error[YG622]: 1 batch with 7 requests is still in progress" in done.err
    assert "`yamlgen run` with the same arguments collects its results" in done.err
    assert api.posts == 1


def test_patience_has_an_end(call, small, api):
    """After `wait` the run ends as if it were detached."""
    began = time.monotonic()
    done = call("run", "small.yaml", "--set", "batch={wait: 1s}")
    assert 1 <= time.monotonic() - began < 10
    assert done.code == DETACHED
    assert "1 batch with 7 requests is still in progress" in done.err
    api.finish()
    assert call("run", "small.yaml", "-q", "--set", "batch={wait: 1s}").code == 0
    assert (rows(small), api.sizes) == (8, [7])


def test_python_has_an_exception_for_it(small, api):
    """And the result of a later call has the rows."""
    with pytest.raises(Detached) as left:
        yamlgen.run("small.yaml", batch=True, detach=True)
    assert left.value.exit_code == DETACHED
    assert "the same call collects its results" in left.value.hint
    api.finish()
    result = yamlgen.run("small.yaml", batch=True)
    assert [row["id"] for row in result.rows()] == [*range(1, 9)]
    assert set(api.asked.values()) == {1}
    assert result.output == small / "out" / "notes.jsonl"


@pytest.fixture
def waiting(small, api, fork_server):
    """A process that waits for its batch."""
    words = ("run", "small.yaml", "--batch", "--progress", "plain")
    process = fork_server.start(small, *words, ANTHROPIC_API_KEY="our-key", ANTHROPIC_BASE_URL=api.url)
    process.until_said(" posted\n")
    time.sleep(0.5)
    yield process
    process.kill()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_leaves_the_batch_running(call, small, api, waiting, name):
    """The run says how to go on, to look and to cancel; the next one collects the answers."""
    waiting.send(getattr(signal, name))
    ended = waiting.wait()
    told = ended.err
    assert ended.code == 128 + getattr(signal, name)
    assert "1 batch with 7 requests is still in progress" in told
    assert "`yamlgen run` with the same arguments collects its results" in told
    run = json.loads(call("runs", "ls", "--json").out)["runs"][0]
    assert run["status"] == "detached"
    for command in ("show", "cancel"):
        assert f"`yamlgen runs {command} {run['run']}`" in told
    assert api.batches[0].describe()["processing_status"] == "in_progress"
    api.finish()
    assert call(*RUN).code == 0
    assert (rows(small), set(api.asked.values())) == (8, {1})


def test_two_signals_end_it_at_once(call, small, api, waiting):
    """Nothing is lost either."""
    waiting.send(signal.SIGINT)
    waiting.send(signal.SIGINT)
    assert waiting.wait().code in (128 + signal.SIGINT, -signal.SIGINT)
    api.finish()
    assert call(*RUN).code == 0
    assert (rows(small), set(api.asked.values())) == (8, {1})


def test_a_run_that_waits_ends_when_its_batch_is_canceled(call, small, api, monkeypatch):
    """It keeps what came, and posts nothing; the next run sends the rest."""
    ended = []
    running = threading.Thread(target=lambda: ended.append(yamlgen_code(small)))
    running.start()
    while not api.batches:
        time.sleep(0.02)
    api.batches[0]._begun -= 1800  # half of its time has passed
    while json.loads(call("runs", "show", "--json").out)["batches"][0]["status"] != "in_progress":
        time.sleep(0.02)
    assert call("runs", "cancel").code == 0
    api.finish()
    running.join(30)
    assert ended == ["stopped: a batch of step `note` was canceled"]
    assert (api.sizes, api.posts) == ([7], 1)
    (batch,) = json.loads(call("runs", "show", "--json").out)["batches"]
    counts = batch["counts"]
    assert (counts["succeeded"], counts["canceled"]) == (3, 4)
    monkeypatch.setattr(api._batches._lives, "_delay", 0.0)
    assert call(*RUN).code == 0
    assert api.sizes == [7, 4]
    assert rows(small) == 8


def yamlgen_code(folder):
    """What ends a run in this thread."""
    try:
        yamlgen.run(folder / "small.yaml", batch=True)
    except yamlgen.YamlgenError as error:
        return error.message
    return ""


def test_a_detached_run_is_canceled(call, small, api, monkeypatch):
    """The next run collects what the batch has, and sends the rest in another."""
    assert call(*RUN, "--detach").code == DETACHED
    api.batches[0]._begun -= 1800
    assert call("runs", "cancel").code == 0
    api.finish()
    again = call("runs", "cancel")
    assert (again.code, "it has ended already" in again.err) == (0, True)
    monkeypatch.setattr(api._batches._lives, "_delay", 0.0)
    assert call(*RUN).code == 0
    assert api.sizes == [7, 4]
    assert sorted(api.asked.values()) == [1] * 4 + [2] * 4
    assert rows(small) == 8
