"""The table that is printed: one line for each figure, and the machine that it was measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import NamedTuple


class Line(NamedTuple):
    """What was done, what was measured of it, what it should come to, and what it came to."""

    work: str
    measure: str
    goal: str
    figure: str

    def __str__(self) -> str:
        return f"| {' | '.join(self)} |"


def heading() -> str:
    """The table's first lines, with the machine above them."""
    return f"{machine()}\n\n{Line('work', 'measure', 'goal', 'figure')}\n|---|---|---|---|"


def machine() -> str:
    """The processor, how many of its cores are ours, and the Python."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
