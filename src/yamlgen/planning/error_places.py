"""Where a step's templates and expressions stand, for errors that they meet in a row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from yamlgen.errors import RowError
from yamlgen.planning.plan import AnyStep


@contextmanager
def placed(step: AnyStep) -> Iterator[None]:
    """Let an error of a template or an expression say its step and its line."""
    try:
        yield
    except RowError as error:
        source, offset = error.source or ("", 0)
        passage = next((passage for passage in step.passages if passage.source == source), None)
        if passage is None:
            raise
        mark = passage.mark(offset, offset + 1)
        message = f"{error.message} (step `{step.name}`, {mark.file}:{mark.line})"
        raise error.replace(message=message, source=None) from None
