"""`yamlgen completion`: completion of commands, options and their values in a shell."""

from __future__ import annotations

import click

from yamlgen.cli import group
from yamlgen.cli.messages import put
from yamlgen.cli.shells import SHELLS, answer
from yamlgen.exit_codes import ExitCode


@click.command("completion")
@click.argument("shell", type=click.Choice(list(SHELLS)))
def command(shell: str) -> int:
    """Print the completion script for a shell.

    It completes commands, options and their values: the parameters, steps and outputs of a pipeline, paths of --set,
    runs, topics and codes. Nothing is written, and errors are not shown.

    Run the line of your shell once, then open a new shell:

    \b
      bash: echo 'eval "$(yamlgen completion bash)"' >> ~/.bashrc
      zsh:  echo 'eval "$(yamlgen completion zsh)"' >> ~/.zshrc
      fish: yamlgen completion fish > ~/.config/fish/completions/yamlgen.fish
    """  # noqa: D301 - `\b` is the character by which click keeps the lines of a paragraph
    put(answer(group, f"{shell}_source"))
    return ExitCode.OK
