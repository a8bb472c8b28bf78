"""The command line: options, exit codes and output. Only this room imports click and rich.

A command is imported when it is called, so that `--help` and shell completion load only click.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from importlib import import_module
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from yamlgen.cli.terminal import guard
from yamlgen.environment import variable
from yamlgen.option_names import cli_option_names

_COMMANDS: Final = {
    "init": "Create a pipeline to start from.",
    "validate": "Check pipelines and their tests, and report every error.",
    "doctor": "Check whether a run would work: key, API, models, quota, disk.",
    "render": "Show a resolved pipeline, its graph, or the requests of one row.",
    "plan": "Estimate the requests, tokens and cost of a run.",
    "preview": "Run a few rows, and show each as a card.",
    "run": "Run a pipeline, and write the rows.",
    "report": "Show on one page whether the rows are any good.",
    "status": "Show whether pipelines are up to date.",
    "lock": "Write the locks of pipelines, for git.",
    "test": "Test pipelines on recorded answers.",
    "diff": "Show what a change will ask again, and what that costs.",
    "retry": "Retry the failed rows of a run, and no others.",
    "runs": "List, show, export, cancel and prune past runs.",
    "schema": "Print the JSON Schema of pipeline files, for editors.",
    "simulate": "Serve a simulated Messages API on this machine.",
    "context": "Print on one page what a coding agent has to know.",
    "docs": "Print a page of the manual.",
    "explain": "Explain error codes.",
    "lsp": "Serve an editor, by the Language Server Protocol.",
    "completion": "Print the completion script for a shell.",
}


_PAGES: Final = {
    "init": "tutorial",
    "validate": "ci",
    "doctor": "troubleshooting",
    "render": "steps",
    "plan": "cost",
    "preview": "command-line",
    "run": "command-line",
    "report": "report",
    "status": "changes",
    "lock": "changes",
    "test": "tests",
    "diff": "changes",
    "retry": "failures",
    "runs": "store",
    "runs failed": "failures",
    "schema": "pipeline",
    "simulate": "simulator",
    "context": "agents",
    "docs": "manual",
    "explain": "errors",
    "lsp": "editors",
    "completion": "command-line",
}
"""The page of the manual that each command's help ends with. Default: the page of its group."""


_GARBAGE: Final = 50_000
"""New objects between two garbage collections."""

_COLLECTED_LATER: Final = frozenset({"run", "retry", "preview", "validate"})
"""The commands that collect garbage only once their modules are loaded, which they decide."""


class _Commands(click.Group):
    """The group of all commands; each is imported from the module of its name when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"yamlgen.cli.{cmd_name}").command
        if cmd_name not in _COLLECTED_LATER:
            gc.enable()
        command.epilog = _manual(_PAGES[cmd_name])
        if isinstance(command, click.Group):
            for name, below in command.commands.items():
                below.epilog = _manual(_PAGES.get(f"{cmd_name} {name}", _PAGES[cmd_name]))
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command without importing all of them."""
        options = click.Command.shell_complete(self, ctx, incomplete)
        found = [CompletionItem(name, help=each) for name, each in _COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *options]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        with cli_option_names():
            return super().invoke(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from yamlgen.suggestions import suggestion  # noqa: PLC0415 - only for a mistyped command

            ctx.fail(f"no command `{args[0]}`; {suggestion(args[0], _COMMANDS, 'commands', len(_COMMANDS))}")
        return super().resolve_command(ctx, args)


def _manual(topic: str) -> str:
    """Return the line that a command's help ends with."""
    return "Manual: yamlgen docs" if topic == "manual" else f"Manual: yamlgen docs {topic}"


@click.command(cls=_Commands, epilog=_manual("manual"), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="yamlgen", message="%(prog)s %(version)s")
def group() -> None:
    """Make data with Claude: write a pipeline in YAML, validate it, and run it over every row."""


def main() -> None:
    """Run the command line, and exit with its exit code."""
    _open_streams()
    asked = variable("_YAMLGEN_COMPLETE")
    if asked is not None:
        from yamlgen.cli.shells import complete  # noqa: PLC0415 - only for a shell

        complete(group, asked)
        sys.exit(0)
    guard()
    # Imported modules are never garbage. Collections that scan them take longer than importing them.
    gc.disable()
    gc.set_threshold(_GARBAGE)
    atexit.register(gc.freeze)
    try:
        code = group.main(prog_name="yamlgen", standalone_mode=False)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.Abort:
        code = 130
    except click.ClickException as error:
        from yamlgen.excerpts import brief  # noqa: PLC0415 - only after an error

        vars(error)["message"] = brief(error.message)
        error.show()
        code = error.exit_code
    except Exception as error:
        from yamlgen.cli.messages import codes_in, show_error, show_explanation  # noqa: PLC0415 - only after an error
        from yamlgen.errors import YamlgenError  # noqa: PLC0415
        from yamlgen.system_limits import refusal_of  # noqa: PLC0415

        known = error if isinstance(error, YamlgenError) else refusal_of(error)
        if known is None:
            raise
        show_error(known)
        show_explanation(codes_in(known))
        code = int(known.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _open_streams() -> None:
    """Replace standard streams that the caller closed, so that no file that we open gets their descriptors."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open until the process ends
