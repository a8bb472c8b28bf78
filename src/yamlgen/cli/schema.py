"""`yamlgen schema`: the JSON Schema of the language, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from yamlgen.cli.messages import echo, put
from yamlgen.errors import Code, EnvironmentProblem, Exit, UsageError
from yamlgen.pipeline.json_schema import FILE_NAME, committed


@click.command("schema")
@click.option(
    "--write",
    "target",
    is_flag=False,
    flag_value=Path(),
    type=click.Path(path_type=Path),
    metavar="PATH",
    help=f"Write it to a file, or into a folder as {FILE_NAME}; into this one if none is named.",
)
def command(target: Path | None) -> int:
    """Print the JSON Schema of the language, for editors.

    A pipeline whose first line is `# yaml-language-server: $schema=./pipeline.schema.json` is completed and checked
    by every editor with the YAML language server, once the file stands beside it (`--write`).
    """
    if target is None:
        put(committed())
        return Exit.OK
    file = target / FILE_NAME if target.is_dir() or not target.suffix else target
    if file.exists() and not _is_ours(file):
        message = f"{file} is there already, and is no schema of yamlgen"
        raise UsageError(message, code=Code.OUTPUT_PATH, hint=f"name a folder, or a file such as {FILE_NAME}")
    try:
        file.write_text(committed(), encoding="utf-8")
    except OSError as error:
        message = f"cannot write {file}: {error.strerror}"
        raise EnvironmentProblem(message, code=Code.DISK) from None
    echo(f"wrote {file}")
    return Exit.OK


def _is_ours(file: Path) -> bool:
    """Whether a file may be written anew: it holds this schema, or that of another version."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("title") == json.loads(committed())["title"]
