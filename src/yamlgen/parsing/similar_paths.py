"""Suggestions for a path that does not exist."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePath
from typing import Final

from yamlgen.errors import near
from yamlgen.parsing.file_patterns import matching, split
from yamlgen.parsing.project_folder import is_beyond, is_file, is_folder, status
from yamlgen.suggestions import Hint, nearest

_MOST: Final = 1000
"""The maximum number of files of a folder that are compared."""

_SHOWN: Final = 50
"""The maximum number of files that are known to a hint."""


def neighbour(path: Path, shown: str, otherwise: str = "") -> str:
    """Return the hint for a path that does not exist: the most similar file, or `otherwise`.

    Args:
        path: the path.
        shown: the path as messages show it; the hint uses the same form.
        otherwise: the hint if no file is similar.
    """
    with suppress(OSError, ValueError):  # a folder that cannot be read, or an impossible path
        if path.is_dir():
            return "it is a folder: write the path of a file in it"
        if path.exists():
            return otherwise
        meant = _meant(path)
        ways = [os.path.relpath(each, path.parent) for each in ([meant] if meant else []) + _alike(meant or path)]
        known = [os.path.normpath(Path(shown).parent / way) for way in ways]
        return Hint(f"did you mean `{known[0]}`?" if meant else otherwise, known[:_SHOWN])
    return otherwise


def _alike(path: Path) -> list[Path]:
    """Return the files in the folder of a path: those with its extension, or else all."""
    files = [each for each in _files(path.parent) if is_file(each)] if path.parent.is_dir() else []
    return [each for each in files if each.suffix == path.suffix] or files


def way_to_files(folder: Path, pattern: str, shown: str, endings: str = "") -> tuple[str, str | None]:
    """Return the fact that no file matches a pattern, and the fix, or `None`: a similar folder, or the files in it.

    Args:
        folder: the folder that the pattern is relative to.
        pattern: the pattern.
        shown: the folder as messages show it.
        endings: the extensions that another pattern may have; empty: any.
    """
    start, parts = split(folder, pattern)
    home, named = folder / start, near(Path(os.path.normpath(Path(shown) / start)))
    if status(home) is None:
        return f"the folder {named} does not exist", neighbour(home, named) or None
    if not is_folder(home):
        return f"{named} is a file, not a folder", "for a file, write `path`"
    where = "" if named == "." else f" in {named}"
    fact, rest = f"no file{where} matches `{'/'.join(parts)}`", PurePath(*parts)
    suffixes = (each.suffix for each in _files(home) if each.suffix and is_file(each))
    known = Counter(ending for ending in suffixes if not endings or ending in endings.split(", "))
    if rest.suffix and len(parts) == 1 and known:
        (ending, count), *others = known.most_common()
        stem = "*" if ending == rest.suffix else rest.stem
        many = f"{count} {ending} file{'' if count == 1 else 's'}"
        hint = f"it has {many}{' and others' if others else ''}: did you mean `{start}{stem}{ending}`?"
        return fact, Hint(hint, [f"{start}{stem}{each}" for each in known])
    deeper = next(iter(matching(home, f"**/{rest}")), None)
    return fact, None if deeper is None else f"{deeper} does: write `{start}**/{rest}` for the folders below too"


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
    if is_beyond(folder):
        return []
    return sorted(each for each in islice(folder.iterdir(), _MOST) if not each.name.startswith("."))


def _near(folder: Path, name: str) -> str | None:
    """Return the most similar name in a folder: a similar stem, or the same stem with another extension if unique.

    Of `reviews` and `reviews.yaml`, that is the pipeline `reviews.yamlgen.yaml`, if it exists.
    """
    names = [each.name for each in _files(folder) if each.name != name]
    stem, ending = Path(name).stem, Path(name).suffix
    if ending in ("", ".yaml", ".yml") and f"{stem}.yamlgen.yaml" in names:
        return f"{stem}.yamlgen.yaml"
    alike = [each for each in names if Path(each).stem == stem]
    near = nearest(stem, [Path(each).stem for each in names if Path(each).suffix == ending])
    return f"{near}{ending}" if near else alike[0] if len(alike) == 1 else None
