"""Check the references in a template or an expression statically, without running it.

Owns the walk over a template's statements (branches, loops, assignments), which change the scope and the types of the
expressions that follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError

from yamlgen.errors import Code
from yamlgen.expressions import sample_evaluation, type_inference
from yamlgen.expressions.evaluation import parse_expression
from yamlgen.expressions.jinja_environment import parse, sandbox
from yamlgen.expressions.name_resolution import Finding, UsedNames
from yamlgen.expressions.narrowing import Forks, Path, forks, not_null, path_of
from yamlgen.expressions.operator_checks import OperationChecker
from yamlgen.expressions.sample_evaluation import failure
from yamlgen.expressions.static_types import ANYTHING, SchemaView, TypeView
from yamlgen.schemas.type_words import spoken
from yamlgen.schemas.types import Type

_TAGS: Final = {nodes.Include: "include", nodes.Extends: "extends", nodes.Block: "block"}


@dataclass(frozen=True, slots=True)
class TemplateAnalysis:
    """The result of a static check.

    Attributes:
        uses: the names that the source refers to.
        findings: the errors and warnings.
        view: the type of an expression's value; for a template, a string.
        proves: the references that are not null if the expression is true.
        forks: the sets of references of which at least one is not null if the expression is true.
        holds: whether the expression is always true, as `steps.x is defined`, which only marks that `x` may be null.
    """

    uses: UsedNames
    findings: list[Finding]
    view: TypeView = ANYTHING
    proves: frozenset[Path] = frozenset()
    forks: Forks = frozenset()
    holds: bool = False

    def also(self, other: TemplateAnalysis) -> TemplateAnalysis:
        """Return the analysis of this condition, given that another is true too."""
        return replace(self, proves=self.proves | other.proves, forks=self.forks | other.forks)


def analyse_template(
    source: str, scope: Mapping[str, TypeView], solid: frozenset[Path] = frozenset(), forked: Forks = frozenset()
) -> TemplateAnalysis:
    """Check a template.

    Args:
        source: the template.
        scope: the names in scope, with their types.
        solid: references that are known not to be null.
        forked: sets of references of which at least one is known not to be null.
    """
    walk = _StatementChecker(source, dict(scope), solid, forked)
    try:
        tree = parse(source)
        walk.guard(tree)
        walk.body(tree, dict(scope))
    except TemplateSyntaxError as error:
        at = min(error.lineno, max(len(source) - 1, 0))
        from yamlgen.expressions.syntax_errors import explain  # noqa: PLC0415 - loads with the first mistake

        message, start, end, hint = explain(source, error.message or "", at)
        return TemplateAnalysis(UsedNames(), [Finding(Code.TEMPLATE_SYNTAX, message, start, end, hint)])
    except (RecursionError, ValueError) as error:
        return TemplateAnalysis(UsedNames(), [_unreadable(error)])
    return TemplateAnalysis(walk.uses, walk.findings, type_inference.TEXT)


def analyse_expression(
    source: str, scope: Mapping[str, TypeView], solid: frozenset[Path] = frozenset(), forked: Forks = frozenset()
) -> TemplateAnalysis:
    """Check an expression; the arguments are those of `analyse_template`."""
    walk = OperationChecker(source, dict(scope), solid, forked)
    try:
        tree = parse_expression(source)
        walk.guard(tree)
        view = walk.view(tree, dict(scope))
        if isinstance(tree, nodes.Name) and tree.name in sandbox().globals and tree.name not in scope:
            walk.findings.append(_function(tree.name, source))
    except TemplateSyntaxError as error:
        at = min(error.lineno, max(len(source) - 1, 0))
        from yamlgen.expressions.syntax_errors import explain_expression  # noqa: PLC0415 - loads with the first mistake

        message, start, end, hint = explain_expression(source, error.message or "", at)
        return TemplateAnalysis(UsedNames(), [Finding(Code.TEMPLATE_SYNTAX, message, start, end, hint)])
    except (RecursionError, ValueError) as error:
        return TemplateAnalysis(UsedNames(), [_unreadable(error)])
    return TemplateAnalysis(
        walk.uses, walk.findings, view, not_null(tree, holds=True), forks(tree), _always_holds(tree)
    )


def typed_references(
    source: str, scope: Mapping[str, TypeView], *, is_expression: bool
) -> list[tuple[int, int, TypeView]]:
    """Return the references in a source, and the parts of them: start, end and type; none if it cannot be parsed."""
    walk = _StatementChecker(source, dict(scope), frozenset(), frozenset())
    try:
        if is_expression:
            walk.view(parse_expression(source), dict(scope))
        else:
            walk.body(parse(source), dict(scope))
    except (TemplateSyntaxError, RecursionError, ValueError):
        return []
    return list(walk.typed())


def _always_holds(tree: nodes.Node) -> bool:
    if isinstance(tree, nodes.And):
        return _always_holds(tree.left) and _always_holds(tree.right)
    path = path_of(tree.node) if isinstance(tree, nodes.Test) and tree.name == "defined" else ()
    return path[:1] == ("steps",) and len(path) == 2  # noqa: PLR2004 - a step as a whole


def _function(name: str, source: str) -> Finding:
    """Return the finding that an expression is a function as such, which was probably meant as a string."""
    start = source.index(name)
    hint = f"a string is written `\"'{name}'\"`; a call has parentheses, as in `{name}(...)`"
    return Finding(Code.UNKNOWN_NAME, f"`{name}` is a function, not a value", start, start + len(name), hint)


def _unreadable(error: Exception) -> Finding:
    what = "an expression is nested too deeply" if isinstance(error, RecursionError) else "a number is too long"
    return Finding(Code.TEMPLATE_SYNTAX, what, 0, 1)


class _StatementChecker(OperationChecker):
    _question = "{{% if {} %}}"

    def body(self, node: nodes.Node, scope: dict[str, TypeView]) -> None:
        """Check the children of a node in order; an assignment is in scope for the statements that follow it."""
        for child in node.iter_child_nodes():
            self._statement(child, scope)

    def _statement(self, node: nodes.Node, scope: dict[str, TypeView]) -> None:
        match node:
            case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends() | nodes.Block():
                tag = _TAGS.get(type(node), "import")
                at = node.lineno
                hint = "write the text here, or use `{file: ...}` in a separate message"
                self._complain(Code.FORBIDDEN, f"`{tag}` is not allowed in a template", at, at + len(tag), hint)
            case nodes.For():
                self._loop(node, scope)
            case nodes.Assign():
                self._assign(node, scope)
            case nodes.AssignBlock():
                self._block(node, scope)
            case nodes.Macro():
                scope[node.name] = ANYTHING
                self._callee(node, scope)
            case nodes.CallBlock():
                self.view(node.call, scope)
                self._callee(node, scope)
            case nodes.With():
                inner = dict(scope)
                for target, value in zip(node.targets, node.values, strict=True):
                    self._bind(target, self.view(value, scope), inner)
                for child in node.body:
                    self._statement(child, inner)
            case nodes.FilterBlock() | nodes.Scope() | nodes.ScopedEvalContextModifier():
                self.body(node, dict(scope))
            case nodes.If():
                self._branches(node, scope)
            case nodes.Output():
                for part in node.nodes:
                    self._printed(part, self.view(part, scope))
            case nodes.Expr():
                self.view(node, scope)
            case _:
                self.body(node, scope)

    def _assign(self, node: nodes.Assign, scope: dict[str, TypeView]) -> None:
        view = self.view(node.node, scope)
        if isinstance(node.target, nodes.Tuple):
            self._try("several names", sample_evaluation.apart, [(node.node, view)])
        self._bind(node.target, view, scope)

    def _block(self, node: nodes.AssignBlock, scope: dict[str, TypeView]) -> None:
        inner = dict(scope)
        for child in node.body:
            self._statement(child, inner)
        if node.filter is not None:
            self.view(node.filter, scope)
        self._bind(node.target, type_inference.TEXT if node.filter is None else ANYTHING, scope)

    def _printed(self, node: nodes.Node, view: TypeView) -> None:
        if view.null is not None:
            name = self._named(node, view) if path_of(node) else "..."
            self._maybe_null(node, view, f"it would print `None`: test it first with `{{% if {name} %}}`")
        elif "null" in view.types():
            self._prints_null(node, view)
        elif view.types() and view.types() <= {"array", "object"} and len(path_of(node)) > 1:
            start, end = self._extent(node)
            message = f"{self._quoted(node, view)} is {spoken(view.types())}: it would be printed in Python syntax"
            hint = f"write `{self._named(node, view)} | tojson`, or `| join`"
            self.findings.append(Finding(Code.WRONG_KIND, message, start, end, hint, is_warning=True))

    def _branches(self, node: nodes.If, scope: dict[str, TypeView]) -> None:
        """Check an `if` with its `elif`s; each condition narrows the types in the branches that follow.

        A variable that a branch assigns has an unknown type after the `if`, because another branch may be taken.
        """
        scopes = []
        with ExitStack() as known:
            for branch in (node, *node.elif_):
                self.view(branch.test, scope)
                scopes.append(dict(scope))
                with self._where(branch.test, holds=True):
                    for child in branch.body:
                        self._statement(child, scopes[-1])
                known.enter_context(self._where(branch.test, holds=False))
            scopes.append(dict(scope))
            for child in node.else_:
                self._statement(child, scopes[-1])
        for inner in scopes:
            scope.update({name: ANYTHING for name, view in inner.items() if scope.get(name) is not view})

    def _loop(self, node: nodes.For, scope: dict[str, TypeView]) -> None:
        over = self._known_not_null(node.iter, self.view(node.iter, scope))
        inner = dict(scope) | {"loop": type_inference.LOOP}
        before = len(self.findings)
        item = self._try_element(over, node.iter)
        if isinstance(node.target, nodes.Tuple) and len(self.findings) == before:
            self._taken_apart(node, over)
        self._bind(node.target, item, inner)
        match node.target:
            case nodes.Tuple(items=[nodes.Name(), nodes.Name(name=value)]):
                inner[value] = self._value_of(node.iter)
        if node.test is not None:
            self.view(node.test, inner)
        with self._where(node.test, holds=True):
            for child in node.body:
                self._statement(child, inner)
        inner = dict(scope)
        for child in node.else_:
            self._statement(child, inner)

    def _value_of(self, over: nodes.Node) -> TypeView:
        """Return the type of the values in a loop over the names and values of a row."""
        match over:
            case (
                nodes.Call(node=nodes.Getattr(node=nodes.Name(name="row"), attr="items"))
                | nodes.Filter(name="items" | "dictsort", node=nodes.Name(name="row"))
            ):
                kinds = [view.types() for view in getattr(self.names.get("row"), "members", {}).values()]
                made = Type({"type": sorted(frozenset().union(*kinds))})
                return SchemaView.of(made, "row.*") if kinds and all(kinds) else ANYTHING
        return ANYTHING

    def _taken_apart(self, node: nodes.For, over: TypeView) -> None:
        """Report a loop that unpacks items which are not lists, such as the keys of a mapping."""
        if failure(sample_evaluation.each_apart, [(node.iter, over)]) is None:
            return
        start, end = self._extent(node.iter)
        is_object = over.types() == {"object"}
        what = "and a loop over it yields only the names" if is_object else "not a list of lists"
        quoted = self._quoted(node.iter, over) if path_of(node.iter) else "this"
        hint = f"for names and values, write `{self._named(node.iter, over)}.items()`" if is_object else None
        self._complain(Code.WRONG_KIND, f"{quoted} is {spoken(over.types())}, {what}", start, end, hint)

    def _callee(self, node: nodes.Macro | nodes.CallBlock, scope: dict[str, TypeView]) -> None:
        """Check a macro or the block of a call; its parameters hide the names that the template receives."""
        inner = dict(scope) | dict.fromkeys(("caller", "varargs", "kwargs"), ANYTHING)
        parameters = {argument.name for argument in node.args}
        inner |= dict.fromkeys(parameters, ANYTHING)
        with self._hidden(parameters):
            for default in node.defaults:  # a default may refer to an earlier parameter
                self.view(default, inner)
            for child in node.body:
                self._statement(child, inner)
