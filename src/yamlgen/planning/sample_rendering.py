"""Trial rendering of the templates and expressions that depend only on rows, for the rows of the input.

Owns the search for templates that fail for every row. Types show most mistakes at the wrong value. This finds those
that only values show: an invalid pattern, a sum that grows in a namespace, the arguments of a macro.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from yamlgen.errors import LACKING, Code, Diagnostic, Mark, RowError
from yamlgen.expressions.jinja_environment import piece
from yamlgen.planning.plan import Plan
from yamlgen.steps.fan_out import Scope
from yamlgen.steps.plan_step import PlanStep
from yamlgen.value_objects import JSON, Row

MOST_ROWS: Final = 1000
_MOST_CASES: Final = 20
"""The maximum number of cases of one row that are tried."""
_WAYS: Final = (
    ("'str'", "convert a string, such as every value of a CSV, to a number with `| int` or `| float`"),
    ("string formatting", "to join strings, use `~`; `%` fills placeholders such as `%s` in a string"),
    ("", LACKING),
)
"""A part of the message, and the fix; the first match is used."""


def always_failing(plan: Plan, rows: Iterable[Row]) -> list[tuple[PlanStep, Diagnostic]]:
    """Return the steps that fail for every row, with the mistake; a warning if there are more than `MOST_ROWS` rows.

    Usually, only the first rows are read.

    Args:
        plan: the plan of the pipeline.
        rows: the rows of its input.
    """
    steps = [] if plan.declared.keys() - plan.params.keys() else _of_rows(plan)  # a run sets the missing values
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
                if isinstance(error.__context__, OverflowError):  # too much work to repeat for each row
                    waiting.discard(step.name)
    is_all = number <= MOST_ROWS
    found = [(step, failed[step.name]) for step in steps if step.name in failed and step.name in waiting]
    return [(step, _told(step, error, is_all=is_all)) for step, error in found]


def _of_rows(plan: Plan) -> list[PlanStep]:
    """Return the steps that depend on no answer, no draw, and no step that may be skipped."""
    made: list[PlanStep] = []
    known: set[str] = set()
    for step in plan.ordered():
        if step.needs <= known:
            made.append(step)
            known |= {step.name} if step.is_computed() and step.is_single and step.when is None else set()
    return made


def _done(step: PlanStep, scope: Scope, waiting: set[str]) -> dict[str, JSON]:
    """Render a step for a row without sending a request; return the value of a computed step, by its name.

    Raises:
        RowError: the step fails for this row.
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
