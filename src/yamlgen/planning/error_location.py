"""The places of a step's templates and expressions in errors of a row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from yamlgen.errors import RowError
from yamlgen.steps.plan_step import PlanStep


@contextmanager
def located_errors(step: PlanStep) -> Iterator[None]:
    """Add the step and the line to the message of an error in a template or an expression."""
    try:
        yield
    except RowError as error:
        source, offset = error.source or ("", 0)
        template = next((template for template in step.templates if template.source == source), None)
        if template is None:
            raise
        mark = template.mark(offset, offset + 1)
        message = f"{error.message} (step `{step.name}`, {mark.file}:{mark.line})"
        raise error.replace(message=message, source=None) from None
