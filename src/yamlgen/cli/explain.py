"""`yamlgen explain`: what an error code means."""

from __future__ import annotations

import click

from yamlgen.cli.messages import show_page
from yamlgen.exit_codes import ExitCode
from yamlgen.manual import explanation


@click.command("explain")
@click.argument("code")
def command(code: str) -> int:
    """Explain an error code.

    The page says what the code means, and shows an example and the fix.

    CODE is the code of a message, such as YG205. `yamlgen docs errors` lists all codes.
    """
    show_page(explanation(code))
    return ExitCode.OK
