"""The numbers of a report as JSON, also without the texts that come from rows and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yamlgen.profiles.fields.field_profile import holds_names
from yamlgen.profiles.run_profile import RunProfile
from yamlgen.value_objects import JSON


def report_numbers(made: RunProfile, *, text: bool = True) -> dict[str, JSON]:
    """Return a run in numbers, as JSON values.

    Args:
        made: the run in numbers.
        text: whether texts that come from rows and answers are among them. Without, an id is null, a text is empty, and
            a list of values has none. Values of enums, booleans and numbers stay, and those of draws and axes by which
            numbers are grouped: the pipeline lists them.
    """
    found: dict[str, Any] = made.as_json()
    if text:
        return found
    found["headline"]["error"] = ""  # it may quote an answer
    found["fields"] = list(map(_field, found["fields"]))
    found["failures"] = [
        {**way, "id": None, "place": "", "message": "", "hint": "", "shows": ""} for way in found["failures"]
    ]
    found["steps"] = list(map(_step, found["steps"]))
    against = found["against"]
    if against is not None:
        against["other"]["error"] = ""
        against["ids"] = {}
        against["steps"] = [
            {**each, "this": each["this"] and _step(each["this"]), "other": each["other"] and _step(each["other"])}
            for each in against["steps"]
        ]
        against["fields"] = list(map(_compared, against["fields"]))
    return found


def _is_told(field: Mapping[str, Any] | None) -> bool:
    """Return whether the values of a field are texts of rows or answers."""
    return field is not None and not holds_names(field["kind"], field["schema"])


def _field(field: dict[str, Any]) -> dict[str, Any]:
    return {**field, "values": []} if _is_told(field) else field


def _step(step: dict[str, Any]) -> dict[str, Any]:
    why = [{**reason, "place": "", "message": ""} for reason in step["why"]]
    return {**step, "why": why}


def _compared(compared: dict[str, Any]) -> dict[str, Any]:
    this, other, changes = (compared[key] for key in ("this", "other", "changes"))
    if changes is not None and (_is_told(this) or _is_told(other)):
        changes = {**changes, "table": None, "this_values": [], "other_values": []}
    return {**compared, "this": this and _field(this), "other": other and _field(other), "changes": changes}
