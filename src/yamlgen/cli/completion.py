"""`yamlgen completion`: completion of commands and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from yamlgen.cli import group
from yamlgen.cli.messages import put
from yamlgen.exit_codes import ExitCode


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the completion script for a shell.

    Run the line of your shell once, then open a new shell:

    \b
      bash: echo 'eval "$(yamlgen completion bash)"' >> ~/.bashrc
      zsh:  echo 'eval "$(yamlgen completion zsh)"' >> ~/.zshrc
      fish: yamlgen completion fish > ~/.config/fish/completions/yamlgen.fish
    """  # noqa: D301 - `\b` is the character by which click keeps the lines of a paragraph
    kind = get_completion_class(shell)
    if kind is not None:
        put(f"{kind(group, {}, 'yamlgen', '_YAMLGEN_COMPLETE').source()}\n")
    return ExitCode.OK
