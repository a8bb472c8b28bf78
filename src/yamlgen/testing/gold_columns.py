"""The columns that `gold` compares: which output has them, and whether they exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from yamlgen.expressions.static_types import Absent, SchemaView, TypeView
from yamlgen.planning.plan import Plan
from yamlgen.shaping.output_plan import OutputPlan
from yamlgen.testing.expectations import row_type
from yamlgen.value_objects import JSON

_MISSING: Final = object()


def gold_output(plan: Plan, on: str | None, fields: Mapping[str, str]) -> OutputPlan:
    """Return the output that `gold` compares: the first whose rows can have all the values, else the first output."""
    names = [name for name in (on, *fields) if name is not None]
    fitting = (each for each in plan.outputs if all(absence_in(each, name) is None for name in names))
    return next(fitting, plan.outputs[0])


def absence_in(output: OutputPlan, field: str) -> Absent | None:
    """Return why no row of an output has a field such as `label.topic`, or `None` if a row can have it."""
    view: TypeView = SchemaView.of(row_type(output), output.key)
    try:
        view.member(field)  # a column whose name contains a dot
    except Absent as absent:
        if "." not in field:
            return absent
    else:
        return None
    try:
        for part in field.split("."):
            view = view.solid().member(part)
    except Absent as absent:
        return absent
    return None


def value_at(row: Mapping[str, Any], field: str) -> JSON:
    """Return the value of a field of an output row, such as `label.topic`.

    Raises:
        LookupError: the row has no such value.
    """
    if field in row:
        return row[field]
    value: Any = row
    for part in field.split("."):
        value = value.get(part, _MISSING) if isinstance(value, Mapping) else _MISSING
        if value is _MISSING:
            raise LookupError(field)
    return value
