"""`yamlgen lsp`: serve an editor."""

from __future__ import annotations

import click

from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.exit_codes import ExitCode


@click.command("lsp")
def command() -> int:
    """Serve an editor, by the Language Server Protocol.

    Editors start this command for YAML files, and speak to it on stdin and stdout. It shows errors while you write,
    explains references, follows them, and completes names. It runs no Python of yours, uses no network, and reads only
    the folder of the pipeline.

    It needs pip install 'yamlgen[lsp]'.
    """
    try:
        from yamlgen.language_server.editor_session import serve  # noqa: PLC0415 - its packages are optional
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("yamlgen"):
            raise
        message = f"`yamlgen lsp` needs the package {error.name}, which is not installed"
        raise EnvironmentProblem(
            message, code=Code.NO_EXTRA, hint="install it: `pip install 'yamlgen[lsp]'`"
        ) from error
    return serve() or ExitCode.OK
