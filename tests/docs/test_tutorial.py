"""The tutorial is done as it is written: every shell block, one after the other, with what it shows."""

import os
import re
import subprocess

import pytest

from manual_pages import DOCS
from threaded_simulator import CountingSimulator, serving

TUTORIAL = (DOCS / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?", TUTORIAL, re.DOTALL | re.MULTILINE)
"""The commands of each block, and what is shown right below them."""


def shape(line):
    """A line without its numbers, and without the spaces that align them."""
    return " ".join(re.sub(r"<?\$?\d[\d.,k]*", "0", line).split())


@pytest.fixture(scope="module")
def session(tmp_path_factory, forked_program):
    """What each block of the tutorial printed, in one shell, with the simulated API in place of the real one."""
    script = "".join(f"{commands}\necho '@@@@'\n" for commands, _ in BLOCKS)
    script = script.replace("export ANTHROPIC_API_KEY=...", "export ANTHROPIC_API_KEY=any")
    with serving(CountingSimulator()) as simulator:
        path = f"{forked_program.parent}{os.pathsep}{os.environ['PATH']}"
        told = subprocess.run(
            ["bash", "-ec", script],
            cwd=tmp_path_factory.mktemp("tutorial"),
            env={**os.environ, "PATH": path, "ANTHROPIC_BASE_URL": simulator.url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
    assert told.returncode == 0, told.stdout
    return told.stdout.split("@@@@\n")


def test_every_block_prints_what_is_shown(session):
    """Below a block stands what it prints, but for the numbers."""
    assert len(BLOCKS) > 8
    for (commands, shown), printed in zip(BLOCKS, session, strict=False):
        lines = [shape(line) for line in printed.splitlines()]
        for line in shown.splitlines():
            assert shape(line) in lines, f"{commands}\n{printed}"
