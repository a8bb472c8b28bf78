# ruff: noqa: INP001 - a script, and no package
"""Draw `run.svg`: a run of a shipped pipeline, as a terminal shows it. Needs `pip install pyte`.

It runs the command in a real pseudo-terminal, lets a terminal emulator interpret all that is printed, and takes the
screen twice: while the run is going on, and at its end.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from itertools import groupby
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import pyte

ROOT: Final = Path(__file__).parent.parent
COLUMNS: Final = 100
LINES: Final = 30
COMMAND: Final = ("yamlgen", "run", "pipelines/marathon_runners.yaml", "--simulate")
LATENCY: Final = ("--latency", "0.4")
CONCURRENCY: Final = "\nruntime: {concurrency: 8}\n"
"""What makes the run slow enough to be seen; both are left out of the picture."""

PAUSE: Final = 2.6
"""Seconds after the start at which the picture of the running display is taken."""

WIDTH: Final = 8.43
HEIGHT: Final = 18
MARGIN: Final = 16
COLOURS: Final = {
    "default": "#d8dee9",
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#e5c07b",
    "yellow": "#e5c07b",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": "#d8dee9",
    "black": "#5c6370",
    "brightblack": "#5c6370",
}


def main() -> None:
    """Run the command, and write the picture beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        left_out = shutil.ignore_patterns("out", ".yamlgen")
        shutil.copytree(ROOT / "pipelines", Path(folder, "pipelines"), ignore=left_out)
        with Path(folder, COMMAND[2]).open("a", encoding="utf-8") as pipeline:
            pipeline.write(CONCURRENCY)
        running, ended = screens([*COMMAND, *LATENCY], folder)
    prompt = [[("green", "$ "), ("default", " ".join(COMMAND))]]
    while "finished" not in "".join(text for _, text in ended[0]):
        del ended[0]
    lines = [*prompt, *running, [], *ended]
    (ROOT / "docs" / "run.svg").write_text(svg(lines), encoding="utf-8")


def screens(command: list[str], folder: str) -> tuple[list[list[tuple[str, str]]], list[list[tuple[str, str]]]]:
    """The screen after `PAUSE` seconds, and at the end: lines of texts with their colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
    process = subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    )
    os.close(theirs)
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    started, running = None, None
    while True:
        ready, _, _ = select.select([ours], [], [], 0.1)
        if ready:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            if not data:
                break
            started = started or time.monotonic()
            stream.feed(data)
        if running is None and started is not None and time.monotonic() - started > PAUSE:
            running = shown(screen)
    if process.wait() != 0 or running is None:
        sys.exit(f"the command failed, or ended within {PAUSE} s:\n" + "\n".join(screen.display))
    return running, shown(screen)


def shown(screen: pyte.Screen) -> list[list[tuple[str, str]]]:
    """The lines of a screen, without the empty ones at its end."""
    lines = []
    for number in range(screen.lines):
        cells = [screen.buffer[number][column] for column in range(screen.columns)]
        parts = [
            (colour, "".join(cell.data for cell in run)) for colour, run in groupby(cells, key=lambda cell: cell.fg)
        ]
        lines.append(parts)
    while lines and not "".join(text for _, text in lines[-1]).strip():
        lines.pop()
    return lines


def svg(lines: list[list[tuple[str, str]]]) -> str:
    """The lines as a picture."""
    width, height = COLUMNS * WIDTH + 2 * MARGIN, len(lines) * HEIGHT + 2 * MARGIN
    texts = []
    for number, line in enumerate(lines):
        column = 0
        for colour, text in line:
            fill = COLOURS.get(colour, f"#{colour}")
            for word in re.finditer(r"\S+( \S+)*", text):  # a text of its own for each column of a table
                x, y = MARGIN + (column + word.start()) * WIDTH, MARGIN + (number + 0.75) * HEIGHT
                length = f'textLength="{len(word[0]) * WIDTH:.1f}"'
                texts.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" {length}>{escape(word[0])}</text>')
            column += len(text)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}">\n'
        f'<rect width="100%" height="100%" rx="8" fill="#1e2127"/>\n'
        '<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">\n'
        + "\n".join(texts)
        + "\n</g>\n</svg>\n"
    )


if __name__ == "__main__":
    main()
