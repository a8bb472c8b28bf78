"""How much one template may do and make: counted while it is filled in, and refused before it is done.

Owns the budget of a rendering and what a value weighs. Data nested many times into itself weighs what it would print.
What each operation costs is for `costs` to say, and where it is counted for `counting`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from jinja2.utils import Namespace

MOST_MADE: Final = 1 << 23
"""The most characters or values that one operation may make."""
MOST_WORK: Final = 1 << 26
"""The most that one rendering may do, as the number of characters that are handled: about a second's work."""
VALUE: Final = 32
"""What a value costs besides its characters."""
STEP: Final = 64
"""What a turn of a loop costs, a filter, or an item in a filter."""
CALL: Final = 256
"""What a call costs."""

_left: ContextVar[list[int] | None] = ContextVar("left", default=None)


@contextmanager
def budget() -> Iterator[list[int]]:
    """One rendering, with the whole budget before it; gives what is left of it, as the only item of a list."""
    left = [MOST_WORK]
    token = _left.set(left)
    try:
        yield left
    finally:
        _left.reset(token)


def spend(cost: int) -> None:
    """Count an operation.

    Raises:
        OverflowError: it, or all until now, is more than a template may do.
    """
    left = _left.get() or [MOST_WORK]
    left[0] -= cost
    if left[0] < 0:
        raise OverflowError(f"more than {MOST_WORK:,} characters are handled: in loops, calls, or large values")


def make(size: int) -> None:
    """Count what an operation makes.

    Raises:
        OverflowError: it, or all until now, is more than a template may make.
    """
    if size > MOST_MADE:
        raise OverflowError(f"more than {MOST_MADE:,} characters or values would be made at once")
    spend(size)


def weight(value: Any, most: int = MOST_WORK) -> int:
    """What it costs to go through a value, or to print it; not much more than `most`. Lazy ones weigh nothing."""
    total, waiting = VALUE, [value]
    while waiting and total <= most:
        part = waiting.pop()
        if isinstance(part, str | bytes):
            total += len(part)
        elif isinstance(part, int):
            total += part.bit_length() // 3
        elif part is None or isinstance(part, float):
            pass
        elif isinstance(part, list | tuple):
            total += VALUE * len(part)
            if total <= most:
                waiting.extend(part)
        elif isinstance(part, Mapping):
            total += 2 * VALUE * len(part)
            if total <= most:
                waiting.extend(part.keys())
                waiting.extend(part.values())
        elif isinstance(part, range):
            total += VALUE * len(part)
        elif isinstance(part, Namespace):
            waiting.append(part._Namespace__attrs)  # noqa: SLF001 - as it prints them
    return total
