"""What a terminal shows of a run that waits for batches: who waits, for what, and how long, but no false progress."""

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from contextlib import suppress

import pytest

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SCRIPT = """
import sys, time
from yamlgen.cli.display import choose
from yamlgen.cli.terminal import guard
from yamlgen.events import BatchChecked, BatchEnded, BatchPosted, RowDeferred, RowFinished, RowResumed, RunStarted
from yamlgen.events import StepFinished

guard()
counts = {"succeeded": 3, "errored": 1, "canceled": 0, "expired": 0}
with choose("auto", verbose="-v" in sys.argv) as display:
    display.observe(RunStarted("r1", "p", ("note", "title"), 5))
    for event in (StepFinished(0, "note"), StepFinished(0, "title"), RowFinished(0)):
        display.observe(event)
    for row in range(1, 5):
        display.observe(RowDeferred(row))
    display.observe(BatchPosted("msgbatch_01", "note", 4))
    for check in range(4):
        time.sleep(0.4)
        display.observe(BatchChecked("msgbatch_01", "note", 4, "in_progress", 3600 + check, (240.0, 2400.0)))
    time.sleep(0.4)
    display.observe(BatchEnded("msgbatch_01", "note", 4, counts, 1.5, 3605.0))
    for row in range(1, 5):
        for event in (RowResumed(row), StepFinished(row, "note"), StepFinished(row, "title"), RowFinished(row)):
            display.observe(event)
"""


@pytest.fixture
def screen(tmp_path):
    """What a terminal of a width gets from the script, as the frames of the display without codes."""

    def run(*words, width=130):
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        (tmp_path / "script.py").write_text(SCRIPT)
        command = [sys.executable, tmp_path / "script.py", *words]
        environment = {**os.environ, "TERM": "xterm-256color"}
        process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        seen = b""
        with suppress(OSError):  # Linux says so when the other side is closed
            while part := os.read(ours, 65536):
                seen += part
        os.close(ours)
        assert process.wait(30) == 0
        frames = re.split(r"(?=\rnote |\x1b\[2Knote |\nnote )", seen.decode().replace("\r\n", "\n"))
        return [CODES.sub("", frame).replace("\r", "") for frame in frames]

    return run


def test_a_terminal_shows_what_the_run_waits_for(screen):
    """The bar stays at what is done, the age goes on between two checks, and nothing tells an end that nobody knows."""
    frames = screen()
    waiting = [frame for frame in frames if "earlier batches took" in frame]
    assert len(waiting) > 4
    note, title, rows, batch, *_ = waiting[-1].strip().splitlines()
    assert re.fullmatch(r"note +[━╸]+ +1/5 4 in batches +0 in +0 out *", note)
    assert re.fullmatch(r"title +[━╸]+ +1/5 +0 in +0 out *", title)
    assert rows.rstrip() == "4 rows wait for batches"
    assert batch.rstrip() == (
        "batch of note: 4 requests, in progress, 1 h 0 min old; earlier batches took 4 min 0 s to 40 min 0 s"
    )
    last = frames[-1]
    assert re.search(r"note +━+ 5/5", last)
    assert "batch" not in last


def test_a_verbose_run_tells_of_each_batch_above_the_bars(screen):
    """Its id, and what came of it."""
    told = "".join(screen("-v"))
    assert told.count("batch msgbatch_01 of note: 4 requests posted") == 1
    assert told.count("batch msgbatch_01 of note: ended after 1 h 0 min: 3 succeeded, 1 errored, $1.50") == 1


def test_a_narrow_terminal_shows_it_too(screen):
    """No line wraps."""
    waiting = [frame for frame in screen(width=40) if "4 rows wait" in frame]
    lines = waiting[-1].strip().splitlines()
    assert lines[0].startswith("note")
    assert "4 in batches" in lines[0]
    assert max(map(len, lines)) <= 40
