"""`kill -9` between any two writes of a batch: what was told is on disk, and each request has one place."""

import os
import subprocess
import sys
from pathlib import Path

import killed_batches
import pytest
from gathered_batches import CREATED, answered, gathered, key_of, remote
from hand_made_store import HandMadeStore
from killed_batches import NAMES, POINTS, STEPS, folder_of

from yamlgen.batches.batch_store import State

KILLS = [(point, number) for point in POINTS for number in range(1, len(STEPS) + 1)]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A folder with a store for each kill."""
    folder = tmp_path_factory.mktemp("killed")
    script = Path(killed_batches.__file__)
    path = os.pathsep.join([str(script.parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    subprocess.run([sys.executable, script, folder], check=True, timeout=120, env={**os.environ, "PYTHONPATH": path})
    return folder


async def go_on(run_recorder):
    """Do what the next run does: wait for what is open, and send what has no answer. The open batches that it found."""
    batches = run_recorder.batches
    found = batches.open_batches()
    for each in found:
        await batches.adopt(each.number)
        assert len(list(batches.entries(each.number))) == batches.unsettled(each.number)
        await batches.settle(each.number, [answered(name) for name in NAMES])
        await batches.collected(each.number, remote(succeeded=4))
    number = await batches.begin_batch("facts")
    for name in NAMES:
        if run_recorder.recall((key_of(name),), 0) is None:
            assert await batches.add(number, gathered(name))
    await batches.intend(number, CREATED, None)
    await batches.settle(number, [answered(name) for name in NAMES])
    await batches.collected(number, remote(succeeded=4))
    return found


@pytest.mark.parametrize(("point", "number"), KILLS, ids=[f"{point}-{STEPS[number - 1]}" for point, number in KILLS])
def test_a_kill_leaves_each_request_in_one_place(killed, point, number):
    """What was told is on disk; nothing that was posted is forgotten or sent again, and nothing is answered twice."""
    folder = folder_of(killed, point, number)
    told = (folder / "told").read_text("utf-8").splitlines()
    assert told == list(STEPS[: number - 1])
    done = STEPS[number - 1] if point == "after-commit" else (told or [None])[-1]
    store = HandMadeStore(folder / "store")
    found = store.run("second", go_on)
    posted = {"intended": State.POSTING, "posted": State.POSTED, "settled": State.POSTED}
    assert [each.state for each in found] == ([posted[done]] if done in posted else [])
    assert [each.requests for each in found] == [4] * len(found)
    assert store.query("SELECT count(*), count(DISTINCT key) FROM attempt") == [(4, 4)]
    assert store.query("SELECT count(*) FROM batch_request") == [(0,)]
    by_first = 2 if done in ("settled", "collected") else 0
    assert store.query("SELECT count(*) FROM attempt WHERE run = 1") == [(by_first,)]
