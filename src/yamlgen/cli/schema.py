"""`yamlgen schema`: the JSON Schema of the language, for editors."""

from __future__ import annotations

from pathlib import Path

import click

from yamlgen.api.project_files import SCHEMA_FILE, schema_text, write_schema
from yamlgen.cli.messages import echo, put
from yamlgen.exit_codes import ExitCode


@click.command("schema")
@click.option(
    "--write",
    "target",
    is_flag=False,
    flag_value=Path(),
    type=click.Path(path_type=Path),
    metavar="PATH",
    help=f"Write it to a file, or into a folder as {SCHEMA_FILE}; into this one if none is named.",
)
def command(target: Path | None) -> int:
    """Print the JSON Schema of the language, for editors.

    A pipeline whose first line is `# yaml-language-server: $schema=./pipeline.schema.json` is completed and checked
    by every editor with the YAML language server, once the file stands beside it (`--write`).
    """
    if target is None:
        put(schema_text())
    else:
        echo(f"wrote {write_schema(target)}")
    return ExitCode.OK
