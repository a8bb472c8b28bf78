"""Checks of the fields of a request's body, with the API's messages.

The fields of an object are written as one string, in the order in which the API checks them: `name` for any value,
`name!` for a required string, `name?` for a string or null, `name=this|that` for one of several strings, and
`type=this` for a required tag. Each check raises a `SimulatedAPIError` with status 400.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final

from yamlgen.simulator.api_errors import SimulatedAPIError

_FIELD: Final = re.compile(r"(\w+)([=!?]?)(\S*)")


def check_object(value: Any, where: str, fields: str) -> None:
    """Refuse a value that is not an object, has other fields, or has an invalid one."""
    if not isinstance(value, dict):
        raise SimulatedAPIError(f"{where}: Input should be an object")
    known = _known(fields)
    for name in value:
        if name not in known:
            raise SimulatedAPIError(f"{where}.{name}: Extra inputs are not permitted")
    for name, (mark, texts) in known.items():
        if name == "type" and mark:
            check_tag(value, where, texts)
        elif mark == "=" and name in value:
            check_one_of(value[name], f"{where}.{name}", texts)
        elif mark == "!" or (mark == "?" and present(value, name)):
            check_text(value, where, name)


@lru_cache(maxsize=256)
def _known(fields: str) -> dict[str, tuple[str, list[str]]]:
    return {name: (mark, texts.split("|")) for name, mark, texts in _FIELD.findall(fields)}


def check_tag(value: Any, where: str, kinds: Collection[str]) -> str:
    """Return the `type` of an object; it must be one of `kinds`."""
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        raise SimulatedAPIError(f"{where}: Input tag should be one of {', '.join(map(repr, kinds))}")
    return kind


def check_text(value: Any, where: str, name: str) -> str:
    """Return the string in the required field `name` of an object."""
    if name not in value:
        raise SimulatedAPIError(f"{where}.{name}: Field required")
    if not isinstance(value[name], str):
        raise SimulatedAPIError(f"{where}.{name}: Input should be a valid string")
    text: str = value[name]
    return text


def check_integer(value: Any, where: str, least: int | None = None) -> int:
    """Return an integer; it must be at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise SimulatedAPIError(f"{where}: Input should be a valid integer")
    if least is not None and value < least:
        raise SimulatedAPIError(f"{where}: Input should be greater than or equal to {least}")
    return value


def check_one_of(value: Any, where: str, texts: Collection[str]) -> None:
    """Refuse a value that is not one of `texts`."""
    if not isinstance(value, str) or value not in texts:
        raise SimulatedAPIError(f"{where}: Input should be one of {', '.join(map(repr, texts))}")


def present(body: Mapping[str, Any], name: str) -> bool:
    """Check whether a field is present and not null."""
    return body.get(name) is not None
