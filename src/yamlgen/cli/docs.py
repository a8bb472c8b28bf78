"""`yamlgen docs`: the manual at the terminal."""

from __future__ import annotations

from typing import Final

import click

from yamlgen.cli.completed_values import complete_topic
from yamlgen.cli.messages import show_page
from yamlgen.errors import UsageError
from yamlgen.exit_codes import ExitCode
from yamlgen.manual import page, topics

_USE: Final = "To read a page: `yamlgen docs steps`. All pages: `yamlgen docs --list`."


@click.command("docs")
@click.argument("topic", default="manual", metavar="[TOPIC]", shell_complete=complete_topic)
@click.option("--list", "listed", is_flag=True, help="List the topics.")
def command(topic: str, *, listed: bool) -> int:
    """Print a page of the manual.

    TOPIC is the name of a page, such as tutorial, steps or cost. Default: the table of contents. At a terminal, the
    page is shown in your pager. `yamlgen explain` shows the page of an error code.
    """
    if listed:
        pages = topics()
        width = max(map(len, pages))
        show_page("".join(f"{name:{width}}  {title}\n" for name, title in pages.items()))
        return ExitCode.OK
    try:
        text = page(topic)
    except UsageError as error:
        raise click.UsageError(f"{error.message}; {error.hint}") from None
    show_page(f"{_USE}\n\n{text}" if topic == "manual" else text)
    return ExitCode.OK
