"""An author's function that changes the working directory: the files of the run stay where they belong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PIPELINE = """\
version: 1
name: moving
input: {path: rows.jsonl, id: n}
steps:
  moved: {kind: python, call: "steps:move", args: {n: row.n}}
  note: {model: claude-haiku-5-5, prompt: "A note on {{ steps.moved }}."}
output: {path: out/notes.jsonl}
"""
MODULE = """\
import os, threading

BUSY = threading.Lock()

def move(n):
    with BUSY:
        os.makedirs({target!r}, exist_ok=True)
        os.chdir({target!r})
        if {gone}:
            os.rmdir({target!r})
    if n == 3:
        raise ValueError("three")
    return n
"""
NOTES = ["notes.simulated.failed.jsonl", "notes.simulated.jsonl", "notes.simulated.run.json"]
API = """\
import sys, yamlgen
done = yamlgen.run("flow/moving.yaml", simulate=True)
again = yamlgen.run(yamlgen.load({path!r}), simulate=True, output={output!r})
print(done.output, again.output, done.usage.output_tokens > 0, again.usage.output_tokens)
"""


@pytest.fixture
def moved_folder(request, tmp_path, monkeypatch):
    """A folder with a pipeline below it, whose function goes elsewhere, to a folder that is gone, or into the output's.

    The test stands in the folder.
    """
    flow = tmp_path / "flow"
    flow.mkdir()
    (flow / "moving.yaml").write_text(PIPELINE, "utf-8")
    (flow / "rows.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(1, 41)), "utf-8")
    folder = getattr(request, "param", "gone")
    target = str(tmp_path / folder)
    (flow / "steps.py").write_text(MODULE.format(target=target, gone=folder == "gone"), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ended(*command):
    """How a command ended that was given so long."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def forked(fork_server, *arguments):
    """How a command of `yamlgen` ended that was given here."""
    done = fork_server.call(Path.cwd(), *arguments)
    return done.code, done.out, done.err


def files(folder):
    """The names of all files in a folder that are not hidden."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def elsewhere(moved_folder):
    """The files that are in none of the places of a run."""
    known = ("flow/", "out/", "answers/", ".yamlgen/")
    found = (str(path.relative_to(moved_folder)) for path in moved_folder.rglob("*") if path.is_file())
    return [name for name in found if not name.startswith(known)]


@pytest.mark.parametrize("moved_folder", ["elsewhere", "gone", "flow/out"], indirect=True)
def test_the_files_of_a_run_stay_beside_the_pipeline(moved_folder, fork_server):
    """Output, failed rows, record and store are beside the pipeline, and are told as seen from where the user is."""
    code, _, said = forked(fork_server, "run", "flow/moving.yaml", "--simulate")
    assert code == 1, said
    assert files(moved_folder / "flow/out") == NOTES
    assert (moved_folder / "flow/out/notes.simulated.jsonl").read_text("utf-8").count("\n") == 39
    assert (moved_folder / "flow/.yamlgen/moving.yaml.simulated.db").exists()
    assert not elsewhere(moved_folder)
    assert "output  flow/out/notes.simulated.jsonl" in said
    assert "failed  flow/out/notes.simulated.failed.jsonl" in said
    assert "record  flow/out/notes.simulated.run.json" in said


def test_what_the_command_line_names_stays_there(moved_folder, fork_server):
    """`-o`, `--store` and `--input` are reckoned from where the command was called; the next run finds its store."""
    (moved_folder / "mine.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    options = ("--simulate", "-o", "out/mine.csv", "--store", "answers", "--input", "mine.jsonl")
    code, _, said = forked(fork_server, "run", "flow/moving.yaml", *options)
    assert code == 0, said
    assert files(moved_folder / "out") == ["mine.csv", "mine.run.json"]
    assert "output  out/mine.csv" in said
    (moved_folder / "mine.jsonl").write_text('{"n": 1}\n{"n": 2}\n{"n": 3}\n')
    code, _, said = forked(fork_server, "run", "flow/moving.yaml", *options, "--offline")
    assert (code, "2 answers from the store" in said) == (1, True), said
    assert files(moved_folder / "out") == ["mine.csv", "mine.failed.jsonl", "mine.run.json"]
    code, _, said = forked(fork_server, "retry", "flow/moving.yaml", "--simulate", "--store", "answers")
    assert (code, "output  out/mine.csv" in said) == (1, True), said
    assert elsewhere(moved_folder) == ["mine.jsonl"]
    assert not (moved_folder / "flow/out/notes.simulated.jsonl").exists()


def test_rows_are_printed_from_the_store(moved_folder, fork_server):
    """With `-o -` the rows are read out of the store while the function goes elsewhere."""
    code, printed, said = forked(fork_server, "run", "flow/moving.yaml", "--simulate", "-o", "-")
    assert code == 1, said
    assert [json.loads(line)["n"] for line in printed.splitlines()] == [n for n in range(1, 41) if n != 3]
    assert not elsewhere(moved_folder)


def test_a_pipeline_that_was_loaded_stays_where_it_is(moved_folder):
    """From Python, a relative path is reckoned from where it was given; what was loaded can be run after a move."""
    code = API.format(path=str(moved_folder / "flow/moving.yaml"), output=str(moved_folder / "out/again.jsonl"))
    status, printed, said = ended(sys.executable, "-c", code)
    assert status == 0, said
    first, second = moved_folder / "flow/out/notes.simulated.jsonl", moved_folder / "out/again.jsonl"
    assert printed.split() == [str(first), str(second), "True", "0"]
    assert first.read_bytes() == second.read_bytes()


def test_a_loaded_pipeline_is_run_from_another_folder(moved_folder, monkeypatch):
    """Between loading and running, the program itself may go elsewhere; `retry` finds the input that was given."""
    import yamlgen  # noqa: PLC0415 - here alone

    (moved_folder / "mine.jsonl").write_text('{"n": 1}\n')
    loaded = yamlgen.load("flow/moving.yaml", input="mine.jsonl")
    (moved_folder / "other").mkdir()
    monkeypatch.chdir(moved_folder / "other")
    assert [row["n"] for row in yamlgen.run(loaded, simulate=True).rows()] == [1]
    assert files(moved_folder / "flow/out") == ["notes.simulated.jsonl", "notes.simulated.run.json"]
    assert not files(moved_folder / "other")
