"""The working tree, compared to a commit."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from yamlgen.revisions.git_process import WITHOUT_LFS
from yamlgen.revisions.repository import Commit, Repository


def changed_since(repository: Repository, commit: Commit, folder: Path) -> set[str]:
    """Return the paths in the repository of files that differ from a commit, and of untracked ones.

    Files that git ignores are not looked at.

    Args:
        repository: the repository.
        commit: the commit.
        folder: where a copy of the index may be put for a moment: git refreshes the index that it compares with.

    Raises:
        EnvironmentProblem: git failed.
    """
    options = (*WITHOUT_LFS, "-c", "core.splitIndex=false", "-c", "diff.autoRefreshIndex=true")
    kinds = ("--name-only", "-z", "--no-renames", "--no-ext-diff", "--ignore-submodules=dirty")
    with tempfile.TemporaryDirectory(dir=folder, prefix="index-") as made:
        index = Path(made, "index")
        with suppress(FileNotFoundError):  # nothing was ever added
            # with its time: git compares the content of files that were written in the second of the index or later
            shutil.copy2(repository.git_folder / "index", index)
        told = repository.ask(*options, "diff", *kinds, commit.sha, "--", GIT_INDEX_FILE=os.fspath(index))
        told += repository.ask("ls-files", "-z", "--others", "--exclude-standard", GIT_INDEX_FILE=os.fspath(index))
    return {os.fsdecode(name.removesuffix(b"/")) for name in told.split(b"\0") if name}
