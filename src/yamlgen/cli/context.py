"""`yamlgen context`: what a coding agent has to know to write a pipeline, on one page."""

from __future__ import annotations

import click

from yamlgen.cli.completed_values import complete_kind
from yamlgen.cli.messages import put
from yamlgen.errors import UsageError
from yamlgen.exit_codes import ExitCode


@click.command("context")
@click.argument("kind", required=False, shell_complete=complete_kind)
def command(kind: str | None) -> int:
    """Print on one page what a coding agent has to know.

    With KIND: every key of one part of a pipeline, with examples. KIND is a kind of step, such as generate; a key of
    the file, such as input, output or models; or tests.
    """
    from yamlgen.api.agent_context import context  # noqa: PLC0415 - only this command reads the reference

    try:
        put(context(kind))
    except UsageError as error:
        raise click.UsageError(f"{error.message}; {error.hint}") from None
    return ExitCode.OK
