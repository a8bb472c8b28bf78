"""The files that an author's function reads by a name in its source.

Owns what the source shows without running it. The result is a help, not complete: it covers only code that the function
can reach, and only names that are literals or built from literals and `__file__`. A file that the same code writes is
ignored.
"""

from __future__ import annotations

import ast
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from yamlgen.steps.python.signatures import parts

_OPENERS: Final = frozenset({"io", "codecs", "gzip", "bz2", "lzma", "tarfile", "Image"})
_METHODS: Final = {"read_text": "r", "read_bytes": "r", "write_text": "w", "write_bytes": "w", "touch": "w"}
_READERS: Final = re.compile(r"(read|scan|load)_\w+|load|loadtxt|genfromtxt|fromfile|ZipFile")
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_DEEPEST: Final = 50


@dataclass(frozen=True, slots=True)
class FileOpen:
    """A file that is read, and the place that reads it.

    Attributes:
        file: its path; absolute if it is built from `__file__`, otherwise relative to the working directory of the run.
        module: the source that reads it, relative to the pipeline.
        line: the line in that source.
    """

    file: str
    module: str
    line: int


def openings(folder: Path, trees: Mapping[str, ast.Module], name: str) -> Iterator[FileOpen]:
    """Yield the files that a function reads, as far as its source shows.

    Args:
        folder: the pipeline's folder.
        trees: the sources of the function's module and its imports, by path relative to the folder.
        name: the name of the function.
    """
    modules = [_Module(path, str(folder.absolute() / path), tree) for path, tree in trees.items()]
    read: dict[str, FileOpen] = {}
    written: set[str] = set()
    for module, node in _reached(modules, name):
        file, mode = module.opened(node) if isinstance(node, ast.Call) else (None, None)
        if file is not None and mode is not None:
            if mode.startswith("r") and "+" not in mode:
                read.setdefault(file, FileOpen(file, module.path, getattr(node, "lineno", 1)))
            else:
                written.add(file)
    return (each for file, each in read.items() if file not in written)


def _reached(modules: list[_Module], name: str) -> Iterator[tuple[_Module, ast.AST]]:
    """Yield the nodes that run on import or in the call; every definition that is named counts as used."""
    defined: dict[str, list[tuple[_Module, ast.AST]]] = defaultdict(list)
    renamed: dict[str, list[str]] = defaultdict(list)
    waiting: list[tuple[_Module, ast.AST]] = []
    for module in modules:
        for node in _at_import(module.tree):
            waiting.append((module, node))
            if isinstance(node, _DEFINITIONS):
                defined[node.name].append((module, node))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.alias) and node.asname:
                renamed[node.asname].append(node.name.rpartition(".")[2])
    named = [name]
    while waiting or named:
        for each in named:
            for there, definition in (found for alias in (each, *renamed[each]) for found in defined.pop(alias, ())):
                waiting += [(there, part) for part in ast.walk(definition)]
        named = []
        for module, node in waiting:
            yield module, node
            if isinstance(node, ast.Name | ast.Attribute):
                named.append(node.id if isinstance(node, ast.Name) else node.attr)
        waiting = []


def _at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes of a module that run on import, without the code of a script."""
    for statement in tree.body:
        is_script = isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test)
        if not is_script:
            yield from parts(statement)


class _Module:
    """A source, with the values of the names that it binds once.

    Attributes:
        path: its file, relative to the pipeline.
        tree: its syntax tree.
    """

    def __init__(self, path: str, file: str, tree: ast.Module) -> None:
        self.path = path
        self.tree = tree
        self._file = file
        bound = Counter(name for node in ast.walk(tree) for name in _bound(node))
        self._values: dict[str, ast.expr] = {}
        self._found: dict[str, str | None] = {}
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if bound[name] == 1:
                    self._values[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if bound[name] == 1:
                    self._values[name] = value

    def opened(self, call: ast.Call) -> tuple[str | None, str | None]:
        """Return the file that a call opens and its mode; each is `None` if it is unknown."""
        match call:
            case ast.Call(func=ast.Name(id="open"), args=[file, *more]):
                return self.place(file), _mode(more, call)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr="open"), args=[file, *more]) if (
                module in _OPENERS
            ):
                return self.place(file), _mode(more, call)
            case ast.Call(func=ast.Attribute(value=file, attr="open"), args=more):
                return self.place(file), _mode(more, call)
            case ast.Call(func=ast.Attribute(value=file, attr=method)) if method in _METHODS:
                return self.place(file), _METHODS[method]
            case ast.Call(func=ast.Attribute(attr=reader) | ast.Name(id=reader), args=[file, *_]) if _READERS.fullmatch(
                reader
            ):
                return self.place(file), "r"
        return None, None

    def place(self, node: ast.expr, depth: int = 0) -> str | None:
        """Return the path that an expression evaluates to; `None` if the source does not show it."""
        if depth > _DEEPEST:
            return None
        try:
            found = self._place(node, depth + 1)
        except (ValueError, IndexError, TypeError):  # the path has no such part
            return None
        return found if found is None or "\0" not in found else None

    def _place(self, node: ast.expr, depth: int) -> str | None:
        join: Callable[..., str] = _concatenated
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id="__file__"):
                return self._file
            case ast.Name(id=name):
                return self._named(name, depth)
            case ast.Attribute(value=inner, attr="parent"):
                nodes, join = [inner], _parent
            case ast.Subscript(value=ast.Attribute(value=inner, attr="parents"), slice=ast.Constant(value=int(number))):
                nodes, join = [inner], partial(_parent, number=number)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                nodes, join = [left, right], os.path.join
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                nodes = [left, right]
            case ast.JoinedStr(values=nodes):
                nodes = [each.value if isinstance(each, ast.FormattedValue) else each for each in nodes]
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=nodes, keywords=[]) if name in _JOINS:
                join = _JOINS[name]
            case _:
                return None
        texts = [self.place(each, depth) for each in nodes]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            own = self.place(node.func.value, depth)  # for a method; a module such as `os.path` has no path
            texts = texts if own is None else [own, *texts]
        return None if None in texts else join(*texts)

    def _named(self, name: str, depth: int) -> str | None:
        """Return the path that is the value of a name; each name is evaluated once."""
        if name not in self._found:
            self._found[name] = None
            value = self._values.get(name)
            self._found[name] = None if value is None else self.place(value, depth)
        return self._found[name]


def _concatenated(*texts: str) -> str:
    return "".join(texts)


def _parent(path: str, number: int = 0) -> str:
    return str(Path(path).parents[number])


def _named(path: str, name: str) -> str:
    return str(Path(path).with_name(name))


def _ended(path: str, suffix: str) -> str:
    return str(Path(path).with_suffix(suffix))


_JOINS: Final[Mapping[str, Callable[..., str]]] = {
    **dict.fromkeys(("Path", "PurePath", "str", "fspath", "abspath", "realpath", "normpath"), os.path.join),
    **dict.fromkeys(("resolve", "absolute", "expanduser", "join", "joinpath"), os.path.join),
    **dict.fromkeys(("cwd", "getcwd"), lambda *_: ""),
    "dirname": os.path.dirname,
    "with_name": _named,
    "with_suffix": _ended,
}
"""How a function or a method builds a path from its arguments, by its name."""


def _bound(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node binds."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=asname):
            yield asname or name.partition(".")[0]


def _mode(more: list[ast.expr], call: ast.Call) -> str | None:
    """Return the mode in which a file is opened; `None` if it is unknown."""
    given = next((each.value for each in call.keywords if each.arg == "mode"), more[0] if more else None)
    if given is None:
        return "r"
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else None
