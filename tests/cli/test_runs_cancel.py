"""What `runs` tells of a run that left batches, and `runs cancel`, against the simulator over HTTP."""

import json
import time
from contextlib import contextmanager

import pytest

import yamlgen
from detached_runs import KEY, batches_at, detach, status_at
from threaded_simulator import serving
from yamlgen.errors import YamlgenError
from yamlgen.simulator.server import Simulator
from yamlgen.store.location import location_of
from yamlgen.store.run_session import locked_connection, open_runs


@pytest.fixture
def api(monkeypatch):
    """A simulator whose batches take a minute, as the API of this environment."""
    with serving(Simulator(batch_delay=60)) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server


@pytest.fixture
def left(small, api, call):
    """A run that left two batches, after one that went well."""
    assert call("run", "small.yaml", "-q").code == 0
    return detach(small / "small.yaml", api.url)


def told(call, *words):
    """What a command of `runs` prints as JSON."""
    done = call("runs", *words, "--json")
    return done.code, json.loads(done.out)


def states():
    """The states of the batches in the store, by their ids."""
    place = location_of(yamlgen.runs("small.yaml")[-1].place.folder.parent / "small.yaml")
    with open_runs(place) as run_reader:
        return [str(each.state) for run in run_reader.runs() for each in run_reader.batches(run.number)]


def test_a_run_that_left_batches_is_shown_with_them(call, left):
    """It is `detached`, and each batch has its step, its size, its age and its state as of the last check."""
    assert [run["status"] for run in told(call, "ls")[1]["runs"]] == ["finished", "detached"]
    shown = told(call, "show", left.name)[1]
    assert shown["status"] == "detached"
    assert [each["id"] for each in shown["batches"]] == left.batches
    first = shown["batches"][0]
    assert (first["step"], first["status"], first["requests"], first["cost_usd"]) == ("note", "in_progress", 2, None)
    assert first["created"].endswith("+00:00")
    assert -2 < first["seconds"] < 60
    assert f"- id: {left.batches[0]}\n  step: note\n  status: in_progress\n" in call("runs", "show").out


def test_its_batches_are_canceled(call, left, api):
    """All of them, each told in a line; the store stays as it is, for the next run collects what came."""
    done = call("runs", "cancel", left.name[:16])
    assert done.code == 0, done.err
    first, second = done.err.splitlines()
    assert first.startswith(f"batch {left.batches[0]} of note (2 requests): it is ")
    assert first.endswith("canceled; the next run collects the answers that it has")
    assert second.startswith(f"batch {left.batches[1]} of note (1 request): it is ")
    assert {status_at(api.url, each) for each in left.batches} <= {"canceling", "ended"}
    assert states() == ["posted", "posted"]


@pytest.mark.usefixtures("left")
def test_it_works_beside_a_run(call, small):
    """A run that waits for its batches holds the lock of the store, which only `--forget` needs."""
    with locked_connection(location_of(small / "small.yaml"), "run 20261128T081000-aaaaaa"):
        assert told(call, "cancel")[0] == 0
        assert call("runs", "cancel", "--forget").code == 0  # the API knows both: there is nothing to forget


def test_a_run_that_waits_ends(call, small, api, fork_server):
    """It notices that its batch was canceled, keeps what came, and sends nothing again; the next run does."""
    environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
    process = fork_server.start(small, "run", "small.yaml", "--batch", **environment)
    process.until_said(" posted\n")
    while not batches_at(api.url) or states() != ["posted"]:
        time.sleep(0.1)
    assert told(call, "ls")[1]["runs"][0]["status"] == "running"
    (canceled,) = told(call, "cancel")[1]["batches"]
    assert canceled["message"].endswith("canceled; the run collects the answers that it has")
    assert process.wait().code == 3
    (run,) = told(call, "ls")[1]["runs"]
    assert (run["status"], states()) == ("stopped", ["collected"])
    (batch,) = told(call, "show")[1]["batches"]
    assert batch["counts"].keys() == {"succeeded", "errored", "canceled", "expired"}
    assert batch["counts"]["canceled"] > 0
    assert len(batches_at(api.url)) == 1


def test_a_batch_that_has_ended_stays_as_it_is(call, left, api):
    """A second cancelation says so, and is no error."""
    call("runs", "cancel")
    while {status_at(api.url, each) for each in left.batches} != {"ended"}:
        pass
    code, again = told(call, "cancel")
    assert (code, [each["outcome"] for each in again["batches"]]) == (0, ["ended", "ended"])
    assert again["batches"][0]["message"] == "it has ended already; the next run collects its results"


@contextmanager
def another(monkeypatch, small):
    """An API at the address of the batches that does not know them, as that of another workspace."""
    with serving(Simulator()) as server:
        run = detach(small / "small.yaml", server.url, name="20261128T090000-bbbbbb", sizes=(3,))
        port = int(server.url.rpartition(":")[2])
    fresh = Simulator()
    start = fresh.start

    async def again():
        return await start(port=port)

    monkeypatch.setattr(fresh, "start", again)
    with serving(fresh):
        yield run


@pytest.mark.usefixtures("left")
def test_a_batch_that_the_api_does_not_know_can_be_forgotten(call, small, monkeypatch):
    """It is told with the way out, and exit code 3; when it is forgotten, its requests may be sent again."""
    with another(monkeypatch, small) as run:
        done = call("runs", "cancel", run.name)
        assert done.code == 3
        assert f"the API does not know batch {run.batches[0]}" in done.err
        assert "`--forget` forgets it" in done.err
        with locked_connection(location_of(small / "small.yaml"), "run x"):
            assert "error[YG613]" in call("runs", "cancel", run.name, "--forget").err
        assert states()[-1] == "posted"
        code, forgotten = told(call, "cancel", run.name, "--forget")
        assert (code, [each["outcome"] for each in forgotten["batches"]]) == (0, ["forgotten"])
    assert states() == ["posted", "posted", "lost"]
    assert told(call, "show", run.name)[1]["batches"][0]["status"] == "lost"


@pytest.mark.usefixtures("left")
def test_a_batch_in_doubt_is_told(call, api, small):
    """Nobody knows its id: the next run looks for it, or it is given up."""
    run = detach(small / "small.yaml", api.url, name="20261128T090000-bbbbbb", sizes=(1,), confirmed=False)
    done = call("runs", "cancel", run.name)
    assert done.code == 3
    assert done.err.startswith("a batch of note (1 request): it may exist, because the run ended before")
    assert told(call, "show", run.name)[1]["batches"][0]["status"] == "posting"
    assert call("runs", "cancel", run.name, "--forget").err.startswith("a batch of note (1 request): it is forgotten")
    assert states()[-1] == "lost"


def test_a_run_without_open_batches(call, left):
    """There is nothing to cancel; a run that has some is named with the command."""
    first = yamlgen.runs("small.yaml")[0].name
    done = call("runs", "cancel", first)
    assert done.code == 0
    assert done.err.splitlines() == [
        f"run {first} has no open batches; there is nothing to cancel",
        f"  = run {left.name} has open batches: `yamlgen runs cancel {left.name}`",
    ]


def test_the_batches_of_a_simulated_run_ended_with_it(call, small, api):
    """They are lost, not open."""
    call("run", "small.yaml", "--simulate", "-q")
    run = detach(small / "small.yaml", api.url, simulated=True)
    assert told(call, "cancel", run.name) == (0, {"version": 1, "run": run.name, "batches": []})
    assert {each["status"] for each in told(call, "show", run.name)[1]["batches"]} == {"lost"}


def test_python_cancels_in_the_same_words(left, api):
    """With the same outcome; `forget` is named as an argument."""
    (first, second) = yamlgen.cancel("small.yaml", left.name)
    assert (first.id, second.requests, second.outcome) == (left.batches[0], 1, "canceled")
    assert status_at(api.url, first.id) in ("canceling", "ended")


def test_without_a_key_nothing_is_canceled(call, left, api, monkeypatch):
    """A missing key and a rejected one are told as by a run."""
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    done = call("runs", "cancel")
    assert (done.code, "error[YG601]" in done.err) == (3, True)
    assert status_at(api.url, left.batches[0]) == "in_progress"
    with pytest.raises(YamlgenError, match="ANTHROPIC_API_KEY is not set"):
        yamlgen.cancel("small.yaml")


@pytest.mark.usefixtures("left")
def test_a_run_with_open_batches_is_not_pruned(call):
    """Else nothing could cancel them."""
    for _ in range(2):
        assert call("run", "small.yaml", "-q").code == 0
    call("runs", "prune", "--keep", "1", "--yes")
    runs = told(call, "ls")[1]["runs"]
    assert [run["status"] for run in runs] == ["detached", "finished"]
    assert states() == ["posted", "posted"]


def test_batches_that_a_later_run_waits_for_are_told_so(call, left, small):
    """The run that posted them says that they are no more its own."""
    place = location_of(small / "small.yaml")
    with open_runs(place) as run_reader:
        other = run_reader.runs()[0].number
    with locked_connection(place, "test") as connection:
        connection.execute("UPDATE batch SET run = ?", (other,))
    assert {each["status"] for each in told(call, "show", left.name)[1]["batches"]} == {"continued"}


@pytest.mark.usefixtures("left")
def test_a_run_that_left_batches_is_run_again_and_not_retried(call, small):
    """None of its rows has failed: they wait."""
    done = call("retry", "small.yaml")
    assert done.code == 0
    assert done.err.splitlines()[-1] == (
        "  = it left batches in progress: `yamlgen run` with the same arguments collects their results"
    )
    assert (small / "out" / "notes.jsonl").exists()


@pytest.mark.usefixtures("small")
def test_an_answer_is_shown_with_its_batch(call):
    """The first row goes out live; the id of the others' batch is known until its run is pruned."""

    def batch_of(row):
        """The batch of the one attempt of a row."""
        (attempt,) = told(call, "show", "--row", row)[1]["steps"]["note"]["attempts"]
        return attempt["batch"]

    assert call("run", "small.yaml", "--simulate", "--batch", "-q").code == 0
    shown = told(call, "show")[1]
    (batch,) = shown["batches"]
    assert (batch["status"], batch["requests"], batch["counts"]["succeeded"]) == ("collected", 7, 7)
    assert (shown["steps"]["note"]["batched"], shown["steps"]["note"]["paid"]["attempts"]) == (7, 8)
    assert sorted([batch_of(row) for row in range(1, 9)], key=str) == [None, *[batch["id"]] * 7]
    rows = [row for row in range(1, 9) if batch_of(row)]
    for _ in range(2):
        assert call("run", "small.yaml", "--simulate", "--batch", "-q").code == 0
    assert told(call, "show")[1]["batches"] == []
    assert batch_of(rows[0]) == batch["id"]
    assert call("runs", "prune", "--keep", "1", "--yes").code == 0
    assert batch_of(rows[0]) == "deleted"
