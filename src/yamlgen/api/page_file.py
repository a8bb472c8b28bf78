"""The file of a page: which files it may replace, and how it is reserved and written as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from yamlgen.errors import Code, EnvironmentProblem, UsageError, near
from yamlgen.output.atomic_write import Staging, target_of
from yamlgen.parsing.project_folder import unusable

WritePage: TypeAlias = Callable[[Iterable[bytes]], int]
"""Writes a page, given in parts, as a whole; returns its size in bytes."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """The file of a page, which replaces nothing but an earlier page of its sort.

    Attributes:
        path: the file.
        what: what the page is, such as `the page of a preview`.
        is_earlier: whether the file at a path is an earlier page of this sort.
        hint: how to choose another file.
        read: the files that the run reads.
        written: the files that a run of the pipeline may write.
        printed: why the page cannot be printed.
    """

    path: Path
    what: str
    is_earlier: Callable[[Path], bool]
    hint: str
    read: frozenset[Path] = frozenset()
    written: frozenset[Path] = frozenset()
    printed: str = "the page is a file, and is not printed"

    def check(self) -> None:
        """Check that the page replaces nothing but an earlier one.

        Raises:
            UsageError: the run reads the file, or a run of the pipeline writes it, or it exists and is no such page.
        """
        why = unusable(self.path, str(self.path)) or self._objection()
        if why:
            raise UsageError(f"cannot write {near(self.path)}: {why}", code=Code.OUTPUT_PATH, hint=self.hint)

    def _objection(self) -> str:
        """Return why the page cannot be there, as a phrase; empty if it can."""
        if str(self.path) == "-":
            return self.printed
        target = target_of(self.path)
        if target in set(map(target_of, self.read)):
            return "the run reads it"
        if target in set(map(target_of, self.written)):
            return "a run writes there"
        if target.exists() and not target.is_file():
            return "it is a folder" if target.is_dir() else "it is not a regular file"
        if target.exists() and not self.is_earlier(target):
            return f"it exists, and it is not {self.what}"
        return ""

    @contextmanager
    def reserved(self, writer: str) -> Iterator[WritePage]:
        """Reserve the file for as long as the context lasts, and create its folder.

        Args:
            writer: a description of the writer, for the error of a second one.

        Yields:
            The function that writes the page.

        Raises:
            UsageError: as in `check`.
            EnvironmentProblem: the file cannot be written, or another process is writing it.
        """
        self.check()
        with Staging(writer) as staging:

            def write(page: Iterable[bytes]) -> int:
                with self._hinted():
                    self.check()  # a file may have been made there meanwhile
                    size = staging.write(self.path, page)
                    staging.replace()
                    return size

            with self._hinted():
                staging.reserve(self.path)
            yield write

    @contextmanager
    def _hinted(self) -> Iterator[None]:
        """Say how to choose another file if this one cannot be written: no option of a run names it."""
        ways = {
            Code.DISK: "free some space, or make the file and its folder writable",
            Code.BUSY: "wait until it ends",
        }
        try:
            yield
        except EnvironmentProblem as error:
            way = ways.get(error.code)
            raise (error if way is None else error.replace(hint=f"{way}; or {self.hint}")) from error.__cause__
