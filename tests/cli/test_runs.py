"""`yamlgen runs`: what the store holds, as text and as JSON, found by pipeline, by name, or by standing beside it."""

import csv
import io
import json
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest

import yamlgen
from yamlgen.errors import YamlgenError

STRICT = """\
version: 1
name: small
input: {path: rows.jsonl, id: id}
steps:
  note:
    model: claude-haiku-5-5
    prompt: "Rate {{ row.topic }}."
    output:
      schema: {type: object, required: [score], additionalProperties: false, properties: {score: {type: integer}}}
output: {path: out/notes.jsonl}
"""


def run(call, *more):
    """A simulated run; its name."""
    done = call("run", "small.yaml", "--simulate", "--output-format", "json", "--progress", "none", *more)
    assert done.code in (0, 1), done.err
    return json.loads(done.out)["run"]


@pytest.fixture
def two(request, call):
    """A run of which rows failed, and a fresh one of which none did; their names."""
    request.getfixturevalue("small")
    return run(call, "--fault", "refusal=0.4"), run(call, "--fresh")


def told(call, *arguments):
    """What a command prints with `--json`."""
    done = call("runs", *arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_all_runs_are_listed_the_oldest_first(call, two):
    """`ls` has a line for each run, with its status, its rows, its answers and their cost."""
    head, *lines = call("runs", "ls", "small.yaml").out.splitlines()
    assert head.split() == ["run", "pipeline", "status", "started", "rows", "finished", "failed", "answers", "cost"]
    assert [line.split()[0] for line in lines] == list(two)
    assert lines[1].split()[3] == "finished"
    assert lines[1].split()[5:9] == ["8", "8", "0", "8"]
    assert re.search(r" \$0\.\d+ \(simulated\)$", lines[1])


def test_the_list_as_json(call, two):
    """`ls --json` tells the same with its types."""
    first, second = told(call, "ls", "small.yaml")["runs"]
    assert [first["run"], second["run"]] == list(two)
    assert first["simulated"] is True
    assert first["rows"]["failed"] > 0
    assert second["rows"] == {"input": 8, "finished": 8, "failed": 0, "missing": 0}
    assert second["seconds"] > 0
    assert second["paid"]["attempts"] == 8
    assert second["reused"]["attempts"] == 0


@pytest.mark.parametrize("where", [[], ["."], ["small.yaml"]], ids=str)
def test_runs_are_found_where_one_stands(call, two, where):
    """Without a pipeline, the stores in this folder are looked at; a folder stands for its pipelines."""
    assert [run["run"] for run in told(call, "ls", *where)["runs"]] == list(two)


def test_runs_are_found_one_folder_above(call, two, tmp_path, monkeypatch):
    """A repository keeps its pipelines in folders; its root finds their runs."""
    shutil.copytree(".", tmp_path / "repository" / "pipelines")
    monkeypatch.chdir(tmp_path / "repository")
    assert [run["run"] for run in told(call, "ls")["runs"]] == list(two)


def test_the_last_run_is_meant_where_none_is_named(call, two):
    """`show` without a name shows the last run, with one that run."""
    assert told(call, "show")["run"] == two[1]
    assert told(call, "show", two[0])["run"] == two[0]
    assert told(call, "show", "small.yaml", two[0])["run"] == two[0]


def test_a_run_is_named_by_the_beginning_of_its_name(call, two):
    """As much of a name as tells the run from others is enough."""
    start = next(two[0][:n] for n in range(1, 30) if not two[1].startswith(two[0][:n]))
    assert told(call, "show", start)["run"] == two[0]
    done = call("runs", "show", "2")
    assert done.code == 2
    assert "2 runs begin with `2`" in done.err


@pytest.mark.parametrize("words", [["show", "nope"], ["failed", "small.yaml", "nope"], ["export", "nope"]], ids=str)
@pytest.mark.usefixtures("two")
def test_a_run_that_is_not_there(call, words):
    """A wrong name is told, with the command that lists the right ones."""
    done = call("runs", *words)
    assert done.code == 2
    assert "error[YG617]" in done.err
    assert "yamlgen runs ls" in done.err


@pytest.mark.usefixtures("small")
def test_a_pipeline_that_never_ran(call):
    """There is no store yet, and none is made by looking for it."""
    done = call("runs", "ls", "small.yaml")
    assert (done.code, done.out) == (2, "")
    assert "has no store of past runs" in done.err
    assert not Path(".yamlgen").exists()


@pytest.mark.parametrize(
    ("name", "hint"),
    [("smal.yaml", "did you mean `small.yaml`?"), ("no/a.yaml", "write the path of a pipeline, or of a folder of ")],
)
@pytest.mark.usefixtures("small")
def test_a_pipeline_that_is_not_there(name, hint, call):
    """The file is missing, not its runs."""
    for words in (("runs", "show"), ("runs", "ls"), ("runs", "export"), ("retry",)):
        done = call(*words, name)
        assert done.code == 2
        assert done.err.startswith(f"error[YG617]: {name} does not exist\n  = {hint}")


@pytest.mark.usefixtures("two")
def test_a_run_is_shown_as_it_was(call):
    """`show` has what was asked for, what is installed, the git state, tokens, time, and the pipeline as it ran."""
    run(call, "--fresh", "--set", "steps.note.max_tokens=99")
    shown = told(call, "show")
    assert shown["overrides"] == {"steps.note.max_tokens": "99"}
    assert shown["status"] == "finished"
    assert set(shown["versions"]) >= {"python", "yamlgen", "anthropic", "instructor"}
    assert "git" in shown
    assert shown["resolved"]["steps"]["note"]["model"]["max_tokens"] == 99
    assert shown["steps"]["note"]["paid"]["usage"]["output_tokens"] > 0
    assert shown["seconds"] > 0
    assert shown["models"] == {"note": "claude-haiku-5-5"}
    text = call("runs", "show").out
    assert f"run: {shown['run']}" in text
    assert "max_tokens: 99" in text


@pytest.mark.usefixtures("two")
def test_the_resolved_pipeline_of_a_run_is_a_pipeline(call):
    """What `show` keeps of the pipeline can be validated and run."""
    Path("again.yaml").write_text(json.dumps(told(call, "show")["resolved"]), encoding="utf-8")
    assert call("validate", "again.yaml").code == 0


@pytest.mark.usefixtures("small")
def test_one_row_is_shown_with_every_attempt(call):
    """`show --row` has the request, each attempt, what the validator said, and what came of it."""
    Path("small.yaml").write_text(STRICT, encoding="utf-8")
    run(call, "--fault", "invalid_output=0.5")
    rows = [told(call, "show", "--row", str(number)) for number in range(1, 9)]
    asked_again = next(row for row in rows if len(row["steps"]["note"]["attempts"]) > 1)
    first, *_, last = asked_again["steps"]["note"]["attempts"]
    assert first["errors"]
    assert first["request"]["messages"][0]["content"].startswith("Rate town")
    assert len(last["request"]["messages"]) > len(first["request"]["messages"])
    assert {"response", "usage", "model", "stop_reason", "cost_usd", "run"} <= set(last)
    finished = next(row for row in rows if row["status"] == "finished")
    assert set(finished["steps"]["note"]["value"]) == {"score"}
    assert finished["columns"]["topic"] == f"town {finished['row']}"


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("row", ["9", "99999999999999999999"])
def test_a_row_that_is_not_there(call, row):
    """Rows count from 1 to the last one."""
    done = call("runs", "show", "--row", row)
    assert done.code == 2
    assert f"has no row {row}" in done.err


def test_failed_rows_are_told(call, two):
    """`failed` has a line for each, with the step, the code and the sentence; as JSON what the failed file has."""
    lines = call("runs", "failed", two[0]).out.splitlines()
    assert lines
    assert all("note: YG504: the model refused" in line for line in lines)
    records = [json.loads(line) for line in call("runs", "failed", two[0], "--json").out.splitlines()]
    assert [f"row {record['row']['id']}" for record in records] == [line.partition(",")[0] for line in lines]
    failed = Path("out/notes.simulated.failed.jsonl")
    assert not failed.exists()  # the fresh run had none
    assert set(records[0]) == {"row", "steps", "step", "code", "message", "request", "attempts"}


@pytest.mark.usefixtures("two")
def test_a_run_without_failed_rows_says_so(call):
    """Nothing is printed to stdout, and the sentence says why."""
    done = call("runs", "failed")
    assert (done.code, done.out) == (0, "")
    assert "has no failed row" in done.err


def test_rows_are_exported_as_they_were(call, two):
    """The export of a run has the bytes of its output, on stdout and in each format."""
    output = Path("out/notes.simulated.jsonl").read_text(encoding="utf-8")
    assert call("runs", "export").out == output
    rows = [json.loads(line) for line in output.splitlines()]
    assert json.loads(call("runs", "export", "--json").out) == rows
    for name in ("a.jsonl", "a.json", "a.csv"):
        assert call("runs", "export", "small.yaml", two[1], "-o", name).code == 0
    assert Path("a.jsonl").read_text(encoding="utf-8") == output
    assert json.loads(Path("a.json").read_text(encoding="utf-8")) == rows
    table = list(csv.DictReader(io.StringIO(Path("a.csv").read_text(encoding="utf-8"))))
    assert [row["note"] for row in table] == [row["note"] for row in rows]


def test_an_old_run_is_exported_after_the_pipeline_changed(call, two):
    """What a run finished stays what it was, whatever was edited, run and moved since."""
    before = call("runs", "export", two[0]).out
    Path("small.yaml").write_text(STRICT, encoding="utf-8")
    Path("rows.jsonl").write_text('{"id": 1, "topic": "elsewhere"}\n', encoding="utf-8")
    run(call)
    assert call("runs", "export", two[0]).out == before


def test_failed_rows_are_exported(call, two):
    """`export --failed` writes what the failed file has."""
    assert call("runs", "export", two[0], "--failed").out == call("runs", "failed", two[0], "--json").out


@pytest.mark.usefixtures("two")
def test_an_export_never_replaces_the_input(call):
    """Also not through a link, and not with the failed rows."""
    before = Path("rows.jsonl").read_bytes()
    Path("link.jsonl").symlink_to("rows.jsonl")
    for words in (["rows.jsonl"], ["link.jsonl"], ["rows.jsonl", "--failed"]):
        done = call("runs", "export", "-o", *words)
        assert (done.code, "the run reads it, and the output would replace it" in done.err) == (2, True)
    assert Path("rows.jsonl").read_bytes() == before


@pytest.mark.usefixtures("two")
def test_pruning_asks_first(call):
    """Where nobody can be asked, nothing is dropped without `--yes`."""
    done = call("runs", "prune", "--keep", "1")
    assert done.code == 2
    assert "error[YG619]" in done.err
    assert len(told(call, "ls")["runs"]) == 2


@pytest.mark.usefixtures("two")
def test_pruning_needs_to_know_what_goes(call):
    """Neither a number nor an age is a mistake, and so is what is no age."""
    assert call("runs", "prune", "-y").code == 2
    assert "is not an age" in call("runs", "prune", "--older", "soon", "-y").err


def test_pruned_runs_are_gone(call, two):
    """`--keep 1` leaves the newest run; its rows are still whole."""
    pruned = told(call, "prune", "--keep", "1", "-y")["pruned"]
    assert [store["runs"] for store in pruned.values()] == [1]
    assert [run["run"] for run in told(call, "ls")["runs"]] == [two[1]]
    assert call("runs", "export").out == Path("out/notes.simulated.jsonl").read_text(encoding="utf-8")
    assert call("runs", "show", two[0]).code == 2


@pytest.mark.usefixtures("small")
def test_no_answer_that_a_kept_run_needs_is_dropped(call):
    """A run that reused everything keeps what it reused: pruned but for it, the next run sends nothing."""
    payer = run(call)
    reuser = run(call, "--set", "output.provenance=true")
    before = Path("out/notes.simulated.jsonl").read_bytes()
    told(call, "prune", "--keep", "1", "-y")
    assert [each["run"] for each in told(call, "ls")["runs"]] == [reuser]
    done = call("run", "small.yaml", "--simulate", "--set", "output.provenance=true", "--output-format", "json")
    assert json.loads(done.out)["paid"]["attempts"] == 0
    assert Path("out/notes.simulated.jsonl").read_bytes() == before
    assert payer in before.decode()  # who paid is still known


@pytest.mark.usefixtures("two")
def test_what_no_run_needs_is_paid_again(call):
    """Pruned to nothing, the store answers nothing."""
    told(call, "prune", "--keep", "0", "-y")
    assert told(call, "ls")["runs"] == []
    done = call("run", "small.yaml", "--simulate", "--output-format", "json")
    assert json.loads(done.out)["paid"]["attempts"] == 8


def test_runs_are_pruned_by_age(call, two):
    """Runs of today are younger than a day and older than nothing; the newest whole one stays, however old."""
    assert told(call, "prune", "--older", "1d", "-y")["pruned"] == {}
    time.sleep(1.1)  # a run's start is told in seconds
    pruned = told(call, "prune", "--older", "0h", "-y")["pruned"]
    assert [store["runs"] for store in pruned.values()] == [1]
    assert [run["run"] for run in told(call, "ls")["runs"]] == [two[1]]


def test_a_run_over_some_rows_stands_for_no_whole_one(call, two):
    """`--keep 1` keeps the newest whole run and what came after it; a trial with `--limit` is none."""
    trial = run(call, "--limit", "2")
    told(call, "prune", "--keep", "1", "-y")
    assert [each["run"] for each in told(call, "ls")["runs"]] == [two[1], trial]


@pytest.mark.usefixtures("small")
def test_a_run_is_looked_at_while_it_goes_on(call, fork_server):
    """`ls`, `show`, `failed` and `export` see what is finished by now; `prune` waits its turn."""
    words = ("--simulate", "--latency", "0.5", "--max-concurrency", "1", "--progress", "none")
    going = fork_server.start(Path.cwd(), "run", "small.yaml", *words)
    going.until("RowFinished")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        runs = told(call, "ls")["runs"]
        if runs and runs[0]["rows"]["finished"]:
            break
    (seen,) = runs
    assert seen["status"] == "running"
    assert 0 < seen["rows"]["finished"] < 8
    assert told(call, "show")["steps"]["note"]["paid"]["attempts"] >= seen["rows"]["finished"]
    assert told(call, "show", "--row", "1")["status"] == "finished"
    assert call("runs", "export").out.startswith('{"id": 1, ')
    refused = call("runs", "prune", "--keep", "0", "-y")
    assert refused.code == 3
    assert "the store of this pipeline is in use by" in refused.err
    assert going.kill().code == -9
    assert told(call, "ls")["runs"][0]["status"] == "killed"


@pytest.mark.usefixtures("small")
def test_finished_rows_can_be_had_while_the_run_goes_on(call, fork_server):
    """Whole rows in input order, printed, as files and in Python; the run is not disturbed, and writes all of them."""
    words = ("--simulate", "--latency", "0.4", "--max-concurrency", "1", "-q")
    going = fork_server.start(Path.cwd(), "run", "small.yaml", *words)
    going.until("RowFinished")
    deadline = time.monotonic() + 20
    early = []
    while not early and time.monotonic() < deadline:
        with suppress(YamlgenError):
            early = yamlgen.rows("small.yaml")
    assert 0 < len(early) < 8
    for name in ("part.jsonl", "part.csv"):
        assert call("runs", "export", "small.yaml", "-o", name).err.startswith("wrote ")
    later = [json.loads(line) for line in call("runs", "export", "small.yaml").out.splitlines()]
    going.send(0)  # it is still there
    assert not Path("out/notes.simulated.jsonl").exists()
    assert going.wait().code == 0
    whole = [json.loads(line) for line in Path("out/notes.simulated.jsonl").read_text("utf-8").splitlines()]
    written = [json.loads(line) for line in Path("part.jsonl").read_text("utf-8").splitlines()]
    for part in (early, written, later):
        assert part == whole[: len(part)]
    table = Path("part.csv").read_text("utf-8")
    assert table.startswith("id,topic,note\n1,town 1,")
    assert len(early) <= len(written) <= len(later) < len(whole) == 8
