"""Texts that are read in place of files on disk, so that a change is checked before it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from yamlgen.parsing.project_folder import real

_DRAFTS: ContextVar[Mapping[Path, str]] = ContextVar("drafts")


@contextmanager
def drafting(texts: Mapping[Path, str]) -> Iterator[None]:
    """Read these texts in place of the files, by their resolved paths."""
    token = _DRAFTS.set(texts)
    try:
        yield
    finally:
        _DRAFTS.reset(token)


def draft_of(path: Path) -> str | None:
    """Return the text that is read in place of a file, or `None`."""
    texts = _DRAFTS.get({})
    return texts.get(real(path)) if texts else None
