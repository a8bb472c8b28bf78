"""The pipelines and test files of a folder, among the other YAML files that a repository has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yamlgen.errors import Code, UsageError, near
from yamlgen.parsing.project_folder import is_folder
from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import MOST_BYTES, compose
from yamlgen.testing.suite_files import is_test_file

_STEPS: Final = re.compile(r"steps\b")
_STEPS_LINE: Final = re.compile(r"^steps[ \t]*:", re.MULTILINE)


@dataclass(frozen=True)
class FoundFiles:
    """The YAML files of a folder and of those below, sorted by path.

    Attributes:
        pipelines: the pipelines: a mapping with `steps`, and `input`, `output` or `outputs`. A file that is not YAML
            is taken for one if a line of it begins with `steps:`.
        tests: the test files.
        passed_over: the other YAML files.
    """

    pipelines: tuple[Path, ...]
    tests: tuple[Path, ...]
    passed_over: tuple[Path, ...]


def files_of(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files that are named, and the pipelines and test files of the folders that are named.

    Args:
        paths: files and folders.

    Returns:
        The files in the order of `paths`, each once, and the other YAML files of the folders.

    Raises:
        UsageError: a folder contains no pipeline and no test file.
    """
    files: dict[Path, Path] = {}
    others: dict[Path, Path] = {}
    for path in paths:
        inside = [path]
        if is_folder(path):
            found = pipelines_in(path)
            inside = sorted((*found.pipelines, *found.tests))
            if not inside:
                raise _without_pipeline(path, len(found.passed_over))
            others |= {each.absolute(): each for each in found.passed_over}
        for each in inside:
            files.setdefault(each.absolute(), each)
    return list(files.values()), [path for whole, path in others.items() if whole not in files]


def _without_pipeline(folder: Path, others: int) -> UsageError:
    message = f"the folder {near(folder)} contains no pipeline and no test file"
    if not others:
        return UsageError(message, code=Code.MISSING_FILE, hint="write the path of a pipeline, or of a folder of them")
    message += f", but {others} other YAML file{'' if others == 1 else 's'}"
    hint = "a pipeline has `steps`, and `input`, `output` or `outputs`; write the path of a file to check it anyway"
    return UsageError(message, code=Code.MISSING_FILE, hint=hint)


def pipelines_in(folder: Path) -> FoundFiles:
    """Return the pipelines and test files of a folder, and of those below that `yaml_files_in` goes through."""
    pipelines: list[Path] = []
    tests: list[Path] = []
    others: list[Path] = []
    for path in sorted(yaml_files_in(folder)):
        kind = tests if is_test_file(path) else pipelines if _is_pipeline(path) else others
        kind.append(path)
    return FoundFiles(tuple(pipelines), tuple(tests), tuple(others))


def yaml_files_in(folder: Path) -> Iterator[Path]:
    """Yield the YAML files of a folder, and of the folders below that are its own, in no order.

    Hidden files and folders are left out, links to folders, and folders of installed packages: a virtual environment
    contains yamlgen itself, whose pipelines are not those of the project.
    """
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = [name for name in folders if not (name.startswith(".") or _has_packages(here / name))]
        found = (here / name for name in files if name.endswith((".yaml", ".yml")) and not name.startswith("."))
        yield from (path for path in found if path.is_file())


def _has_packages(folder: Path) -> bool:
    return folder.name == "node_modules" or (folder / "pyvenv.cfg").exists()


def _is_pipeline(path: Path) -> bool:
    """Check whether a YAML file is a pipeline, perhaps a wrong one. Nothing can be said of one that is unreadable."""
    try:
        raw = path.read_bytes().replace(b"\0", b"")  # so that the letters of UTF-16 are found
    except OSError:
        return True
    return is_pipeline_text(raw.decode("utf-8-sig", "replace"))


def is_pipeline_text(text: str) -> bool:
    """Check whether the text of a YAML file is that of a pipeline, perhaps of a wrong one."""
    if not _STEPS.search(text):  # most other YAML files need not be parsed
        return False
    document = None if len(text) > MOST_BYTES else compose(SourceText("", text))[0]
    if document is None:
        return bool(_STEPS_LINE.search(text))
    keys = document.entries(()).keys()
    return "steps" in keys and not keys.isdisjoint(("input", "output", "outputs"))
