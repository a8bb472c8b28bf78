"""The validity of kept values: the digests of the files that they depend on.

Owns the decision for one run, which reads each file once. A value is stored with the digests of the files that it was
made from. A file can change while a function runs, so a value is not stored if one of its files is no longer in the
state that it had before the function's module was loaded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from yamlgen.parsing.project_folder import digest_at, stamp_of
from yamlgen.program_start import BEGAN
from yamlgen.steps.python.dependencies import Dependencies, imported, parsed


class FileDigests:
    """The digests of files in one run; created before the first function is called."""

    def __init__(self) -> None:
        self._began = time.time_ns()
        self._known: dict[str, str | None] = {}

    def agree(self, depends: Dependencies, files: Mapping[str, str]) -> bool:
        """Return whether a value that was made from `files` is still valid in this run."""
        for path in files.keys() - self._known.keys():
            stamp = stamp_of(depends.folder / path)
            self._known[path] = None if stamp is None else digest_at(str(depends.folder / path), stamp)
        return depends.files.keys() <= files.keys() and files.items() <= self._known.items()

    def made_of(
        self, depends: Dependencies, loaded: Mapping[str, Path], older: Collection[Path] = ()
    ) -> dict[str, str] | None:
        """Return the files that a new value was made from, with their digests; `None` if that is uncertain.

        Args:
            depends: the dependencies that were known before the call.
            loaded: the modules that the run has loaded from the pipeline's folder, by name.
            older: the modules from the folder that the program had loaded before the run.
        """
        made: dict[str, str] = {}
        folder = str(depends.folder)
        for path, stamp in depends.files.items():
            file = os.path.join(folder, path)  # noqa: PTH118 - ten times as fast, for each call and file
            digest = digest_at(file, stamp)
            if digest is None or stamp_of(file) != stamp:
                return None
            made[path] = digest
        for path, other in _others(depends, loaded).items():
            late = stamp_of(other)
            digest = None if late is None or late[-1] >= self._began else digest_at(str(other), late)
            if digest is None or stamp_of(other) != late:
                return None
            made[path] = digest
        return None if any(_is_stale(depends.folder, file, made) for file in older) else made


def _others(depends: Dependencies, loaded: Mapping[str, Path]) -> dict[str, Path]:
    """Return the loaded modules that the sources alone do not show, by path relative to the folder."""
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
    """Return whether a value was made with a module that the program may have loaded before its file changed."""
    stamp = stamp_of(file)
    return _relative(folder, file) in made and (stamp is None or stamp[-1] >= BEGAN)


def _relative(folder: Path, file: Path) -> str | None:
    homes = (folder, folder.resolve())
    return next((file.relative_to(home).as_posix() for home in homes if file.is_relative_to(home)), None)
