"""Whether a step is skipped because others were: by what it reads in that row.

Owns the difference between what a source names and what it reads. A reference in a branch that is not taken is named
only. What stands outside of all branches is read in every row; of the rest, filling the sources in with a watch on
`steps` tells. What a `check` names counts as read: it is known too late for a request that is paid for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress

from yamlgen.errors import RowError
from yamlgen.expressions.evaluation import evaluate
from yamlgen.expressions.jinja_environment import render
from yamlgen.steps.fan_out import Scope
from yamlgen.steps.plan_step import PlanStep
from yamlgen.steps.step_template import FILLED, StepTemplate
from yamlgen.value_objects import JSON


def is_skipped(step: PlanStep, scope: Scope, skipped: AbstractSet[str]) -> bool:
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
            for template in step.of(*FILLED) if case.sample == 0 else ():
                if template.references.named & hidden:
                    with suppress(RowError):
                        (evaluate if template.is_expression else render)(template.source, case.scope)
                if hidden & seen.read:
                    return True
    return bool(hidden & seen.read)


def always_read(step: PlanStep) -> frozenset[str]:
    """The steps that a step reads in every row, whatever the row holds; without an item nothing is read for one."""
    before = read_always(step.of("for_each"))
    return before | _read_by_each(step) if step.for_each is None or step.least_items else before


def _read_by_each(step: PlanStep) -> frozenset[str]:
    """The steps that each case of a step reads."""
    late = (template.references.named for template in step.of("check", "message"))
    return read_always(step.of(*FILLED)).union(*late)


def read_always(templates: Iterable[StepTemplate]) -> frozenset[str]:
    """The steps that templates and expressions read whatever branches are taken."""
    return frozenset().union(*(template.references.always for template in templates))


class _NotedReads(dict[str, JSON]):
    """The values of steps, which notes the names under which they are read."""

    def __init__(self, values: Mapping[str, JSON]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> JSON:
        self.read.add(name)
        return super().__getitem__(name)
