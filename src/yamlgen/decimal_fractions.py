"""The decimal fractions of a range."""

from __future__ import annotations

import math
from fractions import Fraction


def grid(least: float, most: float, decimals: int) -> tuple[int, int]:
    """Return the first and the last decimal fraction in [least, most], in units of the last decimal."""
    unit = 10**decimals
    return math.ceil(Fraction(repr(least)) * unit), math.floor(Fraction(repr(most)) * unit)
