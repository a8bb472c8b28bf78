"""What the value of an author's function depends on: its module, and those that this imports from the folder.

Owns what a source alone shows of that. Imports are looked for everywhere in it, in functions too, which import when
they are called; a name is one of the folder's where a file of it stands there. What the interpreter finds elsewhere,
and what is imported by a name that is made, is known once it was loaded.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yamlgen.parsing.project_folder import Stamp, is_file, stamp_of

_BY_OTHER_MEANS: Final = frozenset({"importlib", "runpy", "pkgutil", "__import__"})


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the values of a step depend on that keeps them.

    Attributes:
        folder: the pipeline's folder, absolute.
        reads: what the step lists, as it is written.
        files: all files that are known before the function is called, by path relative to the folder, each with its
            state then: what is made while one of them is in another state is not known to be made of it.
        imports: the dotted names that the sources import; `None` where they may import any.
    """

    folder: Path
    reads: tuple[str, ...]
    files: Mapping[str, Stamp]
    imports: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class ModuleSources:
    """The sources that a function's module is made of.

    Attributes:
        files: by path relative to the pipeline, each with the state that it was read in.
        imports: the dotted names that they import, whatever they mean; `None` where they may import any.
        trees: the syntax of those that have one.
    """

    files: Mapping[str, Stamp]
    imports: frozenset[str] | None
    trees: Mapping[str, ast.Module]


def sources_of(folder: Path, module: str) -> ModuleSources:
    """The module of a path relative to the pipeline's folder, and all that it imports from there."""
    files: dict[str, Stamp] = {}
    trees: dict[str, ast.Module] = {}
    imports: set[str] = set()
    waiting = [module]
    while waiting:
        path = waiting.pop()
        stamp = None if path in files else stamp_of(folder / path)
        if stamp is None:
            continue
        files[path] = stamp
        tree = parsed(folder / path)
        if tree is None:
            continue
        trees[path] = tree
        for name in imported(tree, path):
            imports.add(name)
            waiting.extend(_files(folder, name))
    return ModuleSources(files, None if imports & _BY_OTHER_MEANS else frozenset(imports), trees)


def parsed(path: Path) -> ast.Module | None:
    """The syntax of a module, where it has one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def imported(tree: ast.Module, path: str) -> Iterator[str]:
    """The dotted names that a module imports, or may import; of a package's member they are the whole names.

    Args:
        tree: its syntax.
        path: its file, relative to the pipeline.
    """
    package = path.split("/")[:-1]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package[: len(package) - level + 1] if level else []
                whole = ".".join([*above, *([module] if module else [])])
                yield whole
                yield from (f"{whole}.{alias.name}".removeprefix(".") for alias in names)
            case ast.Name(id="__import__"):
                yield "__import__"


def _files(folder: Path, name: str) -> Iterator[str]:
    """The files in a folder that an import of a dotted name loads."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        stem = "/".join(parts[:length])
        yield from (path for path in (f"{stem}.py", f"{stem}/__init__.py") if is_file(folder / path))
