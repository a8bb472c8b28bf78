"""Whether a step is skipped because others are absent: this depends on what it reads in that row.

A step is absent if it was skipped, or if it failed and is null (`on_error: null`).

Owns the difference between the steps that a source names and those that it reads. A reference in a branch that is not
taken is named, but not read. A reference outside all branches is read in every row. For the others, the sources are
rendered with a mapping that notes the steps that are read. What a `check` names always counts as read, because a check
is only evaluated after the request was billed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress

from yamlgen.errors import RowError
from yamlgen.expressions.evaluation import evaluate
from yamlgen.expressions.jinja_environment import render
from yamlgen.expressions.references import OF_STEPS
from yamlgen.steps.fan_out import Scope
from yamlgen.steps.plan_step import PlanStep
from yamlgen.steps.step_template import FILLED, StepTemplate
from yamlgen.value_objects import JSON


def is_skipped(step: PlanStep, scope: Scope, absent: AbstractSet[str]) -> bool:
    """Return whether the step is skipped: it reads an absent step, and its `when` does not refer to that step."""
    hidden = (step.needs - step.asks) & absent
    if not hidden or hidden & always_read(step):
        return bool(hidden)
    read: set[str] = set()
    noted = {root: _NotedReads(scope[root], read) for root in OF_STEPS if root in scope}
    with suppress(RowError):  # the step itself will fail with this error
        cases = step.cases({**scope, **noted})
        if cases and hidden & _read_by_each(step):
            return True
        for case in cases:
            for template in step.of(*FILLED) if case.sample == 0 else ():
                if template.references.named & hidden:
                    with suppress(RowError):
                        (evaluate if template.is_expression else render)(template.source, case.scope)
                if hidden & read:
                    return True
    return bool(hidden & read)


def always_read(step: PlanStep) -> frozenset[str]:
    """Return the steps that a step reads in every row; what it reads for an item does not count if it may have none."""
    before = read_always(step.of("for_each"))
    return before | _read_by_each(step) if step.for_each is None or step.least_items else before


def _read_by_each(step: PlanStep) -> frozenset[str]:
    """Return the steps that every case of a step reads."""
    late = (template.references.named for template in step.of("check", "message"))
    return read_always(step.of(*FILLED)).union(*late)


def read_always(templates: Iterable[StepTemplate]) -> frozenset[str]:
    """Return the steps that templates and expressions read in all branches."""
    return frozenset().union(*(template.references.always for template in templates))


class _NotedReads(dict[str, JSON]):
    """The values of steps, or what their models thought; it notes the names that are read."""

    def __init__(self, values: Mapping[str, JSON], read: set[str]) -> None:
        super().__init__(values)
        self._read = read

    def __getitem__(self, name: str) -> JSON:
        self._read.add(name)
        return super().__getitem__(name)
