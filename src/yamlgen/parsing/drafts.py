"""Texts that are read in place of files on disk: changes that are checked before they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from yamlgen.parsing.project_folder import real

_DRAFTS: ContextVar[Mapping[Path, str]] = ContextVar("drafts")


def drafts() -> Mapping[Path, str]:
    """Return the texts that are read in place of files, by their resolved paths."""
    return _DRAFTS.get({})


@contextmanager
def drafting(texts: Mapping[Path, str]) -> Iterator[None]:
    """Read these texts in place of the files, by their resolved paths, and those of the block around this one."""
    token = _DRAFTS.set({**drafts(), **texts} if drafts() else texts)
    try:
        yield
    finally:
        _DRAFTS.reset(token)


def draft_of(path: Path, folder: Path | None = None) -> str | None:
    """Return the text that is read in place of a file, or `None`; also if a link on its path leaves the folder."""
    texts = drafts()
    if not texts or (folder is not None and not real(path).is_relative_to(real(folder))):
        return None
    return texts.get(real(path))
