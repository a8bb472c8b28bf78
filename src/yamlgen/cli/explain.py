"""`yamlgen explain`: what an error code means."""

from __future__ import annotations

import click

from yamlgen.api.manual import explanation
from yamlgen.cli.messages import show_page
from yamlgen.errors import Exit


@click.command("explain")
@click.argument("code")
def command(code: str) -> int:
    """Explain an error code: what it means, an example, and the fix.

    CODE is the code of a message, such as YG205. `yamlgen docs errors` lists all codes.
    """
    show_page(explanation(code))
    return Exit.OK
