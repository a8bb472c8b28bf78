"""Trial rendering of the templates and expressions that depend only on rows, for the rows of the input.

Owns the search for templates of steps, and expressions of outputs, that fail for every row. Types show most mistakes at
the wrong value. This finds those that only values show: an invalid pattern, a sum that grows in a namespace, the
arguments of a macro.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from jinja2 import nodes

from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import LACKING, LACKING_IN_OUTPUT, Code, RowError
from yamlgen.expressions.evaluation import evaluate, parse_expression
from yamlgen.expressions.jinja_environment import piece
from yamlgen.expressions.references import references
from yamlgen.parsing.source_map import DataPath
from yamlgen.planning.plan import Plan
from yamlgen.shaping.output_plan import ITEM
from yamlgen.steps.fan_out import Scope, items_of
from yamlgen.steps.plan_step import PlanStep
from yamlgen.steps.step_template import StepTemplate
from yamlgen.value_objects import JSON, Row

MOST_ROWS: Final = 1000
_MOST_CASES: Final = 20
"""The maximum number of cases, or of items of an output, of one row that are tried."""
_WAYS: Final = (
    ("'str'", "convert a string, such as every value of a CSV, to a number with `| int` or `| float`"),
    ("division by zero", "test for 0 first, as in `a / b if b else none`"),
    ("string formatting", "to join strings, use `~`; `%` fills placeholders such as `%s` in a string"),
    ("", LACKING),
)
"""A part of the message, and the fix; the first match is used."""

_FILTERED: Final = ("unique", "column")
"""The expressions of an output that are not evaluated for a row that `where` drops."""


def always_failing(plan: Plan, rows: Iterable[Row]) -> list[tuple[DataPath, Diagnostic]]:
    """Return what fails for every row: the path of the step or expression, with the mistake.

    It is a warning if there are more than `MOST_ROWS` rows. Usually, only the first rows are read.

    Args:
        plan: the plan of the pipeline.
        rows: the rows of its input.
    """
    if plan.declared.keys() - plan.params.keys():  # a run sets the missing values
        return []
    steps, known = _of_rows(plan)
    outputs = [_of_output(output.templates, known) for output in plan.outputs]
    templates = {template.path: (template,) for output in outputs for template in output}
    owners: dict[DataPath, Sequence[StepTemplate]] = {("steps", step.name): step.templates for step in steps}
    owners |= templates
    trial, number = _Trial(set(owners)), 0
    for number, row in enumerate(rows if owners else (), start=1):
        if number > MOST_ROWS or not trial.waiting:
            break
        values: dict[str, JSON] = {}
        for step in steps:
            if step.needs <= values.keys():
                values |= trial.step(step, plan.scope(row, values))
        for output in outputs if known <= values.keys() else ():  # otherwise the row has failed
            trial.output(output, plan.scope(row, values))
    found = [(path, trial.failed[path]) for path in owners if path in trial.failed and path in trial.waiting]
    return [(path, _told(path, owners[path], error, number, trial.reached[path])) for path, error in found]


def _of_rows(plan: Plan) -> tuple[list[PlanStep], set[str]]:
    """Return the steps that depend on no answer, no draw, and no step that may be skipped; and those with a value."""
    made: list[PlanStep] = []
    known: set[str] = set()
    for step in plan.ordered():
        if step.needs <= known:
            made.append(step)
            is_sure = step.when is None and not step.null_if_failed
            known |= {step.name} if step.is_computed() and step.is_single and is_sure else set()
    return made, known


def _of_output(templates: Sequence[StepTemplate], known: AbstractSet[str]) -> list[StepTemplate]:
    """Return the expressions of an output that depend only on rows and on the steps in `known`.

    Those behind a `where` that depends on more are left out: it may drop the rows for which they fail.
    """
    made: list[StepTemplate] = []
    hidden: set[str] = set()
    is_filtered = False
    for template in templates:
        if not template.is_expression or (is_filtered and template.role in _FILTERED):
            continue
        names = {node.name for node in parse_expression(f"[{template.source}]").find_all(nodes.Name)}
        if references(template.source, is_expression=True).named <= known and names.isdisjoint(hidden):
            made.append(template)
        elif template.role == "for_each":
            hidden = {ITEM, "item_index"}
        elif template.role == "where":
            is_filtered = True
    return made


@dataclass
class _Trial:
    """The evaluation for rows, one after another.

    Args:
        waiting: the paths of the steps and expressions that have succeeded for no row yet.
    """

    waiting: set[DataPath]
    failed: dict[DataPath, RowError] = field(default_factory=dict)
    """The first error of each."""
    reached: Counter[DataPath] = field(default_factory=Counter)
    """How many rows got to each expression of an output."""
    costly: set[DataPath] = field(default_factory=set)
    """What takes too long to repeat for each row."""

    def step(self, step: PlanStep, scope: Scope) -> dict[str, JSON]:
        """Render a step for a row without sending a request; return the value of a computed step, by its name."""
        path: DataPath = ("steps", step.name)
        if path in self.costly or not (path in self.waiting or step.is_computed()):
            return {}
        try:
            if not step.is_wanted(scope):
                return {}
            made = _filled(step, scope)
        except RowError as error:
            self.fail(path, error)
            return {}
        self.waiting.discard(path)
        return {step.name: made[0]} if made and step.is_computed() and step.is_single else {}

    def output(self, templates: Sequence[StepTemplate], scope: Scope) -> None:
        """Evaluate the expressions of an output for a row, as far as a run would evaluate them."""
        scopes: list[Scope] = [scope]
        for template in templates if any(template.path in self.waiting for template in templates) else ():
            if template.path not in self.waiting and template.role not in ("for_each", "where"):
                continue
            values = self.values(template, [scope] if template.role == "split_by" else scopes)
            if values is None and template.role in ("for_each", "where"):
                return
            if template.role == "for_each":
                items = enumerate(values or ())
                scopes = [{**scope, ITEM: item, "item_index": index} for index, item in islice(items, _MOST_CASES)]
            elif template.role == "where":
                scopes = [seen for seen, is_kept in zip(scopes, values or (), strict=True) if is_kept]

    def values(self, template: StepTemplate, scopes: Sequence[Scope]) -> list[JSON] | None:
        """Return the values of an expression in several scopes, or its items; `None` if one of them fails."""
        if template.path in self.costly:
            return None
        self.reached[template.path] += bool(scopes)
        try:
            if template.role == "for_each":
                values = items_of(template.source, scopes[0])
            else:
                values = [evaluate(template.source, scope) for scope in scopes]
        except RowError as error:
            self.fail(template.path, error)
            return None
        if scopes:
            self.waiting.discard(template.path)
        return values

    def fail(self, path: DataPath, error: RowError) -> None:
        """Keep the first error of a step or an expression."""
        self.failed.setdefault(path, error)
        if isinstance(error.__context__, OverflowError):  # too much work to repeat for each row
            self.waiting.discard(path)
            self.costly.add(path)


def _filled(step: PlanStep, scope: Scope) -> list[Any]:
    """Render the first cases of a step for a row.

    Raises:
        RowError: a case fails; or, if a failed case is null, all cases fail.
    """
    made: list[Any] = []
    failed: RowError | None = None
    for case in islice(step.cases(scope), _MOST_CASES):
        try:
            made.append(step.fill(case.scope))
        except RowError as error:
            if not step.null_items:
                raise
            failed = error
    if failed is not None and not made:
        raise failed
    return made


def _told(path: DataPath, templates: Sequence[StepTemplate], error: RowError, rows: int, reached: int) -> Diagnostic:
    """Return the diagnostic of a step or an expression that failed for each of the rows that got to it."""
    is_all = rows <= MOST_ROWS
    source, at = error.source or ("", 0)
    template = next((each for each in templates if each.source == source), None)
    mark = Mark("", 1, 1, 1, 2)
    if template is not None:
        mark = template.mark(*((0, len(source)) if template.is_expression else piece(source, at)))
    which = "every row fails here" if is_all else f"each of the first {MOST_ROWS:,} rows fails here"
    if path[0] != "steps" and is_all and reached < rows:  # the other rows of the run go on
        which, is_all = "every row for which this is evaluated fails", False
    hint = error.hint or next(way for part, way in _WAYS if part in error.message)
    if path[0] != "steps" and hint == LACKING:
        hint = LACKING_IN_OUTPUT
    return Diagnostic(Code.ROW_TEMPLATE, f"{which}: {error.message}", mark, hint, "error" if is_all else "warning")
