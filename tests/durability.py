"""Many kills, by hand: `python tests/durability.py 200 [SEED]` kills runs at every failpoint and at random moments.

After each kill all that is promised is checked (see `tests/store/kills.py`): what was told is in the store, the files
are whole, the next run asks for what was not kept and for nothing else and leaves the bytes of an undisturbed run, and
one more run asks for nothing. Every fifth story kills the next run as well.

`python tests/durability.py 200 4`, on 2 processors, 150 seconds; an undisturbed run makes 124 requests, 8 at once:

    before-send        23 kills, paid again: max 8, mean 7.3
    after-receive      23 kills, paid again: max 8, mean 5.6
    before-commit      22 kills, paid again: max 8, mean 6.3
    after-commit       22 kills, paid again: max 8, mean 6.0
    during-export      22 kills, paid again: max 0, mean 0.0
    before-rename      22 kills, paid again: max 0, mean 0.0
    after-rename       22 kills, paid again: max 0, mean 0.0
    a random moment    22 kills, paid again: max 8, mean 4.8
    the start          22 kills, paid again: max 8, mean 4.0
    all               200 kills, paid again: max 8, mean 3.8; 0 times more than the concurrency
    lost 0, doubled 0; 5 kills came after the end of their run
"""

import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from forked_processes import ForkServer
from killed_pipeline import CONCURRENCY, Kill, KillScenario, seeded, simulator
from threaded_simulator import serving


def main(count, seed):
    """Kill so often, and print what it came to."""
    folder = Path(tempfile.mkdtemp(prefix="yamlgen-durability-"))
    killed, missed, repaid, lost, doubled = Counter(), 0, {}, 0, 0
    with serving(simulator()) as server, ForkServer(folder) as fork_server:
        kill_scenario = KillScenario(fork_server, server, folder)
        plan = seeded(count, seed)
        while plan:
            names = [plan.pop(0) for _ in range(min(len(plan), 2 if len(plan) % 5 == 0 else 1))]
            kills = [Kill.drawn(name, random, kill_scenario.reference.requests) for name, random in names]
            told = kill_scenario.run_with_kills(f"{len(plan)}", *kills)
            killed.update(kill.name for kill in kills)
            missed += len(kills) - told.killed
            for kill, again in zip(kills, told.repaid, strict=True):
                repaid.setdefault(kill.name, []).append(again)
            lost, doubled = lost + told.lost, doubled + told.doubled
    shutil.rmtree(folder)
    every = [again for each in repaid.values() for again in each]
    say = sys.stdout.write
    say(f"undisturbed: {kill_scenario.reference.requests} requests, concurrency {CONCURRENCY}\n")
    for name, found in repaid.items():
        say(f"{name:16} {killed[name]:4} kills, paid again: max {max(found)}, mean {sum(found) / len(found):.1f}\n")
    say(f"all              {len(every):4} kills, paid again: max {max(every)}, mean {sum(every) / len(every):.1f}; ")
    say(f"{sum(again > CONCURRENCY for again in every)} times more than the concurrency\n")
    say(f"lost {lost}, doubled {doubled}; {missed} kills came after the end of their run\n")
    return 1 if lost or doubled else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
