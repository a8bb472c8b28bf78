"""Changes of the limits of values of one kind: their bounds, lengths, numbers of items, formats."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final, Literal

from yamlgen.schemas.constraints import figure

Limits = Mapping[str, Any]
LimitKind = Literal["narrower", "wider", "changed"]

_SIZES: Final = {
    "string": ("minLength", "maxLength", "character"),
    "array": ("minItems", "maxItems", "item"),
    "object": ("minProperties", "maxProperties", "member"),
}


def limit_changes(kind: str, old: Limits, new: Limits) -> Iterator[tuple[LimitKind, str]]:
    """Yield how the limits of values of one kind changed, each with what it says."""
    if kind in _SIZES:
        yield from _sizes(*_SIZES[kind], old, new)
    if kind == "string" and old.get("format") != new.get("format"):
        yield _format(old.get("format"), new.get("format"))
    if kind == "array" and ("uniqueItems" in old) != ("uniqueItems" in new):
        yield ("narrower", "no two items are equal") if "uniqueItems" in new else ("wider", "items may be equal")
    if kind == "number":
        yield from _numbers(old, new)


def _sizes(low: str, high: str, what: str, old: Limits, new: Limits) -> Iterator[tuple[LimitKind, str]]:
    was, now = ((limits.get(low, 0), limits.get(high, math.inf)) for limits in (old, new))
    if was != now and was[0] == was[1] and now[0] == now[1]:
        yield "changed", f"{_counted(now[0], what)} instead of {figure(was[0])}"
        return
    if was[0] != now[0]:
        message = f"at least {_counted(now[0], what)} instead of {figure(was[0])}"
        yield ("narrower" if now[0] > was[0] else "wider"), message
    if was[1] != now[1]:
        more = f"at most {_counted(now[1], what)}" if now[1] < math.inf else f"any number of {what}s"
        less = figure(was[1]) if now[1] < math.inf else f"at most {figure(was[1])}"
        less = less if was[1] < math.inf else "any number"
        yield ("narrower" if now[1] < was[1] else "wider"), f"{more} instead of {less}"


def _counted(number: float, what: str) -> str:
    return f"{figure(number)} {what}{'' if number == 1 else 's'}"


def _format(was: str | None, now: str | None) -> tuple[LimitKind, str]:
    if was is None:
        return "narrower", f"has the format `{now}`"
    return (
        ("wider", f"any string instead of the format `{was}`")
        if now is None
        else (
            "changed",
            f"format `{now}` instead of `{was}`",
        )
    )


def _numbers(old: Limits, new: Limits) -> Iterator[tuple[LimitKind, str]]:
    if ("integer" in old) != ("integer" in new):
        is_whole = "integer" in new
        yield ("narrower", "integer instead of number") if is_whole else ("wider", "number instead of integer")
    was, now = _bound(old, "minimum", "exclusiveMinimum"), _bound(new, "minimum", "exclusiveMinimum")
    if was != now:
        message = f"{_low(now)} instead of {_low(was)}"
        yield ("narrower" if now > was else "wider"), message
    was, now = _bound(old, "maximum", "exclusiveMaximum", -1), _bound(new, "maximum", "exclusiveMaximum", -1)
    if was != now:
        message = f"{_high(now)} instead of {_high(was)}"
        yield ("narrower" if now > was else "wider"), message
    step, other = old.get("multipleOf"), new.get("multipleOf")
    if step != other:
        yield _steps(step, other)


def _bound(limits: Limits, word: str, beyond: str, sign: int = 1) -> tuple[float, bool]:
    """Return a bound, and whether it is outside; the larger one is the narrower one."""
    if beyond in limits:
        return limits[beyond] * sign, True
    return limits.get(word, -math.inf) * (sign if word in limits else 1), False


def _low(bound: tuple[float, bool]) -> str:
    if bound[0] == -math.inf:
        return "no minimum"
    return f"{'more than' if bound[1] else 'at least'} {figure(bound[0])}"


def _high(bound: tuple[float, bool]) -> str:
    if bound[0] == -math.inf:
        return "no maximum"
    return f"{'less than' if bound[1] else 'at most'} {figure(-bound[0])}"


def _steps(was: float | None, now: float | None) -> tuple[LimitKind, str]:
    said = "a multiple of " + figure(now) if now is not None else "any number"
    message = f"{said} instead of {'any number' if was is None else figure(was)}"
    if now is None:
        return "wider", f"any number instead of a multiple of {figure(was or 1)}"
    if was is None:
        return "narrower", message
    ratio = Fraction(str(now)) / Fraction(str(was))
    if ratio.denominator == 1:
        return "narrower", message
    return ("wider" if ratio.numerator == 1 else "changed"), message
