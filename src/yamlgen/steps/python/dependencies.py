"""The dependencies of an author's function: its module, and the modules that it imports from the folder.

Owns what the source shows. Imports are found everywhere in it, including in functions. A name belongs to the folder if
its file exists there. Modules from elsewhere, and imports by a computed name, are known only after they were loaded.
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
    """The dependencies of the kept values of a step.

    Attributes:
        folder: the pipeline's folder, absolute.
        reads: the paths under `reads`, as written.
        files: all files that are known before the call, by path relative to the folder, each with its state at that
            time. If a file is in another state after the call, the value may not have been made from it.
        imports: the dotted names that the sources import; `None` if they can import any name.
    """

    folder: Path
    reads: tuple[str, ...]
    files: Mapping[str, Stamp]
    imports: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class ModuleSources:
    """The sources of a function's module and of the modules that it imports from the folder.

    Attributes:
        files: the files by path relative to the pipeline, each with its state when it was read.
        imports: the dotted names that they import, from anywhere; `None` if they can import any name.
        trees: the syntax trees of the files that can be parsed.
    """

    files: Mapping[str, Stamp]
    imports: frozenset[str] | None
    trees: Mapping[str, ast.Module]


def sources_of(folder: Path, module: str) -> ModuleSources:
    """Return the sources of a module, by its path relative to the folder, and of all that it imports from there."""
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
    """Return the syntax tree of a module; `None` if it cannot be parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def imported(tree: ast.Module, path: str) -> Iterator[str]:
    """Yield the absolute dotted names that a module imports, or may import.

    Args:
        tree: the syntax tree of the module.
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
    """Yield the files in a folder that an import of a dotted name loads."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        stem = "/".join(parts[:length])
        yield from (path for path in (f"{stem}.py", f"{stem}/__init__.py") if is_file(folder / path))
