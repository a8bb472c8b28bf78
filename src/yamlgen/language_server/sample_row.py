"""The first row of an input, taken through a pipeline that is being written: the prompts that it becomes.

Nothing is executed: the values of steps that ask a model or call a function are made up, by their types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from yamlgen.errors import RowError
from yamlgen.expressions.evaluation import evaluate
from yamlgen.expressions.jinja_environment import render
from yamlgen.language_server.analyses import Analysis
from yamlgen.planning.plan import Plan
from yamlgen.redaction import redact
from yamlgen.simulator.answers import made_up
from yamlgen.steps import fan_out
from yamlgen.steps.fan_out import Scope, items_of
from yamlgen.steps.plan_step import PlanStep
from yamlgen.steps.step_template import SENT, StepTemplate
from yamlgen.value_objects import JSON

_STEP: Final = re.compile(r"\b(?:steps|thinking)\s*(?:\.\s*|\[\s*[\"'])(\w+)")
_MOST_CASES: Final = 20
_LONGEST_TEXT: Final = 3000
_LONGEST_VALUE: Final = 200


@dataclass(frozen=True)
class RenderedPrompt:
    """The prompt of a step for the first row.

    Attributes:
        text: its messages, each after its role.
        case: the item or combination that is shown, if the step makes several requests.
        made_up: the earlier steps whose values are made up.
    """

    text: str
    case: str
    made_up: tuple[str, ...]


@dataclass
class SampleRow:
    """The values that some templates read in the first row.

    Args:
        analysis: what is known of the pipeline.
        sources: the templates; only the steps that they refer to, directly or indirectly, have values.
    """

    analysis: Analysis
    sources: Sequence[str]

    def __post_init__(self) -> None:
        row = self.analysis.first_row
        self.identity = "" if row is None else row.identity
        plan = self.analysis.compiled.plan
        parameters = self.analysis.compiled.parameters
        self.params = {name: made_up(schema.value, name) for name, schema in parameters.schemas.items()}
        self.params |= parameters.defaults
        self.made_up: set[str] = set()
        self.values: dict[str, JSON] = {}
        self.scope: dict[str, Any] = {"params": self.params, "steps": self.values}
        if row is not None:
            self.scope["row"] = row.row
        names = self.analysis.names(())
        views = getattr(names.get("steps"), "members", {})
        named = steps_in(self.sources) & views.keys()
        thinking = getattr(names.get("thinking"), "members", {})
        self.scope["thinking"] = {name: made_up({}, name) for name in named & thinking.keys()}
        for step in () if plan is None else _needed(plan, named):
            self._add(step)
        for name in named - self.values.keys():
            self._make_up(name, views[name].type().schema)

    def _add(self, step: PlanStep) -> None:
        """Add the value of a step: as a run would compute or draw it, or made up."""
        try:
            if not step.is_wanted(self.scope):
                self.values[step.name] = None
                return
            draw = _drawing(step)
            cases = step.cases(self.scope) if step.is_computed() or draw else []
            if draw and self.identity and len(cases) <= _MOST_CASES:
                self.values[step.name] = step.whole([draw(self.identity, case) for case in cases])
            elif step.is_computed() and len(cases) <= _MOST_CASES:
                self.values[step.name] = step.whole([step.fill(case.scope) for case in cases])
                self.made_up |= {step.name} if step.needs & self.made_up else set()
            else:
                self._make_up(step.name, step.type.value)
        except RowError:
            self._make_up(step.name, step.type.value)

    def _make_up(self, name: str, schema: JSON) -> None:
        self.values[name] = made_up(schema, name)
        self.made_up.add(name)

    def example(self, source: str, step: str | None) -> JSON:
        """Return the value of a reference in the first row.

        Raises:
            RowError: there is none.
        """
        return evaluate(source, self.scope_of(step)[0] if step is not None else self.scope)

    def scope_of(self, name: str) -> tuple[Scope, str]:
        """Return the names that the templates of a step can read in its first case, and the name of the case."""
        scope, case = dict(self.scope), []
        step = self.analysis.parsed.pipeline.steps.get(name)
        if step is None:
            return scope, ""
        if step.for_each is not None:
            item = self._first_item(name, step.for_each)
            scope |= {"item": item, "item_index": 0}
            case.append("item 1")
        combinations = fan_out.combinations(step)
        if combinations:
            scope["matrix"] = combinations[0]
            case += [f"{label}={_brief(value)}" for label, value in combinations[0].items()]
        return scope, ", ".join(case)

    def _first_item(self, name: str, source: str) -> JSON:
        try:
            return next(iter(items_of(source, self.scope)))
        except (RowError, StopIteration):
            view = self.analysis.names(("steps", name, "prompt")).get("item")
            return made_up({} if view is None else view.type().schema, name)


def steps_in(sources: Iterable[str]) -> set[str]:
    """Return the steps to which sources refer, also if they cannot be parsed."""
    return {name for source in sources for name in _STEP.findall(source)}


def _drawing(step: PlanStep) -> Callable[[str, fan_out.Case], JSON] | None:
    """Return the function by which a step draws its value without a model; `None` for a step of another kind."""
    return getattr(step, "draw", None)


def _needed(plan: Plan, names: AbstractSet[str]) -> list[PlanStep]:
    """Return the steps of these names, and those from which their values in a row are computed, in order."""
    steps = {step.name: step for step in plan.steps}
    waiting, found = [name for name in names if name in steps], set[str]()
    while waiting:
        step = steps[waiting.pop()]
        found.add(step.name)
        needs = step.needs if step.is_computed() or _drawing(step) else step.asks
        waiting += needs - found
    return [step for step in plan.ordered() if step.name in found]


def prompt_of(analysis: Analysis, name: str) -> RenderedPrompt | str | None:
    """Return the prompt of a step for the first row; why it cannot be rendered; or `None` if the step has none."""
    scoped = [each.template for path, each in analysis.compiled.scoped.items() if path[:2] == ("steps", name)]
    templates = [each for each in scoped if each.role in (*SENT, "turns")]
    if not templates:
        return None
    sample = SampleRow(analysis, [each.source for each in scoped])
    if "row" not in sample.scope:
        return "the first row of the input is not known"
    scope, case = sample.scope_of(name)
    try:
        parts = [part for template in templates for part in _messages(template, scope)]
    except RowError as error:
        return error.message
    is_plain = len(parts) == 1 and parts[0][0] == "user"
    text = parts[0][1] if is_plain else "\n\n".join(f"[{role}]\n{said}" for role, said in parts)
    used = sorted(steps_in(template.source for template in templates) & sample.made_up)
    return RenderedPrompt(cut(redact(text), _LONGEST_TEXT), case, tuple(used))


def _messages(template: StepTemplate, scope: Scope) -> Iterator[tuple[str, str]]:
    """Yield the messages that a template becomes, each with its role.

    Raises:
        RowError: it cannot be rendered.
    """
    if template.role == "turns":
        for turn in _mappings(evaluate(template.source, scope)):
            yield str(turn.get("role")), str(turn.get("content"))
    else:
        yield "system" if template.role == "system_turn" else template.role, render(template.source, scope).strip()


def _mappings(turns: JSON) -> list[Mapping[str, JSON]]:
    return [each for each in islice(turns, _MOST_CASES) if isinstance(each, Mapping)] if isinstance(turns, list) else []


def _brief(value: JSON) -> str:
    return cut(" ".join(str(value).split()), 40)


def cut(text: str, longest: int = _LONGEST_VALUE) -> str:
    """Return a text, cut off with a note if it is long."""
    return text if len(text) <= longest else f"{text[:longest].rstrip()} ..."


def fenced(text: str, language: str = "") -> str:
    """Return a text as a code block of Markdown that its content cannot end."""
    marks = max((len(run) for run in re.findall(r"`{3,}", text)), default=2) + 1
    fence = "`" * max(3, marks)
    return f"{fence}{language}\n{text}\n{fence}"
