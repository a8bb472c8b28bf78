"""The conditions of a case: what they can read, their static check, and their evaluation.

A case of one row reads `row`, `steps`, `params` and `output`; a case of several rows reads `rows`, `finished`,
`failed`, `dropped` and, with `gold`, `gold`. `output` is the output row as written: null if it is dropped, a list with
`for_each`. `rows` are the output rows as written. With several outputs, both are mappings from the names of the
outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jinja2 import nodes

from yamlgen.canonical_json import one_line
from yamlgen.collector import Collector
from yamlgen.diagnostics import Mark
from yamlgen.errors import Code, RowError
from yamlgen.expressions.evaluation import evaluate, parse_expression
from yamlgen.expressions.jinja_environment import render
from yamlgen.expressions.name_resolution import Finding
from yamlgen.expressions.narrowing import Path, path_of
from yamlgen.expressions.static_types import ANYTHING, NamespaceView, SchemaView, TypeView
from yamlgen.expressions.template_checks import TemplateAnalysis
from yamlgen.expressions.type_inference import INTEGER
from yamlgen.planning.finding_reports import causes, read_template, string_condition
from yamlgen.planning.plan import Plan
from yamlgen.schemas.types import Type, list_of, union
from yamlgen.shaping.output_plan import OutputPlan
from yamlgen.steps.step_template import StepTemplate
from yamlgen.store.codec import text_of
from yamlgen.suggestions import listing
from yamlgen.testing.suite import CheckedExpectation
from yamlgen.testing.verdicts import Flaw
from yamlgen.value_objects import JSON, Columns

OF_ONE: Final = ("row", "steps", "params", "output")
OF_SEVERAL: Final = ("rows", "finished", "failed", "dropped", "gold")

_RATES: Final[Mapping[str, JSON]] = {
    "accuracy": {"type": "number"},
    "n": {"type": "integer"},
    "missing": {"type": "integer"},
    "confusion": {
        "type": "object",
        "additionalProperties": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
}
"""What `gold` has for each field: the share of right values, the number of compared rows, the number of rows without an
output row, and the number of rows by the right value and the value of the output row."""

_MADE: Final = ("steps", "output", "rows", "finished")
"""What a condition may compare, in both kinds of cases."""

_MOST_VALUES: Final = 4
_LONGEST: Final = 60


def views_of_one(plan: Plan, columns: Columns | None) -> dict[str, TypeView]:
    """Return the types of the names in a case of one row.

    Args:
        plan: the plan of the case.
        columns: the columns of its row.
    """
    known = Columns((), closed=True) if columns is None else columns
    row = {name: SchemaView.of(Type(known.types.get(name, {})), f"row.{name}") for name in known.names}
    steps = {step.name: SchemaView.of(Type(step.type.value), f"steps.{step.name}") for step in plan.steps}
    thoughts: dict[str, TypeView] = {step.name: ANYTHING for step in plan.steps if step.keeps_thinking}
    thinking = {"thinking": NamespaceView(Code.UNKNOWN_STEP, "step", thoughts)} if thoughts else {}
    params = {name: SchemaView.of(Type(each.value), f"params.{name}") for name, each in plan.declared.items()}
    return {
        "row": NamespaceView(Code.UNKNOWN_COLUMN, "column", row, complete=True),
        "steps": NamespaceView(Code.UNKNOWN_STEP, "step", steps),
        "params": NamespaceView(Code.UNKNOWN_PARAM, "parameter", params),
        **thinking,
        "output": _of_outputs(plan.outputs, "output", _written),
    }


def views_of_several(plan: Plan, fields: Iterable[str] | None) -> dict[str, TypeView]:
    """Return the types of the names in a case of several rows.

    Args:
        plan: the plan of the case.
        fields: the fields of its `gold`; `None` without `gold`.
    """
    views = {"rows": _of_outputs(plan.outputs, "rows", lambda output: list_of(row_type(output)))}
    views |= dict.fromkeys(("finished", "failed", "dropped"), INTEGER)
    if fields is not None:
        rates = {field: {key: _rate(f"gold.{field}.{key}", kind) for key, kind in _RATES.items()} for field in fields}
        views["gold"] = _gold_view(nested(rates))
    return views


def row_type(output: OutputPlan) -> Type:
    """Return the type of the rows of an output."""
    return Type(output.type.value)


def nested(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is known of each field as `gold` has it: that of `label.topic` at `gold.label.topic`."""
    made: dict[str, Any] = {}
    for name, known in fields.items():
        *parents, last = name.split(".")
        inner = made
        for part in parents:
            inner = inner.setdefault(part, {})
        inner[last] = {**inner.get(last, {}), **known}
    return made


def _written(output: OutputPlan) -> Type:
    """Return the type of what an output has for one row."""
    if output.config.for_each is not None:
        return list_of(row_type(output))
    if output.config.where is None and output.config.unique is None:
        return row_type(output)
    return union([row_type(output), Type({"type": "null"})])


def _of_outputs(outputs: Iterable[OutputPlan], name: str, made: Any) -> TypeView:
    named = {output.name: made(output) for output in outputs}
    if "" in named:
        return SchemaView.of(named[""], name)
    views = {each: SchemaView.of(kind, f"{name}.{each}") for each, kind in named.items()}
    return NamespaceView(Code.UNKNOWN_FIELD, "output", views)


def _rate(name: str, schema: JSON) -> TypeView:
    return SchemaView.of(Type(schema), name)


def _gold_view(known: Mapping[str, Any]) -> TypeView:
    members = {name: _gold_view(each) if isinstance(each, dict) else each for name, each in known.items()}
    return NamespaceView(Code.UNKNOWN_FIELD, "gold field", members)


@dataclass
class ExpectationChecker(Collector):
    """Checks conditions and messages against the types of the names that they can read.

    Args:
        params: the parameters of the case.
    """

    params: Mapping[str, JSON] = field(default_factory=dict)

    def check(self, template: StepTemplate, views: Mapping[str, TypeView]) -> None:
        """Report the mistakes in a condition, or in a message."""
        analysis: TemplateAnalysis = read_template(template, views)
        for finding in causes(analysis.findings):
            if template.is_expression or not finding.is_warning:  # a message may print a value in Python syntax
                hint = _of_other_cases(template.source[finding.start : finding.end], views, finding)
                mark = template.mark(finding.start, finding.end)
                self.complain(finding.code, finding.message, mark, hint, warn=finding.is_warning)
        found = string_condition(template.source, analysis) if template.is_expression else None
        if found is not None:
            self.complain(Code.WRONG_KIND, found[0], template.mark(0, len(template.source)), found[1])
        elif template.role == "check" and not analysis.findings:
            self._check_constant(template, views)

    def _check_constant(self, template: StepTemplate, views: Mapping[str, TypeView]) -> None:
        """Warn about a condition that reads nothing that a run makes, so that it tests nothing."""
        tree = parse_expression(template.source)
        names = {each.name for each in (tree, *tree.find_all(nodes.Name)) if isinstance(each, nodes.Name)}
        if names & views.keys() - {"params"}:
            return
        try:
            value = evaluate(template.source, {"params": self.params})
        except RowError:  # a parameter without a value
            return
        read = "only parameters" if names else "no value"
        message = f"`{template.source}` is always {'true' if value else 'false'}: it reads {read}"
        hint = f"compare a value of {' or '.join(f'`{name}`' for name in _MADE if name in views)}"
        self.complain(Code.WRONG_VALUE, message, template.mark(0, len(template.source)), hint, warn=True)


def _of_other_cases(name: str, views: Mapping[str, TypeView], finding: Finding) -> str | None:
    """Return the hint of a finding; for a name that cases of the other kind have, the names of this kind."""
    if finding.code is not Code.UNKNOWN_NAME or name not in (*OF_ONE, *OF_SEVERAL):
        return finding.hint
    if name == "gold" and "rows" in views:
        return "add `gold` to the case"
    kind = "several rows" if "rows" in views else "one row"
    return f"a case of {kind} has {listing(views)}"


def judge(expectation: CheckedExpectation, scope: Mapping[str, Any]) -> Flaw | None:
    """Evaluate a condition of a case, and return why it is false, or `None` if it is true.

    Args:
        expectation: the condition.
        scope: the values of the names that it can read.
    """
    source = expectation.expression
    try:
        value = evaluate(source, scope)
    except RowError as error:
        _, _, reason = error.message.partition("` cannot be computed: ")
        return Flaw(expectation.mark, source, f"cannot be computed: {reason}" if reason else error.message)
    if isinstance(value, str):
        return Flaw(expectation.mark, source, f"is the string {_brief(value)}, not a condition")
    if value:
        return None
    return Flaw(expectation.mark, source, _detail(expectation, scope))


def _detail(expectation: CheckedExpectation, scope: Mapping[str, Any]) -> str:
    """Return the message of a condition; without one, the values that it reads."""
    values = ", ".join(_values(expectation.expression, scope))
    if expectation.message is None:
        return values
    try:
        return render(expectation.message, scope)
    except RowError as error:
        return "; ".join(filter(None, [values, f"its message: {error.message}"]))


def _values(source: str, scope: Mapping[str, Any]) -> Iterator[str]:
    """Yield each reference in an expression with its value, up to a maximum number."""
    paths = dict.fromkeys(path for path in _references(parse_expression(source)) if path[0] in scope)
    for path in list(paths)[:_MOST_VALUES]:
        value: Any = scope
        for part in path:
            try:
                value = value[part]
            except (LookupError, TypeError):
                break
        else:
            name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
            yield f"{name.removeprefix('.')} is {_brief(value)}"


def _references(node: nodes.Node) -> Iterator[Path]:
    """Yield the longest references in a tree, such as `steps.label.topic`."""
    if path := path_of(node):
        yield path
    else:
        for child in node.iter_child_nodes():
            yield from _references(child)


def _brief(value: Any) -> str:
    text = one_line(text_of(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def expectation_of(written: JSON, mark: Mark) -> CheckedExpectation:
    """Return a condition as it was written: a string, or a mapping with a message."""
    if isinstance(written, str):
        return CheckedExpectation(written, None, mark)
    return CheckedExpectation(written["expression"], written.get("message"), mark)
