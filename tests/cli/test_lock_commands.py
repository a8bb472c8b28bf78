"""`status`, `lock`, `run --lock` and `run --locked` on the command line, against a served API."""

import json
import shutil
import signal

import pytest

from scripted_api import KEY
from threaded_simulator import serving
from yamlgen.simulator.server import Simulator

EXTRACT = """\
version: 1
model: claude-haiku-5-5
input: {rows: [{id: a}, {id: b}], id: id}
steps: {topic: {prompt: "The topic of {{ row.id }}"}}
output: {path: out/topics.jsonl}
"""
THEMES = """\
version: 1
model: claude-haiku-5-5
input: {tables: {t: {pipeline: extract.yaml}}, sql: "select id, topic from t", id: id}
steps: {summary: {prompt: "Sum up {{ row.topic }}"}}
output: {path: out/themes.jsonl}
"""


@pytest.fixture
def api(monkeypatch):
    """A served API, whose answers are not those of a simulated run."""
    with serving(Simulator()) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a pipeline, in which the test stands."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "extract.yaml").write_text(EXTRACT, encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("api")
def test_from_the_first_run_to_a_change(folder, call):
    """The lines of each state, and the exit codes of `--check`."""
    first = call("status")
    assert (first.code, first.out.splitlines()[0][:45]) == (0, "extract.yaml: never run (2 rows, 2 requests, ")
    ran = call("run", "extract.yaml", "--lock", "--progress", "none")
    assert "\nextract.lock.json: written\n" in ran.err
    assert call("status", "--check").out == "extract.yaml: up to date\n"
    (folder / "extract.yaml").write_text(EXTRACT.replace("The topic", "A topic"), encoding="utf-8")
    behind = call("status", "--check", "extract.yaml")
    assert behind.code == 1
    assert behind.out.startswith("extract.yaml: behind (2 rows, 2 requests, ")
    assert behind.out.endswith("  changed: step `topic`: `messages`\n")
    refused = call("run", "extract.yaml", "--locked")
    assert refused.code == 2
    assert "error[YG413]: extract.yaml differs from its lock: step `topic`: `messages`" in refused.err
    assert "run with `--lock` in place of `--locked`" in refused.err
    assert "yamlgen explain YG413" in refused.err


def test_an_invalid_pipeline_beside_others(folder, call):
    """Its errors are shown, the others have a status, and the exit code is 2."""
    (folder / "wrong.yaml").write_text(EXTRACT.replace("{{ row.id }}", "{{ row.ix }}"), encoding="utf-8")
    (folder / "notes.yaml").write_text("just: notes\n", encoding="utf-8")
    done = call("status")
    assert done.code == 2
    assert "extract.yaml: never run" in done.out
    assert "wrong.yaml: invalid" in done.out
    assert "notes.yaml" not in done.out


@pytest.mark.usefixtures("api")
def test_a_broken_lock(folder, call):
    """`status` is unknown, `run --locked` refuses it by its line, and `lock` writes it again."""
    call("lock")
    lock = folder / "extract.lock.json"
    whole = lock.read_bytes()
    assert json.loads(whole)["input"]["rows"] == 2
    lock.write_bytes(b"<<<<<<< HEAD\n" + whole)
    for command, code in ((("status",), 0), (("status", "--check"), 1), (("run", "extract.yaml", "--locked"), 2)):
        done = call(*command)
        assert done.code == code
        assert "extract.lock.json:1:1" in done.err
        assert "error[YG412]: the lock has a merge conflict" in done.err
    assert call("lock").code == 0
    assert lock.read_bytes() == whole


def test_never_run_and_nothing_to_send(folder, call):
    """No output is there that may change."""
    steps = EXTRACT.replace('{prompt: "The topic of {{ row.id }}"}', "{kind: compute, value: row.id}")
    (folder / "extract.yaml").write_text(steps, encoding="utf-8")
    assert call("status").out == "extract.yaml: never run (0 requests)\n"


@pytest.mark.usefixtures("api")
def test_a_lock_of_another_store_is_kept(folder, call):
    """In a clone, `lock` would replace the sizes of a run by nothing; the digest of the input is that of the run."""
    pipeline = EXTRACT.replace("model:", "params: {in: {type: string}}\nmodel:").replace(
        "The", "In {{ params.in }}: the"
    )
    (folder / "extract.yaml").write_text(pipeline, encoding="utf-8")
    first = call("lock", "-p", "in=French")
    lock = folder / "extract.lock.json"
    before = json.loads(lock.read_text())
    assert (first.code, before["run"]) == (0, None)
    assert call("lock").out == ""  # the value of the parameter is in the lock
    assert call("run", "extract.yaml", "-p", "in=French", "--lock").code == 0
    assert json.loads(lock.read_text())["input"] == before["input"]
    whole = lock.read_bytes()
    shutil.rmtree(folder / ".yamlgen")
    assert "extract.lock.json was not written: it has the sizes of a run that is not in this store" in call("lock").err
    assert lock.read_bytes() == whole
    refused = call("run", "extract.yaml", "-p", "in=German", "--locked").err
    assert "step `topic`: `params`; the parameter `in`" in refused


def test_an_input_that_cannot_be_read_has_no_digest(folder, call):
    """The lock is written, and says why."""
    (folder / "extract.yaml").write_text(
        EXTRACT.replace("{rows: [{id: a}, {id: b}], id: id}", "{path: rows.jsonl, id: id}"), encoding="utf-8"
    )
    done = call("lock")
    assert done.code == 0
    assert "the lock has neither sizes nor a digest of the input: " in done.err
    assert json.loads((folder / "extract.lock.json").read_text())["input"] == {"digest": None, "id": "id", "rows": None}


@pytest.mark.usefixtures("api")
def test_a_lock_that_cannot_be_written(folder, call):
    """The summary of the run is printed, which has finished, and no wrong reason is told."""
    (folder / "extract.lock.json").mkdir()
    done = call("run", "extract.yaml", "--lock")
    assert done.code == 3
    assert "2 rows finished" in done.err
    assert "\nextract.lock.json was not written: cannot read the lock" in done.err


@pytest.mark.usefixtures("api")
def test_a_limited_run_says_why_there_is_no_lock(folder, call):
    """The run itself is as it would be without the option."""
    done = call("run", "extract.yaml", "--limit", "1", "--lock")
    assert done.code == 0
    assert "extract.lock.json was not written: the run was limited to a part of the rows" in done.err
    assert not (folder / "extract.lock.json").exists()


@pytest.mark.parametrize("failpoint", ["before-rename", "after-rename"])
def test_a_kill_while_the_lock_is_written(folder, fork_server, failpoint):
    """The file is the one of before, or the new one; the next call leaves nothing else there."""
    assert fork_server.call(folder, "lock").code == 0
    path = folder / "extract.lock.json"
    before = path.read_bytes()
    (folder / "extract.yaml").write_text(EXTRACT.replace("The topic", "A topic"), encoding="utf-8")
    assert fork_server.call(folder, "lock", failpoint=failpoint).code == -signal.SIGKILL
    assert (path.read_bytes() == before) is (failpoint == "before-rename")
    assert fork_server.call(folder, "lock").code == 0
    assert json.loads(path.read_text())["run"] is None
    assert path.read_bytes() != before
    assert {each.name for each in folder.iterdir() if "lock" in each.name} == {"extract.lock.json"}


@pytest.mark.usefixtures("api")
def test_a_chain(folder, call):
    """Each pipeline has its lock, and nothing of a chain is sent if one of them differs."""
    pytest.importorskip("duckdb")
    (folder / "themes.yaml").write_text(THEMES, encoding="utf-8")
    assert call("run", "themes.yaml", "--lock").code == 0
    assert sorted(each.name for each in folder.glob("*.lock.json")) == ["extract.lock.json", "themes.lock.json"]
    assert call("status", "--check").code == 0
    (folder / "extract.lock.json").unlink()
    again = call("run", "themes.yaml", "--lock")
    assert "themes.lock.json: unchanged" in again.err
    assert (folder / "extract.lock.json").exists()
    (folder / "themes.yaml").write_text(THEMES.replace("Sum up", "Sum it up"), encoding="utf-8")
    (folder / "extract.yaml").write_text(EXTRACT.replace("{id: b}", "{id: b}, {id: c}"), encoding="utf-8")
    done = call("run", "themes.yaml", "--locked", "--output-format", "json")
    assert (done.code, json.loads(done.out)["error"]["code"]) == (2, "YG413")
    assert "stages" not in json.loads(done.out)


@pytest.mark.usefixtures("api")
def test_a_pipeline_is_behind_with_its_stage(folder, call):
    """A run of it would first run the stage, and send requests."""
    pytest.importorskip("duckdb")
    (folder / "themes.yaml").write_text(THEMES, encoding="utf-8")
    assert call("run", "themes.yaml").code == 0
    (folder / "extract.yaml").write_text(EXTRACT.replace("The topic", "A topic"), encoding="utf-8")
    done = call("status", "themes.yaml", "--check")
    assert (done.code, done.out) == (1, "themes.yaml: behind\n  changed: the stage `extract.yaml` (behind)\n")
