"""Exceptions of third-party code, as one line with the place in the author's own code.

Owns the search for that place: an author can fix a line of their own code, but not of a library that it calls.
Formatting never fails, whatever the exception is.
"""

from __future__ import annotations

import linecache
import traceback
from pathlib import Path
from typing import Final

from yamlgen.canonical_json import storable
from yamlgen.errors import near
from yamlgen.redaction import redact

_PACKAGE: Final = Path(__file__).parents[2]
_INSTALLED: Final = frozenset({"site-packages", "dist-packages", ".venv", "venv"})
_LONGEST: Final = 300
_LINE: Final = 120


class TracebackFormatter:
    """Formats exceptions with the place in the author's code.

    Args:
        folder: the folder with the author's code, absolute.
    """

    def __init__(self, folder: Path) -> None:
        self._homes = {folder, folder.resolve()}
        self._beginnings = tuple(map(str, self._homes))

    def is_theirs(self, file: str) -> bool:
        """Return whether a source file is the author's own: in the folder, and not installed there."""
        if "//" in file or "/./" in file:
            file = str(Path(file))
        if not file.startswith(self._beginnings):  # decides for most of the thousands of loaded modules, and is quick
            return False
        path = Path(file)
        if not path.is_absolute() or path.is_relative_to(_PACKAGE):  # yamlgen itself may be in the folder
            return False
        homes = [home for home in self._homes if path.is_relative_to(home)]
        return any(_INSTALLED.isdisjoint(path.relative_to(home).parts) for home in homes)

    def told(self, error: BaseException) -> str:
        """Return an exception's type and text, with the last line of the author's code in its traceback."""
        try:
            text = _cut(" ".join(str(error).split()), _LONGEST)
        except Exception:  # noqa: BLE001 - its own `__str__` is broken
            text = ""
        told = f"{type(error).__name__}: {text}" if text else type(error).__name__
        place = self._place(error)
        return redact(storable(f"{told} ({place})" if place else told))

    def _place(self, error: BaseException) -> str | None:
        here = None
        for frame, line in traceback.walk_tb(error.__traceback__):
            file = frame.f_code.co_filename
            if self.is_theirs(file):
                here = file, line, frame.f_code.co_name
        if here is None:
            return None
        file, line, name = here
        linecache.checkcache(file)
        source = _cut(linecache.getline(file, line).strip(), _LINE)
        inside = "" if name.startswith("<") else f" in {name}"
        return f"{near(Path(file))}:{line}{inside}" + (f": `{source}`" if source else "")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
