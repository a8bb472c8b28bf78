"""The formats of rows in files, and the endings by which a path tells its format.

Input and output share this one table, so that what was written can be read back under the same name.
"""

from __future__ import annotations

import stat
from pathlib import Path, PurePath

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv"}
"""Ending (in lower case) -> format."""

ENDINGS = ", ".join(FORMATS)
"""The known endings, as a message lists them."""


def format_of(path: PurePath) -> str | None:
    """The format that `path` has by its ending, or `None` where the ending is not a known one."""
    return FORMATS.get(path.suffix.lower())


def delimiter_of(path: PurePath) -> str:
    """What separates the cells of a CSV file at `path`: a tab for `.tsv`, else a comma."""
    return "\t" if path.suffix.lower() == ".tsv" else ","


def is_pipe(path: Path) -> bool:
    """Whether `path` gives its content only once, like the `/dev/fd/63` of a shell's `<(...)`."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
