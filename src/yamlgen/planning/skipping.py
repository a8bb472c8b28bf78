"""Whether a step is skipped because others were: by what it reads in that row.

Owns the difference between what a source names and what it reads. A reference in a branch that is not taken is named
only. What stands outside of all branches is read in every row; of the rest, filling the sources in with a watch on
`steps` tells. What a `check` names counts as read: it is known too late for a request that is paid for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import lru_cache

from jinja2 import nodes

from yamlgen.errors import RowError
from yamlgen.expressions.evaluation import evaluate, parse_expression
from yamlgen.expressions.narrowing import path_of
from yamlgen.expressions.rendering import parse, render
from yamlgen.planning.plan import AnyStep, ComputeStep, GenerateStep, PythonStep, Scope
from yamlgen.values import JSON


def is_idle(step: AnyStep, scope: Scope, skipped: AbstractSet[str]) -> bool:
    """Whether the step is skipped because these are: it reads one of them, and its `when` does not ask about it."""
    hidden = (step.needs - step.asks) & skipped
    if not hidden or hidden & always_read(step):
        return bool(hidden)
    seen = _NotedReads(scope["steps"])
    with suppress(RowError):  # the step will fail of it
        cases = step.cases({**scope, "steps": seen})
        if cases and hidden & _read_by_each(step):
            return True
        for case in cases:
            for source, is_expression in _sources(step) if case.sample == 0 else ():
                if named(source, is_expression=is_expression) & hidden:
                    with suppress(RowError):
                        (evaluate if is_expression else render)(source, case.scope)
                if hidden & seen.read:
                    return True
    return bool(hidden & seen.read)


def always_read(step: AnyStep) -> frozenset[str]:
    """The steps that a step reads in every row, whatever the row holds; without an item nothing is read for one."""
    before = read_always([(step.for_each, True)] if step.for_each is not None else ())
    return before | _read_by_each(step) if step.for_each is None or step.least_items else before


def _read_by_each(step: AnyStep) -> frozenset[str]:
    """The steps that each case of a step reads."""
    checks = step.checks if isinstance(step, GenerateStep) else ()
    late = [named(check.expression, is_expression=True) for check in checks]
    late += [named(check.message, is_expression=False) for check in checks if check.message is not None]
    return read_always(_sources(step)).union(*late)


def read_always(sources: Iterable[tuple[str, bool]]) -> frozenset[str]:
    """The steps that sources read whatever branches are taken; each source with whether it is an expression."""
    return frozenset().union(*(_read(source, is_expression=is_expression) for source, is_expression in sources))


class _NotedReads(dict[str, JSON]):
    """The values of steps, which notes the names under which they are read."""

    def __init__(self, values: Mapping[str, JSON]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> JSON:
        self.read.add(name)
        return super().__getitem__(name)


def _sources(step: AnyStep) -> Iterator[tuple[str, bool]]:
    """What is filled in for each case before anything is paid for, each with whether it is an expression."""
    if isinstance(step, GenerateStep):
        yield from ((source, False) for source in (step.system, *(turn.content for turn in step.messages)) if source)
    elif isinstance(step, ComputeStep):
        yield from ((source, True) for source in step.values.values())
    elif isinstance(step, PythonStep):
        yield from ((source, True) for source in step.args.values())


@lru_cache(maxsize=4096)
def named(source: str, *, is_expression: bool) -> frozenset[str]:
    """The steps that a source names."""
    tree = parse_expression(source) if is_expression else parse(source)
    found = (path_of(node) for node in (tree, *tree.find_all((nodes.Getattr, nodes.Getitem))))
    return frozenset(str(path[1]) for path in found if len(path) > 1 and path[0] == "steps")


@lru_cache(maxsize=4096)
def _read(source: str, *, is_expression: bool) -> frozenset[str]:
    return always(parse_expression(source) if is_expression else parse(source))


def always(node: nodes.Node | None) -> frozenset[str]:  # noqa: PLR0911 - a table
    """The steps that a piece of syntax reads wherever it is reached, whatever branches are taken in it."""
    match node:
        case None | nodes.Macro():
            return frozenset()
        case nodes.And() | nodes.Or():
            return always(node.left)
        case nodes.CondExpr():
            return always(node.test) | always(node.expr1) & always(node.expr2)
        case nodes.Compare():
            return always(node.expr) | always(node.ops[0])  # `a < b < c` looks at `c` only where `a < b`
        case nodes.For():
            return always(node.iter)
        case nodes.CallBlock():
            return always(node.call)
        case nodes.If():
            rest = _each(node.else_)
            for other in reversed(node.elif_):
                rest = always(other.test) | _each(other.body) & rest
            return always(node.test) | _each(node.body) & rest
        case nodes.Getattr() | nodes.Getitem() if len(path := path_of(node)) > 1 and path[0] == "steps":
            return frozenset({str(path[1])})
        case _:
            return _each(list(node.iter_child_nodes()))


def _each(many: Sequence[nodes.Node]) -> frozenset[str]:
    return frozenset().union(*map(always, many))
