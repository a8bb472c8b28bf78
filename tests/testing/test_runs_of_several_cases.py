"""Limits, price and confirmation of the runs of several cases and of several test files."""

import asyncio
import json

import pytest

import yamlgen
from yamlgen import RunForecast
from yamlgen.api.test_options import TestOptions
from yamlgen.api.tests import run_tests
from yamlgen.cancellation import Cancellation
from yamlgen.errors import Code
from yamlgen.events import RequestSent

PIPELINE = """\
version: 1
input: {{path: rows.jsonl, id: id}}
limits: {limits}
steps:
  a: {{model: {{id: claude-haiku-5-5, max_tokens: 100}}, prompt: "Write about {{{{ row.town }}}}"}}
output: {{path: out.jsonl}}
"""
WAYS = [{"simulate": True}, {"record": True, "simulate": True}]
WHOLE = 0.00012
"""Less than the price of three requests, and more than that of two."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Change to an empty folder, without a key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    return tmp_path


def lay_out(folder, files=1, cases=3, limits="{}"):
    """Write a pipeline with test files, which have cases of one request."""
    (folder / "p.yaml").write_text(PIPELINE.format(limits=limits), "utf-8")
    for file in range(files):
        rows = [f"  - name: case {at}\n    row: {{id: {at}, town: town {file}.{at}}}\n" for at in range(cases)]
        text = f"version: 1\npipeline: p.yaml\ncases:\n{''.join(rows)}"
        (folder / f"{'abcdefghijklmnop'[file]}.test.yaml").write_text(text, "utf-8")


@pytest.mark.parametrize("options", WAYS)
def test_a_case_that_reaches_a_limit_does_not_stop_the_next(folder, options):
    """The limit applies to each run; one that has nothing left to send finishes."""
    lay_out(folder, limits="{max_requests: 1}")
    assert yamlgen.test(**options).passed


@pytest.mark.parametrize("options", WAYS)
def test_a_case_that_a_limit_stops_ends_the_test(folder, options):
    """The exit code is that of a run."""
    lay_out(folder)
    path = folder / "p.yaml"
    text = path.read_text("utf-8").replace(
        "output:", "  b: {model: claude-haiku-5-5, prompt: '{{ steps.a }}'}\noutput:"
    )
    path.write_text(text, "utf-8")
    with pytest.raises(yamlgen.RunStopped, match="max_requests") as stopped:
        yamlgen.test(max_requests=1, **options)
    assert stopped.value.exit_code == 4


def test_a_case_with_stored_answers_is_recorded_after_the_limit_of_cost(folder):
    """It sends nothing; a case that sends something is stopped."""
    lay_out(folder, cases=2)
    yamlgen.run("p.yaml", rows=[{"id": 1, "town": "town 0.1"}], simulate=True)
    assert yamlgen.test(record=True, simulate=True, max_cost_usd=0.0000001).passed
    lay_out(folder, cases=4)
    with pytest.raises(yamlgen.RunStopped, match="is reached before the case `case 3`") as stopped:
        yamlgen.test(record=True, simulate=True, max_cost_usd=0.0000001)
    assert (stopped.value.exit_code, stopped.value.code) == (4, Code.LIMIT)


def test_a_signal_ends_all_cases(folder):
    """Also those that have not started."""
    lay_out(folder)
    told, cancellation = [], Cancellation()

    def emit(event):
        told.append(event)
        if isinstance(event, RequestSent):
            cancellation.request("Ctrl-C")

    with pytest.raises(yamlgen.RunStopped, match="Ctrl-C"):
        asyncio.run(run_tests(["."], TestOptions(simulate=True), emit=emit, cancellation=cancellation))
    assert sum(isinstance(each, RequestSent) for each in told) == 1


@pytest.mark.parametrize("options", [{"live": True}, {"record": True}, {"record": "all"}, WAYS[1]])
def test_the_price_of_all_files_is_confirmed_together(folder, monkeypatch, options):
    """No request of any file is sent, and nothing is written."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-api03-x")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    lay_out(folder, files=3, cases=1, limits=f"{{confirm_above_usd: {WHOLE}}}")
    told = []
    with pytest.raises(yamlgen.RunStopped) as refused:
        yamlgen.test(on_event=told.append, **options)
    assert (refused.value.code, refused.value.exit_code) == (Code.NOT_CONFIRMED, 4)
    assert "3 test files may cost $0.0001" in refused.value.message
    assert all(f"{name}.test.yaml: less than $0.0001" in refused.value.message for name in "abc")
    (forecast,) = told
    assert [(each.pipeline, each.requests) for each in forecast.files] == [(f"{name}.test.yaml", 1) for name in "abc"]
    assert forecast.requests == 3
    assert not list(folder.glob("*.answers.jsonl"))


def test_one_confirmation_is_asked_for(folder):
    """It is given for the total."""
    lay_out(folder, files=3, cases=1, limits="{confirm_above_usd: 0}")
    asked = []

    def confirm(forecast):
        asked.append(forecast.requests)
        return True

    report = asyncio.run(run_tests(["."], TestOptions(record=True, simulate=True), confirm=confirm))
    assert (report.passed, asked) == (True, [3])


def test_files_within_the_limit_need_no_confirmation(folder):
    """Their total is below it."""
    lay_out(folder, files=2, cases=1, limits=f"{{confirm_above_usd: {WHOLE}}}")
    assert yamlgen.test(record=True, simulate=True).passed


def test_a_missing_key_of_one_pipeline_sends_nothing_for_another(folder, monkeypatch):
    """Each key is looked for before the first request."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-api03-x")
    lay_out(folder, files=2, cases=1)
    text = (folder / "p.yaml").read_text("utf-8")
    (folder / "q.yaml").write_text(text.replace("steps:", "runtime: {api_key_env: NO_KEY_HERE}\nsteps:"), "utf-8")
    path = folder / "b.test.yaml"
    path.write_text(path.read_text("utf-8").replace("p.yaml", "q.yaml"), "utf-8")
    told = []
    with pytest.raises(yamlgen.YamlgenError, match="NO_KEY_HERE"):
        yamlgen.test(live=True, on_event=told.append)
    assert told == []


def test_the_report_contains_the_price_of_each_file(folder):
    """As JSON; a replay has none."""
    lay_out(folder, files=2, cases=1)
    made = yamlgen.test(record=True, simulate=True).as_json()["forecast"]
    assert json.loads(json.dumps(made)) == made
    assert {name: each["requests"] for name, each in made["files"].items()} == {"a.test.yaml": 1, "b.test.yaml": 1}
    assert made["cost_usd"]["most"] == sum(each["cost_usd"]["most"] for each in made["files"].values())
    assert yamlgen.test().as_json()["forecast"] is None


def test_only_files_with_something_to_send_are_in_the_forecast(folder):
    """The others are recorded."""
    lay_out(folder, files=2, cases=1)
    yamlgen.test("a.test.yaml", record=True, simulate=True)
    told = []
    yamlgen.test(record=True, simulate=True, on_event=told.append)
    assert [each.pipeline for each in told if isinstance(each, RunForecast)] == ["b.test.yaml"]


@pytest.mark.parametrize("word", ["sk-ant-api03-AAAAAAAAAAAA", "sk-ant-abc"])
def test_a_recording_is_judged_by_what_is_in_the_file(folder, word):
    """An answer that was not written is not recorded: the next test finds the same."""
    lay_out(folder, cases=1)
    path = folder / "a.test.yaml"
    (folder / "rows.csv").write_text(f"id,town\n0,{word}\n1,Rome\n", "utf-8")
    path.write_text(path.read_text("utf-8").replace("row: {id: 0, town: town 0.0}", "rows: {path: rows.csv}"), "utf-8")
    for _ in range(2):
        recorded, replayed = yamlgen.test(record=True, simulate=True), yamlgen.test()
        assert [each.verdict for each in recorded.cases] == [each.verdict for each in replayed.cases]
        assert recorded.passed is (word == "sk-ant-abc")
