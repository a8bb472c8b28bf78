"""`yamlgen explain`: what error codes mean."""

from __future__ import annotations

import click

from yamlgen.cli.completed_values import complete_code
from yamlgen.cli.messages import show_page
from yamlgen.errors import UsageError
from yamlgen.exit_codes import ExitCode
from yamlgen.manual import explanation


@click.command("explain")
@click.argument("codes", nargs=-1, required=True, metavar="CODE...", shell_complete=complete_code)
def command(codes: tuple[str, ...]) -> int:
    """Explain error codes.

    Each page describes what the code means, with an example that is wrong and one that is right.

    CODE is the code of a message, such as YG205; `yg205` and `205` work as well. `yamlgen docs errors` lists all
    codes.
    """
    try:
        pages = dict.fromkeys(map(explanation, codes))
    except UsageError as error:
        raise click.UsageError(f"{error.message}; {error.hint}") from None
    show_page("\n".join(pages))
    return ExitCode.OK
