"""When a run needs a key: when it sends something, and not before."""

import json

import pytest
from constructs import CONSTRUCTS, lay_out

from counted_runs import TOWNS
from yamlgen.api import preparation
from yamlgen.api.failed_rows import repeat
from yamlgen.api.history import find_run, store_locations
from yamlgen.errors import Code
from yamlgen.exit_codes import ExitCode

ALL = len(TOWNS)


@pytest.fixture
def keyless(monkeypatch):
    """Take the key away."""
    return lambda: monkeypatch.delenv("ANTHROPIC_API_KEY")


def demanded(done):
    """Whether a run ended before it began, for want of a key."""
    return (done.code, done.error.code, done.asked, done.report.run) == (ExitCode.ENVIRONMENT, Code.NO_KEY, 0, "")


def test_steps_without_a_model_need_none(project, keyless):
    """A pipeline that asks nobody runs."""
    lay_out(project, {"sums": {"kind": "compute", "values": {"size": "row.town | length"}}})
    keyless()
    done = project.run()
    assert (done.code, done.report.finished) == (0, ALL)


@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_a_finished_run_again_needs_none(project, keyless, construct):
    """All answers are in the store, also behind a function that has to be called to know that."""
    lay_out(project, CONSTRUCTS[construct][0])
    project.run()
    before = project.files()
    keyless()
    again = project.run()
    assert (again.code, again.asked, project.files()) == (0, 0, before)


def test_a_run_that_sends_needs_one_before_it_begins(project, keyless):
    """The message is the one that names both ways on; nothing is sent, and nothing written."""
    keyless()
    done = project.run()
    assert demanded(done)
    assert "ANTHROPIC_API_KEY is not set" in done.error.message
    assert "`simulate=True`" in done.error.hint
    assert not (project.folder / "out").exists()


@pytest.mark.parametrize("key", ["", "  ", "two words"])
def test_a_key_that_is_none_is_told_then_too(project, monkeypatch, key):
    """An empty variable is unset, and what no header can carry is no key."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", key)
    assert demanded(project.run())


def test_one_new_row_needs_one(project, keyless):
    """The others are in the store; the output stays as it was."""
    project.run()
    before = project.files()
    keyless()
    project.rows.append({"town": "Troy"})
    assert demanded(project.run())
    assert project.files() == before


def test_the_first_request_that_was_not_foreseen_needs_one(project, keyless, monkeypatch):
    """A row that no sample of the input showed ends the run when its turn comes; the others are kept."""
    project.run()
    keyless()
    monkeypatch.setattr(preparation, "SAMPLE", 1)  # of the rows, which are looked at: the first and the third
    project.rows[1] = {"town": "Troy"}
    done = project.run()
    assert (done.code, done.error.code, done.asked) == (ExitCode.ENVIRONMENT, Code.NO_KEY, 0)
    assert done.report.run
    assert " stored; the same call" in done.error.hint
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any-key")
    done = project.run()
    assert (done.code, done.sent) == (0, {"facts": 1, "line": 1})


def test_a_request_behind_a_function_needs_one(project, keyless):
    """What a function gives is not known before it is called: its first new value needs the key."""
    lay_out(project, CONSTRUCTS["python"][0])
    project.run()
    keyless()
    (project.folder / "scoring.py").write_text("def score(town):\n    return 'new'\n")
    done = project.run()
    assert (done.code, done.error.code, done.asked) == (ExitCode.ENVIRONMENT, Code.NO_KEY, 0)


def test_a_fresh_run_needs_one(project, keyless):
    """It takes nothing out of the store."""
    project.run()
    keyless()
    assert demanded(project.run(fresh=True))


def test_a_retry_needs_one(project, keyless):
    """It asks the failed rows again."""
    project.refuse("Facts on Rome")
    project.run()
    again = repeat(find_run(store_locations([project.path]), None).entry)
    keyless()
    assert demanded(project.run(params=again.params, **again.options))


def test_what_sends_nothing_needs_none(project, keyless):
    """Neither a look ahead, nor a run that may not send, nor the simulator."""
    project.run()
    project.rows.append({"town": "Troy"})
    keyless()
    assert project.plan().requests == 2
    offline = project.run(offline=True)
    assert (offline.code, offline.asked) == (ExitCode.FAILED_ROWS, 0)
    assert project.run(simulate=True).code == 0


def test_the_headers_of_the_environment_are_in_the_record(project, monkeypatch):
    """By name; a feature that one asks for makes other answers, and another header does not."""
    project.run()
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-team: canary-blue")
    assert project.run().asked == 0
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-team: canary-blue\nanthropic-beta: canary-1")
    assert project.run().asked == 2 * ALL
    assert project.run().asked == 0
    text = (project.folder / "out/towns.run.json").read_text()
    assert json.loads(text)["headers"] == ["anthropic-beta", "x-team"]
    entry = find_run(store_locations([project.path]), None).entry
    assert entry.about["headers"] == ["anthropic-beta", "x-team"]
    assert not [path for path in project.folder.rglob("*") if path.is_file() and b"canary" in path.read_bytes()]
    monkeypatch.delenv("ANTHROPIC_CUSTOM_HEADERS")
    assert project.run().asked == 0
