"""The limits on the work and the results of one template, counted before each operation runs.

Owns the budget of a rendering and the weight of a value. Data that contains the same value many times weighs as much as
its printed form. `operation_costs` estimates the cost of each operation, `instrumentation` counts it.

The messages of the errors here may be sent to the model, if a `check` fails with one: their words are part of requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

from jinja2.utils import Namespace

MOST_MADE: Final = 1 << 23
"""Maximum number of characters or values that one operation may produce."""
MOST_WORK: Final = 1 << 26
"""Maximum work of one rendering, in characters handled: about one second."""
VALUE: Final = 32
"""The cost of a value, in addition to its characters."""
STEP: Final = 64
"""The cost of a loop iteration, a filter, or an item in a filter."""
CALL: Final = 256
"""The cost of a call."""

_left: ContextVar[list[int] | None] = ContextVar("left", default=None)


class RenderBudget:
    """The budget of one rendering: a context manager that returns what is left of it, the only item of a list.

    It is no generator, because renderings are short and that would take three times as long.
    """

    __slots__ = ("_token",)

    def __enter__(self) -> list[int]:
        left = [MOST_WORK]
        self._token = _left.set(left)
        return left

    def __exit__(self, *_: object) -> None:
        _left.reset(self._token)


def spend(cost: int) -> None:
    """Count the cost of an operation.

    Raises:
        OverflowError: the total cost exceeds the limit.
    """
    left = _left.get() or [MOST_WORK]
    left[0] -= cost
    if left[0] < 0:
        raise OverflowError(f"more than {MOST_WORK:,} characters are handled: in loops, calls, or large values")


def make(size: int) -> None:
    """Count the size of an operation's result.

    Raises:
        OverflowError: the result, or the total cost, exceeds the limit.
    """
    if size > MOST_MADE:
        raise OverflowError(f"more than {MOST_MADE:,} characters or values would be made at once")
    spend(size)


def weight(value: Any, most: int = MOST_WORK) -> int:
    """Return the cost of traversing or printing a value, capped slightly above `most`; iterators weigh nothing."""
    if type(value) is str:  # most values are
        return VALUE + len(value)
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
            waiting.append(part._Namespace__attrs)  # noqa: SLF001 - it prints its attributes
    return total
