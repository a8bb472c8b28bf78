"""The command line: options, exit codes, how things are shown. The only room that knows click and rich.

Commands are imported when they are called, so that `--help` and shell completion load nothing but click.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from importlib import import_module
from typing import Any, Final

import click

from yamlgen.cli.terminal import guard
from yamlgen.option_names import cli_option_names

_COMMANDS: Final = {
    "init": "Write a small pipeline to start from.",
    "validate": "Tell everything that is wrong with pipelines.",
    "render": "Show a pipeline resolved, or the requests of one row.",
    "plan": "Show what a run would ask, and what that may cost.",
    "run": "Send every row through every step, and write the rows.",
    "retry": "Ask again for the failed rows of a run, and for no others.",
    "runs": "List runs, show them, export their rows, prune them.",
    "schema": "Print the JSON Schema of the language, for editors.",
    "simulate": "Serve the simulated Messages API on this machine.",
    "docs": "Print a page of the manual.",
    "explain": "Explain an error code.",
    "completion": "Print the completion script of a shell.",
}


_GARBAGE: Final = 50_000
"""New objects between two looks for garbage."""


class _Commands(click.Group):
    """The commands by name, each imported from the module of its name when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"yamlgen.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        with cli_option_names():
            return super().invoke(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from yamlgen.suggestions import suggestion  # noqa: PLC0415 - for a mistyped command only

            ctx.fail(f"no command `{args[0]}`; {suggestion(args[0], _COMMANDS, 'commands')}")
        return super().resolve_command(ctx, args)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="yamlgen", message="%(prog)s %(version)s")
def group() -> None:
    """Make data with Claude: pipelines in YAML, checked before they cost anything, run with one command."""


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    _open_streams()
    guard()
    # What is imported lives as long as the process: looking through it for garbage again and again takes longer than
    # loading it, and looking through it once more at the end takes as long.
    gc.set_threshold(_GARBAGE)
    atexit.register(gc.freeze)
    try:
        code = group.main(prog_name="yamlgen", standalone_mode=False)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.Abort:
        code = 130
    except click.ClickException as error:
        from yamlgen.excerpts import brief  # noqa: PLC0415 - only where something went wrong

        vars(error)["message"] = brief(error.message)
        error.show()
        code = error.exit_code
    except Exception as error:
        from yamlgen.cli.messages import show_error  # noqa: PLC0415 - only where something went wrong
        from yamlgen.errors import YamlgenError  # noqa: PLC0415
        from yamlgen.system_limits import refusal_of  # noqa: PLC0415

        told = error if isinstance(error, YamlgenError) else refusal_of(error)
        if told is None:
            raise
        show_error(told)
        code = int(told.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _open_streams() -> None:
    """Stand-ins for the standard streams that the caller has closed, so that no file of ours takes their place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - as long as we live
