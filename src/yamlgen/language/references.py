"""What a template refers to, and whether it can be there: read from its syntax tree, never by running it.

Owns the walk over a template's expressions with the views of what is in scope, and the findings on the way. A
finding's place is a pair of offsets into the template's source.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError

from yamlgen.errors import Code
from yamlgen.language.template import MAPPING_METHODS, filters, parse, sandbox
from yamlgen.language.template_syntax import explain
from yamlgen.language.views import ANYTHING, Absent, Names, View
from yamlgen.language.words import nearest, suggestion

_WORD = re.compile(r"\w+")
_TAGS: Final = {nodes.Include: "include", nodes.Extends: "extends", nodes.Block: "block"}
_UNDECLARED: Final = {Code.UNKNOWN_PARAM: "declare it under `params`, as in `params: {language: {type: string}}`"}
_GUARDS: Final = frozenset({"defined", "undefined"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake in a template, from `start` to `end` of its source."""

    code: Code
    message: str
    start: int
    end: int
    hint: str | None = None
    path: tuple[str | int, ...] = ()
    """The reference that was looked up, for findings about one."""
    near: bool = False
    """Whether the hint names what was probably meant."""


@dataclass
class Uses:
    """What a template refers to. `columns` is `None` when it needs the row as a whole."""

    steps: set[str] = field(default_factory=set)
    params: set[str] = field(default_factory=set)
    columns: set[str] | None = field(default_factory=set)
    guarded: set[tuple[str | int, ...]] = field(default_factory=set)
    """Paths that the template itself asks about: `is defined`, `default`."""


def read(source: str, scope: Mapping[str, View]) -> tuple[Uses, list[Finding]]:
    """What a template uses of `scope`, and every reference in it that cannot be."""
    walk = _Walk(source, dict(scope))
    try:
        tree = parse(source)
        walk.guard(tree)
        walk.body(tree, dict(scope))
    except TemplateSyntaxError as error:
        at = min(error.lineno, max(len(source) - 1, 0))
        message, start, end, hint = explain(source, error.message or "", at)
        return Uses(), [Finding(Code.TEMPLATE_SYNTAX, message, start, end, hint)]
    except RecursionError:
        return Uses(), [Finding(Code.TEMPLATE_SYNTAX, "an expression is nested too deeply", 0, 1)]
    except ValueError:
        return Uses(), [Finding(Code.TEMPLATE_SYNTAX, "a number is too long", 0, 1)]
    return walk.uses, walk.findings


@dataclass
class _Walk:
    source: str
    names: dict[str, View]
    uses: Uses = field(default_factory=Uses)
    findings: list[Finding] = field(default_factory=list)

    def guard(self, tree: nodes.Node) -> None:
        """Note what the template asks about before it uses it."""
        for test in tree.find_all(nodes.Test):
            if test.name in _GUARDS:
                self.uses.guarded.add(_path(test.node))
        for filtered in tree.find_all(nodes.Filter):
            if filtered.name in ("default", "d") and filtered.node is not None:
                self.uses.guarded.add(_path(filtered.node))

    def complain(self, code: Code, message: str, start: int, end: int, hint: str | None = None) -> None:
        self.findings.append(Finding(code, message, start, end, hint))

    def body(self, node: nodes.Node, scope: dict[str, View]) -> None:
        """Walk a node's children in order; an assignment is seen by what follows it."""
        for child in node.iter_child_nodes():
            self.statement(child, scope)

    def statement(self, node: nodes.Node, scope: dict[str, View]) -> None:
        match node:
            case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends() | nodes.Block():
                tag = _TAGS.get(type(node), "import")
                at = node.lineno
                hint = "write the text here, or as `{file: ...}` of its own message"
                self.complain(Code.FORBIDDEN, f"`{tag}` is not allowed in a template", at, at + len(tag), hint)
            case nodes.For():
                self.loop(node, scope)
            case nodes.Assign():
                self.bind(node.target, self.view(node.node, scope), scope)
            case nodes.AssignBlock():
                self.body(node, dict(scope))
                self.bind(node.target, ANYTHING, scope)
            case nodes.Macro():
                scope[node.name] = ANYTHING
                self.callee(node, scope)
            case nodes.CallBlock():
                self.view(node.call, scope)
                self.callee(node, scope)
            case nodes.With():
                inner = dict(scope)
                for target, value in zip(node.targets, node.values, strict=True):
                    self.bind(target, self.view(value, scope), inner)
                for child in node.body:
                    self.statement(child, inner)
            case nodes.FilterBlock() | nodes.Scope() | nodes.ScopedEvalContextModifier():
                self.body(node, dict(scope))
            case nodes.Expr():
                self.view(node, scope)
            case _:
                self.body(node, scope)

    def loop(self, node: nodes.For, scope: dict[str, View]) -> None:
        over = self.view(node.iter, scope)
        inner = dict(scope) | {"loop": ANYTHING}
        self.bind(node.target, self.try_element(over, node.iter), inner)
        if node.test is not None:
            self.view(node.test, inner)
        for child in node.body:
            self.statement(child, inner)
        for child in node.else_:
            self.statement(child, dict(scope))

    def callee(self, node: nodes.Macro | nodes.CallBlock, scope: dict[str, View]) -> None:
        inner = dict(scope) | dict.fromkeys(("caller", "varargs", "kwargs"), ANYTHING)
        for default in node.defaults:
            self.view(default, scope)
        for argument in node.args:
            self.bind(argument, ANYTHING, inner)
        for child in node.body:
            self.statement(child, inner)

    def bind(self, target: nodes.Node, view: View, scope: dict[str, View]) -> None:
        if isinstance(target, nodes.Name):
            if target.name in self.names:
                message = f"`{target.name}` is the name of what the template is given"
                self.complain(
                    Code.FORBIDDEN, message, target.lineno, target.lineno + len(target.name), "take another name"
                )
                return
            scope[target.name] = view
        elif isinstance(target, nodes.Tuple):
            for item in target.items:
                self.bind(item, ANYTHING, scope)

    def try_element(self, over: View, node: nodes.Node) -> View:
        try:
            return over.element()
        except Absent as absent:
            start, end = self.extent(node)
            self.complain(absent.code, absent.message, start, end)
            return ANYTHING

    def view(self, node: nodes.Node, scope: dict[str, View], *, base: bool = False) -> View:
        """The view of an expression's value; what it refers to is looked up and noted on the way."""
        match node:
            case nodes.Name():
                return self.name(node, scope, base=base)
            case nodes.Call(node=nodes.Getattr(attr=method, node=owner)) if method in MAPPING_METHODS:
                self.view(owner, scope)
                for argument in [*node.args, *node.kwargs]:
                    self.view(argument, scope)
                return ANYTHING
            case nodes.Getattr():
                return self.member(node, node.attr, scope)
            case nodes.Getitem(arg=nodes.Const(value=str() | int() as key)):
                return self.member(node, key, scope)
            case nodes.Getitem():
                self.view(node.node, scope)
                self.view(node.arg, scope)
                return ANYTHING
            case nodes.Filter():
                self.known(node, filters(), "filter")
            case nodes.Test():
                self.known(node, sandbox().tests, "test")
            case _:
                pass
        for child in node.iter_child_nodes():
            self.view(child, scope)
        return ANYTHING

    def known(self, node: nodes.Filter | nodes.Test, there: Collection[str], what: str) -> None:
        if node.name not in there:
            hint = suggestion(node.name, there, f"{what}s")
            start = self.source.find(node.name, node.lineno)
            self.complain(Code.UNKNOWN_FILTER, f"there is no {what} `{node.name}`", start, start + len(node.name), hint)

    def name(self, node: nodes.Name, scope: dict[str, View], *, base: bool) -> View:
        start, end = node.lineno, node.lineno + len(node.name)
        if node.name.startswith("_"):
            self.complain(Code.FORBIDDEN, f"`{node.name}`: no name in a template begins with `_`", start, end)
        elif node.name in scope:
            if node.name in self.names and not base:
                self.whole(node)
            return scope[node.name]
        elif node.name not in sandbox().globals:
            self.complain(Code.UNKNOWN_NAME, f"unknown name `{node.name}`", start, end, self.meant(node.name, scope))
        return ANYTHING

    def meant(self, word: str, scope: Mapping[str, View]) -> str | None:
        """The hint for a bare name: perhaps the author left out where it lives."""
        for holder in ("row", "params", "steps"):
            view = scope.get(holder)
            if isinstance(view, Names) and word in view.members:
                return f"did you mean `{holder}.{word}`?"
        if nearest(word, self.names) is None:
            return f"in scope: {', '.join(f'`{name}`' for name in self.names)}; a column is `row.{word}`"
        return suggestion(word, self.names)

    def whole(self, node: nodes.Node) -> None:
        """A root is used as a whole: fine for a row, but which step is meant must be written."""
        if not isinstance(node, nodes.Name):
            return
        if node.name == "row":
            self.uses.columns = None
        elif node.name == "steps":
            hint = "name the step, as in `steps.profile`"
            self.complain(Code.UNKNOWN_STEP, "`steps` alone says not which step", node.lineno, node.lineno + 5, hint)

    def member(self, node: nodes.Getattr | nodes.Getitem, key: str | int, scope: dict[str, View]) -> View:
        owner = self.view(node.node, scope, base=True)
        start, end = self.extent(node)
        if isinstance(node, nodes.Getattr) and str(key).startswith("_"):
            message = f"`{key}`: no name in a template begins with `_`"
            self.complain(Code.FORBIDDEN, message, start, end, f'a column is `row["{key}"]`')
            return ANYTHING
        path = _path(node)
        self.note(path)
        try:
            return owner.member(key)
        except Absent as absent:
            if path not in self.uses.guarded or absent.code is not Code.UNKNOWN_COLUMN:
                hint = suggestion(str(key), absent.known) or _UNDECLARED.get(absent.code)
                near = nearest(str(key), absent.known) is not None
                self.findings.append(Finding(absent.code, absent.message, start, end, hint, path, near))
            return ANYTHING

    def note(self, path: tuple[str | int, ...]) -> None:
        if len(path) == 2:  # noqa: PLR2004 - the root and its member
            root, member = path
            if root == "row" and self.uses.columns is not None:
                self.uses.columns.add(str(member))
            elif root == "steps":
                self.uses.steps.add(str(member))
            elif root == "params":
                self.uses.params.add(str(member))

    def extent(self, node: nodes.Node) -> tuple[int, int]:
        """The offsets of a reference such as `steps.profile["age"]`, root to end."""
        root = node
        while isinstance(root, nodes.Getattr | nodes.Getitem):
            root = root.node
        end = root.lineno + 1
        if isinstance(node, nodes.Getattr):
            found = re.compile(rf"\.\s*{re.escape(node.attr)}").match(self.source, node.lineno)
            end = found.end() if found else node.lineno + 1
        elif isinstance(node, nodes.Getitem):
            closing = self.source.find("]", node.arg.lineno)
            end = closing + 1 if closing >= 0 else node.lineno + 1
        elif word := _WORD.match(self.source, node.lineno):
            end = word.end()
        return root.lineno, end


def _path(node: nodes.Node | None) -> tuple[str | int, ...]:
    """`steps.profile["age"]` as a tuple; empty for what is no fixed reference."""
    match node:
        case nodes.Name(name=name):
            return (name,)
        case (
            nodes.Getattr(node=owner, attr=key) | nodes.Getitem(node=owner, arg=nodes.Const(value=str() | int() as key))
        ):
            path = _path(owner)
            return (*path, key) if path else ()
        case _:
            return ()
