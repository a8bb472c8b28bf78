"""Recording, running anew, and cases out of a run: what is sent, what is kept, and what is told first."""

import asyncio
import re
import shutil
import sqlite3
from collections import Counter
from contextlib import closing

import pytest
import tested_triage
from tested_triage import edit

import yamlgen
from scripted_api import KEY
from yamlgen import RunForecast
from yamlgen.api.history import find_run, store_locations
from yamlgen.api.run_cases import cases_from_run


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Change to a folder with a recorded test."""
    tested_triage.recorded(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Change to a folder with a test without recordings."""
    tested_triage.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def forecasts(told):
    """The forecasts among events."""
    return [each for each in told if isinstance(each, RunForecast)]


def verdicts(report):
    """The verdict of each case."""
    return {each.case: str(each.verdict) for each in report.cases}


@pytest.mark.usefixtures("fresh")
def test_recording_tells_the_forecast_first():
    """One forecast for all cases of a file."""
    told = []
    yamlgen.test("triage.test.yaml", record=True, simulate=True, on_event=told.append)
    assert [(each.rows, each.requests) for each in forecasts(told)] == [(7, 14)]


def test_recording_writes_no_output(fresh):
    """The rows of a test are not the rows of the pipeline."""
    yamlgen.test("triage.test.yaml", record=True, simulate=True)
    assert not (fresh / "out").exists()
    assert (fresh / "triage.answers.jsonl").exists()


@pytest.mark.usefixtures("fresh")
def test_the_first_recording_tells_what_is_committed():
    """The second does not repeat it."""
    first = yamlgen.test("triage.test.yaml", record=True, simulate=True)
    assert [note for note in first.notes if "committed" in note]
    second = yamlgen.test("triage.test.yaml", record="all", simulate=True)
    assert not [note for note in second.notes if "committed" in note]


def test_only_rows_that_miss_are_run(project):
    """What is recorded is not sent again, even if the store is empty."""
    edit(project / "tickets.csv", "t-4,A refund please", "t-4,Something else")
    told = []
    yamlgen.test("triage.test.yaml", record=True, simulate=True, on_event=told.append)
    assert [each.rows for each in forecasts(told)] == [1]
    assert yamlgen.test("triage.test.yaml").passed


@pytest.mark.parametrize("redact", ["", "redact: [row.text]\n"])
def test_recorded_steps_before_a_missing_one_are_not_sent_again(project, redact):
    """Even if the store is empty, as in a new clone, and if the recordings leave values out."""
    if redact:
        edit(project / "triage.test.yaml", "cases:\n", f"{redact}cases:\n")
        yamlgen.test("triage.test.yaml", record=True, simulate=True)
        shutil.rmtree(project / ".yamlgen")
    edit(project / "triage.yaml", "Write a reply", "Draft a reply")
    told = []
    yamlgen.test("triage.test.yaml", record=True, simulate=True, on_event=told.append)
    sent = Counter(type(each).__name__ == "RequestSent" and each.step for each in told)
    assert (sent["label"], sent["reply"]) == (0, 4)  # three of the seven rows are in two cases
    assert yamlgen.test("triage.test.yaml").count("not recorded") == 0


def test_an_answer_in_the_store_stays(project):
    """The recordings add to a store; they replace nothing in it."""
    yamlgen.run("triage.yaml", simulate=True)
    edit(project / "triage.yaml", "Write a reply", "Draft a reply")
    before = attempts(project)
    yamlgen.test("triage.test.yaml", record=True, simulate=True)
    added = attempts(project)[len(before) :]
    assert attempts(project)[: len(before)] == before
    assert len({key for key, _ in [*before, *added]}) == len([*before, *added])


def attempts(folder):
    """The answers in the store of simulated runs, as their keys and runs."""
    (store,) = (folder / ".yamlgen").glob("*.simulated.db")
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT key, run FROM attempt ORDER BY id").fetchall()


def test_nothing_missing_sends_nothing(project):
    """There is no forecast, and no store."""
    told = []
    assert yamlgen.test("triage.test.yaml", record=True, simulate=True, on_event=told.append).passed
    assert told == []
    assert not (project / ".yamlgen").exists()


@pytest.mark.usefixtures("project")
def test_recording_all_sends_everything():
    """The recordings are replaced."""
    told = []
    yamlgen.test("triage.test.yaml", record="all", simulate=True, on_event=told.append)
    assert [each.rows for each in forecasts(told)] == [7]


def test_a_refused_confirmation_sends_nothing(fresh):
    """The limit is that of the pipeline, and applies to all cases together."""
    edit(fresh / "triage.yaml", "output: {path", "limits: {confirm_above_usd: 0}\noutput: {path")
    with pytest.raises(yamlgen.RunStopped) as refused:
        yamlgen.test("triage.test.yaml", record=True, simulate=True)
    assert refused.value.exit_code == 4
    assert not (fresh / "triage.answers.jsonl").exists()
    assert yamlgen.test("triage.test.yaml", record=True, simulate=True, yes=True).count("not recorded") == 0


@pytest.mark.usefixtures("fresh")
def test_the_limit_of_cost_applies_to_all_cases_together():
    """What was answered before is recorded."""
    with pytest.raises(yamlgen.RunStopped) as stopped:
        yamlgen.test("triage.test.yaml", record=True, simulate=True, max_cost_usd=0.0001)
    assert stopped.value.exit_code == 4
    found = verdicts(yamlgen.test("triage.test.yaml"))
    assert (found["one ticket"], found["all tickets"]) == ("passed", "not recorded")


def test_a_recording_run_is_not_the_latest_run(project):
    """`export`, `retry` and `prune` are about the pipeline's own rows."""
    yamlgen.run("triage.yaml", simulate=True, limit=2)
    yamlgen.test("triage.test.yaml", record="all", simulate=True)
    found = find_run(store_locations([project / "triage.yaml"]), None)
    assert not found.name.endswith("-test")
    assert yamlgen.runs("triage.yaml")[-1].name.endswith("-test")


@pytest.mark.usefixtures("project")
def test_pruning_runs_keeps_the_run_before_a_recording():
    """The rows of a test are no complete run."""
    yamlgen.run("triage.yaml", simulate=True)
    yamlgen.test("triage.test.yaml", record="all", simulate=True)
    yamlgen.prune("triage.yaml", keep=1)
    assert not yamlgen.runs("triage.yaml")[0].name.endswith("-test")


def test_a_simulated_test_keeps_nothing(fresh):
    """Neither a store nor recordings."""
    report = yamlgen.test("triage.test.yaml", simulate=True, cases="one ticket")
    assert verdicts(report) == {"one ticket": "passed"}
    assert {each.name for each in fresh.iterdir()} == {
        "triage.yaml",
        "triage.test.yaml",
        "prompts",
        "schemas",
        "tickets.csv",
    }


def test_a_repeated_case_passes_if_enough_runs_pass(fresh):
    """Each run of the simulator has a seed of its own."""
    edit(fresh / "triage.test.yaml", 'steps.label.topic != ""', 'steps.label.topic == "billing"')
    report = yamlgen.test("triage.test.yaml", simulate=True, cases="one ticket", repeat=6)
    passed, runs = report.cases[0].repeats
    assert runs == 6
    assert 0 < passed < 6
    assert not report.passed
    assert report.cases[0].flaws[0].what == f"{passed} of 6 runs passed, 6 must"
    assert yamlgen.test("triage.test.yaml", simulate=True, cases="one ticket", repeat=6, min_pass=passed).passed


def test_a_live_test_asks_the_api_and_keeps_nothing(fresh, monkeypatch):
    """It needs a key."""
    with pytest.raises(yamlgen.YamlgenError, match="no API key"):
        yamlgen.test("triage.test.yaml", live=True, cases="one ticket")

    async def tested():
        async with yamlgen.simulate() as address:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
            return await yamlgen.atest("triage.test.yaml", live=True, cases="one ticket")

    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert asyncio.run(tested()).passed
    assert not (fresh / ".yamlgen").exists()
    assert not (fresh / "triage.answers.jsonl").exists()


@pytest.mark.usefixtures("fresh")
def test_a_live_test_tells_its_whole_price_and_that_nothing_is_kept(monkeypatch):
    """Whatever the store of the pipeline contains."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    told = []

    async def tested():
        async with yamlgen.simulate() as address:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
            await yamlgen.atest("triage.test.yaml", record=True, cases="one ticket")
            with pytest.raises(yamlgen.YamlgenError, match="confirm_above_usd") as unconfirmed:
                await yamlgen.atest("triage.test.yaml", live=True, cases="one ticket", confirm_above_usd=0)
            assert unconfirmed.value.exit_code == 4
            with pytest.raises(yamlgen.YamlgenError, match="max_requests") as stopped:
                await yamlgen.atest(
                    "triage.test.yaml", live=True, cases="one ticket", max_requests=1, on_event=told.append
                )
            return stopped.value.hint

    hint = asyncio.run(tested())
    assert [each.requests for each in forecasts(told)] == [2]
    assert "no answer is kept" in hint
    assert "stored" not in hint


@pytest.mark.parametrize(
    "options",
    [
        {"live": True, "record": True},
        {"live": True, "simulate": True},
        {"repeat": 2},
        {"live": True, "update": True},
        {"simulate": True, "prune": True},
        {"simulate": True, "repeat": 2, "min_pass": 3},
        {"simulate": True, "repeat": 0},
    ],
)
@pytest.mark.usefixtures("fresh")
def test_options_that_exclude_each_other_are_refused(options):
    """Before anything is run."""
    with pytest.raises(yamlgen.YamlgenError) as refused:
        yamlgen.test("triage.test.yaml", **options)
    assert refused.value.exit_code == 2


def test_unused_recordings_are_counted_and_pruned(project):
    """Only if every case was run, and nothing is missing."""
    edit(
        project / "triage.test.yaml",
        '    row: {id: t-0, text: "Where is my money?"}',
        "    row: {id: t-1, text: My parcel is late}",
    )
    report = yamlgen.test("triage.test.yaml")
    assert report.unused == {"triage.test.yaml": 2}
    assert yamlgen.test("triage.test.yaml", cases="one ticket").unused == {}
    pruned = yamlgen.test("triage.test.yaml", prune=True)
    assert pruned.notes == ("2 unused recordings removed from triage.answers.jsonl",)
    assert yamlgen.test("triage.test.yaml").unused == {"triage.test.yaml": 0}


def test_a_file_with_misses_is_not_pruned(project):
    """The recordings behind a miss would be lost."""
    before = (project / "triage.answers.jsonl").read_bytes()
    edit(project / "prompts/triage.md", "three", "two")
    report = yamlgen.test("triage.test.yaml", prune=True)
    assert report.notes == ("triage.answers.jsonl is not pruned: a case is not recorded",)
    assert (project / "triage.answers.jsonl").read_bytes() == before


def test_a_file_with_failures_is_not_pruned(project):
    """A step that fails keeps the steps after it from using their recordings."""
    before = (project / "triage.answers.jsonl").read_bytes()
    edit(project / "triage.yaml", "Write a reply to {{ row.text }}", "Write a reply to {{ row.text[999] }}")
    report = yamlgen.test("triage.test.yaml", prune=True)
    assert report.notes == ("triage.answers.jsonl is not pruned: a case failed, perhaps before it used its recordings",)
    assert (project / "triage.answers.jsonl").read_bytes() == before


def test_values_that_are_left_out_may_be_told_before_the_first_case(fresh):
    """A test file without cases gets them; an id that is left out is not the name of a case."""
    (fresh / "triage.test.yaml").write_text("version: 1\npipeline: triage.yaml\nredact: [row.id]\n", "utf-8")
    edit(fresh / "tickets.csv", "t-1", "ann@example.org")
    yamlgen.run("triage.yaml", simulate=True)
    cases_from_run("triage.test.yaml", rows="1")
    text = (fresh / "triage.test.yaml").read_text("utf-8")
    assert "ann@" not in text + (fresh / "triage.answers.jsonl").read_text("utf-8")
    assert "redact: [row.id]\ncases:\n  - name: row 1\n" in text
    assert yamlgen.test("triage.test.yaml").passed


def test_cases_out_of_a_run_pass_without_being_paid(fresh):
    """Rows, conditions and recordings come out of the store."""
    (fresh / "triage.test.yaml").unlink()
    yamlgen.run("triage.yaml", simulate=True)
    yamlgen.cases_from_run("triage.yaml", rows="t-1,t-4", simulate=True)
    report = yamlgen.test("triage.test.yaml")
    assert verdicts(report) == {"row t-1": "passed", "row t-4": "passed"}
    assert report.unused == {"triage.test.yaml": 0}


@pytest.mark.parametrize(
    ("rows", "names"), [("2", ["row t-1", "row t-2"]), ("failed", ["row t-3"]), ("3,", ["row t-3"])]
)
def test_rows_of_a_run_are_chosen(fresh, rows, names):
    """By number, by failure, or by id or position."""
    (fresh / "triage.test.yaml").unlink()
    yamlgen.run("triage.yaml", simulate=True)
    yamlgen.cases_from_run("triage.yaml", rows=rows, simulate=True)
    assert [each.case for each in yamlgen.test("triage.test.yaml").cases] == names


@pytest.mark.parametrize(
    ("keys", "condition"),
    [
        ("on_error: null", "steps.label is none"),
        ("for_each: '[1, 2]'\n    on_item_error: null", "steps.label[0] is none"),
        ("matrix: {tone: [dry, warm]}\n    samples: 2\n    on_item_error: null", "steps.label[0].output[0] is none"),
    ],
)
def test_a_row_whose_step_is_null_becomes_a_case_that_passes(fresh, keys, condition):
    """Its condition says that the step failed for this row."""
    (fresh / "triage.test.yaml").unlink()
    edit(fresh / "triage.yaml", "    check:", f"    {keys}\n    check:")
    edit(fresh / "triage.yaml", "The topic is {{ steps.label.topic }}.", "The topic is {{ steps.label | tojson }}.")
    yamlgen.run("triage.yaml", simulate=True)
    yamlgen.cases_from_run("triage.yaml", rows="t-3,", simulate=True)
    assert f"- {condition}\n" in (fresh / "triage.test.yaml").read_text("utf-8")
    assert yamlgen.test("triage.test.yaml").passed


@pytest.mark.parametrize(
    ("path", "rows", "message"),
    [
        (".", None, ". is a folder"),
        ("triage.yaml", "0", "`rows='0'` chooses no row"),
        ("no", None, "no does not exist"),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_path_or_rows_that_name_nothing_are_an_error(path, rows, message):
    """Nothing is written."""
    yamlgen.run("triage.yaml", simulate=True)
    with pytest.raises(yamlgen.YamlgenError) as wrong:
        yamlgen.cases_from_run(path, rows=rows, simulate=True)
    assert wrong.value.message == message
    assert wrong.value.hint


def test_cases_are_added_without_changing_the_file(project):
    """Comments and the author's own cases stay; a case of this name is not written twice."""
    path = project / "triage.test.yaml"
    path.write_text("# mine\n" + path.read_text("utf-8"), "utf-8")
    before = path.read_text("utf-8")
    yamlgen.run("triage.yaml", simulate=True)
    for _ in range(2):
        yamlgen.cases_from_run(path, rows="t-1", simulate=True)
    text = path.read_text("utf-8")
    assert text.startswith(before)
    assert text.count("row t-1") == 1
    assert verdicts(yamlgen.test(path))["row t-1"] == "passed"


def test_a_row_with_odd_values_is_written_and_read_as_it_was(fresh):
    """Line breaks, quotes, colons, words of YAML and characters that a YAML file cannot have."""
    row = {
        "id": "a: #1",
        "text": "two\nlines: \"and\" 'quotes' \x07\u2028 {{ x }} 😀",
        "on": "yes",
        "n": 1.5,
        "l": ["no"],
    }
    (fresh / "triage.test.yaml").unlink()
    yamlgen.run("triage.yaml", rows=[row], simulate=True)
    yamlgen.cases_from_run("triage.yaml", simulate=True)
    assert yamlgen.test("triage.test.yaml").passed


def test_values_that_are_left_out_are_not_written(fresh):
    """Neither in the case nor in the recordings."""
    edit(fresh / "triage.test.yaml", "pipeline: triage.yaml", "pipeline: triage.yaml\nredact: [row.text]")
    yamlgen.run("triage.yaml", simulate=True)
    yamlgen.cases_from_run("triage.test.yaml", rows="t-1", simulate=True)
    for name in ("triage.test.yaml", "triage.answers.jsonl"):
        assert "My parcel is late" not in (fresh / name).read_text("utf-8")
    assert verdicts(yamlgen.test("triage.test.yaml", cases="row t-1")) == {"row t-1": "passed"}


def test_a_run_that_is_gone_is_an_error(project):
    """Nothing is written."""
    yamlgen.run("triage.yaml", simulate=True)
    name = yamlgen.runs("triage.yaml")[0].name
    yamlgen.prune("triage.yaml", keep=0)
    before = (project / "triage.test.yaml").read_bytes()
    with pytest.raises(yamlgen.YamlgenError) as gone:
        yamlgen.cases_from_run("triage.test.yaml", name, simulate=True)
    assert gone.value.exit_code == 2
    assert (project / "triage.test.yaml").read_bytes() == before


def test_the_key_of_the_environment_is_never_recorded(fresh, monkeypatch):
    """A row that contains it is not recorded, whatever the key looks like."""
    known = "gateway-Zx81kPq7vT3mLs9wRb2n"
    monkeypatch.setenv("ANTHROPIC_API_KEY", known)
    edit(fresh / "triage.test.yaml", "Where is my money?", f"My key is {known}")
    report = yamlgen.test("triage.test.yaml", record=True, simulate=True, cases="one ticket")
    assert known not in (fresh / "triage.answers.jsonl").read_text("utf-8")
    assert [note for note in report.notes if "not recorded: an API key is in the request" in note]


def test_old_recordings_are_told_with_their_model(project):
    """Retired models come first; younger recordings are not told."""
    path = project / "triage.answers.jsonl"
    text = re.sub(r'"date":"[^"]*"', '"date":"2020-01-01"', path.read_text("utf-8"))
    path.write_text(text, "utf-8")
    notes = yamlgen.test("triage.test.yaml", older="90d").notes
    assert [note.partition(", from")[0] for note in notes] == [
        "triage.answers.jsonl: 7 recordings of `label` by claude-haiku-5-5",
        "triage.answers.jsonl: 4 recordings of `reply` by claude-haiku-5-5",
    ]
    assert yamlgen.test("triage.test.yaml", older="36500d").notes == ()
