"""The files that yamlgen creates for users: a pipeline to start from with its test, and the schemas for editors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from yamlgen.api.agent_files import write_agent_files
from yamlgen.api.examples import ENDING, example_files
from yamlgen.api.first_pipeline import first_pipeline
from yamlgen.api.found_files import pipelines_in
from yamlgen.api.github_workflow import WORKFLOW, installed_requirement, repository_of, workflow_text
from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.option_names import by_surface, option
from yamlgen.pipeline import json_schema
from yamlgen.suggestions import listing
from yamlgen.testing import suite_schema
from yamlgen.testing.suite_files import is_test_file
from yamlgen.value_objects import JSON

SCHEMA_FILE: Final = json_schema.FILE_NAME
"""The name of the schema next to a pipeline."""

TEST_SCHEMA_FILE: Final = suite_schema.FILE_NAME
"""The name of the schema next to a test file."""

GIT_IGNORE: Final = ".gitignore"
IGNORED: Final = (".yamlgen/", "out/", ".env")
"""What the `.gitignore` of a new project lists: the store, the outputs and the file of keys."""

STARTER: Final = f"reviews{ENDING}"
"""The pipeline of a new project."""

_STARTER_FILES: Final = (
    STARTER,
    "data/reviews.csv",
    "schemas/facts.json",
    "reviews.yamlgen.test.yaml",
    "reviews.yamlgen.answers.jsonl",
)


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


def init(
    folder: str | Path = ".",
    *,
    input: str | Path | None = None,  # noqa: A002 - the name of the YAML key
    example: str | None = None,
    ci: Literal["github"] | None = None,
    agents: bool = False,
) -> list[Path]:
    """Create a pipeline to start from, as `yamlgen init` does, and return its files. No file is overwritten.

    Args:
        folder: the folder for the files. Default: the current folder.
        input: the file of rows that the pipeline reads, or a pattern, relative to the current folder. It is not copied.
        example: the name of a shipped pipeline to write, which `examples` lists. Default: a small one with a test.
        ci: also write a workflow that checks pull requests. In a folder with pipelines or tests, and without `input`
            and `example`, nothing else is written.
        agents: write only the files for coding agents: a section of AGENTS.md, and a skill. In files that exist, only
            that part is replaced.

    Raises:
        UsageError: one of the files exists, or the input or the example cannot be used; nothing was written.
        EnvironmentProblem: the input does not exist, or a file cannot be written.
    """
    rows = None if input is None else str(input)
    return write_project(Path(folder), input=rows, example=example, ci=ci, agents=agents)


def write_project(
    folder: Path,
    *,
    input: str | None = None,  # noqa: A002 - the name of the YAML key
    example: str | None = None,
    ci: str | None = None,
    agents: bool = False,
) -> list[Path]:
    """Write what `init` writes, and return its files; of a pipeline, its file first.

    Raises:
        UsageError: one of the files exists, or the input or the example cannot be used; nothing was written.
        EnvironmentProblem: the input does not exist, or a file cannot be written.
    """
    if agents:
        if input is not None or example is not None or ci is not None:
            message = f"{option('agents')} writes only the files for coding agents"
            raise UsageError(message, code=Code.BAD_PARAM, hint="write the others first, without it")
        return write_agent_files(folder)
    if input is not None and example is not None:
        message = f"{option('input', 'PATH')} and {option('example', 'NAME')} each write a pipeline"
        raise UsageError(message, code=Code.BAD_PARAM, hint="remove one of them")
    if ci is None:
        return _write_new(_pipeline_texts(folder, input, example))
    if ci != "github":
        raise UsageError(f"`ci` is {ci!r}", code=Code.BAD_PARAM, hint="use `github`")
    root, inside = repository_of(folder)
    workflow = root / WORKFLOW
    if os.path.lexists(workflow):
        message = f"{workflow} exists; nothing was written"
        raise UsageError(message, code=Code.OUTPUT_PATH, hint="remove it to have it written anew")
    found = pipelines_in(folder)
    texts: dict[Path, str] = {}
    if input is not None or example is not None or not (found.pipelines or found.tests):
        texts = _pipeline_texts(folder, input, example)
    return _write_new({**texts, workflow: workflow_text(inside, installed_requirement())})


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


def _pipeline_texts(folder: Path, given: str | None, example: str | None) -> dict[Path, str]:
    """Return a pipeline with what it needs, the schemas for editors and a `.gitignore`: each file with its content.

    An existing `.gitignore`, and existing schemas of yamlgen, are left out: they are kept.

    Args:
        folder: the folder for the files.
        given: the input of the pipeline.
        example: the name of a shipped pipeline. Without both, the pipeline is the starter.

    Raises:
        UsageError: the input or the example cannot be used.
        EnvironmentProblem: the input does not exist.
    """
    if given is not None:
        texts = dict([first_pipeline(given, folder)])
    elif example is not None:
        texts = example_files(example)
    else:
        starter = files("yamlgen.api").joinpath("starter")
        texts = {name: starter.joinpath(name).read_text(encoding="utf-8") for name in _STARTER_FILES}
    schemas = {SCHEMA_FILE: schema_text(), TEST_SCHEMA_FILE: suite_schema.committed()}
    if not any(is_test_file(Path(name)) for name in texts):
        del schemas[TEST_SCHEMA_FILE]
    texts |= {name: text for name, text in schemas.items() if not _is_ours(folder / name, text)}
    if not os.path.lexists(folder / GIT_IGNORE):
        texts[GIT_IGNORE] = "".join(f"{each}\n" for each in IGNORED)
    return {folder / name: text for name, text in texts.items()}


def find_unignored(git_ignore: Path) -> list[str]:
    """Return what the `.gitignore` of a project should list, and this one does not.

    Args:
        git_ignore: the file; if it cannot be read, it lists nothing.
    """
    try:
        lines = git_ignore.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    listed = {line.strip().strip("/") for line in lines}
    return [each for each in IGNORED if each.strip("/") not in listed]


def _write_new(texts: Mapping[Path, str]) -> list[Path]:
    """Write files that do not exist yet, with their folders: all of them or none."""
    _refuse_taken(texts)
    with ExitStack() as undo:
        for path, text in texts.items():
            try:
                for folder in [each for each in reversed(path.parents) if not each.exists()]:
                    folder.mkdir(exist_ok=True)
                    undo.callback(_remove, folder)
                with path.open("x", encoding="utf-8") as file:
                    undo.callback(_remove, path)
                    file.write(text)
            except OSError as error:
                message = f"cannot write {path}: {error.strerror}; nothing was written"
                hint = "choose a folder in which you may write, on a disk with free space"
                raise EnvironmentProblem(message, code=Code.DISK, hint=hint) from None
        undo.pop_all()
    return list(texts)


def _remove(path: Path) -> None:
    with suppress(OSError):  # a folder that has got other files is kept
        path.rmdir() if path.is_dir() else path.unlink()


def _refuse_taken(paths: Iterable[Path]) -> None:
    """Refuse to write files where one of them exists, or where a file has the name of one of their folders."""
    folders = dict.fromkeys(parent for path in paths for parent in path.parents)
    taken = [str(path) for path in paths if os.path.lexists(path)]
    taken += [str(parent) for parent in folders if os.path.lexists(parent) and not parent.is_dir()]
    if taken:
        message = f"{listing(taken)} already {'exists' if len(taken) == 1 else 'exist'}; nothing was written"
        hint = f"specify another folder{by_surface(command=' as DIR', python='')}"
        raise UsageError(message, code=Code.OUTPUT_PATH, hint=hint)
