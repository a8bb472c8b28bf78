"""`yamlgen schema`: the JSON Schemas of pipeline and test files, for editors."""

from __future__ import annotations

from pathlib import Path

import click

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
    help="Write the schema to a file, or to pipeline.schema.json in a folder, with that of test files in "
    "test.schema.json. Default: the current folder.",
)
def command(target: Path | None) -> int:
    """Print the JSON Schema of pipeline files, for editors.

    Write the schema next to your pipeline (`--write`), and make
    `# yaml-language-server: $schema=./pipeline.schema.json` the first line of the pipeline. Editors with the YAML
    language server then complete and check its keys. For a test file, the line is
    `# yaml-language-server: $schema=./test.schema.json`.
    """
    from yamlgen.api.project_files import schema_text, write_schema  # noqa: PLC0415 - loads the language

    if target is None:
        put(schema_text())
    else:
        for file in write_schema(target):
            echo(f"wrote {file}")
    return ExitCode.OK
