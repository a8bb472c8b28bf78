"""A rehearsal: the templates and expressions that depend on rows alone, filled in for the rows that can be read.

Owns the finding of what fails for every one of them. Most of that is found by types, at the value that does not fit;
this is what only values tell: a text that is no pattern, a sum that grows in a namespace, what a macro is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from yamlgen.errors import Code, Diagnostic, Mark, RowError
from yamlgen.expressions.jinja_environment import piece
from yamlgen.planning.plan import Plan
from yamlgen.steps.fan_out import Scope
from yamlgen.steps.plan_step import PlanStep
from yamlgen.value_objects import JSON, Row

MOST_ROWS: Final = 1000
_MOST_CASES: Final = 20
"""Of one row, which may have very many."""
_WAYS: Final = (
    ("'str'", "a text, such as all that a CSV holds, becomes a number with `| int` or `| float`"),
    ("string formatting", "`%` fills in a text that has places for it, such as `%s`; `~` joins texts"),
    ("", "what a row may lack takes a `default(...)`; a `when` skips rows"),
)
"""A part of what is told, and what to do; the first that fits."""


def always_failing(plan: Plan, rows: Iterable[Row]) -> list[tuple[PlanStep, Diagnostic]]:
    """The steps that fail for each of the rows, with the mistake; a warning, where there are more than `MOST_ROWS`.

    Where all is well hardly more than the first row is read.

    Args:
        plan: the pipeline.
        rows: those of its input.
    """
    steps = [] if plan.declared.keys() - plan.params.keys() else _of_rows(plan)  # a run gives what is missing
    waiting, failed, number = {step.name for step in steps}, dict[str, RowError](), 0
    for number, row in enumerate(rows if steps else (), start=1):
        if number > MOST_ROWS or not waiting:
            break
        outputs: dict[str, JSON] = {}
        for step in steps:
            if not step.needs <= outputs.keys():
                continue
            try:
                outputs |= _done(step, plan.scope(row, outputs), waiting)
            except RowError as error:
                failed.setdefault(step.name, error)
                if isinstance(error.__context__, OverflowError):  # too much work to be done for each row
                    waiting.discard(step.name)
    is_all = number <= MOST_ROWS
    found = [(step, failed[step.name]) for step in steps if step.name in failed and step.name in waiting]
    return [(step, _told(step, error, is_all=is_all)) for step, error in found]


def _of_rows(plan: Plan) -> list[PlanStep]:
    """The steps that depend on no answer, no draw, and nothing that may be skipped."""
    made: list[PlanStep] = []
    known: set[str] = set()
    for step in plan.ordered():
        if step.needs <= known:
            made.append(step)
            known |= {step.name} if step.is_computed() and step.is_single and step.when is None else set()
    return made


def _done(step: PlanStep, scope: Scope, waiting: set[str]) -> dict[str, JSON]:
    """Do what a step does before it asks anything; the value of one that asks nothing.

    Raises:
        RowError: it fails for this row.
    """
    if not step.is_wanted(scope):
        return {}
    made = [step.fill(case.scope) for case in islice(step.cases(scope), _MOST_CASES)]
    waiting.discard(step.name)
    return {step.name: made[0]} if made and step.is_computed() and step.is_single else {}


def _told(step: PlanStep, error: RowError, *, is_all: bool) -> Diagnostic:
    source, at = error.source or ("", 0)
    template = next((each for each in step.templates if each.source == source), None)
    mark = Mark("", 1, 1, 1, 2)
    if template is not None:
        mark = template.mark(*((0, len(source)) if template.is_expression else piece(source, at)))
    which = "every row" if is_all else f"each of the first {MOST_ROWS:,} rows"
    hint = error.hint or next(way for part, way in _WAYS if part in error.message)
    return Diagnostic(
        Code.ROW_TEMPLATE, f"{which} fails here: {error.message}", mark, hint, "error" if is_all else "warning"
    )
