"""The requests of one row, without sending any."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from yamlgen.api.loading import Pipeline
from yamlgen.cancellation import Cancellation
from yamlgen.claude.provider_setup import open_provider
from yamlgen.data.input_buffer import buffered
from yamlgen.data.row_identity import id_name, id_of, identities, number_of
from yamlgen.data.row_lookup import proposed, tell_apart
from yamlgen.data.source import Source
from yamlgen.engine.step_runner import StepRunner
from yamlgen.errors import Code, UsageError, YamlgenError
from yamlgen.interfaces import UNOBSERVED, Model
from yamlgen.planning.error_location import located_errors
from yamlgen.planning.plan import Plan
from yamlgen.planning.skipping import is_skipped
from yamlgen.row_result import Answer
from yamlgen.simulator.answers import made_up
from yamlgen.simulator.settings import SimulatorSettings
from yamlgen.steps.plan_step import PlanStep
from yamlgen.store.location import location_of
from yamlgen.store.run_recorder import ReusePolicy
from yamlgen.store.run_session import open_session
from yamlgen.value_objects import JSON, InputRow


class Preview(NamedTuple):
    """One request of one row.

    Attributes:
        case: which one it is, where the step makes several: `item 2`, `sample 1`.
        made_up: the steps before it whose outputs the simulator invented.
    """

    step: str
    case: str
    request: dict[str, JSON]
    made_up: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Request of step {self.step}{self.case and f', {self.case}'}>"


async def preview(
    pipeline: Pipeline, params: Mapping[str, JSON] | None, row: str | int, tell: Callable[[str], object] = bool
) -> list[Preview]:
    """The requests of one row, without sending any.

    Args:
        pipeline: as loaded.
        params: the values of its parameters.
        row: which row: its number, from 1, or as a text what `--row` takes: its id, where the input has ids, or else
            its number.
        tell: is told where a number could have been meant as an id, but is none.

    Raises:
        UsageError: the input has no such row.
        RowError: a template cannot be filled in for this row.
    """
    plan = pipeline.plan(params)
    with buffered(pipeline.source, getattr(sys.stdin, "buffer", None)) as source:
        found = _row(source, plan, row, tell)
    simulated = open_provider(plan.runtime, SimulatorSettings())
    async with simulated as provider, provider.open(plan, Cancellation()) as models, as_asked(plan) as asked:
        return await _RowRequests(plan, models, {**models, **asked}, found).make()


@asynccontextmanager
async def as_asked(plan: Plan) -> AsyncIterator[Mapping[str, Model]]:
    """The models as a run would ask them now: a schema that the API has refused is asked for by a tool.

    Without a store there are none, nor where the store or the environment cannot be used, which a run tells.
    """
    place = location_of(plan.file)
    async with AsyncExitStack() as stack:
        models: Mapping[str, Model] = {}
        with suppress(YamlgenError):
            if place.exists:
                session = stack.enter_context(open_session(place, ReusePolicy(offline=True)))
                provider = await stack.enter_async_context(open_provider(plan.runtime, None))
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
        if numbered is None:  # otherwise it is about a row that was not asked for
            raise
    if numbered is not None:
        tell_apart(name, id_of(numbered.identity), tell)
        return numbered
    ids = (id_of(each.identity) for each in source.rows(columns=plan.columns))
    hint = proposed(name, ids) if has_names else "rows count from 1"
    raise UsageError(f"{source.name()} has no row {id_name(name)}", code=Code.NO_ROWS, hint=hint)


@dataclass
class _RowRequests:
    plan: Plan
    models: Mapping[str, Model]
    asked: Mapping[str, Model]
    row: InputRow

    async def make(self) -> list[Preview]:
        """The requests, step by step; what depends on an answer is filled with one that is made up."""
        made: list[Preview] = []
        outputs: dict[str, Answer] = {}
        invented: set[str] = set()
        for step in self.plan.ordered():
            with located_errors(step):
                scope = self.plan.scope(self.row.row, {name: answer.value for name, answer in outputs.items()})
                skipped = {name for name, answer in outputs.items() if answer.skipped}
                if is_skipped(step, scope, skipped) or not step.is_wanted(scope):
                    outputs[step.name] = Answer(None, skipped=True)
                    continue
                seen = tuple(sorted(step.needs & invented))
                for case, request in step.requests(scope, self.asked):
                    made.append(Preview(step.name, step.spoken(case), request, seen))
                if step.is_outside or seen:
                    invented.add(step.name)
                if any(step.name in other.needs for other in self.plan.steps):
                    outputs[step.name] = await self._value(step, scope)
        return made

    async def _value(self, step: PlanStep, scope: Mapping[str, JSON]) -> Answer:
        context = replace(UNOBSERVED, step=step.name, identity=self.row.identity, row=self.row.index)
        return await StepRunner(self.models, invent=made_up).perform(step, scope, context)
