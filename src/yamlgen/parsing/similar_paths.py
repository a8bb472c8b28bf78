"""The file that a path was probably meant to name, where it names none."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from yamlgen.parsing.suggestions import nearest

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
        folder = path.parent
        if folder.is_dir():
            near = _near(folder, path.name)
            return f"did you mean `{Path(shown).parent / near}`?" if near else None
        near = _near(folder.parent, folder.name)
        if near and (folder.parent / near / path.name).exists():
            return f"did you mean `{Path(shown).parent.parent / near / path.name}`?"
    return None


def _near(folder: Path, name: str) -> str | None:
    """The nearest name of a folder: of another stem, or of another ending where only one has the stem."""
    names = sorted(each.name for each in islice(folder.iterdir(), _MOST) if not each.name.startswith("."))
    stem, ending = Path(name).stem, Path(name).suffix
    alike = [each for each in names if Path(each).stem == stem]
    near = nearest(stem, [Path(each).stem for each in names if Path(each).suffix == ending])
    return f"{near}{ending}" if near else alike[0] if len(alike) == 1 else None
