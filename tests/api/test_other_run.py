"""Which runs can be compared, and the errors about those that cannot."""

import shutil
import sqlite3
from contextlib import closing

import pytest

import yamlgen
from compared_pipeline import run, write
from yamlgen.api.other_run import changes_between
from yamlgen.api.run_reports import report
from yamlgen.errors import UsageError
from yamlgen.store.location import location_of


@pytest.fixture
def path(tmp_path):
    """The pipeline."""
    return write(tmp_path, [{"id": number, "text": f"text {number}"} for number in range(3)])


def test_a_run_is_not_compared_with_itself(path):
    """The error says that it is the same run, and how to find others."""
    name = run(path)
    with pytest.raises(UsageError, match="is the run itself") as caught:
        report(path, name, against=name[:-1])
    assert "judged.yaml" in caught.value.hint


@pytest.mark.parametrize("cut", [None, -1])
def test_a_run_of_another_pipeline_is_refused(path, monkeypatch, cut):
    """The error names both pipelines, and how to list the runs of this one; also by the beginning of a name."""
    monkeypatch.chdir(path.parent)  # where its store is found a second time
    name = run(path)
    shutil.copy(path, path.with_name("second.yaml"))
    with pytest.raises(UsageError, match=r"is one of .*second\.yaml, and run .* of .*judged\.yaml") as caught:
        report(path, name, against=run(path.with_name("second.yaml"))[:cut])
    assert "yamlgen.runs(" in caught.value.hint


def test_an_unknown_or_ambiguous_run_is_refused(path):
    """A name that no run has, or that several have, is an error that says so."""
    name = run(path)
    run(path)
    with pytest.raises(UsageError, match="there is no run `nix`"):
        report(path, name, against="nix")
    with pytest.raises(UsageError, match="the names of 2 runs begin with `20`"):
        report(path, name, against="20")


def test_a_pruned_run_is_refused(path):
    """A run that was deleted cannot be compared."""
    gone, name = run(path), run(path, seed=1)
    yamlgen.prune(path, keep=1)
    with pytest.raises(UsageError, match="there is no run"):
        report(path, name, against=gone)


def test_a_simulated_run_is_compared_with_a_real_one(path):
    """Runs of two stores are compared, and a sentence says that one of them is simulated."""
    other = run(path)
    location_of(path, simulated=True).database.rename(location_of(path).database)
    found = report(path, run(path, seed=1), against=other)["against"]
    assert (found["rows"]["both"], found["other"]["simulated"]) == (3, False)
    assert f"run {other} is not: simulated answers" in found["notes"][0]


def test_a_lock_that_an_earlier_version_left_out_is_unknown(path):
    """What differs is not known of a run that has not recorded its lock."""
    run(path)
    run(path, seed=1)
    first, second = yamlgen.runs(path)
    assert changes_between(first, second) == ("the seed of the simulator: 0 -> 1",)
    del first.entry.about["lock"]
    assert changes_between(first, second) is None


def test_a_run_of_a_few_rows_is_told(path):
    """The comparison says how many rows a partial run has reached."""
    name = run(path)
    found = report(path, run(path, limit=2, seed=1), against=name)["against"]
    assert "covers only the first 2 rows of the input" in found["notes"][0]
    assert found["rows"] == {"both": 2, "only_this": 0, "only_other": 1}


def test_a_change_of_a_model_does_not_hide_other_keys(path):
    """A step with another model and another prompt has both told."""
    run(path)
    text = path.read_text(encoding="utf-8").replace("haiku-5-5", "sonnet-5-5").replace("Judge", "Rate")
    path.write_text(text, encoding="utf-8")
    run(path)
    first, second = yamlgen.runs(path)
    assert changes_between(first, second) == (
        "step `verdict`: the model `claude-haiku-5-5` -> `claude-sonnet-5-5`",
        "step `verdict`: `messages`",
    )


@pytest.mark.parametrize(("status", "told"), [("running", "was killed"), ("stopped", "was stopped")])
def test_a_run_that_has_not_ended_well_is_compared(path, status, told):
    """A run that was killed or stopped is compared as far as it came, and a sentence says so."""
    other, name = run(path), run(path, seed=1)
    with closing(sqlite3.connect(location_of(path, simulated=True).database)) as store, store:
        number = store.execute("SELECT id FROM run WHERE name = ?", (other,)).fetchone()
        store.execute("UPDATE run SET status = ?, report = NULL WHERE id = ?", (status, *number))
        store.execute("DELETE FROM row WHERE run = ? AND number > 0", number)
    for this, that in ((name, other), (other, name)):
        found = report(path, this, against=that)["against"]
        assert found["rows"]["both"] == 1
        assert f"Run {other} {told}: it has reached 1 of 3 rows." in found["notes"]


def test_runs_with_other_outputs_are_compared(path):
    """If the outputs differ, fields with the same name are compared, and a sentence says so."""
    other = run(path)
    text = path.read_text(encoding="utf-8").replace(
        "output: {path: out/judged.jsonl}",
        "outputs: {a: {path: out/a.jsonl}, b: {path: out/b.jsonl, columns: {verdict: steps.verdict, more: row.text}}}",
    )
    path.write_text(text, encoding="utf-8")
    name = run(path, seed=1)
    for output in (None, "a", "b"):
        found = report(path, name, against=other, output=output)["against"]
        assert "has other outputs" in " ".join(found["notes"])
        fields = {each["name"]: each["changes"] for each in found["fields"]}
        assert fields["verdict.label"]["compared"] == 3
    assert any("output" in each for each in found["changes"])
