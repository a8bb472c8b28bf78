"""Retries that are killed at random moments, and said again until one comes to its end."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from table import Line

sys.path.insert(0, str(Path(__file__).parents[1]))
from forked_processes import ForkServer
from killed_retries import CONCURRENCY, ROWS, retry_with_kills, simulator
from threaded_simulator import serving

_KILLS = 50


def measure_retries(_pairs: int) -> Iterator[Line]:
    """Kill fifty retries; what each story paid beyond one request a row."""
    beyond: list[int] = []
    lost = killed = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(simulator()) as server,
        ForkServer(Path(folder)) as fork_server,
    ):
        for number in range(_KILLS):
            kill = Random(number).randint(1, ROWS - 1)  # noqa: S311
            told = retry_with_kills(fork_server, server, Path(folder) / f"story {number}", kill)
            killed += told.kills
            lost += ROWS - told.answers
            beyond.append(told.paid - ROWS)
    figure = f"at most {max(beyond)}, {sum(beyond) / len(beyond):.1f} on the average; {lost} rows lost, {killed} kills"
    yield Line(
        f"{_KILLS} killed retries of {ROWS} rows, {CONCURRENCY} at once",
        "requests beyond one a row",
        f"{CONCURRENCY}",
        figure,
    )
