"""Which files are test files, and where their recorded answers are."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Final

ENDINGS: Final = (".test.yaml", ".test.yml")
"""The extensions of test files."""

RECORDINGS: Final = ".answers.jsonl"
"""The extension of recorded answers."""


def is_test_file(path: PurePath) -> bool:
    """Return whether a path is that of a test file, by its extension."""
    return path.name.endswith(ENDINGS)


def is_recordings_file(path: PurePath) -> bool:
    """Return whether a path is that of recorded answers, by its extension."""
    return path.name.endswith(RECORDINGS)


def recordings_of(path: Path) -> Path:
    """Return the file of the recorded answers of a test file: `triage.answers.jsonl` beside `triage.test.yaml`."""
    return path.with_name(f"{stem_of(path)}{RECORDINGS}")


def other_of(path: Path) -> Path:
    """Return the test file with the other extension, whose recorded answers would be in the same file."""
    return path.with_name(f"{stem_of(path)}{ENDINGS[path.name.endswith(ENDINGS[0])]}")


def stem_of(path: PurePath) -> str:
    """Return the name of a test file without its extension."""
    return next(path.name.removesuffix(ending) for ending in ENDINGS if path.name.endswith(ending))
