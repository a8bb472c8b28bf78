"""The requests of one row, without sending any."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

from yamlgen.api.loading import Pipeline
from yamlgen.claude.access import Simulation, reach
from yamlgen.data.source import spooled
from yamlgen.errors import Code, UsageError
from yamlgen.halt import Halt
from yamlgen.ports import JSON, NOBODY


class Preview(NamedTuple):
    """One request of one row; `made_up` names the steps whose outputs in it the simulator invented."""

    step: str
    request: dict[str, JSON]
    made_up: tuple[str, ...]


async def preview(pipeline: Pipeline, params: Mapping[str, JSON], number: int) -> list[Preview]:
    """The requests of one row, without sending any.

    Args:
        pipeline: as loaded.
        params: the values of its parameters.
        number: which row, counted from 1.

    Raises:
        UsageError: the input has fewer rows.
        RowError: a template cannot be filled in for this row.
    """
    plan, previews = pipeline.plan(params), []
    with spooled(pipeline.source, getattr(sys.stdin, "buffer", None)) as source:
        found = next(islice(source.rows(), number - 1, None), None)
    if found is None:
        raise UsageError(f"{source.name()} has no row {number}", code=Code.NO_ROWS, hint="rows count from 1")
    async with reach(plan.runtime, Simulation()) as provider, provider.open(plan, Halt()) as models:
        outputs: dict[str, JSON] = {}
        for step in plan.ordered():
            prompt = step.prompt(found.row, plan.params, outputs)
            previews.append(Preview(step.name, models[step.name].request(prompt), tuple(sorted(step.needs))))
            if any(step.name in other.needs for other in plan.steps):
                answer = await models[step.name].answer(prompt, NOBODY)
                outputs[step.name] = answer.value
    return previews
