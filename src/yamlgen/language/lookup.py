"""Looking up what an expression refers to in the views of what is in scope.

Owns the walk over an expression's syntax tree: the view of its value, what it uses, and what is wrong with it: what is
not there, what may be null, what is no list. A finding's place is a pair of offsets into the source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from jinja2 import nodes

from yamlgen.errors import Code
from yamlgen.language import inference
from yamlgen.language.facts import Path, asked, if_false, if_true, path_of
from yamlgen.language.template import MAPPING_METHODS, filters, sandbox
from yamlgen.language.views import ANYTHING, Absent, Names, View, spoken
from yamlgen.language.words import nearest, suggestion

_WORD = re.compile(r"\w+")
_UNDECLARED: Final = {Code.UNKNOWN_PARAM: "declare it under `params`, as in `params: {language: {type: string}}`"}
_ELSEWHERE: Final = {
    "item": "in a step with `for_each`",
    "item_index": "in a step with `for_each`",
    "matrix": "in a step with `matrix`",
    "output": "in the `check` of a step",
}
_FILTERS: Final = {"len": "length", "sorted": "sort", "str": "string"} | {
    word: word for word in ("int", "float", "list", "sum", "min", "max", "round", "abs", "map")
}
_GUARDS: Final = frozenset({"defined", "undefined"})
_ORDERED: Final = frozenset({"lt", "lteq", "gt", "gteq"})


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
    nulls: set[tuple[str | int, ...]] = field(default_factory=set)
    """Paths of which it asks whether they are null."""


@dataclass
class Lookup:
    """The walk over the expressions of one source, with what it found until now."""

    source: str
    names: dict[str, View]
    solid: frozenset[Path]
    uses: Uses = field(default_factory=Uses)
    findings: list[Finding] = field(default_factory=list)

    def guard(self, tree: nodes.Node) -> None:
        """Note what the template asks about before it uses it."""
        for node in (tree, *tree.find_all((nodes.Test, nodes.Filter))):
            is_test = isinstance(node, nodes.Test) and node.name in _GUARDS
            is_default = isinstance(node, nodes.Filter) and node.name in ("default", "d")
            if is_test or is_default:
                self.uses.guarded.add(path_of(node.node))  # type: ignore[attr-defined]  # both have one
        for node in (tree, *tree.find_all((nodes.If, nodes.CondExpr, nodes.And, nodes.Or, nodes.Test, nodes.Compare))):
            self.uses.nulls |= asked(node.test if isinstance(node, nodes.If | nodes.CondExpr) else node)

    @contextmanager
    def _knowing(self, proven: frozenset[Path]) -> Iterator[None]:
        """Walk on where some references are known not to be null."""
        before, self.solid = self.solid, self.solid | proven
        try:
            yield
        finally:
            self.solid = before

    def _complain(self, code: Code, message: str, start: int, end: int, hint: str | None = None) -> None:
        self.findings.append(Finding(code, message, start, end, hint))

    def _bind(self, target: nodes.Node, view: View, scope: dict[str, View]) -> None:
        if isinstance(target, nodes.Name):
            if target.name in self.names:
                message = f"`{target.name}` is the name of what the template is given"
                self._complain(
                    Code.FORBIDDEN, message, target.lineno, target.lineno + len(target.name), "take another name"
                )
                return
            scope[target.name] = view
            self.solid = frozenset(path for path in self.solid if path[0] != target.name)
        elif isinstance(target, nodes.Tuple):
            for item in target.items:
                self._bind(item, ANYTHING, scope)

    def _try_element(self, over: View, node: nodes.Node) -> View:
        try:
            return over.element()
        except Absent as absent:
            start, end = self._extent(node)
            self._complain(absent.code, absent.message, start, end)
            return ANYTHING

    def view(self, node: nodes.Node, scope: dict[str, View], *, base: bool = False) -> View:  # noqa: C901, PLR0911 - a table
        """The view of an expression's value; what it refers to is looked up and noted on the way."""
        match node:
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                view = self._reference(node, scope, base=base)
                return view.solid() if view.null is not None and path_of(node) in self.solid else view
            case nodes.Const():
                return inference.constant(node.value)
            case nodes.TemplateData():
                return inference.TEXT
            case nodes.Call():
                return self._call(node, scope)
            case nodes.And() | nodes.Or() | nodes.CondExpr():
                return self._choice(node, scope)
            case nodes.Filter():
                return self._filtered(node, scope)
            case nodes.List() | nodes.Tuple():
                return inference.sequence([self.view(item, scope) for item in node.items])
            case nodes.Dict():
                for pair in node.items:
                    self.view(pair.key, scope)
                return inference.mapping(node, [self.view(pair.value, scope) for pair in node.items])
            case nodes.Compare():
                self._compare(node, scope)
                return inference.BOOLEAN
            case nodes.BinExpr():
                left, right = (self._operand(side, scope) for side in (node.left, node.right))
                return inference.arithmetic(type(node).__name__.lower(), left, right)
            case nodes.Concat():
                for part in node.nodes:
                    self._operand(part, scope)
                return inference.TEXT
            case nodes.Test():
                self._known(node, sandbox().tests, "test")
            case _:
                pass
        for child in node.iter_child_nodes():
            self.view(child, scope)
        return inference.BOOLEAN if isinstance(node, nodes.Test | nodes.Not) else ANYTHING

    def _reference(self, node: nodes.Node, scope: dict[str, View], *, base: bool) -> View:
        match node:
            case nodes.Name():
                return self._name(node, scope, base=base)
            case nodes.Getattr():
                return self._member(node, node.attr, scope)
            case nodes.Getitem(arg=nodes.Const(value=str() | int() as key)):
                return self._member(node, key, scope)
            case nodes.Getitem():
                owner = self._known_not_null(node.node, self.view(node.node, scope))
                self.view(node.arg, scope)
                return inference.sliced(owner) if isinstance(node.arg, nodes.Slice) else inference.indexed(owner)
            case _:
                return ANYTHING

    def _call(self, node: nodes.Call, scope: dict[str, View]) -> View:
        made: View = ANYTHING
        match node.node:
            case nodes.Getattr(attr=method, node=owner) if method in MAPPING_METHODS:
                self._known_not_null(owner, self.view(owner, scope))
            case nodes.Getattr(attr=method, node=owner):
                self.view(node.node, scope)
                made = inference.called(method, self._quietly(owner, scope))
            case nodes.Name(name="range") if "range" not in scope:
                made = inference.INTEGERS
            case _:
                self.view(node.node, scope)
        for argument in [*node.args, *node.kwargs]:
            self.view(argument, scope)
        return made

    def _quietly(self, node: nodes.Node, scope: dict[str, View]) -> View:
        """The view of an expression that was walked before: what is wrong with it has been told."""
        return Lookup(self.source, self.names, self.solid, Uses()).view(node, scope)

    def _choice(self, node: nodes.And | nodes.Or | nodes.CondExpr, scope: dict[str, View]) -> View:
        """`a and b`, `a or b`, `a if c else b`: what is looked at second knows what the first has proven."""
        if isinstance(node, nodes.CondExpr):
            self.view(node.test, scope)
            with self._knowing(if_true(node.test)):
                first = self.view(node.expr1, scope)
            if node.expr2 is None:
                return first
            with self._knowing(if_false(node.test)):
                return inference.either(first, self.view(node.expr2, scope))
        left = self.view(node.left, scope)
        is_and = isinstance(node, nodes.And)
        with self._knowing(if_true(node.left) if is_and else if_false(node.left)):
            right = self.view(node.right, scope)
        return inference.either(left if is_and else inference.truthy(left), right)

    def _compare(self, node: nodes.Compare, scope: dict[str, View]) -> None:
        left, is_chain = node.expr, len(node.ops) > 1
        view = self.view(left, scope)
        for operand in node.ops:
            other = self.view(operand.expr, scope)
            if operand.op in _ORDERED:
                self._known_not_null(left, view)
                self._known_not_null(operand.expr, other)
            elif operand.op in ("in", "notin"):
                self._known_not_null(operand.expr, other)
            if not is_chain:
                self._never(left, view, operand.expr)
                self._never(operand.expr, other, left)
            left, view = operand.expr, other

    def _never(self, node: nodes.Node, view: View, other: nodes.Node) -> None:
        """Tell of a constant that is compared with a value which it can never be."""
        known = inference.values_of(view) if path_of(node) else None
        for constant in other.items if isinstance(other, nodes.List | nodes.Tuple) else [other]:
            if known is None or not isinstance(constant, nodes.Const) or constant.value in (None, *known):
                continue
            start = constant.lineno
            size = len(constant.value) + 2 if isinstance(constant.value, str) else len(str(constant.value))
            message = f"{self._quoted(node, view)} is never {json.dumps(constant.value)}"
            near = suggestion(str(constant.value), map(str, known), "it is one of")
            self._complain(Code.NEVER_EQUAL, message, start, start + size, near)

    def _operand(self, node: nodes.Node, scope: dict[str, View]) -> View:
        return self._known_not_null(node, self.view(node, scope))

    def _filtered(self, node: nodes.Filter, scope: dict[str, View]) -> View:
        self._known(node, filters(), "filter")
        view = ANYTHING if node.node is None else self.view(node.node, scope)
        args = [self.view(arg, scope) for arg in node.args]
        for pair in node.kwargs:
            self.view(pair.value, scope)
        if node.node is None:
            return ANYTHING
        if node.name not in inference.NULL_SAFE:
            view = self._known_not_null(node.node, view)
        kinds = view.types()
        if node.name in inference.NEED_LIST and kinds and "array" not in kinds:
            is_text = kinds == {"string"} and node.name in ("first", "last")
            if not is_text:
                start, end = self._extent(node.node)
                self._complain(Code.NOT_A_LIST, f"`{node.name}`: expected a list, this is {spoken(kinds)}", start, end)
                return ANYTHING
        return self._mapped(node, view, args)

    def _mapped(self, node: nodes.Filter, view: View, args: list[View]) -> View:
        """A filter, perhaps over a list, whose items it may look into."""
        item = inference.item_of(view) if view.types() == {"array"} else ANYTHING
        defaults = any(pair.key == "default" for pair in node.kwargs)
        try:
            if inference.attribute_of(node) is not None and not defaults:
                if item.null is not None:
                    hint = "take those out first: `| reject('none')`"
                    self._maybe_null(node.node, item, hint, what="an item of " + self._quoted(node.node, view))
                inference.mapped_attribute(node, item)
            return inference.filtered(node, view, args)
        except Absent as absent:
            attribute = inference.attribute_of(node) or ""
            start = max(self.source.find(attribute, node.lineno), 0)
            near = suggestion(attribute.rpartition(".")[2], absent.known)
            self._complain(absent.code, absent.message, start, start + len(attribute), near)
            return ANYTHING

    def _known_not_null(self, node: nodes.Node, view: View) -> View:
        """The view without null; where it may be null, that is told."""
        if view.null is None:
            return view
        if path_of(node) not in self.uses.guarded:
            named = self._named(node, view)
            self._maybe_null(node, view, f"ask first, as in `{named} is not none and ...`")
        return view.solid()

    def _maybe_null(self, node: nodes.Node | None, view: View, hint: str, what: str | None = None) -> None:
        start, end = self._extent(node)
        message = f"{what or self._quoted(node, view)} may be null here: {view.null}"
        if not any((finding.start, finding.message) == (start, message) for finding in self.findings):
            self._complain(Code.MAY_BE_NULL, message, start, end, hint)

    def _named(self, node: nodes.Node | None, view: View) -> str:
        path = path_of(node)
        if not path:
            return getattr(view, "name", "it")
        return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")

    def _quoted(self, node: nodes.Node | None, view: View) -> str:
        return f"`{self._named(node, view)}`"

    def _known(self, node: nodes.Filter | nodes.Test, there: Collection[str], what: str) -> None:
        if node.name not in there:
            hint = suggestion(node.name, there, f"{what}s")
            start = self.source.find(node.name, node.lineno)
            self._complain(
                Code.UNKNOWN_FILTER, f"there is no {what} `{node.name}`", start, start + len(node.name), hint
            )

    def _name(self, node: nodes.Name, scope: dict[str, View], *, base: bool) -> View:
        start, end = node.lineno, node.lineno + len(node.name)
        if node.name.startswith("_"):
            self._complain(Code.FORBIDDEN, f"`{node.name}`: no name in a template begins with `_`", start, end)
        elif node.name in scope:
            if node.name in self.names and not base:
                self._whole(node)
            return scope[node.name]
        elif node.name not in sandbox().globals:
            self._complain(Code.UNKNOWN_NAME, f"unknown name `{node.name}`", start, end, self._meant(node.name, scope))
        return ANYTHING

    def _meant(self, word: str, scope: Mapping[str, View]) -> str | None:
        """The hint for a bare name: perhaps the author left out where it lives."""
        if word in _ELSEWHERE:
            return f"`{word}` is there {_ELSEWHERE[word]}"
        if word in _FILTERS:
            return f"it is a filter here: `... | {_FILTERS[word]}`"
        for holder in ("row", "params", "steps"):
            view = scope.get(holder)
            if isinstance(view, Names) and word in view.members:
                return f"did you mean `{holder}.{word}`?"
        if nearest(word, self.names) is None:
            return f"in scope: {', '.join(f'`{name}`' for name in self.names)}; a column is `row.{word}`"
        return suggestion(word, self.names)

    def _whole(self, node: nodes.Node) -> None:
        """A root is used as a whole: fine for a row, but which step is meant must be written."""
        if not isinstance(node, nodes.Name):
            return
        if node.name == "row":
            self.uses.columns = None
        elif node.name == "steps":
            hint = "name the step, as in `steps.profile`"
            self._complain(Code.UNKNOWN_STEP, "`steps` alone says not which step", node.lineno, node.lineno + 5, hint)

    def _member(self, node: nodes.Getattr | nodes.Getitem, key: str | int, scope: dict[str, View]) -> View:
        owner = self.view(node.node, scope, base=True)
        start, end = self._extent(node)
        if isinstance(node, nodes.Getattr) and str(key).startswith("_"):
            message = f"`{key}`: no name in a template begins with `_`"
            self._complain(Code.FORBIDDEN, message, start, end, f'a column is `row["{key}"]`')
            return ANYTHING
        path = path_of(node)
        self._note(path)
        if owner.null is not None and path not in self.uses.guarded:
            owner = self._known_not_null(node.node, owner)
        try:
            return owner.solid().member(key)
        except Absent as absent:
            if path not in self.uses.guarded or absent.code is not Code.UNKNOWN_COLUMN:
                hint = suggestion(str(key), absent.known) or _UNDECLARED.get(absent.code)
                near = nearest(str(key), absent.known) is not None
                self.findings.append(Finding(absent.code, absent.message, start, end, hint, path, near))
            return ANYTHING

    def _note(self, path: tuple[str | int, ...]) -> None:
        if len(path) == 2:  # noqa: PLR2004 - the root and its member
            root, member = path
            if root == "row" and self.uses.columns is not None:
                self.uses.columns.add(str(member))
            elif root == "steps":
                self.uses.steps.add(str(member))
            elif root == "params":
                self.uses.params.add(str(member))

    def _extent(self, node: nodes.Node | None) -> tuple[int, int]:
        """The offsets of a reference such as `steps.profile["age"]`, root to end."""
        if node is None:
            return 0, 1
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
