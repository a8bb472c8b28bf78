"""What becomes of the rows when the input is changed under a run: by another file, by another order, by growth.

Each change falls into a run of its own, after another number of answers, against a server on loopback. A run that ends
with 0 must have written each row of one of the two files once; one that ends otherwise must have written nothing, and
the next one, over the first file, must finish it without asking for an answer again.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pipelines
from processes import YAMLGEN, figures, serving
from table import Line

_ROWS: Final = 400
_SWAPS: Final = 50
_LONG: Final = 120.0
_LOOK: Final = 0.05
_PADDING: Final = "x" * 2_500
"""Makes a megabyte of the rows, so that a run reads its input bit by bit."""

_PREVIOUS: Final = b"the output of the run before\n"


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


def _others(lines: list[bytes]) -> bytes:
    return b"".join(line.replace(b'{"n": ', b'{"n": 1') for line in lines)


def _growing(content: bytes) -> Callable[[Path, list[bytes]], None]:
    def grow(path: Path, _lines: list[bytes]) -> None:
        with path.open("ab") as file:
            file.write(content)

    return grow


_CHANGES: Final[dict[str, Callable[[Path, list[bytes]], object]]] = {
    "another file": lambda path, lines: _replace(path, _others(lines)),
    "another file, in place": lambda path, lines: path.write_bytes(_others(lines)),
    "sorted again": lambda path, lines: _replace(path, b"".join(reversed(lines))),
    "sorted again, in place": lambda path, lines: path.write_bytes(b"".join(reversed(lines))),
    "ids twice": lambda path, lines: _replace(path, b"".join(lines[: _ROWS // 2] * 2)),
    "shorter": lambda path, lines: os.truncate(path, len(b"".join(lines[: _ROWS // 2]))),
    "without its first rows": lambda path, lines: _replace(path, b"".join(lines[_ROWS // 4 :])),
    "grown": _growing(b'{"n": 999999, "text": "late"}\n'),
    "grown by half a row": _growing(b'{"n": 99'),
    "the same bytes": lambda path, lines: _replace(path, b"".join(lines)),
}


@dataclass
class _Count:
    """What was counted over all swaps."""

    lost: int = 0
    doubled: int = 0
    written: int = 0
    unfinished: int = 0
    again: int = 0
    exits: Counter[int] = field(default_factory=Counter)

    def told(self) -> str:
        """The exit codes, each with how often it came."""
        return ", ".join(f"{count} x exit {code}" for code, count in sorted(self.exits.items()))


def measure_swaps(_pairs: int) -> Iterator[Line]:
    """How many rows are lost and doubled by runs whose input is changed, and how these end."""
    count = _Count()
    with serving("server.py", "0.03") as url:
        for number in range(_SWAPS):
            _swap(count, url, list(_CHANGES.values())[number % len(_CHANGES)], 1 + number * _ROWS // _SWAPS)
    work = f"{_SWAPS} swaps of the input under runs of {_ROWS} rows"
    yield Line(work, "rows lost and doubled in outputs of runs with exit 0", "0, 0", f"{count.lost}, {count.doubled}")
    yield Line(work, "how the runs ended", "0 and 3", count.told())
    yield Line(work, "outputs that a run with another exit has touched", "0", str(count.written))
    yield Line(
        work,
        "next runs that did not finish; answers that they asked for again",
        "0; 0",
        f"{count.unfinished}; {count.again}",
    )


def _laid(folder: Path) -> Path:
    """The pipeline in a folder, with its rows, and an output of a run before."""
    path = pipelines.label(folder, _ROWS)
    rows = folder / "rows.jsonl"
    padded = ({**json.loads(line), "note": _PADDING} for line in rows.read_text("utf-8").splitlines())
    rows.write_text("".join(json.dumps(row) + "\n" for row in padded), "utf-8")
    path.write_text(path.read_text("utf-8") + "runtime: {concurrency: 16}\n", "utf-8")
    (folder / "out.jsonl").write_bytes(_PREVIOUS)
    return path


def _run(path: Path, url: str, after: int, change: Callable[[], object]) -> tuple[int, int]:
    """Run a pipeline and change its input after so many answers; the exit code, and how many answers there were."""
    environment = os.environ | {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "any"}
    command = (YAMLGEN, "run", str(path), "--progress", "none", "--quiet")
    answered = 0
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            while answered < after and process.poll() is None:
                time.sleep(_LOOK)
                answered += figures(url)["answered"]
            change()
            code = process.wait(_LONG)
        finally:
            process.kill()
    return code, answered + figures(url)["answered"]


def _swap(count: _Count, url: str, change: Callable[[Path, list[bytes]], object], after: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, rows, output = _laid(folder), folder / "rows.jsonl", folder / "out.jsonl"
        first = rows.read_bytes()
        code, answered = _run(path, url, after, lambda: change(rows, first.splitlines(keepends=True)))
        count.exits[code] += 1
        if code == 0:
            lost, doubled = min(_differences(output.read_bytes(), whole) for whole in (first, rows.read_bytes()))
            count.lost, count.doubled = count.lost + lost, count.doubled + doubled
            return
        count.written += output.read_bytes() != _PREVIOUS
        rows.write_bytes(first)
        code, more = _run(path, url, 0, lambda: None)
        count.unfinished += code != 0 or _differences(output.read_bytes(), first) != (0, 0)
        count.again += answered + more - _ROWS


def _differences(output: bytes, rows: bytes) -> tuple[int, int]:
    """The rows that an output lacks, or has from nowhere, and those that it has too often."""
    wanted, found = _ids(rows), _ids(output)
    lost = len(wanted.keys() ^ found.keys())
    return lost, sum(max(0, found[key] - 1) for key in found)


def _ids(lines: bytes) -> Counter[Any]:
    return Counter(json.loads(line)["n"] for line in lines.splitlines() if line.endswith(b"}"))
