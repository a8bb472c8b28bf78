"""What operators, filters and methods make of the values that an expression refers to, and which of them cannot work.

Owns the walk over an expression's syntax tree. Each operation is told where it would certainly fail, or never hold, for
every row; what it gives is for `inference` to say.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from typing import Any, Final

from jinja2 import nodes

from yamlgen.errors import Code
from yamlgen.language.expressions import inference
from yamlgen.language.expressions.facts import alternatives, path_of
from yamlgen.language.expressions.lookup import Finding, Lookup
from yamlgen.language.expressions.template import MAPPING_METHODS, filters, sandbox
from yamlgen.language.expressions.views import ANYTHING, METHODS, Absent, View, spoken
from yamlgen.language.words import suggestion

_ORDERED: Final = frozenset({"lt", "lteq", "gt", "gteq"})
_EQUAL: Final = frozenset({"eq", "ne"})
_AMONG: Final = frozenset({"in", "notin"})
_TESTING: Final = {"select": 0, "reject": 0, "selectattr": 1, "rejectattr": 1}
"""Filters that take the name of a test, and as which argument."""

_USE_ITEMS: Final = frozenset({"join", "sort", "min", "max", "sum"})
"""Filters that do something with each item, which null does not bear."""


class Operations(Lookup):
    """The walk over the expressions of one source."""

    def view(self, node: nodes.Node, scope: dict[str, View], *, base: bool = False) -> View:  # noqa: C901, PLR0911 - a table
        """The view of an expression's value; what it refers to is looked up and noted on the way."""
        match node:
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                view = self._reference(node, scope, base=base)
                return inference.truthy(view) if self._is_solid(path_of(node)) else view
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
                return self._arithmetic(node, scope)
            case nodes.Concat():
                for part in node.nodes:
                    self._operand(part, scope)
                return inference.TEXT
            case nodes.Test():
                self._test(node, scope)
                return inference.BOOLEAN
            case _:
                for child in node.iter_child_nodes():
                    self.view(child, scope)
                return inference.BOOLEAN if isinstance(node, nodes.Not) else ANYTHING

    def _test(self, node: nodes.Test, scope: dict[str, View]) -> None:
        self._known(node, sandbox().tests, "test")
        if node.name in ("defined", "undefined"):
            with self._lenient():
                self.view(node.node, scope)
        else:
            self.view(node.node, scope)
        for argument in [*node.args, *node.kwargs]:
            self.view(argument, scope)

    def _call(self, node: nodes.Call, scope: dict[str, View]) -> View:
        made: View = ANYTHING
        match node.node:
            case nodes.Getattr(attr=method, node=owner) if method in MAPPING_METHODS:
                made = inference.called(method, self._operand(owner, scope))
            case nodes.Getattr(attr=method, node=owner):
                view = self.view(owner, scope, base=True)
                self._member(node.node, method, view)
                made = inference.called(method, view.solid())
            case nodes.Name(name="range") if "range" not in scope:
                made = inference.INTEGERS
            case _:
                self.view(node.node, scope)
        for argument in [*node.args, *node.kwargs]:
            self.view(argument, scope)
        return made

    def _reference(self, node: nodes.Node, scope: dict[str, View], *, base: bool) -> View:
        match node:
            case nodes.Name():
                return self._name(node, scope, base=base)
            case nodes.Getattr(attr=key) | nodes.Getitem(arg=nodes.Const(value=str() | int() as key)):
                owner = self.view(node.node, scope, base=True)
                return ANYTHING if self._is_uncalled(node, key, owner) else self._member(node, key, owner)
            case nodes.Getitem():
                owner = self._known_not_null(node.node, self.view(node.node, scope))
                self.view(node.arg, scope)
                return inference.sliced(owner) if isinstance(node.arg, nodes.Slice) else inference.indexed(owner)
            case _:
                return ANYTHING

    def _is_uncalled(self, node: nodes.Getattr | nodes.Getitem, key: str | int, owner: View) -> bool:
        """Whether a method stands where a member was meant, or is not called; that is told."""
        kinds = owner.solid().types()
        if not kinds or "object" in kinds or not isinstance(key, str) or key.startswith("_"):
            return False
        owners = [METHODS[kind] for kind in kinds & METHODS.keys()]
        if not any(hasattr(each, key) for each in owners):
            return False
        start, end = self._extent(node)
        message = f"{self._quoted(node.node, owner)} has no `{key}`: it is {spoken(kinds)}"
        hint = f"`{key}` is a method there: `.{key}()` calls it"
        self._complain(Code.UNKNOWN_FIELD, message, start, end, hint)
        self._note(path_of(node))
        return True

    def _choice(self, node: nodes.And | nodes.Or | nodes.CondExpr, scope: dict[str, View]) -> View:
        """`a and b`, `a or b`, `a if c else b`: what is looked at second knows what the first has proven."""
        if isinstance(node, nodes.CondExpr):
            self.view(node.test, scope)
            with self._where(node.test, holds=True):
                first = self.view(node.expr1, scope)
            if node.expr2 is None:
                return first
            with self._where(node.test, holds=False):
                return inference.either(first, self.view(node.expr2, scope))
        left = self.view(node.left, scope)
        is_and = isinstance(node, nodes.And)
        with self._where(node.left, holds=is_and):
            right = self.view(node.right, scope)
        if is_and:
            return inference.either(left, right)
        made = right if left.types() == {"null"} else inference.either(inference.truthy(left), right)
        is_fork = any(is_full and fork <= set(alternatives(node)) for fork, is_full in self.forks)
        return inference.truthy(made) if is_fork else made

    def _compare(self, node: nodes.Compare, scope: dict[str, View]) -> None:
        left, is_chain = node.expr, len(node.ops) > 1
        view = self.view(left, scope)
        for operand in node.ops:
            other = self.view(operand.expr, scope)
            if operand.op in _ORDERED:
                view, other = self._known_not_null(left, view), self._known_not_null(operand.expr, other)
                self._fit("ordered", (left, view), (operand.expr, other))
            elif operand.op not in _EQUAL:
                other = self._known_not_null(operand.expr, other)
                if other.types() and not other.types() & {"array", "object", "string"}:
                    self._wrong_kind(operand.expr, other, "a list")
            if operand.op in _EQUAL and not is_chain:
                self._never(left, view, [operand.expr], is_warning=operand.op == "ne")
                self._never(operand.expr, other, [left], is_warning=operand.op == "ne")
            elif operand.op in _AMONG and isinstance(operand.expr, nodes.List | nodes.Tuple) and not is_chain:
                self._never(left, view, operand.expr.items, is_warning=True)
            left, view = operand.expr, other

    def _never(self, node: nodes.Node, view: View, others: Sequence[nodes.Node], *, is_warning: bool) -> None:
        """Tell of constants that are compared with a value which they can never be."""
        if not path_of(node):
            return
        known, kinds = inference.values_of(view), view.types()
        for constant in others:
            if not isinstance(constant, nodes.Const) or constant.value is None:
                continue
            value = constant.value
            if known is not None:
                is_wrong, hint = value not in known, suggestion(str(value), map(str, known), "it is one of")
            else:
                is_wrong = not inference.fit("equal", kinds, inference.constant(value).types())
                hint = f"it is {spoken(kinds)}"
                if kinds == {"string"}:
                    hint = f"it is text: compare it with {json.dumps(json.dumps(value))}"
            if is_wrong:
                start = constant.lineno
                size = len(value) + 2 if isinstance(value, str) else len(str(value))
                message = f"{self._quoted(node, view)} is never {json.dumps(value)}"
                self.findings.append(
                    Finding(Code.NEVER_EQUAL, message, start, start + size, hint, is_warning=is_warning)
                )

    def _arithmetic(self, node: nodes.BinExpr, scope: dict[str, View]) -> View:
        operator = type(node).__name__.lower()
        left, right = (self._operand(side, scope) for side in (node.left, node.right))
        self._fit(operator, (node.left, left), (node.right, right))
        return inference.arithmetic(operator, left, right)

    def _fit(self, operator: str, left: tuple[nodes.Node, View], right: tuple[nodes.Node, View]) -> None:
        """Tell of two values that an operator cannot work on."""
        if inference.fit(operator, left[1].types(), right[1].types()):
            return
        numbers = {"integer", "number", "boolean"}
        odd = [side for side in (left, right) if side[1].types() and not side[1].types() & numbers] or [right]
        node, view = next((side for side in odd if path_of(side[0])), odd[0])  # what is named is what can be changed
        other = right if node is left[0] else left
        is_alike = view.types() == other[1].types()
        is_number = is_alike or (left[1].types() | right[1].types()) & numbers
        self._wrong_kind(node, view, "a number" if is_number else spoken(other[1].types()))

    def _wrong_kind(self, node: nodes.Node, view: View, wanted: str) -> None:
        hint = None
        if wanted == "a number" and view.types() == {"string"} and path_of(node):
            hint = f"make one of it: `({self._named(node, view)} | int)`, or `| float`"
        start, end = self._extent(node)
        quoted = self._quoted(node, view) if path_of(node) else "this"
        self._complain(Code.WRONG_KIND, f"{quoted} is {spoken(view.types())}, not {wanted}", start, end, hint)

    def _operand(self, node: nodes.Node, scope: dict[str, View]) -> View:
        return self._known_not_null(node, self.view(node, scope))

    def _filtered(self, node: nodes.Filter, scope: dict[str, View]) -> View:
        self._known(node, filters(), "filter")
        if node.node is None:
            return ANYTHING
        is_default = node.name in ("default", "d")
        if is_default:
            with self._lenient():
                view = self.view(node.node, scope)
        else:
            view = self.view(node.node, scope)
        args = [self.view(arg, scope) for arg in node.args]
        for pair in node.kwargs:
            self.view(pair.value, scope)
        self._arguments(node, args)
        if is_default:
            view = self._default(node, view)
        elif not inference.is_null_safe(node):
            view = self._known_not_null(node.node, view)
        kinds = view.types()
        if node.name in ("length", "count") and kinds and not kinds & {"array", "object", "string"}:
            self._wrong_kind(node.node, view, "a list or text")
        if node.name in inference.NEED_LIST and kinds and "array" not in kinds:
            is_text = kinds == {"string"} and node.name in ("first", "last")
            if not is_text:
                start, end = self._extent(node.node)
                self._complain(Code.NOT_A_LIST, f"`{node.name}`: expected a list, this is {spoken(kinds)}", start, end)
                return ANYTHING
        return self._mapped(node, view, args)

    def _default(self, node: nodes.Filter, view: View) -> View:
        """Tell of a `default` that is meant for null, and stands in for what is missing alone."""
        if view.null is not None and not inference.replaces_null(node):
            given = "..." if not node.args or not isinstance(node.args[0], nodes.Const) else repr(node.args[0].value)
            self._maybe_null(node.node, view, f"`default({given}, true)` stands in for null as well")
            return view.solid()
        return view

    def _arguments(self, node: nodes.Filter, args: list[View]) -> None:
        """Tell of arguments that a filter does not take, and of names of filters and tests that there are not."""
        function = sandbox().filters.get(node.name)
        first = node.args[0] if node.args else None
        if node.name == "map" and isinstance(first, nodes.Const) and isinstance(first.value, str):
            self._named_in(first, filters(), "filter")
        place = _TESTING.get(node.name, len(node.args))
        if place < len(node.args):
            self._named_in(node.args[place], list(sandbox().tests), "test")
        if node.name in inference.TO_TEXT:
            for argument, view in zip(node.args, args, strict=True):
                self._known_not_null(argument, view)
        if function is None or node.dyn_args is not None or node.dyn_kwargs is not None:
            return
        before: list[Any] = [None] * hasattr(inspect.unwrap(function), "jinja_pass_arg")
        names = [str(pair.key) for pair in node.kwargs]
        try:
            inspect.signature(function).bind(*before, None, *node.args, **dict.fromkeys(names))
        except TypeError as error:
            start = max(self.source.find(node.name, node.lineno), 0)
            message = f"`{node.name}` is not given what it takes: {error}"
            self._complain(Code.WRONG_ARGUMENT, message, start, start + len(node.name))

    def _named_in(self, node: nodes.Node, there: list[str], what: str) -> None:
        """Tell of a filter or a test that is named by a text, and is none."""
        if isinstance(node, nodes.Const) and isinstance(node.value, str) and node.value not in there:
            start, hint = node.lineno, suggestion(node.value, there, f"{what}s")
            message = f"there is no {what} `{node.value}`"
            self._complain(Code.UNKNOWN_FILTER, message, start, start + len(node.value) + 2, hint)

    def _mapped(self, node: nodes.Filter, view: View, args: list[View]) -> View:
        """A filter, perhaps over a list, whose items it may look into."""
        item = inference.item_of(view) if view.types() == {"array"} else ANYTHING
        attribute, defaults = inference.attribute_of(node), any(pair.key == "default" for pair in node.kwargs)
        mapped = (
            node.args[0].value if node.name == "map" and node.args and isinstance(node.args[0], nodes.Const) else ""
        )
        uses = node.name in _USE_ITEMS or (mapped and mapped not in inference.NULL_SAFE)
        if item.null is not None and not defaults and (attribute is not None or uses):
            hint = "take those out first: `| reject('none')`"
            self._maybe_null(node.node, item, hint, what="an item of " + self._quoted(node.node, view))
        if node.name == "sum" and not node.args and not node.kwargs:
            kinds = item.solid().types()
            if kinds and not kinds & {"integer", "number", "boolean"}:
                self._wrong_kind(node.node or node, view, "a list of numbers")
        try:
            if attribute is not None and not defaults:
                inference.mapped_attribute(node, item)
            return inference.filtered(node, view, args)
        except Absent as absent:
            text = attribute or ""
            start = max(self.source.find(text, node.lineno), 0)
            near = suggestion(text.rpartition(".")[2], absent.known)
            self._complain(absent.code, absent.message, start, start + len(text), near)
            return ANYTHING
