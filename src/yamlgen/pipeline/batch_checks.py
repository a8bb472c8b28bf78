"""Checks of the key `batch`: which steps it applies to, and where it has no effect."""

from __future__ import annotations

from collections.abc import Iterator

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.steps.batch_config import BatchValue, chosen


def is_batched(parsed: ParsedFile, name: str) -> bool:
    """Check whether the requests of a step are, or may be, sent in batches."""
    if parsed.is_broken_within("batch") or parsed.is_broken_within("steps", name, "batch"):
        return True
    return chosen(_own(parsed, name), parsed.pipeline.batch) is not None


def check_batch(parsed: ParsedFile) -> Iterator[Diagnostic]:
    """Yield a warning if the pipeline's `batch` turns on batches, but applies to no step."""
    unsure = parsed.is_broken("steps") or any(path[0] == "steps" or len(path) == 1 for path in parsed.broken)
    if chosen(None, parsed.pipeline.batch) is None or unsure:
        return
    asking = [name for name, step in parsed.pipeline.steps.items() if step.models_named()]
    if any(_own(parsed, name) is None for name in asking):
        return
    why = "each step that uses a model sets its own" if asking else "no step uses a model"
    hint = "remove it, or remove `batch` from the steps that should use it" if asking else "remove it"
    mark = parsed.document.mark(("batch",), key=True)
    yield Diagnostic(Code.CONFLICT, f"`batch` at the top has no effect: {why}", mark, hint, "warning")


def _own(parsed: ParsedFile, name: str) -> BatchValue | None:
    """Return the key of a step; `None` without the key."""
    return getattr(parsed.pipeline.steps[name], "batch", None)
