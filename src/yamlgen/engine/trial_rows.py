"""A trial: rows from all over the rest of the input, once so many have failed alike that all may.

Owns which rows are tried, and what it comes to. Bad rows often stand together, at the front of a sorted input or as
all that a second run has to ask; so a run ends for failures that read alike only if other rows fail like them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from yamlgen.errors import Code, RowError, RunStopped
from yamlgen.value_objects import InputRow

OTHERS: Final = 20
"""How many rows are tried."""


@dataclass(frozen=True, slots=True)
class UnreadRows:
    """The rows of an input, to be read once more.

    Attributes:
        rows: how many there are.
        read: reads them.
    """

    rows: int
    read: Callable[[], Iterable[InputRow]]

    def picks(self, begun: int) -> frozenset[int]:
        """The places of the rows to try, where the first `begun` rows have begun: spread over those that follow."""
        left = max(0, self.rows - begun)
        return frozenset(begun + number * left // OTHERS for number in range(OTHERS)) if left else frozenset()


def trial_failure(error: RowError, tried: int) -> RunStopped:
    """The error of a run in which nothing was answered: `error` is that of one of its rows."""
    others = f", those of {tried} rows from the rest of the input too" if tried else ""
    message = f"all requests failed alike until now{others}: {error.message}"
    if error.code is Code.BAD_REQUEST:
        hint = "mend what it names (a setting, the schema, the key): the next run asks for all of these rows"
        return RunStopped(message, code=Code.SAME_ERROR, hint=hint)
    return RunStopped(message, code=Code.UNREACHABLE, hint=error.hint or "is the address right, and the server well?")
