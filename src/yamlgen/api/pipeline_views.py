"""A pipeline as it is shown without running it: everything resolved, the graph of its steps, or a row's requests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, overload

from yamlgen.api.loading import Pipeline, loaded
from yamlgen.errors import Code, UsageError
from yamlgen.planning.expansion import resolved
from yamlgen.planning.graph import as_mermaid, as_text
from yamlgen.planning.plan import Plan
from yamlgen.store.location import location_of
from yamlgen.sync_bridge import wait_for
from yamlgen.value_objects import JSON

if TYPE_CHECKING:
    from yamlgen.api.preview import Preview

_GRAPHS: Final = {"text": as_text, "mermaid": as_mermaid}


@overload
def render(
    pipeline: str | Path | Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,
    row: None = None,
    graph: None = None,
) -> dict[str, JSON]: ...
@overload
def render(
    pipeline: str | Path | Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,
    row: None = None,
    graph: Literal["text", "mermaid"],
) -> str: ...
@overload
def render(
    pipeline: str | Path | Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,
    row: str | int,
    graph: None = None,
) -> list[Preview]: ...
def render(
    pipeline: str | Path | Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the word that the YAML has for it
    row: str | int | None = None,
    graph: Literal["text", "mermaid"] | None = None,
) -> dict[str, JSON] | str | list[Preview]:
    """Show a pipeline resolved, or the graph of its steps, or the requests of one row. Nothing is sent.

    Args:
        pipeline: a YAML file, or what `load` returned.
        params: the values of its parameters.
        overrides: values to set, by dotted path, such as `{"model": "claude-haiku-5-5"}`; only with a file.
        input: where the rows come from instead; only with a file.
        row: the requests of this row: its id, where the input has ids, or its number, from 1.
        graph: the steps with their types and what needs what: as `text`, or as a flowchart for `mermaid`.

    Returns:
        Alone: the pipeline, with its parameters, settings, texts and schemas as a run would use them, as the mapping
        that its file would be. With `graph`: a text. With `row`: each request that the row would send, step by step;
        what depends on the output of another step is filled with one that the simulator makes up.

    Raises:
        InvalidPipeline: the file has mistakes; `.diagnostics` holds all of them with their places.
        UsageError: the input has no such row; or `row` and `graph` are both given.
        RowError: a template cannot be filled in for this row.
    """
    if graph is not None and (row is not None or graph not in _GRAPHS):
        message = f"graph is {graph!r}" if row is None else "`graph` shows the steps, `row` the requests of a row"
        hint = "`text` or `mermaid`" if row is None else "one at a time"
        raise UsageError(message, code=Code.BAD_PARAM, hint=hint)
    found = loaded(pipeline, overrides, input)
    if row is not None:
        from yamlgen.api.preview import preview  # noqa: PLC0415 - loads the SDK

        return wait_for(preview(found, params, row))
    plan = found.plan(params)
    return resolved(plan, _by_tool(plan)) if graph is None else _GRAPHS[graph](plan)


def _by_tool(plan: Plan) -> frozenset[str]:
    """The variants that a run would ask by a tool, as far as the store tells."""
    if not os.path.exists(location_of(plan.file).database):  # noqa: PTH110 - never raises
        return frozenset()
    from yamlgen.api.preparation import asked_by_tool  # noqa: PLC0415 - loads the SDK
    from yamlgen.api.preview import as_asked  # noqa: PLC0415

    async def asked() -> frozenset[str]:
        async with as_asked(plan) as models:
            return asked_by_tool(models)

    return wait_for(asked())
