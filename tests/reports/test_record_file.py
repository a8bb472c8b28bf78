"""The record of a run: what is looked up around it, and what is kept out of it."""

import subprocess
from datetime import UTC, datetime

import pytest

from yamlgen.canonical_json import fingerprint
from yamlgen.reports.record_file import git_state, run_record, surroundings, versions
from yamlgen.reports.report import Report


def git(folder, *arguments):
    """Run git in a folder, with nobody's own settings."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path):
    """A folder under git with one committed file."""
    git(tmp_path, "init", "-q")
    (tmp_path / "p.yaml").write_text("version: 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_the_commit_is_told(folder):
    """The commit that the pipeline was at."""
    state = git_state(folder)
    assert len(state["commit"]) == 40
    assert state["dirty"] is False


@pytest.mark.parametrize("name", ["p.yaml", "new.txt"])
def test_a_changed_folder_is_dirty(folder, name):
    """A change that is in no commit is told, a new file too."""
    (folder / name).write_text("x")
    assert git_state(folder)["dirty"] is True


def test_outside_of_git_nothing_is_told(tmp_path, monkeypatch):
    """No repository is no error."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) is None


def test_before_the_first_commit_nothing_is_told(tmp_path):
    """An empty repository has no commit to name."""
    git(tmp_path, "init", "-q")
    assert git_state(tmp_path) is None


def test_without_git_nothing_is_told(folder, monkeypatch):
    """A machine without git runs pipelines all the same."""
    monkeypatch.setenv("PATH", "")
    assert git_state(folder) is None


def test_versions_are_of_what_shapes_a_request():
    """Python, ours, the SDK, instructor, and what checks an output."""
    assert {"python", "yamlgen", "anthropic", "instructor", "jsonschema-rs"} <= set(versions())


def test_the_surroundings_of_a_run_are_both(folder):
    """The commit of the pipeline's folder, and what is installed."""
    assert surroundings(folder) == {"git": git_state(folder), "versions": versions()}


def test_a_fingerprint_is_of_the_content():
    """The order of keys does not matter; a value does, whatever characters it has."""
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert len(fingerprint({"é": "\ud800"})) == 64


def test_no_key_is_kept():
    """Anything in the shape of a key is blotted out, wherever it came from."""
    about = {"params": {"oops": "sk-ant-api03-AbC"}, "input": "sk-ant-x.jsonl"}
    record = run_record(Report(), about, datetime.now(UTC))
    assert "AbC" not in str(record)
    assert record["params"]["oops"] == "sk-ant-[secret]"
