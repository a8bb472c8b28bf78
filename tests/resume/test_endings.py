"""The end of a run: its files are put in place in a thread, and whoever is in a hurry then gets the old or the new."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from yamlgen.api import run_execution
from yamlgen.api.history import find_run, store_locations
from yamlgen.errors import Code
from yamlgen.store.run_reader import RunReader

HURRY = 0.2
"""Seconds until a signal is heard."""


def interrupt(times):
    """Press Ctrl-C so often, and give it time to be heard."""
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(HURRY)


def status():
    """How the store calls the last run."""
    return find_run(store_locations([Path("small.yaml")]), None).entry.status


@pytest.fixture
def before(small, call):
    """The output of an earlier run, of another text."""
    assert call("run", "small.yaml", "--simulate", "-q").code == 0
    text = (small / "small.yaml").read_text("utf-8").replace("a note", "another note")
    (small / "small.yaml").write_text(text, "utf-8")
    return outputs()


def outputs():
    """The bytes of all files of the output."""
    return {path.name: path.read_bytes() for path in sorted(Path("out").iterdir())}


def test_a_second_ctrl_c_stops_the_export(call, before, monkeypatch):
    """Two Ctrl-C while the rows are written: 130, the previous output as it was, nothing beside it."""
    texts = RunReader.texts

    def slow(self, entry):
        for number, row in enumerate(texts(self, entry)):
            interrupt(2 if number == 3 else 0)
            yield row

    monkeypatch.setattr(RunReader, "texts", slow)
    told = call("run", "small.yaml", "--simulate")
    assert (told.code, f"error[{Code.STOPPED}]: cancelled: Ctrl-C" in told.err) == (130, True)
    assert outputs() == before
    assert status() == "stopped"
    monkeypatch.setattr(RunReader, "texts", texts)
    told = call("run", "small.yaml", "--simulate", "--progress", "plain")
    assert (told.code, "nothing to send" in told.err) == (0, True)


@pytest.mark.parametrize("times", [1, 2])
def test_a_ctrl_c_when_the_files_are_there_comes_too_late(call, before, monkeypatch, times):
    """If Ctrl-C is pressed once or twice when the files are in place, the run has finished, and says so."""
    publish = run_execution.publish

    def slow(*arguments, **named):
        publish(*arguments, **named)
        interrupt(times)

    monkeypatch.setattr(run_execution, "publish", slow)
    told = call("run", "small.yaml", "--simulate")
    assert (told.code, "Traceback" in told.err, status()) == (0, False, "finished"), told.err
    assert outputs() != before


def test_a_ctrl_c_while_the_end_is_noted_comes_too_late(project, monkeypatch):
    """A run that is cancelled between its files and its note in the store is noted as finished all the same."""
    end = run_execution.ActiveRun.end

    async def hurried(self, how, report):
        (task,) = (task for task in asyncio.all_tasks() if task.get_coro().__name__ == "execute")
        asyncio.get_running_loop().call_soon(task.cancel)
        await end(self, how, report)

    project.save()
    monkeypatch.setattr(run_execution.ActiveRun, "end", hurried)
    done = project.run(cancel=True)
    assert done.finished is not None
    assert find_run(store_locations([project.path]), None).entry.status == "finished"
