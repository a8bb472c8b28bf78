"""Numbers in words for people: how many of what, shares, durations, sizes."""

from __future__ import annotations

from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_LEAST_SHARE: Final = 0.001
_SMALL_SHARE: Final = 0.1
_LONGEST: Final = 15


def counted(number: int, what: str) -> str:
    """Return a number of things, as `1 row`, `2 rows` or `2 batches`."""
    plural = "es" if what.endswith("ch") else "s"
    return f"{number:,} {what}{'' if number == 1 else plural}"


def time_told(seconds: float) -> str:
    """Return a duration in a suitable unit."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), _MINUTE)
    return f"{minutes} min {rest} s" if minutes < _MINUTE else f"{minutes // 60} h {minutes % 60} min"


def share_told(part: float, whole: float) -> str:
    """Return a share in percent; `0%` and `100%` are exact."""
    if not part or not whole:
        return "0%"
    share = part / whole
    if share < _LEAST_SHARE:
        return "<0.1%"
    if 1 - _LEAST_SHARE < share < 1:
        return ">99.9%"
    digits = 0 if _SMALL_SHARE <= share <= 1 - _SMALL_SHARE or share >= 1 else 1
    return f"{100 * share:.{digits}f}".removesuffix(".0") + "%"


def figure(number: float) -> str:
    """Return a number: whole ones with all of their digits, others with four that matter."""
    if number == int(number) and abs(number) < 10**_LONGEST:
        return f"{int(number):,}"
    if 1 <= abs(number) < 10**_LONGEST:
        digits = max(0, 4 - len(str(int(abs(number)))))
        told = f"{number:,.{digits}f}"
        return told.rstrip("0").rstrip(".") if digits else told
    return f"{number:.4g}"
