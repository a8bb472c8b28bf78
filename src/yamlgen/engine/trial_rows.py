"""A trial: runs rows spread over the rest of the input, once so many have failed alike that all may fail.

Owns which rows are tried, and the error if they fail too. Bad rows are often next to each other: at the front of a
sorted input, or as all that a second run has to send. A run therefore ends for equal failures only if other rows fail
with the same error.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from yamlgen.errors import Code, RowError, RunStopped
from yamlgen.value_objects import InputRow

OTHERS: Final = 20
"""How many rows are tried."""


@dataclass(frozen=True, slots=True)
class UnreadRows:
    """The rows of an input, to be read again.

    Attributes:
        rows: the number of rows of the input.
        read: reads them.
        indexes: the indexes of the rows, in order, perhaps repeated; `None`: all.
    """

    rows: int
    read: Callable[[], Iterable[InputRow]]
    indexes: Sequence[int] | None = None

    def among(self, indexes: Sequence[int]) -> UnreadRows:
        """Return the rows with these indexes, which are in order and may be repeated."""
        return UnreadRows(self.rows, lambda: _chosen(self.read(), indexes), indexes)

    def picks(self, begun: int) -> frozenset[int]:
        """Return the indexes of the rows to try, spread over the rows from the index `begun` on."""
        if self.indexes is not None:
            first = bisect_left(self.indexes, begun)
            left = len(self.indexes) - first
            return frozenset(self.indexes[first + number * left // OTHERS] for number in range(OTHERS) if left)
        left = max(0, self.rows - begun)
        return frozenset(begun + number * left // OTHERS for number in range(OTHERS)) if left else frozenset()


def trial_failure(error: RowError, tried: int) -> RunStopped:
    """Return the error of a run in which all requests, or calls of a function, failed; `error` is that of one row."""
    others = f", including those of {tried} rows from the rest of the input" if tried else ""
    if error.code is Code.WORKER_LOST:
        message = f"all calls of a function so far have ended their worker process{others}: {error.message}"
        return RunStopped(message, code=Code.SAME_ERROR, hint=error.hint)
    message = f"all requests so far failed with the same error{others}: {error.message}"
    if error.code is Code.BAD_REQUEST:
        hint = "fix what the error names (a setting, the schema or the key); the next run sends these rows again"
        return RunStopped(message, code=Code.SAME_ERROR, hint=hint)
    return RunStopped(
        message, code=Code.UNREACHABLE, hint=error.hint or "check the address, and that the server is working"
    )


def _chosen(rows: Iterable[InputRow], indexes: Sequence[int]) -> Iterator[InputRow]:
    """Yield the rows with these indexes, which are in order and may be repeated."""
    wanted = iter(indexes)
    index = next(wanted, None)
    for row in rows:
        if row.index == index:
            yield row
        while index is not None and index <= row.index:
            index = next(wanted, None)
        if index is None:
            return
