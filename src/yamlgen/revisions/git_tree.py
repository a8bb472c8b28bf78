"""The tree of a commit: the paths of its files, links and submodules."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from functools import cached_property
from typing import Final, NamedTuple

from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.revisions.repository import Commit, Repository

_LINK: Final = b"120000"
_SUBMODULE: Final = b"160000"


class Entry(NamedTuple):
    """A file, a link or a submodule in a tree.

    Attributes:
        mode: its kind and permissions, as git writes them.
        oid: the name of its object; of a submodule, its commit.
    """

    mode: bytes
    oid: str

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.mode == _LINK

    @property
    def is_submodule(self) -> bool:
        """Whether it is a submodule."""
        return self.mode == _SUBMODULE


class GitTree:
    """The tree of a commit, which git lists once. Its paths are relative to the top folder, with `/`."""

    def __init__(self, repository: Repository, commit: Commit) -> None:
        self.repository = repository
        self.commit = commit
        self._submodules: dict[str, GitTree] = {}

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """All files, links and submodules by their paths."""
        found = {}
        for line in self.repository.ask("ls-tree", "-r", "-z", "--full-tree", self.commit.sha).split(b"\0")[:-1]:
            about, _, path = line.partition(b"\t")
            mode, _, oid = about.split(b" ")
            found[os.fsdecode(path)] = Entry(mode, oid.decode())
        return found

    @cached_property
    def folders(self) -> set[str]:
        """All folders; the top folder is the empty path."""
        found = {""}
        for path in self.entries:
            above = path.rpartition("/")[0]
            while above not in found:
                found.add(above)
                above = above.rpartition("/")[0]
        return found

    def below(self, folder: str) -> Iterator[str]:
        """Yield the files below a folder, relative to it, with those of submodules that this clone has."""
        start = f"{folder}/" if folder else ""
        for path, entry in self.entries.items():
            if not path.startswith(start):
                continue
            if not entry.is_submodule:
                yield path[len(start) :]
                continue
            try:
                files = self.submodule(path)
            except EnvironmentProblem:  # told when one of its files is needed
                continue
            yield from (f"{path[len(start) :]}/{each}" for each in files.below(""))

    def submodule(self, inner: str) -> GitTree:
        """Return the tree of a submodule, at the commit that this commit names.

        Raises:
            EnvironmentProblem: the submodule or its commit is not in this clone.
            KeyError: this commit has nothing at this path.
        """
        if inner not in self._submodules:
            sha, folder = self.entries[inner].oid, self.repository.root / inner
            repository = Repository.at(folder)
            if repository.root != folder:
                message = f"the submodule {near(folder)} is not in this clone"
                hint = "fetch it with `git submodule update --init`"
                raise EnvironmentProblem(message, code=Code.NO_REVISION, hint=hint)
            try:
                commit = repository.commit(sha)
            except EnvironmentProblem as error:
                message = f"the submodule {near(folder)} lacks the commit {sha[:12]}, which {self.commit} names"
                hint = f"fetch it with `git -C {shlex.quote(near(folder))} fetch`"
                raise EnvironmentProblem(message, code=Code.NO_REVISION, hint=hint) from error
            self._submodules[inner] = GitTree(repository, commit)
        return self._submodules[inner]
