"""Numbers of a JSON Schema: inside their range, on their step, and usual for their field where there is room."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from yamlgen.claude.simulator.schemas import Contradiction
from yamlgen.claude.simulator.values import Values


def draw_number(keywords: Mapping[str, Any], values: Values, field: str, where: str, *, whole: bool) -> float:
    """A number that satisfies the numeric keywords.

    Raises:
        Contradiction: the range holds no such number.
    """
    above, below = keywords.get("exclusiveMinimum"), keywords.get("exclusiveMaximum")
    low = max((bound for bound in (keywords.get("minimum"), above) if bound is not None), default=None)
    high = min((bound for bound in (keywords.get("maximum"), below) if bound is not None), default=None)
    least, most = values.span(field, low, high)
    step = keywords.get("multipleOf") or (1 if whole else None)
    if step is None:
        return _real(values, least, most, (above, below))
    # Fractions of the decimal text: 0.1 is a tenth here, as it is to whoever wrote it.
    exact = Fraction(str(step))
    if whole:
        exact = Fraction(exact.numerator)
    first, last = math.ceil(Fraction(str(least)) / exact), math.floor(Fraction(str(most)) / exact)
    first += first * exact == above
    last -= last * exact == below
    if first > last:
        if low is not None and high is not None:
            raise Contradiction("multipleOf" if "multipleOf" in keywords else "minimum", where)
        first = last = last if low is None else first
    number = values.rng.randint(first, last) * exact
    return int(number) if number.denominator == 1 else float(number)


def _real(values: Values, least: float, most: float, excluded: tuple[float | None, ...]) -> float:
    drawn = values.rng.uniform(least, most)
    short = round(drawn, 2)
    return short if least <= short <= most and short not in excluded else drawn
