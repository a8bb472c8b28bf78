"""Suggestions for a path that does not exist."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from yamlgen.suggestions import nearest

_MOST: Final = 1000
"""The maximum number of files of a folder that are compared."""


def neighbour(path: Path, shown: str) -> str | None:
    """Return the hint for a path that does not exist: the most similar file, or `None`.

    Args:
        path: the path.
        shown: the path as messages show it; the hint uses the same form.
    """
    with suppress(OSError, ValueError):  # a folder that cannot be read, or an impossible path
        if path.is_dir():
            return "it is a folder: write the path of a file in it"
        if path.exists():
            return None
        near = _meant(path)
        if near is not None:
            way = os.path.relpath(near, path.parent)
            return f"did you mean `{os.path.normpath(Path(shown).parent / way)}`?"
    return None


def _meant(path: Path) -> Path | None:
    """Return the most similar file: in the same folder, in a folder with a similar name, or in a subfolder."""
    folder = path.parent
    if not folder.is_dir():
        near = _near(folder.parent, folder.name)
        other = folder.parent / near if near else None
        if other is None or not other.is_dir():
            return None
        if (other / path.name).exists():
            return other / path.name
        folder = other
    near = _near(folder, path.name)
    if near is not None:
        return folder / near
    inner = [each for each in _files(folder) if each.is_dir()]
    same = [each / path.name for each in inner if (each / path.name).is_file()]
    alike = same or [each / near for each in inner if (near := _near(each, path.name)) is not None]
    return alike[0] if len(alike) == 1 else None


def _files(folder: Path) -> list[Path]:
    """Return the entries of a folder, without hidden ones, up to the maximum."""
    return sorted(each for each in islice(folder.iterdir(), _MOST) if not each.name.startswith("."))


def _near(folder: Path, name: str) -> str | None:
    """Return the most similar name in a folder: a similar stem, or the same stem with another extension if unique."""
    names = [each.name for each in _files(folder) if each.name != name]
    stem, ending = Path(name).stem, Path(name).suffix
    alike = [each for each in names if Path(each).stem == stem]
    near = nearest(stem, [Path(each).stem for each in names if Path(each).suffix == ending])
    return f"{near}{ending}" if near else alike[0] if len(alike) == 1 else None
