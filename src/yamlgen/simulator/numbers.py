"""Draws numbers for a JSON Schema: in range, multiples of the step, and plausible for their field if possible.

Bounds are compared as Python does, which is exact between floats and integers of any size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from yamlgen.simulator.plain_schema import SchemaContradiction
from yamlgen.simulator.plausible_values import PlausibleValues


def draw_number(keywords: Mapping[str, Any], values: PlausibleValues, field: str, where: str, *, whole: bool) -> float:
    """Draw a number that satisfies the numeric keywords.

    Raises:
        SchemaContradiction: the range contains no such number.
    """
    above, below = keywords.get("exclusiveMinimum"), keywords.get("exclusiveMaximum")
    low = max((bound for bound in (keywords.get("minimum"), above) if bound is not None), default=None)
    high = min((bound for bound in (keywords.get("maximum"), below) if bound is not None), default=None)
    least, most = values.span(field, low, high)
    step = keywords.get("multipleOf") or (1 if whole else None)
    if step is None:
        drawn = _reals(values, least, most)
    else:
        exact = decimal(step)
        drawn = _multiples(values, least, most, Fraction(exact.numerator) if whole else exact)
    for number in drawn:
        if is_within(number, keywords):
            return number
    raise SchemaContradiction("multipleOf" if "multipleOf" in keywords else "minimum", where)


def decimal(number: float) -> Fraction:
    """Return a number as it is written: 0.1 is exactly one tenth."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))


def is_within(number: float, keywords: Mapping[str, Any]) -> bool:
    """Check whether a number is within the bounds."""
    return (
        number >= keywords.get("minimum", number)
        and number <= keywords.get("maximum", number)
        and ("exclusiveMinimum" not in keywords or number > keywords["exclusiveMinimum"])
        and ("exclusiveMaximum" not in keywords or number < keywords["exclusiveMaximum"])
    )


def _reals(values: PlausibleValues, least: float, most: float) -> Iterator[float]:
    """Yield numbers of a range, rounded ones first; last its ends, which may be all that a narrow range contains."""
    share = values.rng.random()
    try:
        low, high = float(least), float(most)
    except OverflowError:  # an integer too large for a float
        yield from (least, least + 1, most, most - 1)
        return
    drawn = low * (1 - share) + high * share
    yield from (round(drawn, 2), drawn, low, high, math.nextafter(low, math.inf), math.nextafter(high, -math.inf))
    yield from (least, most, math.floor(low) + 1, math.ceil(high) - 1)


def _multiples(values: PlausibleValues, least: float, most: float, step: Fraction) -> Iterator[float]:
    """Yield multiples of a step in a range, a random one first; if there are none, those just outside the range."""
    first, last = math.ceil(decimal(least) / step), math.floor(decimal(most) / step)
    drawn = values.rng.randint(first, last) if first <= last else first
    # A float cannot represent every multiple of a fraction exactly, but it can represent whole numbers.
    rounded = -(-drawn // step.denominator) * step.denominator
    for count in (drawn, rounded, rounded - step.denominator, first, last, first + 1, last - 1, first - 1, last + 1):
        number = count * step
        if number.denominator == 1:
            yield int(number)
        try:
            near = float(number)
        except OverflowError:
            continue
        if math.isfinite(near) and (number.denominator == 1 or decimal(near) % step == 0):
            yield near
