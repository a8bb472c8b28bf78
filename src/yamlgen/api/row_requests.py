"""The requests of one row, without sending them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.opened_input import opened_input
from yamlgen.cancellation import Cancellation
from yamlgen.claude.provider_setup import open_provider
from yamlgen.data.row_identity import id_name, id_of, identities, number_of
from yamlgen.data.row_lookup import proposed, tell_apart
from yamlgen.data.source import Source
from yamlgen.engine.step_runner import StepRunner
from yamlgen.errors import Code, RowError, UsageError, YamlgenError
from yamlgen.interfaces import UNOBSERVED, Model
from yamlgen.planning.error_location import located_errors
from yamlgen.planning.plan import Plan
from yamlgen.planning.skipping import is_skipped
from yamlgen.row_result import Answer
from yamlgen.simulator.answers import made_up
from yamlgen.simulator.settings import SimulatorSettings
from yamlgen.steps.plan_step import PlanStep
from yamlgen.store.location import location_of
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.run_session import open_session
from yamlgen.value_objects import JSON, InputRow


class Preview(NamedTuple):
    """One request of one row.

    Attributes:
        case: the item, combination or sample, if the step makes several requests: `item 2`, `sample 1`.
        made_up: the earlier steps whose outputs are simulated.
    """

    step: str
    case: str
    request: dict[str, JSON]
    made_up: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Request of step {self.step}{self.case and f', {self.case}'}>"


async def requests_of_row(
    pipeline: Pipeline, params: Mapping[str, JSON] | None, row: str | int, tell: Callable[[str], object] = bool
) -> list[Preview]:
    """Return the requests of one row, without sending them.

    Args:
        pipeline: the loaded pipeline.
        params: the parameters, by name.
        row: the number of the row, from 1; or a string as `--row` takes it: the id of the row, or its number.
        tell: called with a note if a number might have been meant as an id.

    Raises:
        UsageError: the input has no such row.
        RowError: a template fails for this row.
    """
    plan = pipeline.plan(params)
    with opened_input(pipeline, plan, location_of(plan.file).folder) as given:
        drawn = given.selection.sample is not None
        source = given.scan(plan.taken, plan.columns)[0] if drawn else given
        found = _row(source, plan, row, tell)
    simulated = open_provider(plan, SimulatorSettings())
    async with simulated as provider, provider.open(plan, Cancellation()) as models, as_asked(plan) as asked:
        return await requests_of(plan, models, {**models, **asked}, found, tell=tell)


@asynccontextmanager
async def as_asked(plan: Plan) -> AsyncIterator[Mapping[str, Model]]:
    """Yield the models as a run would use them now: if the API has refused a schema, a tool is used instead.

    There are none without a store, or if the store or the environment is unusable, which a run would report.
    """
    place = location_of(plan.file)
    async with AsyncExitStack() as stack:
        models: Mapping[str, Model] = {}
        with suppress(YamlgenError):
            if place.exists:
                session = stack.enter_context(open_session(place, ReusePolicy(offline=True)))
                provider = await stack.enter_async_context(open_provider(plan, None))
                models = await stack.enter_async_context(provider.open(plan, Cancellation(), session.run_recorder))
        yield models


def _row(source: Source, plan: Plan, row: str | int, tell: Callable[[str], object]) -> InputRow:
    name, has_names = str(row), source.id is not None and isinstance(row, str)
    wanted = identities(name) if has_names else []
    number, numbered = number_of(name), None
    try:
        for each in source.rows(columns=plan.columns):
            if each.identity in wanted:
                return each
            if each.index == number:
                numbered = each
                if not has_names:
                    return each
    except YamlgenError:
        if numbered is None:  # otherwise another row is broken
            raise
    if numbered is not None:
        tell_apart(name, id_of(numbered.identity), tell)
        return numbered
    ids = (id_of(each.identity) for each in source.rows(columns=plan.columns))
    hint = proposed(name, ids) if has_names else "row numbers start at 1"
    has = "have" if source.is_from_python else "has"
    raise UsageError(f"{source.name()} {has} no row {id_name(name)}", code=Code.NO_ROWS, hint=hint)


async def requests_of(
    plan: Plan,
    models: Mapping[str, Model],
    asked: Mapping[str, Model],
    row: InputRow,
    known: Mapping[str, Answer] | None = None,
    tell: Callable[[str], object] = bool,
) -> list[Preview]:
    """Return the requests of a row.

    Args:
        plan: the plan.
        models: the models that simulate answers.
        asked: the models of a run.
        row: the row.
        known: the answers that are known, by step; the others are simulated.
        tell: called with a note about a step that fails.

    Raises:
        RowError: a template fails for this row.
    """
    return await _RowRequests(plan, models, asked, row, tell, known or {}).make()


@dataclass
class _RowRequests:
    plan: Plan
    models: Mapping[str, Model]
    asked: Mapping[str, Model]
    row: InputRow
    tell: Callable[[str], object]
    known: Mapping[str, Answer]

    async def make(self) -> list[Preview]:
        """Return the requests, step by step; if one needs an answer, a simulated one is filled in."""
        made: list[Preview] = []
        outputs: dict[str, Answer] = {}
        invented: set[str] = set()
        for step in self.plan.ordered():
            scope = self.plan.scope_of(self.row.row, outputs)
            absent = {name for name, answer in outputs.items() if answer.is_absent}
            seen = tuple(sorted(step.needs & invented))
            try:
                with located_errors(step.templates, f"step `{step.name}`"):
                    if is_skipped(step, scope, absent) or not step.is_wanted(scope):
                        outputs[step.name] = Answer(None, skipped=True)
                        continue
                    for case, request in step.requests(scope, self.asked):
                        made.append(Preview(step.name, step.spoken(case), request, seen))
                    if step.name in self.known:
                        outputs[step.name] = self.known[step.name]
                        continue
                    if any(step.name in other.needs for other in self.plan.steps):
                        outputs[step.name] = await self._value(step, scope)
            except RowError as error:
                if not step.null_if_failed:
                    raise
                self.tell(f"step `{step.name}` fails for this row, and is null: {error.message}")
                outputs[step.name] = Answer(None, failure=error)
            if step.is_outside or seen:
                invented.add(step.name)
        return made

    async def _value(self, step: PlanStep, scope: Mapping[str, JSON]) -> Answer:
        context = replace(UNOBSERVED, step=step.name, identity=self.row.identity, row=self.row.index)
        return await StepRunner(self.models, invent=made_up).perform(step, scope, context)
