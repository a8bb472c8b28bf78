"""A pipeline as it is shown without running it: everything resolved, or the graph of its steps."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from yamlgen.api.loading import Pipeline
from yamlgen.planning.expansion import resolved
from yamlgen.planning.graph import as_mermaid, as_text
from yamlgen.planning.plan import Plan
from yamlgen.store.location import place_of
from yamlgen.sync import wait_for
from yamlgen.values import JSON


def expanded(pipeline: Pipeline, params: Mapping[str, JSON]) -> dict[str, JSON]:
    """The pipeline with its parameters, settings, texts and schemas as a run would use them.

    Raises:
        InvalidPipeline: a parameter is missing, undeclared or wrong.
    """
    plan = pipeline.plan(params)
    return resolved(plan, _by_tool(plan))


def graph(pipeline: Pipeline, params: Mapping[str, JSON], form: Literal["text", "mermaid"] = "text") -> str:
    """Each step with what it needs, reads and gives, in running order.

    Raises:
        InvalidPipeline: a parameter is missing, undeclared or wrong.
    """
    return (as_mermaid if form == "mermaid" else as_text)(pipeline.plan(params))


def _by_tool(plan: Plan) -> frozenset[str]:
    """The variants that a run would ask by a tool, as far as the store tells."""
    if not os.path.exists(place_of(plan.file).database):  # noqa: PTH110 - never raises
        return frozenset()
    from yamlgen.api.preparation import asked_by_tool  # noqa: PLC0415 - loads the SDK
    from yamlgen.api.preview import as_asked  # noqa: PLC0415

    async def asked() -> frozenset[str]:
        async with as_asked(plan) as models:
            return asked_by_tool(models)

    return wait_for(asked())
