"""Figures, by hand: `python tests/benchmark [--pairs N] [--all] [NAMES...]` prints a table.

Whole processes, in fresh folders below TMPDIR (which should be on a disk, as a store is), against servers in processes
of their own. What is compared runs in turn, and the median of the ratios is told. Without names everything is measured
but `added`, `batches`, `compared`, `memory`, `outputs`, `parquet`, `report` and `taken`, which take minutes: name them,
or say `--all`.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Final

from compared import measure_compared
from computed import measure_workers
from kept import measure_memory, measure_rerun, measure_share, measure_size
from limits import measure_hang, measure_quota, measure_rates, measure_squall, measure_storm
from posted import measure_batches
from readings import measure_reading
from recorded import measure_recorded
from reported import measure_report
from retries import measure_retries
from shaped import measure_outputs
from speed import measure_cpu, measure_fan, measure_latency, measure_slope, measure_throughput
from start import measure_completion, measure_simulator, measure_start
from swaps import measure_swaps
from table import Line, heading
from tables import measure_parquet
from taken import measure_added, measure_taken

WORKS: Final[dict[str, Callable[[int], Iterator[Line]]]] = {
    "cpu": measure_cpu,
    "slope": measure_slope,
    "fan": measure_fan,
    "latency": measure_latency,
    "throughput": measure_throughput,
    "workers": measure_workers,
    "quota": measure_quota,
    "storm": measure_storm,
    "retries": measure_retries,
    "swaps": measure_swaps,
    "squall": measure_squall,
    "rates": measure_rates,
    "hang": measure_hang,
    "start": measure_start,
    "completion": measure_completion,
    "simulator": measure_simulator,
    "share": measure_share,
    "size": measure_size,
    "rerun": measure_rerun,
    "taken": measure_taken,
    "added": measure_added,
    "recorded": measure_recorded,
    "compared": measure_compared,
    "batches": measure_batches,
    "reading": measure_reading,
    "outputs": measure_outputs,
    "memory": measure_memory,
    "parquet": measure_parquet,
    "report": measure_report,
}
_LONG: Final = ("added", "batches", "compared", "memory", "outputs", "parquet", "report", "taken")


def main() -> None:
    """Print the table, each line when it is known."""
    parser = argparse.ArgumentParser(prog="python tests/benchmark", description="Measure yamlgen on this machine.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(WORKS)}")
    parser.add_argument("--pairs", type=int, default=5, help="how often what is compared runs in turn (5)")
    parser.add_argument("--all", action="store_true", help=f"{', '.join(_LONG)} as well: minutes each")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(WORKS)):
        parser.error(f"no work is called {', '.join(unknown)}")
    names = given.names or [name for name in WORKS if given.all or name not in _LONG]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    print(heading(), flush=True)
    for name in names:
        for line in WORKS[name](given.pairs):
            print(line, flush=True)


if __name__ == "__main__":
    main()
