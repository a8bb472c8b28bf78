"""The files that yamlgen puts beside a user's own: a pipeline to start from, and the language's schema for editors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.option_names import by_surface
from yamlgen.pipeline.json_schema import FILE_NAME, committed
from yamlgen.suggestions import listing

SCHEMA_FILE: Final = FILE_NAME
"""The name under which pipelines look for the schema beside them."""

_STARTER: Final = ("pipeline.yaml", "data/reviews.csv", "schemas/facts.json")
_FOLDERS: Final = ("data", "schemas")


def schema_text() -> str:
    """The JSON Schema of the language."""
    return committed()


def write_schema(target: Path) -> Path:
    """Write the schema to a file, or into a folder; the file.

    Raises:
        UsageError: a file is there that is no schema of ours.
        EnvironmentProblem: it cannot be written.
    """
    file = target / SCHEMA_FILE if target.is_dir() or not target.suffix else target
    if file.exists() and not _is_ours(file):
        message = f"{file} is there already, and is no schema of yamlgen"
        raise UsageError(message, code=Code.OUTPUT_PATH, hint=f"name a folder, or a file such as {SCHEMA_FILE}")
    try:
        file.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        message = f"cannot write {file}: {error.strerror}"
        raise EnvironmentProblem(message, code=Code.DISK) from None
    return file


def _is_ours(file: Path) -> bool:
    """Whether a file may be written anew: it holds this schema, or that of another version."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("title") == json.loads(schema_text())["title"]


def write_starter(folder: Path) -> Iterator[Path]:
    """Write a small working pipeline, with its data and the schema, and give each file once it is there.

    Raises:
        UsageError: one of them exists; nothing was written.
        EnvironmentProblem: one cannot be written.
    """
    starter = files("yamlgen.api").joinpath("starter")
    texts = {name: starter.joinpath(name).read_text(encoding="utf-8") for name in _STARTER}
    texts[SCHEMA_FILE] = schema_text()
    taken = [str(folder / name) for name in texts if (folder / name).exists()]
    taken += [str(parent) for name in _FOLDERS if (parent := folder / name).exists() and not parent.is_dir()]
    if taken:
        message = f"{listing(taken)} {'exists' if len(taken) == 1 else 'exist'} already; nothing was written"
        hint = f"name another folder{by_surface(command=': `yamlgen init my-pipeline`', python='')}"
        raise UsageError(message, code=Code.OUTPUT_PATH, hint=hint)
    for name, text in texts.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise EnvironmentProblem(f"cannot write {path}: {error.strerror}", code=Code.DISK) from None
        yield path
