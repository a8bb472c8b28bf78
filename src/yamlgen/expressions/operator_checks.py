"""Check the operators, filters and methods of an expression against the types of their operands.

Owns the walk over the syntax tree of an expression; `type_inference` determines the type of each result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Final

from jinja2 import nodes

from yamlgen.errors import Code
from yamlgen.expressions import sample_evaluation, type_inference
from yamlgen.expressions.instrumentation import OPERATORS
from yamlgen.expressions.jinja_environment import MAPPING_METHODS, filters, sandbox
from yamlgen.expressions.name_resolution import Finding
from yamlgen.expressions.narrowing import Path, alternatives, path_of
from yamlgen.expressions.sample_evaluation import Operand
from yamlgen.expressions.static_types import ANYTHING, Absent, NamespaceView, TypeView, has_method
from yamlgen.expressions.type_errors import TypeMismatchReporter, quoted_number
from yamlgen.schemas.type_words import spoken
from yamlgen.suggestions import correction

_ORDERED: Final = frozenset({"lt", "lteq", "gt", "gteq"})
_EQUAL: Final = frozenset({"eq", "ne"})
_AMONG: Final = frozenset({"in", "notin"})
_TESTING: Final = {"select": 0, "reject": 0, "selectattr": 1, "rejectattr": 1}
"""Filters that take the name of a test, with the position of that argument."""

_USE_ITEMS: Final = frozenset({"join", "sort", "min", "max", "sum"})
"""Filters that operate on each item and fail on null."""


class OperationChecker(TypeMismatchReporter):
    """Checks the expressions of one source."""

    def view(  # noqa: C901, PLR0911, PLR0912 - a table
        self, node: nodes.Node, scope: dict[str, TypeView], *, base: bool = False
    ) -> TypeView:
        """Return the type of an expression's value; resolve and record its references on the way."""
        match node:
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                view = self._reference(node, scope, base=base)
                if self._is_otherwise(node, view):
                    return ANYTHING
                self._seen[node] = type_inference.truthy(view) if self._is_solid(path_of(node)) else view
                return self._seen[node]
            case nodes.Const():
                return type_inference.constant(node.value)
            case nodes.TemplateData():
                return type_inference.TEXT
            case nodes.Call():
                return self._call(node, scope)
            case nodes.And() | nodes.Or() | nodes.CondExpr():
                return self._choice(node, scope)
            case nodes.Filter():
                return self._filtered(node, scope)
            case nodes.List() | nodes.Tuple():
                return type_inference.sequence([self.view(item, scope) for item in node.items])
            case nodes.Dict():
                for pair in node.items:
                    self._try("a key", sample_evaluation.key, [(pair.key, self.view(pair.key, scope))])
                return type_inference.mapping(node, [self.view(pair.value, scope) for pair in node.items])
            case nodes.Compare():
                self._compare(node, scope)
                return type_inference.BOOLEAN
            case nodes.BinExpr():
                return self._arithmetic(node, scope)
            case nodes.Neg() | nodes.Pos():
                operand = (node.node, self._operand(node.node, scope))
                is_fit = self._try(None, sample_evaluation.an_operator(node), [operand])
                return type_inference.negated(operand[1]) if is_fit else ANYTHING
            case nodes.Concat():
                for part in node.nodes:
                    self._prints_null(part, self._operand(part, scope))
                return type_inference.TEXT
            case nodes.Test():
                self._test(node, scope)
                return type_inference.BOOLEAN
            case _:
                for child in node.iter_child_nodes():
                    self.view(child, scope)
                return type_inference.BOOLEAN if isinstance(node, nodes.Not) else ANYTHING

    def _test(self, node: nodes.Test, scope: dict[str, TypeView]) -> None:
        before = len(self.findings)
        self._known(node, sandbox().tests, "test")
        with self._lenient() if node.name in ("defined", "undefined") else nullcontext():
            view = self.view(node.node, scope)
        told = len(self.findings)
        self._check_arguments(node, sandbox().tests)
        if len(self.findings) > told:
            return  # the text after the test is not an argument
        operands = [(node.node, view), *self._given(node, scope)]
        if len(self.findings) == before and not node.kwargs and not _is_spread(node):
            self._try(node.name, sample_evaluation.a_test(node.name), operands)

    def _given(self, node: nodes.Filter | nodes.Test | nodes.Call, scope: dict[str, TypeView]) -> list[Operand]:
        """Return the arguments, keyword arguments last."""
        for spread in (node.dyn_args, node.dyn_kwargs):
            if spread is not None:
                self.view(spread, scope)
        written = [*node.args, *(pair.value for pair in node.kwargs)]
        return [(argument, self.view(argument, scope)) for argument in written]

    def _call(self, node: nodes.Call, scope: dict[str, TypeView]) -> TypeView:
        before = len(self.findings)
        made, called, operands = ANYTHING, ANYTHING, list[Operand]()
        given = len(node.args), [pair.key for pair in node.kwargs]
        name, operation = "", sample_evaluation.a_call(*given)
        match node.node:
            case nodes.Getattr(attr=method, node=owner):
                view = self.view(owner, scope, base=method not in MAPPING_METHODS)
                kinds = view.solid().types()
                if method in MAPPING_METHODS and (not kinds or "object" in kinds):
                    view = self._known_not_null(owner, view)
                    called = type_inference.member_of(view, method)
                else:
                    called = self._member(node.node, method, view)
                if not called.types():
                    made = type_inference.called(method, view.solid())
                    if kinds == {"object"} and method not in MAPPING_METHODS:
                        called = type_inference.DATA
                    elif kinds and (method in MAPPING_METHODS or "object" not in kinds):
                        name, operation, operands = (
                            method,
                            sample_evaluation.a_method(method, *given),
                            [(owner, view.solid())],
                        )
            case nodes.Name(name=function) if function in sandbox().globals and function not in scope:
                made = type_inference.INTEGERS if function == "range" else ANYTHING
                name, operation = function, sample_evaluation.a_function(function, *given)
            case _:
                called = self.view(node.node, scope)
                if not called.types() and path_of(node.node)[:1] and path_of(node.node)[0] in self.names:
                    called = type_inference.DATA
        first = len(operands)
        operands += self._given(node, scope)
        for argument, value in operands[first:] if name == "format" else ():
            self._prints_null(argument, value)
        if len(self.findings) > before or _is_spread(node):
            return made
        if called.types():
            self._uncallable(node.node, called)
            return ANYTHING
        return made if not name or self._try(name, operation, operands, first, node.node) else ANYTHING

    def _uncallable(self, node: nodes.Node, view: TypeView) -> None:
        start, end = self._extent(node)
        what = "data" if view is type_inference.DATA else spoken(view.types())
        message = f"{self._quoted(node, view)} is {what}, which cannot be called"
        hint = "remove the parentheses"
        if isinstance(node, nodes.Getattr) and node.attr == "items":
            hint = f"the key hides the method: write `{self._spelled(path_of(node.node)) or '...'} | items`"
        self._complain(Code.WRONG_KIND, message, start, end, hint)

    def _reference(self, node: nodes.Node, scope: dict[str, TypeView], *, base: bool) -> TypeView:
        match node:
            case nodes.Name():
                return self._name(node, scope, base=base)
            case nodes.Getattr(node=nodes.Name(name="loop"), attr=key) if scope.get("loop") is type_inference.LOOP:
                return type_inference.of_loop(key)
            case nodes.Getattr(attr=key) | nodes.Getitem(arg=nodes.Const(value=str() | int() as key)):
                owner = self.view(node.node, scope, base=True)
                return ANYTHING if self._is_uncalled(node, key, owner) else self._member(node, key, owner)
            case nodes.Getitem():
                return self._part(node, scope)
            case _:
                return ANYTHING

    def _part(self, node: nodes.Getitem, scope: dict[str, TypeView]) -> TypeView:
        """Return the type of `a[b]` or `a[b:c]`."""
        owner = self._operand(node.node, scope)
        if not isinstance(node.arg, nodes.Slice):
            key = self.view(node.arg, scope)
            has_items = not owner.types().isdisjoint(("array", "object", "string"))
            operands = [(node.node, owner), (node.arg, key)]
            is_fit = not owner.types() or self._try(None, sample_evaluation.item, operands, int(has_items))
            return type_inference.indexed(owner) if is_fit else ANYTHING
        written = [bound or nodes.Const(None) for bound in (node.arg.start, node.arg.stop, node.arg.step)]
        bounds = [(bound, self.view(bound, scope)) for bound in written]
        is_fit = self._try(None, sample_evaluation.part, [(node.node, owner), *bounds])
        return type_inference.sliced(owner) if is_fit else ANYTHING

    def _is_uncalled(self, node: nodes.Getattr | nodes.Getitem, key: str | int, owner: TypeView) -> bool:
        """Whether a member is the name of a method that is not called, which is reported."""
        kinds = owner.solid().types()
        if not kinds or "object" in kinds or not isinstance(key, str):
            return False
        if not has_method(kinds, key):
            return False
        start, end = self._extent(node)
        message = f"{self._quoted(node.node, owner)} has no `{key}`: it is {spoken(kinds)}"
        hint = f"`{key}` is a method: call it with `.{key}()`"
        self._complain(Code.UNKNOWN_FIELD, message, start, end, hint)
        self._note(path_of(node))
        return True

    def _choice(self, node: nodes.And | nodes.Or | nodes.CondExpr, scope: dict[str, TypeView]) -> TypeView:
        """Return the type of `a and b`, `a or b` or `a if c else b`; the condition narrows the types that follow."""
        if isinstance(node, nodes.CondExpr):
            self.view(node.test, scope)
            with self._where(node.test, holds=True):
                first = self.view(node.expr1, scope)
            if node.expr2 is None:
                return first
            with self._where(node.test, holds=False):
                return type_inference.either(first, self.view(node.expr2, scope))
        left = self.view(node.left, scope)
        is_and = isinstance(node, nodes.And)
        with self._where(node.left, holds=is_and):
            right = self.view(node.right, scope)
        if is_and:
            return type_inference.either(left, right)
        made = right if left.types() == {"null"} else type_inference.either(type_inference.truthy(left), right)
        is_fork = any(is_full and fork <= set(alternatives(node)) for fork, is_full in self.forks)
        return type_inference.truthy(made) if is_fork else made

    def _compare(self, node: nodes.Compare, scope: dict[str, TypeView]) -> None:
        left, is_chain = node.expr, len(node.ops) > 1
        view = self.view(left, scope)
        for operand in node.ops:
            other = self.view(operand.expr, scope)
            if operand.op in _ORDERED:
                view, other = self._known_not_null(left, view), self._known_not_null(operand.expr, other)
            elif operand.op not in _EQUAL:
                other = self._known_not_null(operand.expr, other)
            if operand.op not in _EQUAL:
                self._try(None, OPERATORS[operand.op], [(left, view), (operand.expr, other)])
            if operand.op in _EQUAL and not is_chain:
                self._never(left, view, [operand.expr], is_warning=operand.op == "ne")
                self._never(operand.expr, other, [left], is_warning=operand.op == "ne")
            elif operand.op in _AMONG and isinstance(operand.expr, nodes.List | nodes.Tuple) and not is_chain:
                self._never(left, view, operand.expr.items, is_warning=True)
            left, view = operand.expr, other

    def _never(self, node: nodes.Node, view: TypeView, others: Sequence[nodes.Node], *, is_warning: bool) -> None:
        """Report constants that a value is compared with, but can never be equal to."""
        if not path_of(node):
            return
        known, kinds = type_inference.values_of(view), view.types()
        for constant in others:
            if not isinstance(constant, nodes.Const) or constant.value is None:
                continue
            value = constant.value
            if known is not None:
                is_wrong, hint = value not in known, correction(str(value), map(str, known), "it is one of")
            else:
                is_wrong = not type_inference.may_equal(kinds, type_inference.constant(value).types())
                is_quoted = quoted_number(constant) is not None and kinds <= {"integer", "number", "null"}
                hint = f"it is {spoken(kinds)}" + (f": write {value.strip()} without quotes" if is_quoted else "")
                if kinds == {"string"}:
                    hint = f"it is a string: compare it with {json.dumps(json.dumps(value))}"
            if is_wrong:
                start = constant.lineno
                size = len(value) + 2 if isinstance(value, str) else len(str(value))
                message = f"{self._quoted(node, view)} is never {json.dumps(value)}"
                self.findings.append(
                    Finding(Code.NEVER_EQUAL, message, start, start + size, hint, is_warning=is_warning)
                )

    def _arithmetic(self, node: nodes.BinExpr, scope: dict[str, TypeView]) -> TypeView:
        operator = type(node).__name__.lower()
        left, right = (self._operand(side, scope) for side in (node.left, node.right))
        operands = [(node.left, left), (node.right, right)]
        if operator == "mul":
            self._repeated(operands)
        if operator == "mod" and _may_be_pattern(node.left, left) and not _is_number(right):
            return ANYTHING
        also = "; to join strings, write `~`" if operator == "add" else ""
        is_fit = self._try(None, sample_evaluation.an_operator(node), operands, also=also)
        return type_inference.arithmetic(operator, left, right) if is_fit else ANYTHING

    def _repeated(self, operands: Sequence[Operand]) -> None:
        """Warn about a string that `*` repeats, if it was probably meant to be a number."""
        for (node, view), (_, other) in zip(operands, reversed(operands), strict=True):
            if path_of(node) and view.types() == {"string"} and _is_number(other) and "integer" in other.types():
                named = self._named(node, view)
                message = f"`{named}` is a string, which `*` repeats"
                hint = f"convert it with `({named} | int)`, or `| float`; to repeat it, write `({named} | string)`"
                self.findings.append(Finding(Code.WRONG_KIND, message, *self._extent(node), hint, is_warning=True))

    def _operand(self, node: nodes.Node, scope: dict[str, TypeView]) -> TypeView:
        return self._known_not_null(node, self.view(node, scope))

    def _filtered(self, node: nodes.Filter, scope: dict[str, TypeView]) -> TypeView:
        before = len(self.findings)
        self._known(node, filters(), "filter")
        if node.node is None:
            return ANYTHING
        is_default = node.name in ("default", "d")
        with self._lenient() if is_default else nullcontext():
            view = self.view(node.node, scope)
        given = self._given(node, scope)
        args = [argument for _, argument in given[: len(node.args)]]
        self._arguments(node, args)
        if is_default:
            view = self._default(node, view)
        elif not type_inference.is_null_safe(node):
            view = self._known_not_null(node.node, view)
            if node.name in type_inference.TO_TEXT:
                self._prints_null(node.node, view, is_joined=node.name == "join")
        is_idle = is_default and not type_inference.replaces_null(node) and _is_there(path_of(node.node), scope)
        is_known = node.name in filters()
        made = view if is_idle else self._mapped(node, view, args) if is_known else ANYTHING
        if len(self.findings) > before or _is_spread(node) or is_default:
            return made
        if node.name == "format" and _may_be_pattern(node.node, view):
            return made
        operation = sample_evaluation.a_filter(node.name, len(node.args), [str(pair.key) for pair in node.kwargs])
        return made if self._try(node.name, operation, [(node.node, view), *given]) else ANYTHING

    def _default(self, node: nodes.Filter, view: TypeView) -> TypeView:
        """Report a `default` that was meant for null, but replaces only missing values."""
        if view.null is not None and not type_inference.replaces_null(node):
            given = "..." if not node.args or not isinstance(node.args[0], nodes.Const) else repr(node.args[0].value)
            self._maybe_null(node.node, view, f"write `default({given}, true)`, which also replaces null")
            return view.solid()
        return view

    def _arguments(self, node: nodes.Filter, args: list[TypeView]) -> None:
        """Report wrong arguments of a filter, and unknown names of filters and tests among them."""
        first = node.args[0] if node.args else None
        if node.name == "map" and isinstance(first, nodes.Const) and isinstance(first.value, str):
            self._named_in(first, filters(), "filter")
        place = _TESTING.get(node.name, len(node.args))
        if place < len(node.args):
            self._named_in(node.args[place], list(sandbox().tests), "test")
        if node.name in type_inference.TO_TEXT:
            for argument, view in zip(node.args, args, strict=True):
                self._prints_null(argument, self._known_not_null(argument, view))
        self._check_arguments(node, sandbox().filters)

    def _check_arguments(self, node: nodes.Filter | nodes.Test, there: Mapping[str, Any]) -> None:
        """Report wrong arguments of a filter or a test."""
        function = there.get(node.name)
        if function is None or _is_spread(node):
            return
        from yamlgen.expressions.name_hints import wrong_arguments  # noqa: PLC0415 - few templates need it

        for message, hint in wrong_arguments(node, function):
            self._complain(Code.WRONG_ARGUMENT, message, *self._found(node.name, node.lineno), hint)

    def _named_in(self, node: nodes.Node, there: list[str], what: str) -> None:
        """Report a string that should be the name of a filter or a test, but is not."""
        if isinstance(node, nodes.Const) and isinstance(node.value, str) and node.value not in there:
            start, hint = node.lineno, correction(node.value, there, f"{what}s")
            message = f"there is no {what} `{node.value}`"
            self._complain(Code.UNKNOWN_FILTER, message, start, start + len(node.value) + 2, hint)

    def _mapped(self, node: nodes.Filter, view: TypeView, args: list[TypeView]) -> TypeView:
        """Return the type of a filter's result, and report what it cannot do with the items of a list."""
        is_of_texts = node.name == "map" and view.types() in ({"object"}, {"string"})
        item = type_inference.item_of(view) if is_of_texts or view.types() == {"array"} else ANYTHING
        attribute, defaults = type_inference.attribute_of(node), any(pair.key == "default" for pair in node.kwargs)
        mapped = (
            node.args[0].value if node.name == "map" and node.args and isinstance(node.args[0], nodes.Const) else ""
        )
        uses = node.name in _USE_ITEMS or (mapped and mapped not in type_inference.NULL_SAFE)
        if item.null is not None and not defaults and (attribute is not None or uses):
            hint = "remove nulls first: `| reject('none')`"
            self._maybe_null(node.node, item, hint, what="an item of " + self._quoted(node.node, view))
        try:
            if attribute is not None and not defaults:
                type_inference.mapped_attribute(node, item)
            return type_inference.filtered(node, view, args)
        except Absent as absent:
            text = attribute or ""
            near = correction(text.rpartition(".")[2], absent.known)
            self._complain(absent.code, absent.message, *self._found(text, node.lineno), near)
            return ANYTHING


def _is_spread(node: nodes.Filter | nodes.Test | nodes.Call) -> bool:
    """Whether there are unpacked arguments: `f(*a, **b)`."""
    return node.dyn_args is not None or node.dyn_kwargs is not None


def _is_there(path: Path, scope: Mapping[str, TypeView]) -> bool:
    """Whether a reference is to a column that every row has, so that a default has no effect."""
    root = scope.get(str(path[0])) if len(path) == 2 else None  # noqa: PLR2004 - the row and its column
    return isinstance(root, NamespaceView) and root.complete and path[1] in root.members


def _is_number(view: TypeView) -> bool:
    return bool(view.types()) and view.types() <= {"integer", "number", "boolean"}


def _may_be_pattern(node: nodes.Node, view: TypeView) -> bool:
    """Whether a value may be an unknown format string, such as one with `%s`."""
    return not isinstance(node, nodes.Literal) and (not view.types() or "string" in view.types())
