"""A git repository with a working tree, and its commits."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.parsing.project_folder import real
from yamlgen.revisions.git_process import GitFailed, ask
from yamlgen.suggestions import nearest

_SAFE = re.compile(r"^\s*(git config --global --add safe\.directory .*)$", re.MULTILINE)
_FETCH_ALL = "fetch them with `git fetch --unshallow`, in GitHub Actions with `fetch-depth: 0` of actions/checkout"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, as a user named it.

    Attributes:
        sha: its full object name.
        short: its abbreviated object name.
        name: the revision that the user wrote, such as `main`.
    """

    sha: str
    short: str
    name: str

    @property
    def label(self) -> str:
        """The name that the user wrote; if it is a part of the object name, the abbreviated one."""
        return self.short if self.sha.startswith(self.name) else self.name

    def __str__(self) -> str:
        return self.short if self.label == self.short else f"{self.name} {self.short}"


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository that is read, never written.

    Attributes:
        root: the top folder of the working tree, by the path on which the user reaches it.
        git_folder: the absolute path of git's own folder for this working tree.
    """

    root: Path
    git_folder: Path

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Find the repository that a folder belongs to.

        Raises:
            EnvironmentProblem: git is not installed, or the folder belongs to no repository with a working tree.
        """
        given = Path(os.path.abspath(folder))  # noqa: PTH100 - `absolute` keeps `..`
        here = next(each for each in (given, *given.parents) if each.is_dir())
        try:
            top = _path(ask(here, "rev-parse", "--show-toplevel"))
            git_folder = _path(ask(here, "rev-parse", "--absolute-git-dir"))
        except GitFailed as error:
            raise _no_repository(here, error) from error
        same = (each for each in (here, *here.parents) if each.samefile(top))
        return cls(next(same, top), git_folder)

    def ask(self, *arguments: str, **variables: str) -> bytes:
        """Run a command of git in the top folder, and return what it prints.

        Raises:
            EnvironmentProblem: git refused the command, cannot be started, or did not end in time.
        """
        return ask(self.root, *self.options, *arguments, variables=variables)

    @property
    def options(self) -> tuple[str, ...]:
        """The options of git that name this repository."""
        return f"--git-dir={self.git_folder}", f"--work-tree={self.root}"

    def commit(self, revision: str) -> Commit:
        """Find a commit by a revision, such as `main`, `HEAD~2` or `v1.0`.

        Raises:
            EnvironmentProblem: there is no such commit.
        """
        try:
            found = self._parsed(revision)
        except GitFailed as error:
            raise self._no_revision(revision, error) from error
        try:
            sha = self._parsed(f"{found}^{{commit}}")
        except GitFailed as error:
            message = f"`{revision}` names no commit in {self.name}"
            hint = "name a branch, a tag or a commit; if it should be a commit, fetch it"
            raise EnvironmentProblem(message, code=Code.NO_REVISION, hint=hint) from error
        return self._named(sha, revision)

    def merge_base(self, one: Commit, other: Commit) -> Commit:
        """Return the best common ancestor of two commits.

        Raises:
            EnvironmentProblem: they have none, or a shallow clone lacks it.
        """
        try:
            sha = self.ask("merge-base", one.sha, other.sha).decode().strip()
        except GitFailed as error:
            if error.status != 1:
                raise
            message = f"{one} and {other} have no merge base in {self.name}"
            hint = f"the clone lacks older commits: {_FETCH_ALL}" if self._is_shallow() else "name another revision"
            raise EnvironmentProblem(message, code=Code.NO_REVISION, hint=hint) from error
        return self._named(sha, sha)

    @property
    def name(self) -> str:
        """Its name in messages."""
        place = near(self.root)
        return "this repository" if place == "." else f"the repository {place}"

    def holds(self, path: Path) -> bool:
        """Check whether a path lies in the working tree."""
        return self._inner(path) is not None

    def inner(self, path: Path) -> str:
        """Return a path as git stores it: relative to the top folder, with `/`; the top folder itself is empty.

        Raises:
            EnvironmentProblem: the path lies outside of the repository.
        """
        inner = self._inner(path)
        if inner is None:
            message = f"{near(path)} lies outside of {self.name}, so no commit has it"
            hint = "move it into the repository, and commit it"
            raise EnvironmentProblem(message, code=Code.NO_REVISION, hint=hint)
        return inner

    def _inner(self, path: Path) -> str | None:
        text, root = os.path.abspath(path), os.fspath(self.root)  # noqa: PTH100 - `absolute` keeps `..`
        if text == root:
            return ""
        if root == os.sep or text.startswith(root + os.sep):
            return text[len(root) :].lstrip(os.sep)
        whole = real(Path(text).parent) / Path(text).name
        top = real(self.root)
        return "/".join(whole.relative_to(top).parts) if whole.is_relative_to(top) else None

    def _parsed(self, revision: str) -> str:
        return self.ask("rev-parse", "--verify", "--end-of-options", revision).decode().strip()

    def _named(self, sha: str, name: str) -> Commit:
        return Commit(sha, self.ask("rev-parse", "--short", sha).decode().strip(), name)

    def _is_shallow(self) -> bool:
        return self.ask("rev-parse", "--is-shallow-repository").strip() == b"true"

    def _no_revision(self, revision: str, error: GitFailed) -> EnvironmentProblem:
        if error.status < 0:
            return error
        if "is ambiguous" in error.told:
            message, hint = f"`{revision}` names several objects in {self.name}", "write more characters"
            return EnvironmentProblem(message, code=Code.NO_REVISION, hint=hint)
        names = os.fsdecode(self.ask("for-each-ref", "--format=%(refname:short)")).splitlines()
        if not names and not self._has_head():
            message, hint = f"{self.name} has no commits yet", "commit the files first"
            return EnvironmentProblem(message, code=Code.NO_REVISION, hint=hint)
        remote = next((name for name in names if name.endswith(f"/{revision}")), None)
        close = remote or nearest(revision, names)
        hints = [f"did you mean `{close}`?"] if close else []
        if self._is_shallow():
            hints.append(f"the clone is shallow and lacks other commits and branches: {_FETCH_ALL}")
        message = f"there is no revision `{revision}` in {self.name}"
        hint = "; ".join(hints) or "`git branch --all` and `git log` list the revisions"
        return EnvironmentProblem(message, code=Code.NO_REVISION, hint=hint)

    def _has_head(self) -> bool:
        try:
            return bool(self._parsed("HEAD"))
        except GitFailed:
            return False


def _path(printed: bytes) -> Path:
    return Path(os.fsdecode(printed.removesuffix(b"\n")))


def _no_repository(folder: Path, error: GitFailed) -> EnvironmentProblem:
    shown = near(folder)
    place = "this folder" if shown == "." else f"the folder {shown}"
    if safe := _SAFE.search(error.told):
        message = f"git refuses to read the repository of {place}, because another user owns it"
        hint = f"if you trust it: `{safe[1].strip()}`"
    elif "not a git repository" in error.told:
        message, hint = (
            f"{place} is in no git repository",
            "change to a folder of a clone, or create one with `git init`",
        )
    elif "must be run in a work tree" in error.told:
        message = f"{place} is in a repository without a working tree, such as a bare one"
        hint = "change to a folder of a clone with a working tree"
    else:
        return error
    return EnvironmentProblem(message, code=Code.NO_REVISION, hint=hint)
