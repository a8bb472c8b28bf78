"""Resolve the names and members in an expression against the types in scope.

Owns the findings about unknown names, missing members and possible nulls, and the knowledge about null at each place of
the source. The place of a finding is a pair of offsets in the source.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from jinja2 import nodes

from yamlgen.errors import Code
from yamlgen.expressions.jinja_environment import sandbox
from yamlgen.expressions.narrowing import (
    Forks,
    Path,
    alternatives,
    asked,
    empty,
    forks,
    not_null,
    null,
    path_of,
)
from yamlgen.expressions.references import OF_STEPS
from yamlgen.expressions.static_types import ANYTHING, Absent, TypeView
from yamlgen.expressions.type_inference import parts
from yamlgen.suggestions import correction, knowing, nearest

_WORD: Final = re.compile(r"\w+")
_JOINED: Final = re.compile(r"\w+(?:-\w+)*")
_UNDECLARED: Final = {Code.UNKNOWN_PARAM: "declare it under `params`, as in `params: {language: {type: string}}`"}
_GUARDS: Final = frozenset({"defined", "undefined"})
_QUESTIONS: Final = (nodes.If, nodes.CondExpr, nodes.And, nodes.Or, nodes.Test, nodes.Compare, nodes.Filter)


@dataclass(frozen=True, slots=True)
class Finding:
    """One error or warning about a template, from `start` to `end` of its source."""

    code: Code
    message: str
    start: int
    end: int
    hint: str | None = field(default=None, compare=False)
    path: tuple[str | int, ...] = ()
    """The reference that the finding is about, if any."""
    near: bool = False
    """Whether the hint suggests a similar name."""
    is_warning: bool = False
    """Whether the template works, though probably not as intended."""


@dataclass
class UsedNames:
    """The names that a template refers to. `columns` is `None` if it uses the row as a whole."""

    steps: set[str] = field(default_factory=set)
    columns: set[str] | None = field(default_factory=set)
    params: set[str] = field(default_factory=set)
    axes: set[str] = field(default_factory=set)
    guarded: set[tuple[str | int, ...]] = field(default_factory=set)
    """Paths that the template guards with `is defined` or `default`."""
    nulls: set[tuple[str | int, ...]] = field(default_factory=set)
    """Paths that it tests for null."""
    tested: dict[tuple[str | int, ...], set[str]] = field(default_factory=dict)
    """The tests that it applies, by path."""


def all_of(columns: Iterable[AbstractSet[str] | None]) -> frozenset[str] | None:
    """Return the union of the columns of several templates; `None` if one of them uses the row as a whole."""
    each = list(columns)
    known = [one for one in each if one is not None]
    return frozenset().union(*known) if len(known) == len(each) else None


@dataclass
class NameResolver:
    """Resolves the names in one source and collects the findings.

    Args:
        source: the template or the expression.
        names: the names in scope, with their types.
        solid: references that are known not to be null.
        forks: sets of references of which at least one is known not to be null.
    """

    source: str
    names: dict[str, TypeView]
    solid: frozenset[Path]
    forks: Forks = frozenset()
    uses: UsedNames = field(default_factory=UsedNames)
    findings: list[Finding] = field(default_factory=list)
    _empty: frozenset[Path] = frozenset()
    _null: frozenset[Path] = frozenset()
    _asking: bool = False
    _seen: dict[nodes.Node, TypeView] = field(default_factory=dict)
    """The type of each reference, at its place."""

    def typed(self) -> Iterator[tuple[int, int, TypeView]]:
        """Yield each reference and each part of one that was resolved: its start, its end, its type."""
        for node, view in self._seen.items():
            yield *self._extent(node), view

    def guard(self, tree: nodes.Node) -> None:
        """Record the references that the source guards or tests."""
        for node in (tree, *tree.find_all((nodes.Test, nodes.Filter))):
            is_test = isinstance(node, nodes.Test) and node.name in _GUARDS
            is_default = isinstance(node, nodes.Filter) and node.name in ("default", "d")
            if is_test or is_default:
                self.uses.guarded.add(path_of(node.node))  # type: ignore[attr-defined]  # both have one
            elif isinstance(node, nodes.Test):
                self.uses.tested.setdefault(path_of(node.node), set()).add(node.name)
        for node in (*(() if path_of(tree) else (tree,)), *tree.find_all(_QUESTIONS)):  # a bare reference tests nothing
            self.uses.nulls |= asked(node.test if isinstance(node, nodes.If | nodes.CondExpr) else node)

    @contextmanager
    def _where(self, node: nodes.Node | None, *, holds: bool) -> Iterator[None]:
        """Continue the walk where an expression is known to be true, or false."""
        before = self.solid, self._empty, self._null, self.forks
        self.solid |= not_null(node, holds=holds)
        self._empty |= empty(node, holds=holds)
        self._null |= null(node, holds=holds)
        self.forks |= forks(node) if holds else frozenset()
        try:
            yield
        finally:
            self.solid, self._empty, self._null, self.forks = before

    @contextmanager
    def _hidden(self, names: AbstractSet[str]) -> Iterator[None]:
        """Continue the walk where local names hide those that the template receives."""
        before = self.names, self.solid
        self.names = {name: view for name, view in self.names.items() if name not in names}
        self.solid = frozenset(path for path in self.solid if path[0] not in names)
        try:
            yield
        finally:
            self.names, self.solid = before

    @contextmanager
    def _lenient(self) -> Iterator[None]:
        """Continue the walk through the operand of a guard, where a missing value is not an error."""
        before, self._asking = self._asking, True
        try:
            yield
        finally:
            self._asking = before

    def _is_solid(self, path: Path) -> bool:
        """Whether a reference is known not to be null: it was tested, or all its alternatives are null."""
        if path in self.solid:
            return True
        left = (fork - (self._empty if is_full else self._null) for fork, is_full in self.forks)
        return any(rest == {path} for rest in left)

    def _complain(self, code: Code, message: str, start: int, end: int, hint: str | None = None) -> None:
        self.findings.append(Finding(code, message, start, end, hint))

    def _bind(self, target: nodes.Node, view: TypeView, scope: dict[str, TypeView]) -> None:
        if isinstance(target, nodes.Name):
            if target.name in self.names:
                message = f"`{target.name}` is a predefined name and cannot be assigned"
                self._complain(
                    Code.FORBIDDEN, message, target.lineno, target.lineno + len(target.name), "use another name"
                )
                view = ANYTHING
            scope[target.name] = view
            self.solid = frozenset(path for path in self.solid if path[0] != target.name)
        elif isinstance(target, nodes.Tuple):
            for item, each in zip(target.items, parts(view, len(target.items)), strict=True):
                self._bind(item, each, scope)

    def _try_element(self, over: TypeView, node: nodes.Node) -> TypeView:
        try:
            return over.element()
        except Absent as absent:
            start, end = self._extent(node)
            self._complain(absent.code, absent.message, start, end)
            return ANYTHING

    def _known_not_null(self, node: nodes.Node, view: TypeView) -> TypeView:
        """Return the view without null, and report if the value may be null."""
        if view.null is None:
            return view
        if not self._asking:
            path, steps = path_of(node), [each for each in alternatives(node) if each[:1] == ("steps",)]
            if len(steps) > 1:
                all_of_them = " or ".join(map(self._spelled, steps))
                message = f"`{all_of_them}` may be null here: each of them may be null"
                hint = f"add `when: {all_of_them}` to skip the step if all of them are null"
                self._complain(Code.MAY_BE_NULL, message, *self._extent(node), hint)
                return view.solid()
            hint = "remove nulls first, as in `| reject('none')`, or replace them with `default(..., true)`"
            if path[:1] == ("thinking",):
                hint = f"write `({self._named(node, view)} or '')`, or test for null first"
            elif path:
                hint = f"test for null first, as in `{self._named(node, view)} is not none and ...`"
            self._maybe_null(node, view, hint, path=path)
        return view.solid()

    def _maybe_null(
        self, node: nodes.Node | None, view: TypeView, hint: str, what: str | None = None, path: Path = ()
    ) -> None:
        start, end = self._extent(node)
        message = f"{what or self._quoted(node, view)} may be null here: {view.null}"
        if not any((finding.start, finding.message) == (start, message) for finding in self.findings):
            self.findings.append(Finding(Code.MAY_BE_NULL, message, start, end, hint, path))

    def _named(self, node: nodes.Node | None, view: TypeView) -> str:
        path = path_of(node)
        return self._spelled(path) if path else getattr(view, "name", "the value")

    @staticmethod
    def _spelled(path: Path) -> str:
        return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")

    def _quoted(self, node: nodes.Node | None, view: TypeView) -> str:
        named = self._named(node, view)
        if path_of(node):
            return f"`{named}`"
        is_item = named.endswith("[]") and not named.startswith("the ")
        return f"an item of `{named.removesuffix('[]')}`" if is_item else "this value"

    def _known(self, node: nodes.Filter | nodes.Test, there: Collection[str], what: str) -> None:
        if node.name not in there:
            from yamlgen.expressions.name_hints import other_filter  # noqa: PLC0415 - loads with the first mistake

            start, end = self._found(node.name, node.lineno)
            hint = other_filter(node.name, there, what)
            self._complain(Code.UNKNOWN_FILTER, f"there is no {what} `{node.name}`", start, end, hint)

    def _found(self, name: str, start: int) -> tuple[int, int]:
        """Return the offsets of a name after `start`; its parts may be separated by spaces: `trim . y` is `trim.y`."""
        written = r"\s*\.\s*".join(map(re.escape, name.split(".")))
        found = re.compile(written).search(self.source, start)
        return found.span() if found else (start, start + 1)

    def _name(self, node: nodes.Name, scope: dict[str, TypeView], *, base: bool) -> TypeView:
        start, end = node.lineno, node.lineno + len(node.name)
        if node.name.startswith("_"):
            self._complain(Code.FORBIDDEN, f"`{node.name}`: a name in a template cannot begin with `_`", start, end)
        elif node.name in scope:
            if node.name in self.names and not base:
                self._whole(node)
            return scope[node.name]
        elif node.name not in sandbox().globals and not self._is_told(start):
            from yamlgen.expressions.name_hints import meant, quoted, references  # noqa: PLC0415 - loads with the first mistake

            hint = knowing(meant(self.source, start, node.name, scope, self.names), references(scope, self.names))
            text = _JOINED.match(self.source, start) if hint == quoted(node.name) else None
            if text is not None and text[0] != node.name:  # a string with hyphens, which are read as minus signs
                hint = knowing(quoted(text[0]), references(scope, self.names))
                self._complain(Code.UNKNOWN_NAME, f"`{text[0]}` is read as a subtraction", start, text.end(), hint)
            else:
                self._complain(Code.UNKNOWN_NAME, f"unknown name `{node.name}`", start, end, hint)
        return ANYTHING

    def _is_told(self, at: int) -> bool:
        """Whether a place is inside a string that was already reported as lacking quotes."""
        return any(each.code is Code.UNKNOWN_NAME and each.start < at < each.end for each in self.findings)

    def _whole(self, node: nodes.Node) -> None:
        """Record the use of a root as a whole; for `steps` it is an error."""
        if not isinstance(node, nodes.Name):
            return
        if node.name == "row":
            self.uses.columns = None
        elif node.name == "params":
            self.uses.params.update(getattr(self.names["params"], "members", ()))
        elif node.name == "matrix":
            self.uses.axes.update(getattr(self.names["matrix"], "members", ()))
        elif node.name in OF_STEPS:
            hint = f"add the name of the step, as in `{node.name}.profile`"
            message = f"`{node.name}` cannot be used without the name of a step"
            self._complain(Code.UNKNOWN_STEP, message, node.lineno, node.lineno + len(node.name), hint)

    def _member(self, node: nodes.Getattr | nodes.Getitem, key: str | int, owner: TypeView) -> TypeView:
        """Return the member of a value under a key, and report if it does not exist."""
        start, end = self._extent(node)
        if isinstance(node, nodes.Getattr) and str(key).startswith("_"):
            message = f"`{key}`: a name in a template cannot begin with `_`"
            self._complain(Code.FORBIDDEN, message, start, end, f'for a column, write `row["{key}"]`')
            return ANYTHING
        path = path_of(node)
        self._note(path)
        before = len(self.findings)
        owner = self._known_not_null(node.node, owner)
        try:
            return owner.solid().member(key)
        except Absent as absent:
            if path not in self.uses.guarded or absent.code is not Code.UNKNOWN_COLUMN:
                from yamlgen.expressions.name_hints import AS_A_WHOLE, instead, of_column  # noqa: PLC0415 - loads with the first mistake

                spaced = next((name for name in absent.known if name.strip() == str(key)), None)
                of_thinking = of_column(str(key), absent.known) if absent.code is Code.UNKNOWN_STEP else None
                hint = absent.hint or of_thinking or correction(str(key), absent.known) or _UNDECLARED.get(absent.code)
                if spaced is not None:
                    hint = f'its name contains white space: remove it from the header, or write `["{spaced}"]`'
                hint = hint or instead(path_of(node.node), self._named(node.node, owner), str(key), owner)
                hint, near = knowing(hint, absent.known), nearest(str(key), absent.known) is not None
                if (hint or "").startswith(AS_A_WHOLE):
                    del self.findings[before:]  # whether it may be null matters only without the member
                self.findings.append(Finding(absent.code, absent.message, start, end, hint, path, near))
            return ANYTHING

    def _note(self, path: tuple[str | int, ...]) -> None:
        if len(path) == 2 and path[0] in self.names:  # noqa: PLR2004 - the root and its member
            root, member = path
            if root == "row" and self.uses.columns is not None:
                self.uses.columns.add(str(member))
            elif root in OF_STEPS:
                self.uses.steps.add(str(member))
            elif root == "params":
                self.uses.params.add(str(member))
            elif root == "matrix":
                self.uses.axes.add(str(member))

    def _extent(self, node: nodes.Node | None) -> tuple[int, int]:
        """Return the offsets of a reference such as `steps.profile["age"]`, from its root to its end."""
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
