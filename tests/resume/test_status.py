"""`status` tells what a run would do; `lock` writes what a clone needs to tell it too."""

import json
import os
import shutil
import sqlite3
from contextlib import closing

import pytest

from counted_runs import SERVER_ERROR, ScriptedReplies
from yamlgen.api.lock_files import lock
from yamlgen.api.pipeline_status import astatus
from yamlgen.comparison.lock import read_lock
from yamlgen.errors import Code

MOVED = "Another line on {{ row.town }}."


def state(project, **named):
    """The status of the pipeline as it is now."""
    project.save()
    (found,) = project.wait(astatus(project.path, **named))
    return found


def lock_file(project):
    """The lock of the pipeline."""
    return project.folder / "towns.lock.json"


def clone(project):
    """Leave what a clone has: no store. The output stays, as if it were committed."""
    shutil.rmtree(project.folder / ".yamlgen")


def written(project):
    """The lock, written after a run."""
    assert project.run(lock=True).error is None
    return lock_file(project)


def test_status_no_run(project):
    """Before the first run, it tells what a run would send."""
    found = state(project)
    assert (found.state, found.by) == ("never_run", None)
    assert found.forecast.requests == 8


def test_status_after_a_run(project):
    """A run brings it up to date."""
    project.run()
    assert state(project).is_current


def test_status_a_limited_run_is_none(project):
    """A run of some rows does not count."""
    project.run(limit=2)
    assert state(project).state == "never_run"


def test_status_a_simulated_run_is_none(project):
    """A simulated run does not count."""
    project.run(simulate=True)
    assert state(project).state == "never_run"


def test_status_a_run_into_another_file_is_none(project):
    """A run into another file does not count: it says nothing of the output."""
    project.run(output=str(project.folder / "other.jsonl"))
    assert state(project).state == "never_run"


def test_status_what_is_only_form(project):
    """What changes no request and no output changes no status."""
    project.run()
    project.document["description"] = "Towns."
    project.document["runtime"]["timeout"] = 20
    project.document["limits"] = {"max_cost_usd": 3}
    project.document["models"] = {"fast": project.document["models"]["quick"]}
    for step in project.document["steps"].values():
        step["model"] = "fast"
    assert state(project).is_current


def test_status_times_of_files(project):
    """The times of files are not compared."""
    project.run()
    project.save()
    for path in (project.path, project.folder / "rows.jsonl", project.folder / "out" / "towns.jsonl"):
        os.utime(path, (1, 1))
    (found,) = project.wait(astatus(project.path))
    assert found.is_current


def test_status_another_prompt(project):
    """It tells the rows and requests that a run then sends."""
    project.run()
    project.set("steps.line.prompt", MOVED)
    found = state(project)
    assert (found.state, found.forecast.unanswered, found.forecast.requests) == ("behind", 4, 4)
    assert found.changes == ("step `line`: `messages`",)
    assert project.run().asked == found.forecast.requests
    assert state(project).is_current


def test_status_an_added_row(project):
    """Only its requests are missing."""
    project.run()
    project.rows.append({"town": "Bonn"})
    found = state(project)
    assert (found.state, found.forecast.unanswered) == ("behind", 1)
    assert found.changes == ("the rows of the input: 4 -> 5",)


def test_status_another_shape_of_the_output(project):
    """It sends nothing, and the output changes."""
    project.run()
    project.set("output.columns", {"town": "row.town"})
    found = state(project)
    assert (found.state, found.forecast.requests) == ("behind", 0)


def test_status_a_failed_answer_is_not_asked_again(project):
    """A run does not send it again, so it is not behind."""
    project.refuse("Facts on Rome")
    assert project.run().report.failed == 1
    assert state(project).is_current


def test_status_a_row_that_got_no_answer(project):
    """A run sends its request again."""
    project.refuse("Facts on Rome", reply=SERVER_ERROR)
    assert project.run().report.failed == 1
    found = state(project)
    assert (found.state, found.forecast.unanswered) == ("behind", 1)
    assert found.changes == ()


def test_status_no_output(project):
    """The file is named."""
    project.run()
    (project.folder / "out" / "towns.jsonl").unlink()
    found = state(project)
    assert (found.state, [how for _, how in found.outputs]) == ("output_absent", ["absent"])


def test_status_an_edited_output(project):
    """Any change of its bytes is told."""
    project.run()
    path = project.folder / "out" / "towns.jsonl"
    path.write_text(path.read_text() + "{}\n")
    assert state(project).state == "output_edited"


def test_status_an_output_that_git_gave_other_line_ends(project):
    """It is the same output."""
    project.run()
    path = project.folder / "out" / "towns.jsonl"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert state(project).is_current


def test_status_a_split_output(project):
    """The files of all parts are compared."""
    project.set("output.split", {"train": 0.5, "test": 0.5})
    project.run()
    assert state(project).is_current
    (project.folder / "out" / "towns.test.jsonl").write_text("{}\n")
    assert state(project).state == "output_edited"


def test_status_no_input(project):
    """Then nothing is known, and the error is told."""
    project.run()
    project.save()
    (project.folder / "rows.jsonl").unlink()
    (found,) = project.wait(astatus(project.path))
    assert (found.state, found.error.code) == ("unknown", Code.MISSING_INPUT)


def test_status_an_invalid_pipeline(project):
    """Its errors are told."""
    project.set("steps.line.prompt", "{{ row.town")
    found = state(project)
    assert (found.state, len(found.diagnostics)) == ("invalid", 1)


def test_status_another_address(project, monkeypatch):
    """The answers of another server do not count."""
    project.run()
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    assert state(project).forecast.requests == 8


def test_status_another_workspace(project, monkeypatch):
    """A workspace is a part of the keys of answers, also that of an environment variable."""
    monkeypatch.setenv("TEAM", "wrkspc_1")
    project.set("runtime.workspace", {"env": "TEAM"})
    project.run()
    assert state(project).is_current
    monkeypatch.setenv("TEAM", "wrkspc_2")
    assert state(project).forecast.requests == 8


def test_status_a_function_is_not_called(project):
    """It is read only; a change of it is told."""
    (project.folder / "scores.py").write_text("def score(town):\n    return len(town)\n")
    project.set("steps.score", {"kind": "python", "call": "scores:score", "args": {"town": "row.town"}})
    project.set("steps.line.prompt", "A line on {{ row.town }} of {{ steps.score }}.")
    project.run()
    assert state(project).is_current
    (project.folder / "scores.py").write_text("def score(town):\n    raise SystemExit\n")
    found = state(project)
    assert found.state == "behind"
    assert found.changes == ("`scores.py`",)


def test_status_a_parameter_without_a_default_is_that_of_the_last_run(project):
    """One with a default has that default."""
    project.document["params"] = {"tone": {"type": "string"}, "size": {"type": "integer", "default": 3}}
    project.set("steps.line.prompt", "A line on {{ row.town }}, {{ params.tone }}, {{ params.size }}.")
    project.run(params={"tone": "dry"})
    assert state(project).is_current
    assert state(project, params={"tone": "warm"}).state == "behind"
    project.document["params"]["size"]["default"] = 4
    assert state(project).state == "behind"


def test_status_after_a_run_of_an_older_version(project):
    """It has recorded neither fingerprints nor digests: the pipeline as a whole is compared."""
    project.run()
    with closing(sqlite3.connect(project.store())) as store, store:
        store.execute("UPDATE run SET about = json_remove(about, '$.lock')")
    assert state(project).is_current
    change = lock(project.path)
    assert (change.run, read_lock(lock_file(project)).run) == (None, None)
    assert "older version" in change.note
    project.set("output.columns", {"town": "row.town"})
    assert state(project).changes == ("the pipeline",)


def test_status_of_standard_input(project):
    """Its rows cannot be compared, and it is not read."""
    project.set("input", {"path": "-", "format": "jsonl"})
    assert (state(project).state, state(project).forecast) == ("never_run", None)


def test_status_of_a_file_that_a_function_reads(project):
    """A file under `reads` is a part of the step."""
    (project.folder / "scores.py").write_text(
        "from pathlib import Path\n\n\ndef score(town):\n    return Path('base.txt').read_text()\n"
    )
    (project.folder / "base.txt").write_text("1")
    step = {"kind": "python", "call": "scores:score", "args": {"town": "row.town"}, "keep": True, "reads": ["base.txt"]}
    project.set("steps.score", step)
    project.run()
    assert state(project).is_current
    (project.folder / "base.txt").write_text("2")
    assert state(project).changes == ("step `score`: `reads`",)


def test_lock_again(project):
    """A second run, and a second call, leave the file as it is."""
    path = written(project)
    before, seen = path.read_bytes(), path.stat().st_mtime_ns
    assert project.run(lock=True).finished.lock.changes == ()
    assert lock(project.path).changes == ()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, seen)


def test_lock_before_a_run(project):
    """It has the steps, and no sizes."""
    project.save()
    change = lock(project.path)
    assert (change.is_new, change.run) == (True, None)
    found = read_lock(lock_file(project))
    assert (found.run, sorted(found.steps)) == (None, ["facts", "line"])


def test_lock_sizes(project):
    """They are those of the answers of the run."""
    found = read_lock(written(project))
    history = found.history("line", "claude-haiku-5-5")
    assert (history.answers, history.input_tokens(99), history.mean_output) == (4, 10, 5)


def test_lock_a_change_is_told(project):
    """It names the step and its key, and the output."""
    written(project)
    project.set("steps.line.prompt", MOVED)
    told = project.run(lock=True).finished.lock
    assert told.changes == ("step `line`: `messages`", "the rows of the output")


def test_lock_a_change_after_the_run_is_told(project):
    """The lock stays that of the run."""
    written(project)
    project.set("steps.line.prompt", MOVED)
    project.save()
    change = lock(project.path)
    assert change.changes == ()
    assert "was changed after run" in change.note


@pytest.mark.parametrize("options", [{"limit": 2}, {"simulate": True}])
def test_lock_a_run_that_is_no_whole_one(project, options):
    """No lock is written, and the reason is told."""
    change = project.run(lock=True, **options).finished.lock
    assert not change.is_written
    assert change.note
    assert not lock_file(project).exists()


def test_lock_after_a_retry(project):
    """It describes the retry."""
    project.refuse("Facts on Rome")
    first = project.run(lock=True)
    assert read_lock(lock_file(project)).run.failed == 1
    project.run(retry=first.finished.entry.name, lock=True)
    assert read_lock(lock_file(project)).run.failed == 0


def test_lock_a_broken_file_is_replaced(project):
    """The same bytes are written again."""
    path = written(project)
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    assert lock(project.path).changes == ("the file that was there could not be used",)
    assert path.read_bytes() == whole


def test_lock_in_another_folder_and_another_form(project):
    """Law: equal pipelines with equal answers have equal locks."""
    path = written(project)
    before = path.read_bytes()
    text = project.path.read_text()
    other = project.folder / "ein Ordner" / "ä"
    other.mkdir(parents=True)
    project.folder = other
    (other / "facts.md").write_text("You know {{row.town}}.")
    project.document["steps"]["facts"]["system"] = {"file": "facts.md"}
    project.document = dict(reversed(project.document.items()))
    project.script = ScriptedReplies()
    written(project)
    assert project.path.read_text() != text
    assert lock_file(project).read_bytes() == before


def test_locked_nothing_is_sent(project):
    """The step and its key are named before the first request."""
    written(project)
    project.set("steps.line.prompt", MOVED)
    done = project.run(locked=True)
    assert (done.error.code, done.asked) == (Code.LOCK_DIFFERS, 0)
    assert "step `line`: `messages`" in done.error.message


def test_locked_no_lock(project):
    """The error tells how to write one."""
    done = project.run(locked=True)
    assert (done.error.code, done.asked) == (Code.LOCK_DIFFERS, 0)
    assert "yamlgen.lock" in done.error.hint


def test_locked_new_rows(project):
    """They are no difference."""
    written(project)
    project.rows.append({"town": "Bonn"})
    assert project.run(locked=True).asked == 2


def test_locked_another_model(project):
    """Both ids are named."""
    written(project)
    project.set("models.quick.id", "claude-sonnet-5-5")
    message = project.run(locked=True).error.message
    assert "step `line`: the model `claude-haiku-5-5` -> `claude-sonnet-5-5`" in message


def test_locked_another_output_type(project):
    """A column less is another type."""
    written(project)
    project.set("output.columns", {"town": "row.town", "line": "steps.line"})
    assert "the type of the output" in project.run(locked=True).error.message


def test_locked_another_function(project):
    """Its text counts, not its line ends."""
    (project.folder / "scores.py").write_text("def score(town):\n    return len(town)\n")
    project.set("steps.score", {"kind": "python", "call": "scores:score", "args": {"town": "row.town"}})
    written(project)
    (project.folder / "scores.py").write_bytes(b"def score(town):\r\n    return len(town)\r\n")
    assert project.run(locked=True).error is None
    (project.folder / "scores.py").write_text("def score(town):\n    return 2\n")
    assert "`scores.py`" in project.run(locked=True).error.message


def test_locked_a_model_that_answers_under_another_name(project):
    """The run warns at its end."""
    path = written(project)
    found = json.loads(path.read_text())
    found["run"]["answers"]["line"]["claude-haiku-5-5"]["answered_by"] = ["claude-haiku-5-5-20261001"]
    path.write_text(json.dumps(found))
    report = project.run(locked=True).report
    (warning,) = report.warnings
    assert "`claude-haiku-5-5` answered" in warning
    assert "`claude-haiku-5-5-20261001`" in warning


def test_clone_up_to_date(project):
    """It is known from the lock."""
    written(project)
    clone(project)
    found = state(project)
    assert (found.state, found.by) == ("up_to_date", "lock")


def test_clone_behind(project):
    """Without a store, the requests are a maximum."""
    written(project)
    clone(project)
    project.set("steps.line.prompt", MOVED)
    found = state(project)
    assert (found.state, found.by, found.at_most) == ("behind", "lock", True)


def test_clone_the_plan_has_sizes(project):
    """They are those of the lock."""
    written(project)
    clone(project)
    (line,) = [step for step in project.plan().steps if step.step == "line"]
    assert (line.input_tokens, line.output_tokens, line.earlier_answers) == (40, (20, 20), 4)
    assert "by the lock: 4 answers" in line.how


def test_clone_a_lock_without_a_run(project):
    """It is no run."""
    project.save()
    lock(project.path)
    assert state(project).state == "never_run"


def test_clone_a_lock_that_cannot_be_used(project):
    """`status` needs it, and `plan` does not."""
    path = written(project)
    clone(project)
    path.write_text("<<<<<<< HEAD\n" + path.read_text())
    found = state(project)
    assert found.error.code == Code.BAD_LOCK
    assert project.plan().requests == 8


def test_clone_an_output_that_was_not_committed(project):
    """It is absent."""
    written(project)
    clone(project)
    (project.folder / "out" / "towns.jsonl").unlink()
    assert state(project).state == "output_absent"
