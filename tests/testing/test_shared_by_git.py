"""Recordings in a repository: merged by git, cloned with other line ends, replayed elsewhere without a network."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tested_triage
from test_replay import can_unshare

import yamlgen
from scripted_api import KEY, ScriptedServer, said

PIPELINE = """\
version: 1
input: {path: rows.csv, id: id}
steps:
  outline: {model: claude-haiku-5-5, prompt: An outline of a letter}
  letter: {model: claude-haiku-5-5, prompt: "A letter on {{ row.text }}"}
output: {path: out/letters.jsonl}
"""
CHAIN = PIPELINE.replace("row.text }}", "row.text }} by {{ steps.outline }}")
MIDDLE = "".join(f"  # {number}\n" for number in range(5))
"""Lines between two cases, so that git merges both sides."""

SETTINGS = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
PERSON = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")


def git(folder, *arguments):
    """Run git without the settings of this machine."""
    environment = {**os.environ, **SETTINGS, "HOME": str(folder)}
    command = ["git", *PERSON, *arguments]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, timeout=60)


def commit(folder):
    """Commit everything but the store."""
    git(folder, "add", "-A", ":!.yamlgen")
    git(folder, "commit", "-qm", "x")


def replayed(folder, fork_server):
    """The verdicts of `yamlgen test` in a process without a key, and its exit code."""
    done = fork_server.call(folder, "test", "--output-format", "json")
    assert done.out, done.err
    return json.loads(done.out), done.code


def replayed_alone(folder, *prefix, **environment):
    """The verdicts of `yamlgen test` as a process that is started in a folder, and its exit code."""
    command = [*prefix, sys.executable, "-m", "yamlgen", "test", "--output-format", "json"]
    given = {name: value for name, value in os.environ.items() if name != "ANTHROPIC_API_KEY"}
    given["PYTHONPATH"] = os.pathsep.join(sys.path)
    options = {"capture_output": True, "text": True, "timeout": 120}
    done = subprocess.run(command, cwd=folder, env={**given, **environment}, check=False, **options)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.returncode


def case(name):
    """The line of a case."""
    return f"  - {{name: {name}, row: {{id: {name}, text: {name}}}, expect: [steps.outline != 'x']}}\n"


def recorded(monkeypatch, word, **options):
    """The report of a recording whose answers contain a word, and the number of requests."""

    async def main():
        async with ScriptedServer(lambda body: said(f"{word}: {body['messages'][-1]['content']}")) as server:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
            return await yamlgen.atest("letters.test.yaml", record=True, **options), len(server.bodies)

    return asyncio.run(main())


def merged(folder, monkeypatch, pipeline):
    """Make a repository in which two branches have first recorded the same step, merged by union."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    git(folder, "init", "-q", "-b", "main")
    (folder / ".gitattributes").write_text("*.answers.jsonl merge=union\n", "utf-8")
    (folder / "letters.yaml").write_text(pipeline, "utf-8")
    test, head = folder / "letters.test.yaml", "version: 1\npipeline: letters.yaml\ncases:\n"
    test.write_text(head + MIDDLE, "utf-8")
    commit(folder)
    for name, text in (("mine", case("mine") + MIDDLE), ("yours", MIDDLE + case("yours"))):
        git(folder, "checkout", "-q", "-b", name, "main")
        test.write_text(head + text, "utf-8")
        assert recorded(monkeypatch, name)[0].passed
        shutil.rmtree(folder / ".yamlgen")
        commit(folder)
    git(folder, "merge", "-q", "-m", "x", "mine")
    assert test.read_text("utf-8") == head + case("mine") + MIDDLE + case("yours")


def test_recordings_of_two_branches_are_merged_by_union(tmp_path, monkeypatch, fork_server):
    """There is no conflict; of two answers to one request, one counts, with a warning that `--prune` ends."""
    merged(tmp_path, monkeypatch, PIPELINE)
    report, code = replayed(tmp_path, fork_server)
    (warning,) = report["warnings"]
    assert "`outline` is recorded with two answers" in warning["message"]
    assert (code, report["passed"]) == (0, 2)
    assert yamlgen.test(prune=True).passed
    assert yamlgen.test().warnings == ()


def test_a_row_that_needs_the_answer_of_the_other_branch_is_recorded_again(tmp_path, monkeypatch, fork_server):
    """Its next request contains the older answer: it alone is missing, and is told with its change."""
    merged(tmp_path, monkeypatch, CHAIN)
    report, _ = replayed(tmp_path, fork_server)
    assert (report["passed"], report["not_recorded"]) == (1, 1)
    again, sent = recorded(monkeypatch, "new")
    assert (again.passed, sent) == (True, 1)


@pytest.fixture
def clone(tmp_path):
    """A clone of a recorded test with CRLF in its files, on another path."""
    origin = tmp_path / "origin"
    origin.mkdir()
    tested_triage.recorded(origin)
    git(origin, "init", "-q", "-b", "main")
    commit(origin)
    made = tmp_path / "another place" / "clone"
    made.parent.mkdir()
    git(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", str(origin), str(made))
    return made


def test_a_clone_with_other_line_ends_passes(clone):
    """On another path, under another address, without a key, and without interfaces where the system allows it."""
    for name in ("triage.answers.jsonl", "prompts/triage.md", "golden/two.jsonl"):
        assert b"\r\n" in (clone / name).read_bytes()
    way = ["unshare", "-rn"] if can_unshare() else []
    report, code = replayed_alone(clone, *way, ANTHROPIC_BASE_URL="https://gateway.example/v9")
    assert (code, report["passed"], report["simulated_recordings"]) == (0, 3, {"triage.test.yaml": 11})
    assert not (clone / ".yamlgen").exists()


def test_a_recording_in_such_a_clone_sends_nothing(clone, monkeypatch):
    """All is recorded, and the file does not change but for its line ends."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    told = []
    assert yamlgen.test(clone / "triage.test.yaml", record=True, simulate=True, on_event=told.append).passed
    assert told == []
    assert Path(clone / "triage.answers.jsonl").read_bytes().count(b"\r\n") > 0


LINES = """\
version: 1
input: {path: rows.csv, id: id}
steps:
  label:
    model: claude-haiku-5-5
    system: {file: system.md, template: false}
    prompt: "Label {{ row.text }}"
output: {path: out/labels.jsonl}
"""
OF_LINES = """\
version: 1
pipeline: lines.yaml
cases:
  - name: all
    rows: {path: rows.csv}
    golden: golden.jsonl
    gold: {on: id, fields: {text: text}}
    expect: ["gold.text.accuracy == 1"]
"""


def test_a_clone_with_line_ends_in_a_cell_passes(tmp_path):
    """Also in an id, in a file that is sent as it is, in a golden file, and with values that are left out."""
    for name, redact in (("plain", ""), ("left out", "redact: [row.text]\n")):
        origin, made = tmp_path / name, tmp_path / f"{name} cloned"
        origin.mkdir()
        (origin / "lines.yaml").write_text(LINES, "utf-8")
        (origin / "system.md").write_text("Be\nbrief.\n", "utf-8")
        (origin / "rows.csv").write_text('id,text\n"a\nb","five\nlines"\nc,one\n', "utf-8")
        (origin / "lines.test.yaml").write_text(OF_LINES.replace("cases:", f"{redact}cases:"), "utf-8")
        assert yamlgen.test(origin / "lines.test.yaml", record=True, simulate=True, update=True).passed
        git(origin, "init", "-q", "-b", "main")
        commit(origin)
        git(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", str(origin), str(made))
        assert b"five\r\nlines" in (made / "rows.csv").read_bytes()
        report = yamlgen.test(made / "lines.test.yaml")
        assert [(each.flaws, each.misses) for each in report.cases] == [((), ())]


def test_a_miss_in_such_a_clone_tells_only_what_was_edited(tmp_path, monkeypatch):
    """Line ends are not a change."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.yaml").write_text(LINES, "utf-8")
    (tmp_path / "system.md").write_text("Be\nbrief.\n", "utf-8")
    (tmp_path / "rows.csv").write_text('id,text\na,"five\nlines"\n', "utf-8")
    (tmp_path / "lines.test.yaml").write_text(OF_LINES.partition("    golden")[0], "utf-8")
    yamlgen.test(record=True, simulate=True)
    (tmp_path / "rows.csv").write_text('id,text\r\na,"five\r\nlines"\r\n', "utf-8", newline="")
    (tmp_path / "system.md").write_text("Be\r\nexact.\r\n", "utf-8", newline="")
    (case,) = yamlgen.test().cases
    assert case.misses[0].changes == (("system.md:2", "brief.", "exact."),)
