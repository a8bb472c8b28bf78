"""Checks of the author's functions: they are found in their files and compared with their arguments, but never run.

Owns the checks of `call: module:function` before a run. A module is read, not imported, because `validate` must be fast
and must not run the module's code. A mistake is reported only if the source leaves no doubt; a run finds the others.
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

from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.parsing.project_folder import leak, open_inside
from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import absence
from yamlgen.suggestions import Hint, correction, listing, nearest

_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the author: its location, and the digest of its module's source.

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
    """The parameters of a function.

    Attributes:
        named: the parameters that can be passed by name.
        nameless: the positional-only parameters, before a `/`.
        required: the parameters of both kinds without a default.
        any_name: whether it accepts arguments of any name (`**kwargs`).
        yields: whether it is a generator.
    """

    named: tuple[str, ...]
    nameless: tuple[str, ...]
    required: tuple[str, ...]
    any_name: bool
    yields: bool


@dataclass(frozen=True, slots=True)
class FoundFunction:
    """A function and its signature; `None` if the source does not show it (a class, an import, a decorator)."""

    function: Function
    signature: Signature | None


def find(folder: Path, shown: str, call: str, mark: Mark) -> tuple[FoundFunction | None, list[Diagnostic]]:
    """Return the function that a pipeline calls, or the mistakes in the call.

    Args:
        folder: the pipeline's folder.
        shown: the folder as shown in messages, `""` for the working directory.
        call: `module:function`; the module `lib.scoring` is the file lib/scoring.py.
        mark: the place of `call` in the pipeline.
    """
    module, _, name = call.partition(":")
    relative = Path(*module.split(".")).with_suffix(".py")
    file, place = (folder / relative).absolute(), str(Path(shown) / relative)
    absent = absence(file, place, "the pipeline file")
    if absent is not None:
        bare = module.removesuffix(".py")
        hint = absent[1] if bare == module else f"write `{bare}:{name}`, without `.py`"
        return None, [Diagnostic(Code.MISSING_FILE, absent[0], mark, hint)]
    leaking = leak(folder, str(relative), place)
    if leaking is not None:
        hint = "copy it into the folder, or import the function in a module of the folder"
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
        hint = correction(name, functions, "functions there") or "define it there"
        return None, [Diagnostic(Code.UNKNOWN_FUNCTION, f"{place} has no function `{name}`", mark, hint)]
    function = Function(file, name, hashlib.sha256(source).hexdigest())
    return FoundFunction(function, _signature(bound[name]) if plain else None), []


def check_args(found: FoundFunction, args: Mapping[str, Mark], call: Mark) -> Iterator[Diagnostic]:
    """Check the arguments of a call, as far as the source shows the parameters.

    Args:
        found: the function.
        args: the place of each argument in the pipeline, by name.
        call: the place of `call` in the pipeline.
    """
    signature, name = found.signature, found.function.name
    if signature is None:
        return
    if signature.yields:
        hint = "return a list instead"
        yield Diagnostic(Code.WRONG_ARGUMENT, f"`{name}` is a generator: it yields values but returns none", call, hint)
    missing = [parameter for parameter in signature.required if parameter not in args]
    unknown = [arg for arg in args if arg not in (*signature.named, *signature.nameless) and not signature.any_name]
    for arg, mark in args.items():
        if arg in signature.nameless:
            yield _nameless(name, arg, mark)
        elif arg in unknown:
            near = missing[0] if len(missing) == len(unknown) == 1 else nearest(arg, missing)
            if near is not None:
                missing.remove(near)  # one typing error is one mistake
            known = signature.named if near is None else [near]
            hint = correction(arg, known, "its parameters") or "remove it: the function accepts no keyword arguments"
            hint = hint.knowing(signature.named) if isinstance(hint, Hint) else hint
            yield Diagnostic(Code.WRONG_ARGUMENT, f"`{name}` has no parameter `{arg}`", mark, hint)
    for parameter in missing:
        if parameter in signature.nameless:
            yield _nameless(name, parameter, call)
    named = [parameter for parameter in missing if parameter not in signature.nameless]
    if named:
        hint = f"add {'it' if len(named) == 1 else 'them'} under `args`"
        yield Diagnostic(Code.WRONG_ARGUMENT, f"`{name}` requires {listing(named)}", call, hint)


def _nameless(name: str, parameter: str, mark: Mark) -> Diagnostic:
    message = f"`{parameter}` of `{name}` is positional-only, but `args` are passed by name"
    return Diagnostic(Code.WRONG_ARGUMENT, message, mark, "remove the `/` from the function's parameters")


def _parsed(source: bytes, place: str) -> ast.Module | Diagnostic:
    """Return the syntax tree of a module, or an error with its place in the module's file."""
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
            compile(tree, place, "exec", dont_inherit=True)  # only `compile` finds a `return` outside a function
    except SyntaxError as error:
        return Diagnostic(Code.BAD_MODULE, f"not valid Python: {error.msg}", _mark(error, place))
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes, or too many nested brackets
        message = f"not valid Python: {str(error) or 'nested too deeply'}"
        return Diagnostic(Code.BAD_MODULE, message, Mark(place, 1, 1, 1, 2))
    return tree


def _mark(error: SyntaxError, place: str) -> Mark:
    line, column = max(error.lineno or 1, 1), max(error.offset or 1, 1)
    end = error.end_offset or 0 if error.end_lineno == line else 0
    return Mark(place, line, column, line, max(end, column + 1))


def parts(root: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and the nodes in it, without the bodies of functions and classes, which have their own scope."""
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
    """Return the nodes that bind each name of a module; if in doubt, a name is included."""
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
    """Return whether a module has only the names that its source shows."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id="exec" | "globals" | "locals" | "vars"):
                return False
            case ast.ImportFrom(names=[ast.alias(name="*")]):
                return False
    return True


def _signature(bindings: list[ast.AST]) -> Signature | None:
    """Return the signature of a name that is bound once, to a function without decorators."""
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
