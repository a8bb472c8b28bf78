"""Reads the constraints that a description contains because native output cannot express them.

Each client writes them differently: yamlgen as JSON, the SDKs as `{minimum: 1, maximum: 5}` at the end, LiteLLM as
`Note: minimum value: 1, maximum value: 5.`. The simulator understands all of them, as a model does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from yamlgen.schemas.native_output_schema import TOLD

_BY_SDK: Final = re.compile(r"\{(\w+: [^,{}]+(?:, \w+: [^,{}]+)*)\}\s*$")
_BY_LITELLM: Final[Mapping[str, str]] = {
    "minimum value: ": "minimum",
    "maximum value: ": "maximum",
    "exclusive minimum value: ": "exclusiveMinimum",
    "exclusive maximum value: ": "exclusiveMaximum",
    "must be a multiple of ": "multipleOf",
    "minimum length: ": "minLength",
    "maximum length: ": "maxLength",
    "minimum number of items: ": "minItems",
    "maximum number of items: ": "maxItems",
}
_NUMBER: Final = re.compile(r"([^-\d]+)(-?\d[-+.\deE]*)")
_NUMERIC: Final = frozenset(_BY_LITELLM.values())


def described_constraints(description: str) -> dict[str, Any]:
    """Return the keywords in a description, with their values."""
    _, told, text = description.rpartition(TOLD)
    try:
        if told:
            constraints = json.loads(text)
            return constraints if isinstance(constraints, dict) else {}
        return {name: json.loads(value) for name, value in _numbers(description)}
    except ValueError:
        return {}


def _numbers(description: str) -> Iterator[tuple[str, str]]:
    found = _BY_SDK.search(description)
    if found:
        pairs = (pair.split(": ", 1) for pair in found[1].split(", "))
        yield from ((name, value) for name, value in pairs if name in _NUMERIC)
        return
    _, noted, note = description.rpartition("Note: ")
    for part in note.split(", ") if noted else ():
        number = _NUMBER.fullmatch(part)
        if number and number[1] in _BY_LITELLM:
            yield _BY_LITELLM[number[1]], number[2].removesuffix(".")
