"""Views of a pipeline without a run: the resolved pipeline, the graph of its steps, or the requests of a row."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, overload

from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.loading import loaded
from yamlgen.data.given_rows import GivenRows
from yamlgen.errors import Code, UsageError
from yamlgen.planning.expansion import resolved
from yamlgen.planning.graph import as_mermaid, as_text
from yamlgen.planning.plan import Plan
from yamlgen.store.location import location_of
from yamlgen.sync_bridge import wait_for
from yamlgen.value_objects import JSON

if TYPE_CHECKING:
    from yamlgen.api.row_requests import Preview

_GRAPHS: Final = {"text": as_text, "mermaid": as_mermaid}


@overload
def render(
    pipeline: str | Path | Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,
    rows: GivenRows | None = None,
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
    rows: GivenRows | None = None,
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
    rows: GivenRows | None = None,
    row: str | int,
    graph: None = None,
) -> list[Preview]: ...
def render(
    pipeline: str | Path | Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the name of the YAML key
    rows: GivenRows | None = None,
    row: str | int | None = None,
    graph: Literal["text", "mermaid"] | None = None,
) -> dict[str, JSON] | str | list[Preview]:
    """Return the resolved pipeline, the graph of its steps, or the requests of one row. Nothing is sent.

    Args:
        pipeline: a pipeline file, or what `load` returned.
        params: the parameters, by name.
        overrides: values to set, by dotted path, such as `{"model": "claude-haiku-5-5"}`; not if `pipeline` is loaded.
        input: the input, in place of the file's own; not if `pipeline` is loaded.
        rows: the rows, as mappings, in place of the file's own input; not if `pipeline` is loaded. They are read once,
            and copied. A value that JSON cannot represent is an error.
        row: the id of a row, or its number, from 1, to return its requests.
        graph: `text` or `mermaid`, to return the graph of the steps in this format.

    Returns:
        By default: the pipeline as a mapping, with parameters, settings, strings and schemas as a run would use them,
        and the JSON Schema of the output rows under `x-output-type` (`x-output-types`, by name, for several outputs).
        With `graph`: a string. With `row`: each request of the row, step by step; if a request needs the output of
        another step, a simulated output is filled in.

    Raises:
        InvalidPipeline: the file has errors; `.diagnostics` contains all of them with their places.
        UsageError: the input has no such row; or `row` and `graph` are both set.
        RowError: a template fails for this row.
    """
    if graph is not None and (row is not None or graph not in _GRAPHS):
        message = f"`graph` is {graph!r}" if row is None else "`graph` and `row` cannot be combined"
        hint = "use `text` or `mermaid`" if row is None else "remove one of them"
        raise UsageError(message, code=Code.BAD_PARAM, hint=hint)
    found = loaded(pipeline, overrides, input, rows)
    if row is not None:
        from yamlgen.api.row_requests import requests_of_row  # noqa: PLC0415 - loads the SDK

        return wait_for(requests_of_row(found, params, row))
    plan = found.plan(params)
    if graph is not None:
        return _GRAPHS[graph](plan)
    return {**resolved(plan, _by_tool(plan)), **_row_types(plan)}


def _row_types(plan: Plan) -> dict[str, JSON]:
    """Return the JSON Schemas of the output rows, under a key that a pipeline may have."""
    types = {output.name: output.type.value for output in plan.outputs}
    return {"x-output-type": types[""]} if "" in types else {"x-output-types": types}


def _by_tool(plan: Plan) -> frozenset[str]:
    """Return the variants whose requests would use a tool, as far as the store shows."""
    if not os.path.exists(location_of(plan.file).database):  # noqa: PTH110 - never raises
        return frozenset()
    from yamlgen.api.preparation import asked_by_tool  # noqa: PLC0415 - loads the SDK
    from yamlgen.api.row_requests import as_asked  # noqa: PLC0415

    async def asked() -> frozenset[str]:
        async with as_asked(plan) as models:
            return asked_by_tool(models)

    return wait_for(asked())
