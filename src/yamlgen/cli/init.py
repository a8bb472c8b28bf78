"""`yamlgen init`: a small working pipeline to start from, with its data and its schema."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from yamlgen.cli.messages import echo
from yamlgen.errors import Code, EnvironmentProblem, Exit, UsageError
from yamlgen.parsing.suggestions import listing
from yamlgen.pipeline.json_schema import FILE_NAME, committed

_STARTER: Final = ("pipeline.yaml", "data/reviews.csv", "schemas/facts.json")
_FOLDERS: Final = ("data", "schemas")


@click.command("init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), metavar="[DIR]")
def command(folder: Path) -> int:
    """Write a small pipeline to start from.

    It goes into DIR (this folder, if none is named): a pipeline, rows to try it on, a schema, and the language's own
    schema for your editor. Nothing is ever overwritten.
    """
    starter = files("yamlgen.cli").joinpath("starter")
    texts = {name: starter.joinpath(name).read_text(encoding="utf-8") for name in _STARTER} | {FILE_NAME: committed()}
    taken = [str(folder / name) for name in texts if (folder / name).exists()]
    taken += [str(parent) for name in _FOLDERS if (parent := folder / name).exists() and not parent.is_dir()]
    if taken:
        message = f"{listing(taken)} {'exists' if len(taken) == 1 else 'exist'} already; nothing was written"
        raise UsageError(message, code=Code.OUTPUT_PATH, hint="name another folder: `yamlgen init my-pipeline`")
    for name, text in texts.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise EnvironmentProblem(f"cannot write {path}: {error.strerror}", code=Code.DISK) from None
        echo(f"wrote {path}")
    echo(f"\nnext: yamlgen run {folder / 'pipeline.yaml'} --simulate")
    return Exit.OK
