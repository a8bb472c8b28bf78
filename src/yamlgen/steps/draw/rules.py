"""The keys of one draw of a `draw` step: a wire type, as in `config`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from yamlgen.steps.config_fields import FrozenModel, Name, Text


class DrawRule(FrozenModel):
    """One of `choices`, `integer`, `number`, `date`, `column` with its `path`, or `cases` with `given`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [word]} for word in ("choices", "integer", "number", "date", "column", "cases")],
            "dependentRequired": {
                "weights": ["choices"],
                "decimals": ["number"],
                "column": ["path"],
                "path": ["column"],
                "cases": ["given"],
                "given": ["cases"],
                "otherwise": ["cases"],
            },
        },
    )

    choices: Annotated[list[Any], Field(min_length=1)] | None = None
    """The values to choose from."""
    weights: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=1)] | None = None
    """The weight of each of the `choices`, in their order and on any scale. Default: equal weights."""
    integer: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    """The range of an integer, as `[minimum, maximum]`, both included."""
    number: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """The range of a number, as `[minimum, maximum]`."""
    decimals: Annotated[int, Field(ge=0, le=12)] | None = None
    """Number of decimals to which a `number` is rounded."""
    date: Annotated[list[Text], Field(min_length=2, max_length=2)] | None = None
    """The range of a date, as `[first, last]`, both included. The value is a string such as `2026-11-30`."""
    column: Text | None = None
    """The column of the file `path` to draw from. Each row of the file is equally likely."""
    path: Text | None = None
    """Path of the file with the `column`, relative to this file: .jsonl, .json, .parquet or .csv."""
    given: Name | None = None
    """An earlier draw of this step, whose value selects one of the `cases`."""
    cases: Annotated[dict[str, DrawRule], Field(min_length=1)] | None = None
    """The draw to make, by the value of `given`."""
    otherwise: DrawRule | None = None
    """The draw to make if `cases` does not contain the value of `given`."""


def rules_of(rules: Iterable[DrawRule]) -> Iterator[DrawRule]:
    """Yield the rules and the rules nested in them."""
    for rule in rules:
        yield rule
        inside = [*(rule.cases or {}).values(), *([rule.otherwise] if rule.otherwise else [])]
        yield from rules_of(inside)
