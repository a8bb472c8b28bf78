"""The files that yamlgen creates for users: a pipeline to start from with its test, and the schemas for editors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from yamlgen.api.found_files import pipelines_in
from yamlgen.api.github_workflow import WORKFLOW, installed_requirement, repository_of, workflow_text
from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.option_names import by_surface
from yamlgen.pipeline import json_schema
from yamlgen.suggestions import listing
from yamlgen.testing import suite_schema
from yamlgen.value_objects import JSON

SCHEMA_FILE: Final = json_schema.FILE_NAME
"""The name of the schema next to a pipeline."""

TEST_SCHEMA_FILE: Final = suite_schema.FILE_NAME
"""The name of the schema next to a test file."""

GIT_IGNORE: Final = ".gitignore"
IGNORED: Final = (".yamlgen/", "out/", ".env")
"""What the `.gitignore` of a new project lists: the store, the outputs and the file of keys."""

STARTER: Final = "pipeline.yaml"
"""The pipeline of a new project."""

_STARTER_FILES: Final = (
    STARTER,
    "data/reviews.csv",
    "schemas/facts.json",
    "pipeline.test.yaml",
    "pipeline.answers.jsonl",
)
_FOLDERS: Final = ("data", "schemas")


def schema_text() -> str:
    """Return the JSON Schema of pipeline files."""
    return json_schema.committed()


def schema(*, write: str | Path | None = None) -> dict[str, JSON]:
    """Return the JSON Schema of pipeline files, as `yamlgen schema` prints it.

    Args:
        write: also write it to this file, or to `pipeline.schema.json` in this folder, with the schema of test files
            in `test.schema.json`.

    Raises:
        UsageError: the file exists, and is not a schema of yamlgen.
        EnvironmentProblem: the file cannot be written.
    """
    if write is not None:
        write_schema(Path(write))
    found: dict[str, JSON] = json.loads(schema_text())
    return found


def init(folder: str | Path = ".", *, ci: Literal["github"] | None = None) -> list[Path]:
    """Create a small pipeline with a test to start from, as `yamlgen init` does, and return its files.

    Args:
        folder: the folder for the files. Default: the current folder.
        ci: also write a workflow that checks pull requests. In a folder with pipelines or tests, nothing else is
            written.

    Raises:
        UsageError: one of the files exists; nothing was written.
        EnvironmentProblem: a file cannot be written.
    """
    return list(write_project(Path(folder), ci))


def write_project(folder: Path, ci: str | None = None) -> Iterator[Path]:
    """Write what `init` writes, and yield each file.

    Raises:
        UsageError: one of the files exists; nothing was written.
        EnvironmentProblem: a file cannot be written.
    """
    if ci is None:
        yield from write_starter(folder)
        return
    if ci != "github":
        raise UsageError(f"`ci` is {ci!r}", code=Code.BAD_PARAM, hint="use `github`")
    root, inside = repository_of(folder)
    workflow = root / WORKFLOW
    if workflow.exists():
        message = f"{workflow} exists; nothing was written"
        raise UsageError(message, code=Code.OUTPUT_PATH, hint="remove it to have it written anew")
    found = pipelines_in(folder)
    if not (found.pipelines or found.tests):
        yield from write_starter(folder)
    _write_new(workflow, workflow_text(inside, installed_requirement()))
    yield workflow


def write_schema(target: Path) -> list[Path]:
    """Write the JSON Schemas of pipelines and of test files into a folder, or one of them to a file.

    Args:
        target: the folder; or the file, whose name decides: `test.schema.json` is the schema of test files, any other
            name that of pipelines.

    Returns:
        The files.

    Raises:
        UsageError: a file exists, and is not a schema of yamlgen; nothing was written.
        EnvironmentProblem: a file cannot be written.
    """
    texts = {target: suite_schema.committed() if target.name == TEST_SCHEMA_FILE else schema_text()}
    if target.is_dir() or not target.suffix:
        texts = {target / SCHEMA_FILE: schema_text(), target / TEST_SCHEMA_FILE: suite_schema.committed()}
    for file, text in texts.items():
        if file.exists() and not _is_ours(file, text):
            message = f"{file} exists, and is not a schema of yamlgen"
            raise UsageError(message, code=Code.OUTPUT_PATH, hint=f"specify a folder, or a file such as {file.name}")
    for file, text in texts.items():
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            message = f"cannot write {file}: {error.strerror}"
            raise EnvironmentProblem(message, code=Code.DISK) from None
    return list(texts)


def _is_ours(file: Path, text: str) -> bool:
    """Whether a file may be replaced: it is this schema, or that of another version."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("title") == json.loads(text)["title"]


def write_starter(folder: Path) -> Iterator[Path]:
    """Write a small working pipeline with its input, its test, its schemas and a `.gitignore`, and yield each file.

    An existing `.gitignore` is kept, and not yielded.

    Raises:
        UsageError: another of the files exists; nothing was written.
        EnvironmentProblem: a file cannot be written.
    """
    starter = files("yamlgen.api").joinpath("starter")
    texts = {name: starter.joinpath(name).read_text(encoding="utf-8") for name in _STARTER_FILES}
    texts |= {SCHEMA_FILE: schema_text(), TEST_SCHEMA_FILE: suite_schema.committed()}
    taken = [str(folder / name) for name in texts if (folder / name).exists()]
    taken += [str(parent) for name in _FOLDERS if (parent := folder / name).exists() and not parent.is_dir()]
    if taken:
        message = f"{listing(taken)} already {'exists' if len(taken) == 1 else 'exist'}; nothing was written"
        hint = f"specify another folder{by_surface(command=': `yamlgen init my-pipeline`', python='')}"
        raise UsageError(message, code=Code.OUTPUT_PATH, hint=hint)
    if not (folder / GIT_IGNORE).exists():
        texts[GIT_IGNORE] = "".join(f"{each}\n" for each in IGNORED)
    for name, text in texts.items():
        _write_new(folder / name, text)
        yield folder / name


def _write_new(path: Path, text: str) -> None:
    """Write a file that does not exist yet, with its folders."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {path}: {error.strerror}", code=Code.DISK) from None
