"""The files of a commit, written on demand to a mirror: a folder that repeats the absolute path of each file.

Relative paths keep their meaning in the mirror, also those with `../`.
"""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.revisions.git_tree import Entry, GitTree
from yamlgen.revisions.object_reader import ObjectReader
from yamlgen.revisions.repository import Commit, Repository
from yamlgen.revisions.working_tree import changed_since

_LINKS: Final = 40
"""The links that a path may lead through, as in Linux."""


class CommitFiles:
    """The files of a commit. Paths are those that the files have, or would have, in the working tree.

    Args:
        repository: where the commit is.
        commit: the commit.
        mirror: a folder for the files of this commit alone, which is made when it is needed. The caller removes it.

    Attributes:
        tree: the paths and objects of the files.
    """

    def __init__(self, repository: Repository, commit: Commit, mirror: Path) -> None:
        self.repository = repository
        self.commit = commit
        self.mirror = mirror
        self.tree = GitTree(repository, commit)
        self._brought: set[str] = set()
        self._submodules: dict[str, CommitFiles] = {}

    def mirror_of(self, path: Path) -> Path:
        """Return where a file of the working tree has its place in the mirror."""
        if self.repository.holds(path):
            path = self.repository.root / self.repository.inner(path)
        return self.mirror.joinpath(*Path(os.path.abspath(path)).parts[1:])  # noqa: PTH100 - `absolute` keeps `..`

    def paths(self, under: Path | None = None) -> list[Path]:
        """Return the files of the commit below a folder; without a folder: all. Links to files are among them.

        Files of submodules are included, if this clone has them.

        Raises:
            EnvironmentProblem: the folder lies outside of the repository, or in a submodule that is not in this clone.
        """
        folder = self.repository.root if under is None else under
        with ObjectReader(self.repository) as objects, self._writing():
            submodule, place = self._found(self.repository.inner(folder), objects)
        if place is None:
            return []
        if submodule:
            inside = self._submodule(submodule)
            start = inside.repository.root / place
            return [folder / each.relative_to(start) for each in inside.paths(start)]
        return [folder / each for each in self.tree.below(place)]

    def bring(self, paths: Iterable[Path]) -> set[Path]:
        """Write files to the mirror, as a checkout would convert them. A folder brings all files below it.

        Links are written as links, and their targets are written too, if they are in the repository.

        Returns:
            The paths that the commit does not have.

        Raises:
            EnvironmentProblem: a path is outside of the repository, an object is not in this clone, a submodule is not
                in this clone, or the mirror cannot be written.
        """
        inside: dict[str, dict[Path, Path]] = defaultdict(dict)
        missing = set()
        with ObjectReader(self.repository) as objects, self._writing():
            for path in paths:
                submodule, place = self._found(self.repository.inner(path), objects)
                if place is None:
                    missing.add(path)
                elif submodule:
                    inside[submodule][path] = self.repository.root / submodule / place
                else:
                    self._bring(place, objects)
        for submodule, places in inside.items():
            lacking = self._submodule(submodule).bring(places.values())
            missing |= {path for path, place in places.items() if place in lacking}
        return missing

    def links(self) -> set[Path]:
        """Return the symbolic links of the commit, without those of submodules."""
        return {self.repository.root / inner for inner, entry in self.tree.entries.items() if entry.is_link}

    def changed(self, other: CommitFiles | None) -> set[Path]:
        """Return the files that differ between this commit and another one or, with `None`, the working tree.

        Files that git ignores are not looked at. Of a submodule that is not in this clone, the folder is returned.
        """
        with self._writing():
            return set(self._changed(self.tree, None if other is None else other.tree))

    def _changed(self, mine: GitTree, its: GitTree | None) -> Iterator[Path]:
        if its is None:
            names = changed_since(mine.repository, mine.commit, self.mirror)
        else:
            command = ("diff-tree", "-r", "-z", "--name-only", mine.commit.sha, its.commit.sha)
            names = {os.fsdecode(name) for name in mine.repository.ask(*command).split(b"\0") if name}
        yield from (mine.repository.root / name for name in names)
        for inner, entry in mine.entries.items():
            if entry.is_submodule and (its is None or its.entries.get(inner) != entry):
                try:
                    yield from self._changed(mine.submodule(inner), its and its.submodule(inner))
                except (EnvironmentProblem, KeyError):  # one of the sides cannot be read, or has no such submodule
                    yield mine.repository.root / inner

    def _bring(self, place: str, objects: ObjectReader) -> None:
        if place in self._brought:
            return
        if place in self.tree.folders:
            self._brought.add(place)
            self._place(place).mkdir(parents=True, exist_ok=True)
            self.bring([self.repository.root / place / name for name in self.tree.below(place)])
            return
        with self._part.open("wb") as file:
            objects.copy(self.tree.entries[place].oid, place, file)
        target = self._place(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._part.replace(target)
        self._brought.add(place)

    def _found(self, inner: str, objects: ObjectReader) -> tuple[str, str | None]:
        """Follow a path to a file or a folder, and bring the links on it.

        Returns:
            The submodule that it is in, or an empty path, and its path there without links. `None` in its place if the
            commit does not have it, or if a link leaves the repository.
        """
        todo = deque(inner.split("/"))
        here = ""
        links = 0
        while todo:
            part = todo.popleft()
            here = f"{here}/{part}" if here else part
            entry = self.tree.entries.get(here)
            if entry is None:
                continue
            if entry.is_submodule:
                return here, "/".join(todo)
            if entry.is_link:
                links += 1
                leads = self._link(here, entry, objects)
                if leads is None or links > _LINKS:
                    return "", None
                todo.extendleft(reversed(leads.split("/")))
                here = ""
        return "", here if here in self.tree.folders or here in self.tree.entries else None

    def _link(self, inner: str, entry: Entry, objects: ObjectReader) -> str | None:
        """Write a link to the mirror, so that it leads to a place in the mirror.

        Returns:
            The path that it leads to; `None`: out of the repository.
        """
        target, home = self._place(inner), self.repository.root / inner
        with self._part.open("w+b") as file:
            objects.copy(entry.oid, inner, file)
            file.seek(0)
            leads = Path(os.path.normpath(home.parent / os.fsdecode(file.read())))
        if not os.path.lexists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(os.path.relpath(self.mirror_of(leads), target.parent))
        return self.repository.inner(leads) if self.repository.holds(leads) else None

    def _submodule(self, inner: str) -> CommitFiles:
        if inner not in self._submodules:
            tree = self.tree.submodule(inner)
            self._submodules[inner] = CommitFiles(tree.repository, tree.commit, self.mirror)
        return self._submodules[inner]

    def _place(self, inner: str) -> Path:
        return self.mirror_of(self.repository.root / inner)

    @property
    def _part(self) -> Path:
        """Where a file is written before it gets its place, so that no file there is incomplete."""
        return self.mirror / ".part"

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self.mirror.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            message = f"cannot write {self.mirror}: {error.strerror or error}"
            hint = "make it writable, or make room on its disk"
            raise EnvironmentProblem(message, code=Code.DISK, hint=hint) from error
