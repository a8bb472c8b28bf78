"""A recording that ends early: what is finished is in the file, and nothing is paid for twice."""

import asyncio
import json
import shutil
import signal

import pytest

import yamlgen
from scripted_api import KEY, ScriptedServer, said

PIPELINE = """\
version: 1
input: {path: rows.jsonl, id: id}
runtime: {concurrency: 1}
steps:
  one: {model: claude-haiku-5-5, prompt: "First of {{ row.id }}"}
  two: {model: claude-haiku-5-5, prompt: "Second of {{ row.id }}, {{ steps.one }}"}
output: {path: out/x.jsonl}
"""
TEST = "version: 1\npipeline: p.yaml\ncases:\n  - {name: all, rows: {path: rows.jsonl}}\n"
ROWS = 4


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Change to a folder with a test of several rows in one case."""
    (tmp_path / "p.yaml").write_text(PIPELINE, "utf-8")
    (tmp_path / "p.test.yaml").write_text(TEST, "utf-8")
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"id": {number}}}\n' for number in range(ROWS)), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    return tmp_path


def recorded(folder):
    """The steps of the recordings in the file."""
    lines = map(json.loads, (folder / "p.answers.jsonl").read_text("utf-8").splitlines())
    return sorted(each["step"] for each in lines if "step" in each)


def test_an_interrupted_recording_pays_only_for_the_rest(folder, monkeypatch, fork_server):
    """After a real SIGINT: finished rows are in the file, the other answers in the store, and the message says so."""
    process = None

    def reply(_):
        if len(server.bodies) == 5:
            process.send(signal.SIGINT)
        return said(f"Answer {len(server.bodies)}")

    server = ScriptedServer(reply)

    async def main():
        nonlocal process
        async with server:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
            process = fork_server.start(
                folder, "test", "--record", ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=server.url
            )
            ended = await asyncio.to_thread(process.wait)
            stopped = ended.code, ended.err, len(server.bodies), recorded(folder)
            report = await yamlgen.atest("p.test.yaml", record=True)
            return stopped, report

    (code, told, sent, found), report = asyncio.run(main())
    assert (code, sent) == (130, 5)
    assert found == ["one", "one", "two", "two"]
    assert "2 finished rows stored; the same command continues from there" in told
    assert "p.answers.jsonl contains the prompts" in told
    assert (report.passed, len(server.bodies)) == (True, 2 * ROWS)


@pytest.mark.parametrize("record", [True, "all"])
def test_a_limit_leaves_what_is_finished_in_the_file(folder, record):
    """Without its store, only the rest is requested; a recording of everything names no option that tests lack."""
    with pytest.raises(yamlgen.RunStopped) as stopped:
        yamlgen.test("p.test.yaml", record=record, simulate=True, max_requests=5)
    assert recorded(folder) == ["one", "one", "two", "two"]
    assert "fresh" not in stopped.value.hint
    assert "2 finished rows stored" in stopped.value.hint
    shutil.rmtree(".yamlgen")
    told = []
    report = yamlgen.test("p.test.yaml", record=True, simulate=True, on_event=told.append)
    assert (report.passed, report.unused, told[0].rows) == (True, {"p.test.yaml": 0}, 2)


def test_an_interrupted_recording_of_everything_keeps_older_answers(folder):
    """Rows that were not reached are replayed on what they had."""
    yamlgen.test("p.test.yaml", record=True, simulate=True)
    with pytest.raises(yamlgen.RunStopped):
        yamlgen.test("p.test.yaml", record="all", simulate=True, max_requests=5)
    assert recorded(folder) == ["one"] * ROWS + ["two"] * ROWS
    assert yamlgen.test("p.test.yaml").passed
