"""The two sides of a comparison as trees of files, from which pipelines are loaded: a commit, or the working tree."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from yamlgen.api.found_files import pipelines_in
from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.loading import check
from yamlgen.api.pipeline_files import NamedFile, named_files, referred
from yamlgen.comparison.lock import lock_path
from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import near
from yamlgen.parsing.project_folder import is_file, is_folder, real
from yamlgen.pipeline.parsed_file import read
from yamlgen.revisions.commit_files import CommitFiles
from yamlgen.revisions.repository import Repository
from yamlgen.value_objects import JSON

_IGNORED = ("ls-files", "--others", "--ignored", "--exclude-standard", "-z", "--")


class Tree(Protocol):
    """A side of a comparison. Paths are those of the working tree.

    Attributes:
        name: its name in messages.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - above

    def pipelines(self, target: Path) -> set[Path]:
        """Return the pipelines of a folder and of those below, or a file, if the side has it."""
        ...

    def has(self, path: Path) -> bool:
        """Return whether it has a file."""
        ...

    def text(self, path: Path) -> str:
        """Return the text of a file that it has."""
        ...

    def load(
        self, path: Path, params: Mapping[str, JSON], overrides: Mapping[str, str]
    ) -> tuple[Pipeline | None, tuple[Diagnostic, ...]]:
        """Check a pipeline."""
        ...

    def told(self, text: str) -> str:
        """Return a message about a file of this side with the path that users know."""
        ...

    def real(self, path: Path) -> Path:
        """Return the path in the working tree of a file that was read."""
        ...

    def place(self, path: Path) -> Path:
        """Return where a file that it has can be read."""
        ...


@dataclass(frozen=True)
class WorkingTree:
    """The files of the working tree."""

    name: str = "working tree"

    def pipelines(self, target: Path) -> set[Path]:
        """Return the pipelines of a folder and of those below, or a file, if it exists."""
        if is_folder(target):
            return set(pipelines_in(target).pipelines)
        return {target} if self.has(target) else set()

    def has(self, path: Path) -> bool:
        """Return whether a file exists."""
        return is_file(path)

    def text(self, path: Path) -> str:
        """Return the text of a file."""
        return path.read_text(encoding="utf-8", errors="replace")

    def load(
        self, path: Path, params: Mapping[str, JSON], overrides: Mapping[str, str]
    ) -> tuple[Pipeline | None, tuple[Diagnostic, ...]]:
        """Check a pipeline."""
        return check(near(path), params=params, overrides=overrides, examine=False)

    def told(self, text: str) -> str:
        """Return a message as it is."""
        return text

    def real(self, path: Path) -> Path:
        """Return a path as it is."""
        return path

    def place(self, path: Path) -> Path:
        """Return a path as it is."""
        return path


@dataclass
class CommitTree:
    """The files of a commit, and those outside of git that its pipelines read as data.

    Attributes:
        files: the files of the commit.
        is_before: whether it is the older side, whose files are named with the revision.
        outside: the files outside of git that pipelines of the commit read, as they are now.
    """

    files: CommitFiles
    is_before: bool = True
    outside: set[Path] = field(default_factory=set)
    _brought: set[NamedFile] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The commit."""
        return str(self.files.commit)

    @property
    def _repository(self) -> Repository:
        return self.files.repository

    def pipelines(self, target: Path) -> set[Path]:
        """Return the pipelines below a folder of the commit, or a file that it has."""
        inside = [path for path in self.files.paths(target) if path.suffix in (".yaml", ".yml")]
        if inside:
            self.files.bring(inside)
            found = pipelines_in(self.files.mirror_of(target)).pipelines
            return {self.real(path) for path in found}
        return {target} if self.has(target) else set()

    def has(self, path: Path) -> bool:
        """Return whether the commit has a file."""
        return not self.files.bring([path]) and is_file(self.files.mirror_of(path))

    def text(self, path: Path) -> str:
        """Return the text of a file."""
        self.files.bring([path])
        return self.files.mirror_of(path).read_text(encoding="utf-8", errors="replace")

    def load(
        self, path: Path, params: Mapping[str, JSON], overrides: Mapping[str, str]
    ) -> tuple[Pipeline | None, tuple[Diagnostic, ...]]:
        """Check a pipeline, with the files that it names brought from the commit."""
        self._bring_pipeline(path, overrides)
        return check(self.files.mirror_of(path), params=params, overrides=overrides, examine=False)

    def told(self, text: str) -> str:
        """Return a message in which files of the mirror are named as git does: `4f1c2a9:prompts/label.md`."""
        root = self.files.mirror_of(self._repository.root)
        for shown in (str(root), near(root)):  # temporary files may lie below the working directory
            text = text.replace(f"{shown}{os.sep}", f"{self.files.commit.short}:" if self.is_before else "")
        return text

    def place(self, path: Path) -> Path:
        """Return the place of a file in the mirror, to which it is brought."""
        self.files.bring([path])
        return self.files.mirror_of(path)

    def real(self, path: Path) -> Path:
        """Return the path in the working tree of a file of the mirror."""
        mirrored = self.files.mirror_of(self._repository.root)
        return self._repository.root / path.relative_to(mirrored) if path.is_relative_to(mirrored) else path

    def _bring_pipeline(self, path: Path, overrides: Mapping[str, str]) -> None:
        self.files.bring([path, lock_path(path)])
        place = self.files.mirror_of(path)
        parsed, _ = read(place, str(place), overrides)
        if parsed is None:
            return
        for named in named_files(parsed, path.parent):
            if named in self._brought:
                continue
            self._brought.add(named)
            if named.is_pipeline:
                self._bring_pipeline(named.path, {})
            elif named.pattern is not None:
                self._bring_pattern(named)
            else:
                self._bring_file(named)

    def _bring_file(self, named: NamedFile) -> None:
        if not self._repository.holds(named.path):
            self._link(named.path)
            return
        missing = self.files.bring([named.path])
        if missing:
            if named.is_data or not self._repository.holds(real(named.path)):
                self._link(named.path)
            return
        place = self.files.mirror_of(named.path)
        if named.is_data:
            return
        for path in referred(named.path, place):
            inner = NamedFile(path)
            if inner not in self._brought:
                self._brought.add(inner)
                self._bring_file(inner)

    def _bring_pattern(self, named: NamedFile) -> None:
        if not self._repository.holds(named.path) or not self._repository.holds(real(named.path)):
            self._link(named.path)
            return
        found = [path for path in self.files.paths(named.path) if named.has(path)]
        self.files.bring(found)
        if named.is_data:
            inner = self._repository.inner(named.path)
            listed = self._repository.ask(*_IGNORED, inner or ".").split(b"\0")
            ignored = (self._repository.root / os.fsdecode(each) for each in listed if each)
            for path in ignored:
                if path not in found and named.has(path):
                    self._link(path)

    def _link(self, path: Path) -> None:
        """Let the mirror have a file as it is now."""
        place = real(self.files.mirror_of(path))  # links of the mirror may lead to it
        if not path.exists() or os.path.lexists(place) or not place.is_relative_to(real(self.files.mirror)):
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path)
        self.outside.add(path)
