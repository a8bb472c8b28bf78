"""How one value of a `draw` step is drawn, as authors may write it: a wire type, as in `config`."""

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
    """One of these values."""
    weights: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=1)] | None = None
    """How likely each of the `choices` is, in their order; any scale. Equally likely where none is set."""
    integer: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    """An integer, as `[least, most]`, both included."""
    number: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """A number, as `[least, most]`."""
    decimals: Annotated[int, Field(ge=0, le=12)] | None = None
    """To how many decimals a `number` is rounded."""
    date: Annotated[list[Text], Field(min_length=2, max_length=2)] | None = None
    """A date as text, `2026-11-30`, as `[first, last]`, both included."""
    column: Text | None = None
    """A value from this column of the file `path`, each of its rows equally likely."""
    path: Text | None = None
    """The file of `column`, relative to this file: .jsonl, .json or .csv."""
    given: Name | None = None
    """An earlier draw of this step, whose value picks one of `cases`."""
    cases: Annotated[dict[str, DrawRule], Field(min_length=1)] | None = None
    """How the value is drawn, by the value of `given`."""
    otherwise: DrawRule | None = None
    """How the value is drawn where `given` has a value that `cases` does not name."""


def rules_of(rules: Iterable[DrawRule]) -> Iterator[DrawRule]:
    """Rules, and those inside them."""
    for rule in rules:
        yield rule
        inside = [*(rule.cases or {}).values(), *([rule.otherwise] if rule.otherwise else [])]
        yield from rules_of(inside)
