"""Numbers of a JSON Schema: inside their range, on their step, and usual for their field where there is room.

A number is held against the bounds as Python compares, which is exact between integers of any size and floats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from yamlgen.simulator.plain_schema import SchemaContradiction
from yamlgen.simulator.plausible_values import PlausibleValues


def draw_number(keywords: Mapping[str, Any], values: PlausibleValues, field: str, where: str, *, whole: bool) -> float:
    """A number that satisfies the numeric keywords.

    Raises:
        SchemaContradiction: the range holds no such number.
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
    """A number as it is written: 0.1 is a tenth here, as its author means it."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))


def is_within(number: float, keywords: Mapping[str, Any]) -> bool:
    """Whether a number is inside the bounds."""
    return (
        number >= keywords.get("minimum", number)
        and number <= keywords.get("maximum", number)
        and ("exclusiveMinimum" not in keywords or number > keywords["exclusiveMinimum"])
        and ("exclusiveMaximum" not in keywords or number < keywords["exclusiveMaximum"])
    )


def _reals(values: PlausibleValues, least: float, most: float) -> Iterator[float]:
    """Numbers of a range, the plainest first, and last those at its ends, which a narrow range may consist of."""
    share = values.rng.random()
    try:
        low, high = float(least), float(most)
    except OverflowError:  # an integer beyond every float
        yield from (least, least + 1, most, most - 1)
        return
    drawn = low * (1 - share) + high * share
    yield from (round(drawn, 2), drawn, low, high, math.nextafter(low, math.inf), math.nextafter(high, -math.inf))
    yield from (least, most, math.floor(low) + 1, math.ceil(high) - 1)


def _multiples(values: PlausibleValues, least: float, most: float, step: Fraction) -> Iterator[float]:
    """Multiples of a step in a range, a drawn one first; just beyond the range, where it has none."""
    first, last = math.ceil(decimal(least) / step), math.floor(decimal(most) / step)
    drawn = values.rng.randint(first, last) if first <= last else first
    # No float is exact enough for every multiple of a fraction, but whole numbers always are.
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
