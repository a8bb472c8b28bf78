"""The file that a path was probably meant to name, where it names none."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from yamlgen.suggestions import nearest

_MOST: Final = 1000
"""How many files of a folder are looked at."""


def neighbour(path: Path, shown: str) -> str | None:
    """The hint for a path that names nothing: the file that is nearest to it, if one is.

    Args:
        path: where nothing is.
        shown: how messages show it; the hint is in the same words.
    """
    with suppress(OSError, ValueError):  # a folder that cannot be looked at, or that no system could have
        if path.is_dir():
            return "it is a folder: name a file in it"
        if path.exists():
            return None
        near = _meant(path)
        if near is not None:
            way = os.path.relpath(near, path.parent)
            return f"did you mean `{os.path.normpath(Path(shown).parent / way)}`?"
    return None


def _meant(path: Path) -> Path | None:
    """The nearest file: of the same folder, of one of another name, or of one in it."""
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
    """What is in a folder, as far as it is looked at; hidden files are not."""
    return sorted(each for each in islice(folder.iterdir(), _MOST) if not each.name.startswith("."))


def _near(folder: Path, name: str) -> str | None:
    """The nearest name of a folder: of another stem, or of another ending where only one has the stem."""
    names = [each.name for each in _files(folder) if each.name != name]
    stem, ending = Path(name).stem, Path(name).suffix
    alike = [each for each in names if Path(each).stem == stem]
    near = nearest(stem, [Path(each).stem for each in names if Path(each).suffix == ending])
    return f"{near}{ending}" if near else alike[0] if len(alike) == 1 else None
