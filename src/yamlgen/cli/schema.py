"""`yamlgen schema`: the JSON Schema of pipeline files, for editors."""

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
    metavar="[PATH]",
    help=f"Write the schema to a file, or to {SCHEMA_FILE} in a folder. Default: the current folder.",
)
def command(target: Path | None) -> int:
    """Print the JSON Schema of pipeline files, for editors.

    Write the schema next to your pipeline (`--write`), and make
    `# yaml-language-server: $schema=./pipeline.schema.json` the first line of the pipeline. Editors with the YAML
    language server then complete and check its keys.
    """
    if target is None:
        put(schema_text())
    else:
        echo(f"wrote {write_schema(target)}")
    return ExitCode.OK
