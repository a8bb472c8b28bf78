"""The places of templates and expressions in errors of a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from yamlgen.errors import LACKING, LACKING_IN_OUTPUT, RowError
from yamlgen.steps.step_template import StepTemplate


@contextmanager
def located_errors(templates: Sequence[StepTemplate], owner: str) -> Iterator[None]:
    """Add the place to the message of an error in a template or an expression; in an output, change its hint too.

    Args:
        templates: the templates and expressions that the block evaluates.
        owner: the name of the step or the output that they belong to, for the message.
    """
    try:
        yield
    except RowError as error:
        source, offset = error.source or ("", 0)
        template = next((template for template in templates if template.source == source), None)
        if template is None:
            raise
        mark = template.mark(offset, offset + 1)
        message = f"{error.message} ({owner}, {mark.file}:{mark.line})"
        in_output = error.hint == LACKING and template.path[0] != "steps"  # where no row is skipped with `when`
        raise error.replace(message=message, source=None, hint=LACKING_IN_OUTPUT if in_output else error.hint) from None
