"""The files that a function of the author's reads by a name that stands in its source.

Owns what a source shows of that without being run. It is a help and no proof: only what a function can reach is looked
at, and only a name that is a literal, or is put together from literals and `__file__`, is known. A file that the same
code writes is its own affair.
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
    """A file that is read, and where.

    Attributes:
        file: its path, absolute where it goes by `__file__`, and otherwise relative to whatever the run starts from.
        module: the source that reads it, relative to the pipeline.
        line: of that source.
    """

    file: str
    module: str
    line: int


def openings(folder: Path, trees: Mapping[str, ast.Module], name: str) -> Iterator[FileOpen]:
    """The files that a function reads, as far as that can be seen.

    Args:
        folder: the pipeline's folder.
        trees: the sources that the function's module is made of, by path relative to the folder.
        name: the function.
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
    """What is done when the modules are imported and the function is called: a definition that is named is used."""
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
    """What of a module is done when it is imported; what a script does is not."""
    for statement in tree.body:
        is_script = isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test)
        if not is_script:
            yield from parts(statement)


class _Module:
    """A source, with the values of the names that are bound once in it.

    Attributes:
        path: its file, relative to the pipeline.
        tree: its syntax.
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
        """The file that a call opens and the mode in which it does, each where it is known."""
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
        """The path that an expression gives, where its source says it."""
        if depth > _DEEPEST:
            return None
        try:
            found = self._place(node, depth + 1)
        except (ValueError, IndexError, TypeError):  # it has no such part
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
            own = self.place(node.func.value, depth)  # of a method; a module such as `os.path` is none
            texts = texts if own is None else [own, *texts]
        return None if None in texts else join(*texts)

    def _named(self, name: str, depth: int) -> str | None:
        """The path that a name stands for, whose value is looked at once."""
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
"""How the paths that a function or a method is given make another one."""


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a node binds, by whatever means."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=asname):
            yield asname or name.partition(".")[0]


def _mode(more: list[ast.expr], call: ast.Call) -> str | None:
    """The mode in which a file is opened, where it is known."""
    given = next((each.value for each in call.keywords if each.arg == "mode"), more[0] if more else None)
    if given is None:
        return "r"
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else None
