"""Runs whose functions are called in worker processes: rows, failures and kept values are those without processes."""

import json

import pytest

import yamlgen
from yamlgen.engine import trial_rows
from yamlgen.errors import Code, RunStopped
from yamlgen.steps.python import function_calls, process_workers
from yamlgen.system_limits import usable_cores

PIPELINE = """\
version: 1
input: {rows: [{n: 1}, {n: 2}, {n: 3}, {n: 4}]}
steps:
  score: {kind: python, call: "scoring:score", args: {n: row.n}, MORE}
output: {path: out.jsonl}
"""
MODULE = """\
import os
def score(n):
    with open(__file__ + ".calls", "a") as file:
        file.write(f"{n} ")
    if n == 3:
        os._exit(1)
    return [n, os.getpid()]
"""


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Run a pipeline with so many processes, and return the result."""
    monkeypatch.chdir(tmp_path)

    def run(workers, source=MODULE, more="keep: true", text=PIPELINE, **options):
        (tmp_path / "pipeline.yaml").write_text(text.replace("MORE", more), encoding="utf-8")
        if source is not None:
            (tmp_path / "scoring.py").write_text(source, encoding="utf-8")
        overrides = {"runtime.python_workers": workers}
        return yamlgen.run("pipeline.yaml", overrides=overrides, simulate=True, **options)

    return run


def test_a_lost_worker_costs_its_row_and_kept_values_stay(tmp_path, ran):
    """The other rows finish; their values are kept, and are found by a run without processes."""
    result = ran(2)
    assert str(Code.WORKER_LOST) in json.dumps(result.failures)
    made = [row["score"] for row in result.rows()]
    assert [n for n, _ in made] == [1, 2, 4]
    (tmp_path / "scoring.py.calls").unlink()
    again = ran(0, None, limit=2)
    assert [row["score"] for row in again.rows()] == made[:2]
    assert not (tmp_path / "scoring.py.calls").exists()


def test_an_edited_sibling_is_called_for_by_workers(tmp_path, ran):
    """Kept values depend on what the modules in the processes have imported, also by a made name."""
    source = "import importlib\ndef score(n): return n * importlib.import_module('on' + 'es').one\n"
    for one in (1, 2):
        (tmp_path / "ones.py").write_text(f"one = {one}\n", encoding="utf-8")
        assert [row["score"] for row in ran(1, source).rows()] == [one, 2 * one, 3 * one, 4 * one]


def test_lost_workers_may_leave_nulls(ran):
    """A step or an item whose worker died is null if the pipeline says so."""
    items = PIPELINE.replace("row.n}", "item}, for_each: 'range(1, 5) | list'").replace(", {n: 2}, {n: 3}, {n: 4}", "")
    step = ran(2, more="on_error: null")
    assert [row["score"] and row["score"][0] for row in step.rows()] == [1, 2, None, 4]
    (row,) = ran(2, more="on_item_error: null", text=items).rows()
    assert [score and score[0] for score in row["score"]] == [1, 2, None, 4]


def test_a_run_whose_calls_all_lose_their_workers_ends(tmp_path, ran, monkeypatch):
    """After some calls the run tries rows from the rest of the input, and stops when these fail too."""
    monkeypatch.setattr(process_workers, "ALIKE", 3)
    monkeypatch.setattr(trial_rows, "OTHERS", 2)
    text = PIPELINE.replace("{rows: [{n: 1}, {n: 2}, {n: 3}, {n: 4}]}", "{range: 500}").replace("row.n", "'3'")
    with pytest.raises(RunStopped, match="all calls of a function so far have ended their worker process") as raised:
        ran(2, text=text, more="timeout: 30", max_concurrency=1)
    assert raised.value.code is Code.SAME_ERROR
    assert len((tmp_path / "scoring.py.calls").read_text().split()) < 50


def test_tests_and_plans_start_no_processes(tmp_path, ran, monkeypatch):
    """The cases of a test have few rows, and a plan calls no function."""
    ran(1, "def score(n): return n\n")
    text = (tmp_path / "pipeline.yaml").read_text(encoding="utf-8")
    (tmp_path / "pipeline.yaml").write_text(f"{text}runtime: {{python_workers: 2}}\n", encoding="utf-8")
    case = {
        "version": 1,
        "pipeline": "pipeline.yaml",
        "cases": [{"name": "one", "row": {"n": 1}, "expect": ["steps.score == 1"]}],
    }
    (tmp_path / "pipeline.test.yaml").write_text(json.dumps(case), encoding="utf-8")
    monkeypatch.setattr(function_calls, "ProcessWorkers", None)
    assert yamlgen.plan("pipeline.yaml", simulate=True).requests == 0
    assert yamlgen.test("pipeline.test.yaml").passed


def test_processes_without_functions_are_worth_a_warning(tmp_path):
    """A pipeline without a `python` step has nothing to do for them."""
    file = tmp_path / "pipeline.yaml"
    text = "version: 1\nruntime: {python_workers: auto}\ninput: {rows: [{n: 1}]}\noutput: {path: out.jsonl}\n"
    file.write_text(text + "steps: {one: {kind: compute, value: row.n}}\n", encoding="utf-8")
    (warning,) = yamlgen.validate(file)
    assert warning.message == "`runtime.python_workers` has no effect: no step has `kind: python`"
    assert (warning.severity, warning.mark.line) == ("warning", 2)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.cfs_quota_us": "100000\n", "cpu.cfs_period_us": "100000\n"}, 1),
    ],
)
def test_the_cores_of_a_container_are_counted(tmp_path, files, cores):
    """As many cores are used as the process may run on, and no more than the quota of its container."""
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / ("" if name == "cpu.max" else "cpu") / name).write_text(text)
    assert usable_cores(tmp_path) == (cores or usable_cores(tmp_path / "none"))


def test_no_connection_shows_its_credentials_to_a_worker(ran, monkeypatch):
    """The variables of the key, the headers and the workspace are hidden, of the file's connection and of a model's."""
    names = ("TEAM_KEY", "TEAM_TOKEN", "TEAM_WORKSPACE", "GATEWAY_KEY", "GATEWAY_TOKEN")
    for name in (*names, "TEAM_NAME"):
        monkeypatch.setenv(name, f"value of {name}")
    text = f"""{PIPELINE}
runtime: {{api_key_env: TEAM_KEY, headers: {{x-team: {{env: TEAM_TOKEN}}}}, workspace: {{env: TEAM_WORKSPACE}}}}
models:
  judge:
    id: claude-haiku-5-5
    runtime: {{base_url: "https://gateway.test", api_key_env: GATEWAY_KEY, headers: {{x: {{env: GATEWAY_TOKEN}}}}}}
"""
    source = "import os\ndef score(n): return sorted(name for name in os.environ if name[:4] in ('TEAM', 'GATE'))\n"
    assert [row["score"] for row in ran(1, source, "timeout: 30", text, limit=1).rows()] == [["TEAM_NAME"]]
