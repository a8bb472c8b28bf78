"""The lines of a file, as a message about one of them shows it."""

from __future__ import annotations

from pathlib import Path

from yamlgen.parsing.secret_scan import covered
from yamlgen.parsing.source_map import LINE_END


def source_lines(file: str) -> tuple[str, ...]:
    """The lines of a file, with `*` in place of what may be a key, so that columns hold; none where it has none."""
    try:
        if not Path(file).is_file():  # a pipe or a device has no line to show, and would never end
            return ()
        with Path(file).open("rb") as opened:
            text = opened.read(1 << 21).decode("utf-8-sig", "replace")
    except (OSError, ValueError):
        return ()
    return tuple(LINE_END.split(covered(text)))
