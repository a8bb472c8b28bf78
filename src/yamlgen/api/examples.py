"""The shipped pipelines: they are part of the package, and are in `pipelines/` of a checkout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from yamlgen import manual
from yamlgen.errors import Code, UsageError
from yamlgen.option_names import by_surface
from yamlgen.suggestions import folded, listing, nearest
from yamlgen.testing.suite_files import ENDINGS, is_test_file

ENDING: Final = ".yamlgen.yaml"
"""The extension of the pipelines that `init` writes: editors and SchemaStore know it."""

_DESCRIPTION: Final = re.compile(r"^description: (.+)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#.*", re.MULTILINE)
_PARTS: Final = ("*.yaml", "*.jsonl", "*.py", "data/**/*", "prompts/*", "schemas/*", "golden/*")
_OF_PIPELINE: Final = (ENDINGS[0], ".answers.jsonl", ".yaml")
"""The extensions of a pipeline, its test and its recorded answers."""


def examples() -> dict[str, str]:
    """Return the shipped pipelines, as `yamlgen init --list` shows them: what each is for, by name."""
    return {path.stem: _DESCRIPTION.findall(path.read_text("utf-8"))[0] for path in _pipelines().values()}


def example_files(name: str) -> dict[str, str]:
    """Return the files of a shipped pipeline with their content: the pipeline itself, and all that it needs.

    Args:
        name: the name of the pipeline, such as `ticket_triage`.

    Raises:
        UsageError: there is no such pipeline.
    """
    known = {folded(each): path for each, path in _pipelines().items()}
    path = known.get(folded(name.removesuffix(".yaml").removesuffix(".yamlgen")))
    if path is None:
        way = by_surface(command="`yamlgen init --list`", python="`examples()`")
        near = nearest(name, _pipelines())
        hint = f"did you mean `{near}`? {way} lists all" if near else f"{way} lists them: {listing(_pipelines())}"
        raise UsageError(f"there is no example `{name}`", code=Code.UNKNOWN_KEY, hint=hint)
    found: dict[Path, str] = {}
    _collect(path, found)
    new_names = {each.name: _new_name(each.name) for each in found if _new_name(each.name) != each.name}
    old = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, new_names))})(?!\w)")
    texts: dict[str, str] = {}
    for each, text in found.items():
        inner = each.relative_to(_folder())
        written = text if each.suffix != ".yaml" else old.sub(lambda match: new_names[match[0]], text)
        texts[str(inner.with_name(new_names.get(each.name, each.name)))] = written
    return texts


def _folder() -> Path:
    installed = Path(manual.__file__).parent / "shipped"
    return installed if installed.is_dir() else Path(manual.__file__).parents[2] / "pipelines"


def _pipelines() -> dict[str, Path]:
    """Return the pipelines by name."""
    return {path.stem: path for path in sorted(_folder().glob("*.yaml")) if not is_test_file(path)}


def _collect(path: Path, found: dict[Path, str]) -> None:
    """Add a file and all the files that it names, and the test of a pipeline."""
    if path in found:
        return
    found[path] = path.read_text("utf-8")
    if path.suffix in (".yaml", ".json"):
        for each in _named(path, found[path]):
            _collect(each, found)


def _named(path: Path, text: str) -> Iterator[Path]:
    """Yield the shipped files that a file names, by their paths or by a folder, and the test of a pipeline."""
    folder, text = _folder(), _COMMENT.sub("", text)
    for each in (each for part in _PARTS for each in sorted(folder.glob(part)) if each.is_file()):
        inner = each.relative_to(folder)
        names = [each.stem] if each.suffix == ".py" else [str(inner), *map(str, list(inner.parents)[:-2])]
        names += [each.name] if path.parent == each.parent != folder else []
        is_named = any(re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w/-])(?!\.\w)", text) for name in names)
        is_its = each.name in {f"{path.stem}{ending}" for ending in _OF_PIPELINE[:2]}
        if is_named or is_its:
            yield each


def _new_name(name: str) -> str:
    """Return the name that a file of a pipeline gets: `hello.yaml` becomes `hello.yamlgen.yaml`."""
    ending = next((ending for ending in _OF_PIPELINE if name.endswith(ending)), None)
    return name if ending is None else f"{name.removesuffix(ending)}{ENDING.removesuffix('.yaml')}{ending}"
