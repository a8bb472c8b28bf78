"""How the fields of a request's body are read: as the API reads them, with its sentences where one is wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from yamlgen.simulator.problem import APIProblem


def check_object(value: Any, where: str, allowed: Collection[str]) -> dict[str, Any]:
    """An object with no other fields than `allowed`.

    Raises:
        Problem: 400, something else.
    """
    if not isinstance(value, dict):
        raise APIProblem(f"{where}: Input should be an object")
    for name in value:
        if name not in allowed:
            raise APIProblem(f"{where}.{name}: Extra inputs are not permitted")
    return value


def check_tag(value: Any, where: str, kinds: Collection[str]) -> str:
    """The `type` of an object, one of `kinds`.

    Raises:
        Problem: 400, something else.
    """
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        raise APIProblem(f"{where}: Input tag should be one of {', '.join(map(repr, kinds))}")
    return kind


def check_text(value: Any, where: str, name: str) -> str:
    """The text in the field `name` of an object.

    Raises:
        Problem: 400, something else.
    """
    if name not in value:
        raise APIProblem(f"{where}.{name}: Field required")
    if not isinstance(value[name], str):
        raise APIProblem(f"{where}.{name}: Input should be a valid string")
    text: str = value[name]
    return text


def check_integer(value: Any, where: str, least: int | None = None) -> int:
    """An integer, at least `least`.

    Raises:
        Problem: 400, something else.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise APIProblem(f"{where}: Input should be a valid integer")
    if least is not None and value < least:
        raise APIProblem(f"{where}: Input should be greater than or equal to {least}")
    return value


def check_one_of(value: Any, where: str, texts: Collection[str]) -> None:
    """Refuse what is none of `texts`.

    Raises:
        Problem: 400.
    """
    if not isinstance(value, str) or value not in texts:
        raise APIProblem(f"{where}: Input should be one of {', '.join(map(repr, texts))}")


def present(body: Mapping[str, Any], name: str) -> bool:
    """Whether a field that may be null is there and is not."""
    return body.get(name) is not None
