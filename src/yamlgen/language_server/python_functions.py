"""The functions in an author's modules, which are read and never imported."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

from yamlgen.diagnostics import Mark
from yamlgen.parsing.yaml_parser import read


def functions_in(folder: Path, file: Path) -> dict[str, Mark]:
    """Return the functions at the top of a module, each with the place of its name; empty if it cannot be read."""
    source, _ = read(file, str(file), folder)
    if source is None:
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    made: dict[str, Mark] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            line, word = node.lineno, "async def " if isinstance(node, ast.AsyncFunctionDef) else "def "
            column = node.col_offset + len(word) + 1
            made[node.name] = Mark(str(file), line, column, line, column + len(node.name))
    return made
