"""The version of the JSON that programs read: what commands print, and the record of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from yamlgen.value_objects import JSON

VERSION: Final = 1
"""Within a version, keys are added, but never removed, renamed or given another type."""


def versioned(value: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return an object with `version` as its first key."""
    return {"version": VERSION, **value}
