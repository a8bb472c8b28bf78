"""Whether a kept value still holds: the files that it depends on, told by their digests.

Owns the judgement for one run, whose view of a file is that of its first look. A value is kept with the digests of
what it was made of, and a file may change while a function is at work: so nothing is kept of which a file is not in
the state any more that it was in before the function's module was loaded.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

from yamlgen.parsing.project_folder import Stamp, stamp_of
from yamlgen.steps.python import BEGAN
from yamlgen.steps.python.dependencies import Dependencies, imported, parsed


class FileDigests:
    """The files of one run; made before the first function is called."""

    def __init__(self) -> None:
        self._began = time.time_ns()
        self._known: dict[str, str | None] = {}

    def agree(self, depends: Dependencies, files: Mapping[str, str]) -> bool:
        """Whether what was made of `files` is what the function would be made of in this run."""
        for path in files.keys() - self._known.keys():
            stamp = stamp_of(depends.folder / path)
            self._known[path] = None if stamp is None else _digest(str(depends.folder / path), stamp)
        return depends.files.keys() <= files.keys() and files.items() <= self._known.items()

    def made_of(
        self, depends: Dependencies, loaded: Mapping[str, Path], older: Collection[Path] = ()
    ) -> dict[str, str] | None:
        """The files that a value was made of, just now, with their digests; `None` where that is not sure.

        Args:
            depends: what was known before the call.
            loaded: the modules that the run has loaded from the pipeline's folder, by name.
            older: those from there that the program had before the run.
        """
        made: dict[str, str] = {}
        folder = str(depends.folder)
        for path, stamp in depends.files.items():
            file = os.path.join(folder, path)  # noqa: PTH118 - ten times as fast, for each call and file
            digest = _digest(file, stamp)
            if digest is None or stamp_of(file) != stamp:
                return None
            made[path] = digest
        for path, other in _others(depends, loaded).items():
            late = stamp_of(other)
            digest = None if late is None or late[-1] >= self._began else _digest(str(other), late)
            if digest is None or stamp_of(other) != late:
                return None
            made[path] = digest
        return None if any(_is_stale(depends.folder, file, made) for file in older) else made


@lru_cache(maxsize=10_000)
def _digest(path: str, _stamp: Stamp) -> str | None:
    """The digest of a file that is in some state: right only if it still is afterwards."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _others(depends: Dependencies, loaded: Mapping[str, Path]) -> dict[str, Path]:
    """The modules that were loaded and are not known by the sources alone, by path relative to the folder."""
    found: dict[str, tuple[str, Path]] = {}
    for name, file in loaded.items():
        path = _relative(depends.folder, file)
        if path is not None and path not in depends.files:
            found[name] = path, file
    if depends.imports is None:
        return dict(found.values())
    made: dict[str, Path] = {}
    waiting = sorted(depends.imports & found.keys())
    while waiting:
        path, file = found.pop(waiting.pop())
        made[path] = file
        tree = parsed(file)
        if tree is not None:
            waiting += sorted(set(imported(tree, path)) & found.keys() - set(waiting))
    return made


def _is_stale(folder: Path, file: Path, made: Collection[str]) -> bool:
    """Whether a value was made of a module that the program may have loaded from the file as it was before."""
    stamp = stamp_of(file)
    return _relative(folder, file) in made and (stamp is None or stamp[-1] >= BEGAN)


def _relative(folder: Path, file: Path) -> str | None:
    homes = (folder, folder.resolve())
    return next((file.relative_to(home).as_posix() for home in homes if file.is_relative_to(home)), None)
