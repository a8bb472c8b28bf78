"""Files that a reference of a pipeline means: one file, or those that match a pattern."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path
from typing import Final

from yamlgen.parsing.project_folder import is_beyond, is_file, status

_ANY: Final = "**"


def is_pattern(folder: Path, reference: str) -> bool:
    """Check whether a reference is a pattern such as `data/*.csv`, and not the name of a file or a folder."""
    return has_magic(reference) and status(folder / reference) is None


def matching(folder: Path, reference: str) -> list[str]:
    """Return the files that match a pattern, sorted by path; for anything else, the reference itself.

    Links to files are files. Links to folders are not followed, unless the pattern begins with their path.

    Args:
        folder: the folder that the reference is relative to.
        reference: a path, or a pattern with `*`, `?`, `[...]` and `**`; hidden files match only if it names them.
    """
    if not is_pattern(folder, reference):
        return [reference]
    start, parts = split(folder, reference)
    if is_beyond(folder / start):
        return []
    found = (path for path in _walked(folder / start, parts) if fits(path, parts))
    files = ((f"{start}{path}", folder / f"{start}{path}") for path in found)
    return sorted(path for path, place in files if is_file(place) or is_beyond(place))


def split(folder: Path, reference: str) -> tuple[str, tuple[str, ...]]:
    """Return the folder with which a pattern begins, empty or with a slash at its end, and the parts of the rest.

    A folder may have brackets in its name: what exists under this name is no pattern.
    """
    start = 0
    for slash in re.finditer("/+", reference):
        part = reference[start : slash.start()]
        if has_magic(part) and status(folder / reference[: slash.start()]) is None:
            break
        start = slash.end()
    return reference[:start], tuple(part for part in reference[start:].split("/") if part)


def fits(path: str, parts: Sequence[str]) -> bool:
    """Check whether a path below the folder of a pattern matches the parts of the pattern."""
    return _fit(tuple(path.split("/")), parts)


def _fit(names: Sequence[str], parts: Sequence[str]) -> bool:
    if not parts:
        return not names
    if parts[0] == _ANY:
        skipped = next((at for at, name in enumerate(names) if name.startswith(".")), len(names))
        return any(_fit(names[at:], parts[1:]) for at in range(skipped + 1))
    return bool(names) and _is_named(names[0], parts[0]) and _fit(names[1:], parts[1:])


def _is_named(name: str, part: str) -> bool:
    return fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))


def _walked(root: Path, parts: Sequence[str]) -> Iterator[str]:
    """Yield the files that may match, relative to `root`, without looking into folders that cannot."""
    fixed = parts.index(_ANY) if _ANY in parts else len(parts)
    is_hidden = any(part.startswith(".") for part in parts)
    for folder, folders, files in os.walk(root):
        inner = os.path.relpath(folder, root)
        above = "" if inner == "." else f"{inner}/"
        yield from (f"{above}{name}" for name in files)
        depth = above.count("/")
        part = parts[depth] if depth < fixed else "*" if _ANY in parts else ""
        folders[:] = [name for name in folders if _is_named(name, part) or (part == "*" and is_hidden)]
