"""The author's functions as a pipeline names them: found in their files and held against their arguments, never run.

Owns what can be said of `call: module:function` before a run. A module is read, not imported: `validate` must be quick
and must do nothing of what the module does. So a mistake is told only where the source leaves no doubt, and all else
is left to the run.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeGuard

from yamlgen.errors import Code, Diagnostic, Mark
from yamlgen.parsing.project_folder import leak, open_inside
from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import absence
from yamlgen.suggestions import listing, nearest, suggestion

_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the author's: where it stands, and what its module's source is.

    Attributes:
        file: the module's file, absolute.
        name: the function's name in it.
        source: the sha256 of the file's bytes, in hexadecimal.
    """

    file: Path
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function can be called with, by name.

    Attributes:
        named: the parameters that take a name.
        nameless: those that take none, because they stand before a `/`.
        required: those of both that have no default.
        any_name: whether it takes arguments of any name (`**kwargs`).
        yields: whether it is a generator.
    """

    named: tuple[str, ...]
    nameless: tuple[str, ...]
    required: tuple[str, ...]
    any_name: bool
    yields: bool


@dataclass(frozen=True, slots=True)
class FoundFunction:
    """A function, and its signature; `None` where the source does not show it (a class, an import, a decorator)."""

    function: Function
    signature: Signature | None


def find(folder: Path, shown: str, call: str, mark: Mark) -> tuple[FoundFunction | None, list[Diagnostic]]:
    """The function that a pipeline names, or what is wrong with it.

    Args:
        folder: the pipeline's folder.
        shown: the folder as messages name it, `""` for the working directory.
        call: `module:function`, where `lib.scoring` is the file lib/scoring.py.
        mark: where the pipeline says so.
    """
    module, _, name = call.partition(":")
    relative = Path(*module.split(".")).with_suffix(".py")
    file, place = (folder / relative).absolute(), str(Path(shown) / relative)
    absent = absence(file, place, "the pipeline's file")
    if absent is not None:
        bare = module.removesuffix(".py")
        hint = absent[1] if bare == module else f"write `{bare}:{name}`: a module stands without `.py`"
        return None, [Diagnostic(Code.MISSING_FILE, absent[0], mark, hint)]
    leaking = leak(folder, str(relative), place)
    if leaking is not None:
        hint = "copy it into the folder, or import the function in a module that stands there"
        return None, [Diagnostic(Code.OUTSIDE_FOLDER, leaking[0], mark, hint)]
    try:
        with open_inside(folder, file) as opened:
            source = opened.read()
    except OSError as error:
        return None, [Diagnostic(Code.BAD_MODULE, f"cannot read {place}: {error.strerror}", mark)]
    tree = _parsed(source, place)
    if isinstance(tree, Diagnostic):
        return None, [tree]
    bound = _bindings(tree)
    plain = "__getattr__" not in bound and _is_plain(tree)
    if plain and name not in bound:
        functions = [known for known, nodes in bound.items() if any(isinstance(node, _DEFINITIONS) for node in nodes)]
        hint = suggestion(name, functions, "functions there") or "define it there"
        return None, [Diagnostic(Code.UNKNOWN_FUNCTION, f"{place} has no `{name}`", mark, hint)]
    function = Function(file, name, hashlib.sha256(source).hexdigest())
    return FoundFunction(function, _signature(bound[name]) if plain else None), []


def check_args(found: FoundFunction, args: Mapping[str, Mark], call: Mark) -> Iterator[Diagnostic]:
    """What is wrong with a call, as far as the source shows it.

    Args:
        found: the function.
        args: the place of each argument that the pipeline gives, by name.
        call: where the pipeline names the function.
    """
    signature, name = found.signature, found.function.name
    if signature is None:
        return
    if signature.yields:
        hint = "a step's value is what its function returns: return a list"
        yield Diagnostic(Code.WRONG_ARGUMENT, f"`{name}` yields values, and returns none", call, hint)
    missing = [parameter for parameter in signature.required if parameter not in args]
    unknown = [arg for arg in args if arg not in (*signature.named, *signature.nameless) and not signature.any_name]
    for arg, mark in args.items():
        if arg in signature.nameless:
            yield _nameless(name, arg, mark)
        elif arg in unknown:
            near = missing[0] if len(missing) == len(unknown) == 1 else nearest(arg, missing)
            if near is not None:
                missing.remove(near)  # one slip is one mistake
            known = signature.named if near is None else [near]
            hint = suggestion(arg, known, "its parameters") or "remove it: the function takes none"
            yield Diagnostic(Code.WRONG_ARGUMENT, f"`{name}` has no parameter `{arg}`", mark, hint)
    for parameter in missing:
        if parameter in signature.nameless:
            yield _nameless(name, parameter, call)
    named = [parameter for parameter in missing if parameter not in signature.nameless]
    if named:
        hint = f"add {'it' if len(named) == 1 else 'them'} under `args`"
        yield Diagnostic(Code.WRONG_ARGUMENT, f"`{name}` needs {listing(named)}", call, hint)


def _nameless(name: str, parameter: str, mark: Mark) -> Diagnostic:
    message = f"`{parameter}` of `{name}` cannot be given by name, and arguments have no other way"
    return Diagnostic(Code.WRONG_ARGUMENT, message, mark, "remove the `/` from the function's parameters")


def _parsed(source: bytes, place: str) -> ast.Module | Diagnostic:
    """The syntax of a module, or why it has none, at the place in its own file."""
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = SourceText(place, error.object[: error.start].decode())
        line, column = before.position(len(before.text))
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
        return Diagnostic(Code.BAD_MODULE, message, Mark(place, line, column, line, column + 1), "save it as UTF-8")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
            compile(tree, place, "exec", dont_inherit=True)  # which alone sees a `return` that stands in no function
    except SyntaxError as error:
        return Diagnostic(Code.BAD_MODULE, f"not Python: {error.msg}", _mark(error, place))
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes, or brackets without end
        return Diagnostic(Code.BAD_MODULE, f"not Python: {str(error) or 'nested too deeply'}", Mark(place, 1, 1, 1, 2))
    return tree


def _mark(error: SyntaxError, place: str) -> Mark:
    line, column = max(error.lineno or 1, 1), max(error.offset or 1, 1)
    end = error.end_offset or 0 if error.end_lineno == line else 0
    return Mark(place, line, column, line, max(end, column + 1))


def parts(root: ast.AST) -> Iterator[ast.AST]:
    """A node and what stands in it, without the bodies of functions and classes, whose names are their own."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        for name, value in ast.iter_fields(node):
            if name != "body" or not isinstance(node, _SCOPES):
                waiting += [child for child in (value if isinstance(value, list) else [value]) if _is_node(child)]


def _is_node(value: object) -> TypeGuard[ast.AST]:
    return isinstance(value, ast.AST)


def _bindings(tree: ast.Module) -> Mapping[str, list[ast.AST]]:
    """What binds each name of a module: rather a name too many than one too few."""
    bound: dict[str, list[ast.AST]] = defaultdict(list)
    for node in parts(tree):
        match node:
            case ast.FunctionDef(name=str(name)) | ast.AsyncFunctionDef(name=str(name)) | ast.ClassDef(name=str(name)):
                bound[name].append(node)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                bound[name].append(node)
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.MatchMapping(rest=str(name)):
                bound[name].append(node)
            case ast.alias(name=name, asname=asname):
                bound[asname or name.partition(".")[0]].append(node)
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            for name in node.names:
                bound[name].append(node)
    return bound


def _is_plain(tree: ast.Module) -> bool:
    """Whether a module has the names that its source shows, and no others."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id="exec" | "globals" | "locals" | "vars"):
                return False
            case ast.ImportFrom(names=[ast.alias(name="*")]):
                return False
    return True


def _signature(bindings: list[ast.AST]) -> Signature | None:
    """The signature of what is bound once, as a function without decorators."""
    if len(bindings) != 1:
        return None
    definition = bindings[0]
    if not isinstance(definition, _DEFINITIONS) or definition.decorator_list:
        return None
    given = definition.args
    nameless, ordered = [arg.arg for arg in given.posonlyargs], [arg.arg for arg in given.args]
    bare = [*nameless, *ordered][: len(nameless) + len(ordered) - len(given.defaults)]
    bare += [arg.arg for arg, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None]
    named = (*ordered, *(arg.arg for arg in given.kwonlyargs))
    inside = (part for statement in definition.body for part in parts(statement))
    yields = any(isinstance(part, ast.Yield | ast.YieldFrom) for part in inside)
    return Signature(named, tuple(nameless), tuple(bare), given.kwarg is not None, yields)
