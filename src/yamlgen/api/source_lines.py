"""The lines of a file, as messages show them."""

from __future__ import annotations

from pathlib import Path

from yamlgen.parsing.secret_scan import covered
from yamlgen.parsing.source_map import LINE_END


def source_lines(file: str) -> tuple[str, ...]:
    """Return the lines of a file, with `*` for each character of possible API keys; none if it is unreadable."""
    try:
        if not Path(file).is_file():  # a pipe or a device may never end
            return ()
        with Path(file).open("rb") as opened:
            text = opened.read(1 << 21).decode("utf-8-sig", "replace")
    except (OSError, ValueError):
        return ()
    return tuple(LINE_END.split(covered(text)))
