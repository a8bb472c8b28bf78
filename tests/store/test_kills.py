"""`kill -9` at any moment: nothing that was told is lost, at most what was in flight is paid for again."""

import os
import signal
import subprocess

import pytest

from killed_pipeline import KEY, Kill, kept, lay_out, outputs, seeded
from yamlgen.errors import Code

TEN = seeded(10, seed=7)


def test_the_reference_has_all_kinds_of_rows(kill_scenario):
    """The undisturbed run has re-asks, refusals and failed rows, so that the kills below meet all of them."""
    good, failed = (text.decode().splitlines() for text in kill_scenario.reference.outputs)
    assert len(good) + len(failed) == 60
    assert len(failed) > 5
    assert all(code in "".join(failed) for code in (Code.INVALID_OUTPUT, Code.REFUSED, Code.TRUNCATED))
    assert kill_scenario.reference.requests > 60 + len(good)


@pytest.mark.parametrize(("name", "random"), TEN, ids=[f"{number}-{name}" for number, (name, _) in enumerate(TEN)])
def test_a_kill_costs_what_was_in_flight(name, random, kill_scenario):
    """After a kill the output is whole and all that was told is kept; the next run ends as if nothing had been."""
    kill = Kill.drawn(name, random, kill_scenario.reference.requests)
    told = kill_scenario.run_with_kills(f"story {name} {kill.number}", kill)
    assert (told.lost, told.doubled) == (0, 0)
    assert told.killed == 1 or not kill.certain


def test_a_second_kill_costs_no_more_than_the_first(kill_scenario):
    """A run that is killed, and whose next run is killed too, ends as if nothing had been."""
    told = kill_scenario.run_with_kills(
        "twice", Kill("after-receive", 20), Kill("before-commit", 9), Kill("before-rename", 2)
    )
    assert (told.killed, told.lost, told.doubled) == (3, 0, 0)


def test_the_failpoint_of_the_installed_program_kills_it(kill_scenario, program):
    """`YAMLGEN_FAILPOINT` of the environment kills the real program at its place; nothing is sent twice by the next."""
    folder = lay_out(kill_scenario.folder / "program", kill_scenario.server.url)
    environment = {**os.environ, "ANTHROPIC_API_KEY": KEY, "YAMLGEN_FAILPOINT": "before-commit:5"}
    done = subprocess.run([program, "run", "towns.yaml"], cwd=folder, env=environment, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    before, held = kill_scenario.server.asked, kept(folder)
    assert kill_scenario.run(folder).code == kill_scenario.reference.code
    assert kill_scenario.server.asked - before == kill_scenario.reference.requests - held
    assert outputs(folder) == kill_scenario.reference.outputs
