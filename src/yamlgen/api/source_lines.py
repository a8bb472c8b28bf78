"""The lines of a file, as a message about one of them shows it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from yamlgen.parsing.secret_scan import covered

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


def source_lines(file: str) -> tuple[str, ...]:
    """The lines of a file, with `*` in place of what may be a key, so that columns hold; none where it has none."""
    try:
        if not Path(file).is_file():  # a pipe or a device has no line to show, and would never end
            return ()
        with Path(file).open("rb") as opened:
            text = opened.read(1 << 21).decode("utf-8-sig", "replace")
    except (OSError, ValueError):
        return ()
    return tuple(_LINE_END.split(covered(text)))
