"""What a shell completes: names of a pipeline, paths of `--set`, runs, and what must not happen meanwhile."""

import os
import pty
import re
import select
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from yamlgen.api.completion_words import override_words
from yamlgen.cli import group
from yamlgen.cli.shells import SHELLS, VARIABLE
from yamlgen.diagnostics import Diagnostic
from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import compose
from yamlgen.pipeline.overrides import set_value
from yamlgen.store.database import create
from yamlgen.store.location import location_of

PIPELINE = """\
version: 1
params:
  mood: {enum: [very good, bad, "12"], description: How it ends. In words.}
  dry: {type: boolean}
  town: {type: string, default: Ulm}
models:
  writer: {id: claude-haiku-5-5}
  judge: {id: claude-sonnet-5-5, thinking: {budget_tokens: 2048}}
input: {path: rows.jsonl, csv: {delimiter: ";"}}
steps:
  draft: {model: writer, prompt: "{{ row.topic }}", system: short}
  score: {kind: compute, values: {length: steps.draft | length}}
outputs:
  train: {path: out/train.jsonl}
  test: {path: out/test.jsonl}
"""
PLAIN = """\
model: claude-haiku-5-5
batch: true
steps:
  draft: {messages: [{role: user, content: hello}], tags: [a, b]}
output: {path: o.jsonl, columns: {a: row.a}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a pipeline, another one below it, and other files."""
    (tmp_path / "a.yaml").write_text(PIPELINE)
    (tmp_path / "sub dir").mkdir()
    (tmp_path / "sub dir" / "b c.yml").write_text(PLAIN)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.yaml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def completed(folder, monkeypatch):  # noqa: ARG001 - the current folder
    """Complete the word that ends at `|`, and return what the script of a shell gets."""

    def complete(line, shell="bash"):
        words = re.split(r"(?<!\\) ", line)
        at = next(number for number, word in enumerate(words) if word.endswith("|"))
        words[at] = words[at].removesuffix("|")
        if shell == "fish":
            monkeypatch.setenv("COMP_WORDS", " ".join(words[: at + 1]))
            monkeypatch.setenv("COMP_CWORD", words[at])
        else:
            monkeypatch.setenv("COMP_WORDS", "\n".join(words))
            monkeypatch.setenv("COMP_CWORD", str(at))
        return SHELLS[shell](group, {}, "yamlgen", VARIABLE).complete().splitlines()

    return complete


def store_of(pipeline, *names, simulated=False):
    """Make a store with runs."""
    place = location_of(pipeline, simulated=simulated)
    place.folder.mkdir(exist_ok=True)
    create(place.database)
    with closing(sqlite3.connect(place.database)) as connection:
        rows = [(name, f"2026-01-0{number}", "finished", "{}") for number, name in enumerate(names, 1)]
        connection.executemany("INSERT INTO run (name, started, status, about) VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    return place


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("yamlgen run a.yaml -p |", ["open,mood=", "open,dry=", "open,town="]),
        ("yamlgen run -p t| a.yaml", ["open,town="]),
        ("yamlgen run -p | a.yaml", ["open,mood=", "open,dry=", "open,town="]),
        ("yamlgen run a.yaml -p dry=true --param |", ["open,mood=", "open,town="]),
        ("yamlgen run a.yaml -p dry=|", ["plain,dry=true", "plain,dry=false"]),
        ("yamlgen run a.yaml -p mood=v|", [r"plain,mood=very\ good"]),
        ("yamlgen run a.yaml -p 'mood=v|", ["plain,mood=very good"]),
        ('yamlgen run a.yaml -p mood=\\"|', [r"plain,mood=\"12\""]),
        (r"yamlgen run sub\ dir/b\ c.yml -p |", []),
        (r"yamlgen validate sub\ dir a.yaml -p d|", ["open,dry="]),
        ("yamlgen run -p d|", ["open,dry="]),
        ("yamlgen diff a.yaml --why |", ["plain,draft", "plain,score"]),
        ("yamlgen run a.yaml -o t|", ["open,train=", "open,test="]),
        ("yamlgen run a.yaml -o train=|", ["file,train="]),
        ("yamlgen run a.yaml --input |", ["file,"]),
        ("yamlgen init --input |", ["file,"]),
        ("yamlgen run a.yaml --store |", ["dir,"]),
        ("yamlgen run |", ["path,a.yaml", "path,sub dir"]),
        (r"yamlgen run sub\ dir/|", ["path,sub dir/b c.yml"]),
        ("yamlgen run .|", ["path,.hidden.yaml"]),
        ("yamlgen run --fault over|", ["open,overloaded="]),
        ("yamlgen diff --fail-on c|", ["open,cost:"]),
        ("yamlgen explain yg20|", [f"plain,YG20{number}" for number in range(1, 10)]),
        ("yamlgen explain 101|", ["plain,YG101"]),
        ("yamlgen context comp|", ["plain,compute"]),
        ("yamlgen init --example hel|", ["plain,hello"]),
        ("yamlgen init |", ["dir,"]),
        ("yamlgen docs tuto|", ["plain,tutorial"]),
    ],
)
def test_values_are_completed(line, words, completed):
    """Of the pipeline on the line, wherever it stands there; else of those in the current folder."""
    assert completed(line) == words


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("-p|mood=", r"mood=it\'s\ \`id\`\ \$HOME"),
        ("-p|'mood=", r"mood=it'\''s `id` $HOME"),
        ('-p|"mood=', r"mood=it's \`id\` \$HOME"),
    ],
)
def test_bash_runs_nothing_of_a_value(typed, word, folder, monkeypatch):
    """Whatever quote is open, the shell takes the value for itself."""
    (folder / "a.yaml").write_text('params: {mood: {const: "it\'s `id` $HOME"}}', "utf-8")
    monkeypatch.setenv("COMP_WORDS", "\n".join(["yamlgen", "run", "a.yaml", *typed.split("|")]))
    monkeypatch.setenv("COMP_CWORD", "4")
    assert SHELLS["bash"](group, {}, "yamlgen", VARIABLE).complete() == f"plain,{word}\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("run a.yaml -p mood = b|", "plain,bad"),
        ("run a.yaml -p mood =|", r"plain,very\ good plain,bad plain,\"12\""),
        ("run a.yaml -p dry =| a.yaml", "plain,true plain,false"),
        ("run a.yaml --set = models.j|", "open,models.judge."),
        ("run a.yaml --set models.judge.id = claude-haiku-5|", "plain,claude-haiku-5-5"),
        ("run a.yaml --set = models.judge.id = claude-haiku-5|", "plain,claude-haiku-5-5"),
    ],
)
def test_bash_gets_what_follows_its_break(line, words, completed):
    """It breaks words at `=`, and replaces only what stands behind it."""
    assert " ".join(completed(f"yamlgen {line}")) == words


def test_other_shells_get_whole_words_and_what_they_are(completed):
    """With the option, if it is a part of the word, and a description in one line."""
    assert completed("yamlgen run a.yaml -p m|", "fish") == ["open,mood=\tHow it ends"]
    assert completed("yamlgen run a.yaml --set=models.w|", "fish") == ["open,--set=models.writer."]
    assert completed("yamlgen run a.yaml -p m|", "zsh") == ["open", "mood=", "mood=                 -- How it ends"]
    assert completed("yamlgen run a.yaml --set=models.w|", "zsh")[1] == "--set=models.writer."


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", {"version=", "params.", "models.", "model=", "model.", "steps.", "outputs.", "batch=", "batch."}),
        ("models.", {"models.writer.", "models.judge."}),
        (
            "models.judge.",
            {"models.judge.id=", "models.judge.thinking.", "models.judge.thinking=", "models.judge.effort="},
        ),
        ("models.judge.thinking.", {"models.judge.thinking.budget_tokens="}),
        ("models.judge.effort=", {"models.judge.effort=low", "models.judge.effort=max"}),
        ("steps.", {"steps.draft.", "steps.score."}),
        ("steps.draft.", {"steps.draft.prompt=", "steps.draft.model=", "steps.draft.output."}),
        ("steps.draft.model=", {"steps.draft.model=writer", "steps.draft.model=judge"}),
        ("steps.score.", {"steps.score.values.", "steps.score.when="}),
        ("steps.score.values.", {"steps.score.values.length="}),
        ("outputs.train.csv.", {"outputs.train.csv.delimiter="}),
        ("outputs.train.", {"outputs.train.path=", "outputs.train.provenance="}),
        ("outputs.train.provenance=", {"outputs.train.provenance=true", "outputs.train.provenance=false"}),
        ("params.town.", {"params.town.default="}),
    ],
)
def test_paths_are_those_of_the_file_and_of_the_language(path, words, folder):
    """Keys that the file has, and keys that it may have there."""
    assert words <= {word.text for word in override_words([folder / "a.yaml"], path)}


@pytest.mark.parametrize(
    "path",
    ["output", "models.new", "models.new.", "steps.draft.values.", "steps.draft.model.", "steps.draft.prompt.", "x.y."],
)
def test_paths_that_cannot_be_set_are_not_offered(path, folder):
    """An unknown name, a key of another kind of step, a key below a text or an alias."""
    words = [word.text for word in override_words([folder / "a.yaml"], path)]
    assert [word for word in words if word.startswith(path)] == (["outputs."] if path == "output" else [])


@pytest.mark.parametrize("text", [PIPELINE, PLAIN], ids=["aliases", "one model"])
def test_what_is_offered_can_be_set(text, tmp_path):
    """`--set` accepts each path, three levels deep, with each value that is offered."""
    (tmp_path / "a.yaml").write_text(text)
    document, _ = compose(SourceText("a.yaml", text))
    found, beginnings = [], [""]
    for _ in range(4):
        words = [each for typed in beginnings for each in override_words([tmp_path / "a.yaml"], typed)]
        found += [word.text for word in words if word.text.endswith("=")]
        beginnings = [word.text for word in words if word.text.endswith(".")]
    refused: list[Diagnostic] = []
    for path in found:
        set_value(document, path.removesuffix("="), "1", refused)
    assert not refused
    assert len(found) > 140


def test_runs_are_completed_newest_first(folder, completed):
    """Of the pipeline on the line; without one, of all in the folder; simulated ones if only they can be meant."""
    store_of(folder / "a.yaml", "20260101T1-a", "20260102T1-b")
    store_of(folder / "a.yaml", "20260103T1-s", simulated=True)
    store_of(folder / "sub dir" / "b c.yml", "20260101T9-c")
    both = ["plain,20260102T1-b", "plain,20260101T1-a"]
    assert completed("yamlgen retry --simulate a.yaml |") == ["plain,20260103T1-s"]
    assert sorted(completed("yamlgen retry a.yaml 2026010|")) == sorted([*both, "plain,20260103T1-s"])
    assert completed(r"yamlgen runs export sub\ dir 2|") == ["plain,20260101T9-c"]
    assert "plain,20260101T9-c" in completed("yamlgen runs show 2|")
    assert completed("yamlgen runs failed a.yaml 20260102|") == both[:1]
    assert completed("yamlgen test --from-run 20260102| a.yaml") == both[:1]
    assert completed("yamlgen retry a.yaml --store elsewhere |") == []


def state(folder):
    """Each file of a folder with its content, and the time of its last change."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("copied", [False, True], ids=["during a run", "a copy without an index"])
def test_nothing_is_written(copied, folder, completed):
    """Neither next to the pipeline nor in its store, which another process may be writing to."""
    place = store_of(folder / "a.yaml", "20260101T1-a")
    with closing(sqlite3.connect(place.database, isolation_level=None)) as running:
        running.execute("INSERT INTO run (name, started, status, about) VALUES ('20260102T1-b', 'x', 'running', '{}')")
        running.execute("BEGIN IMMEDIATE")
        if copied:
            (folder / "sub dir" / ".yamlgen").mkdir()
            for ending in ("", "-wal"):
                written = place.database.with_name(place.database.name + ending)
                shutil.copy(written, folder / "sub dir" / ".yamlgen")
        before = state(folder)
        runs = completed("yamlgen retry sub\\ dir/a.yaml |" if copied else "yamlgen retry a.yaml |")
        completed("yamlgen run a.yaml -p |")
        completed("yamlgen run a.yaml --set |")
        assert state(folder) == before
    assert runs == [*([] if copied else ["plain,20260102T1-b"]), "plain,20260101T1-a"]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("bad", ["missing", "folder", "pipe", "broken", "bytes", "deep", "huge", "link"])
def test_a_pipeline_that_cannot_be_read_has_no_words(shell, bad, folder, call, monkeypatch):
    """Exit 0, without a word on either stream, and without waiting."""
    path = folder / "bad.yaml"
    if bad == "folder":
        path.mkdir()
    elif bad == "pipe":
        os.mkfifo(path)
    elif bad == "link":
        path.symlink_to(path)
    elif bad != "missing":
        texts = {
            "broken": "params: {a",
            "deep": "a: {" * 5000,
            "huge": PIPELINE + "x-rows: [" + "{a: 1}, " * 50_000 + "]",
        }
        path.write_bytes(texts[bad].encode() if bad in texts else b"\xff\x00params: {a: {}}")
    monkeypatch.setenv(VARIABLE, f"{shell}_complete")
    for option in ("-p", "--set"):
        words = ["yamlgen", "run", "bad.yaml", option, ""]
        monkeypatch.setenv("COMP_WORDS", (" " if shell == "fish" else "\n").join(words))
        monkeypatch.setenv("COMP_CWORD", "" if shell == "fish" else "4")
        told = call()
        assert (told.code, told.out, told.err) == (0, "", "")


@pytest.mark.parametrize("words", ["", "yamlgen", "yamlgen nothing ", "yamlgen run --nothing ", "yamlgen run '", "x"])
@pytest.mark.parametrize("at", ["", "x", "-1", "7"])
def test_any_command_line_is_silent(words, at, call, monkeypatch):
    """Also one that no shell gives."""
    for shell in (*SHELLS, "csh"):
        monkeypatch.setenv(VARIABLE, f"{shell}_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", at)
        told = call()
        assert (told.code, told.err) == (0, "")


def test_a_store_that_cannot_be_read_has_no_runs(folder, completed):
    """The names of the others are completed."""
    store_of(folder / "a.yaml", "20260101T1-a")
    damaged = store_of(folder / "b.yaml", "20260101T1-b").database
    damaged.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    os.mkfifo(damaged.with_name("c.yaml.db"))
    assert completed("yamlgen runs show 2|") == ["plain,20260101T1-a"]
    assert completed("yamlgen retry b.yaml |") == []


def test_env_files_are_not_read(folder, completed):
    """A pipe would wait for ever; the environment is that of the shell."""
    os.mkfifo(folder / "env")
    assert completed("yamlgen run --env-file env a.yaml -p t|") == ["open,town="]


@pytest.mark.usefixtures("folder")
def test_a_parameter_takes_little_longer_than_the_help(program):
    """In time of the processor: other programs may run."""
    typed = {VARIABLE: "bash_complete", "COMP_WORDS": "yamlgen run a.yaml -p ", "COMP_CWORD": "4"}

    def spent(*words, **variables):
        start = os.times()
        subprocess.run([program, *words], env=os.environ | variables, stdout=subprocess.DEVNULL, check=True, timeout=60)
        end = os.times()
        return end.children_user + end.children_system - start.children_user - start.children_system

    assert min(spent(**typed) for _ in range(2)) < 4 * min(spent("--help") for _ in range(2))


@pytest.mark.usefixtures("folder")
def test_bash_inserts_the_words(program):
    """In a real terminal: the rest of a word, with quotes, and a space only behind a whole word."""
    typed = {
        "yamlgen run a.yaml -p to\t": "wn=",
        "yamlgen run a.yaml -p mood=v\t": r"ery\ good ",
        "yamlgen run a.yaml --set=outputs.tr\t": "ain.",
        "yamlgen run sub\t": r"\ dir/",
        "yamlgen run -p to a.yaml" + "\x02" * 7 + "\t": "wn=",
    }
    environment = os.environ | {"PATH": f"{Path(program).parent}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "> "}
    terminal, theirs = pty.openpty()
    command = ["bash", "--norc", "--noprofile", "-i"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as shell:
        try:
            os.write(terminal, b'eval "$(yamlgen completion bash)"; echo rea""dy\n')
            await_text(terminal, "ready\r\n")
            for line, inserted in typed.items():
                os.write(terminal, line.encode())
                await_text(terminal, re.split("[\t\x02]", line)[0])
                await_text(terminal, inserted)
                os.write(terminal, b"\x05\x15")  # to the end of the line, and cleared
        finally:
            shell.kill()
            os.close(terminal)
            os.close(theirs)


def await_text(terminal, text):
    """Read from a terminal until it shows a text."""
    shown, end = "", time.monotonic() + 30
    while text not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        assert ready, f"{text!r} is not in {shown!r}"
        shown += os.read(terminal, 1).decode("utf-8", "replace")
