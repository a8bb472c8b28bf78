"""The life of a batch in processes that are killed at each of their commits.

As a script it lives that life once for each kill, in a store of its own under the folder that it is given. What each
life was told is in a file beside its store.
"""

import os
import signal
import sys
from importlib import reload
from pathlib import Path

from gathered_batches import CREATED, answered, gathered, remote, unanswered
from hand_made_store import HandMadeStore

from yamlgen import failpoint

NAMES = ("a", "b", "c", "d")
POINTS = ("before-commit", "after-commit")
STEPS = ("begun", *(f"added {name}" for name in NAMES), "intended", "posted", "settled", "collected")
"""What a life is told, each step once its commit is on disk."""


async def live(run_recorder, told):
    """Gather four requests and post them; two are answered, one fails, and one is missing."""
    batches = run_recorder.batches
    number = await batches.begin_batch("facts")
    told(STEPS[0])
    for name in NAMES:
        await batches.add(number, gathered(name))
        told(f"added {name}")
    await batches.intend(number, CREATED, 1.5)
    told("intended")
    await batches.posted(number, remote(ended=False, processing=4))
    told("posted")
    await batches.settle(number, [answered("a"), answered("b"), unanswered("c")])
    told("settled")
    await batches.collected(number, remote(succeeded=3, errored=1))
    told("collected")


def folder_of(root, point, number):
    """Where a life is lived."""
    return root / f"{point} {number}"


def _main(root):
    """Live once for each commit and place in it. The process that does it is killed there."""
    for point in POINTS:
        for number in range(1, len(STEPS) + 1):
            folder = folder_of(root, point, number)
            folder.mkdir()
            pid = os.fork()
            if pid == 0:
                _live_and_die(folder, f"{point}:{number}")
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert status == -signal.SIGKILL, (point, number, status)


def _live_and_die(folder, where):
    os.environ["YAMLGEN_FAILPOINT"] = where
    reload(failpoint)  # it reads its variable once
    with (folder / "told").open("w", 1, "utf-8") as file:
        HandMadeStore(folder / "store").run(
            "first", lambda recorder: live(recorder, lambda told: print(told, file=file))
        )
    os._exit(0)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
