"""Which rows of an input are read: a condition, a sample, a limit, applied in this order.

A sample is stable: whether a row is in it depends on its identity and the seed, and on the others only by how many
there are. So it hardly changes if rows are added, removed or sorted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import heappush, heappushpop
from itertools import islice
from typing import Final, TypeVar

from yamlgen.errors import LACKING, Code, RowError, UsageError
from yamlgen.expressions.evaluation import row_evaluator, shown
from yamlgen.formats.strict_json import brief
from yamlgen.value_objects import JSON, InputRow, Row

P = TypeVar("P")

_LACKING: Final = 'add `default(...)` for a value that a row may lack, as in `row.lang | default("") == "en"`'


@dataclass(frozen=True, slots=True)
class RowCondition:
    """The condition of `input.where`, with the values of the parameters."""

    source: str
    params: Mapping[str, JSON]

    def fulfilled(self, rows: Iterable[tuple[P, Row]], place: Callable[[P], str]) -> Iterator[tuple[P, Row]]:
        """Yield the rows that fulfil the condition.

        Args:
            rows: the rows, each with its position.
            place: returns the place of a position, for the error.

        Raises:
            UsageError: the condition fails for the next row, or is a string: `no` and `false` would be true.
        """
        value = row_evaluator(self.source, self.params)
        for at, row in rows:
            try:
                found = value(row)
            except RowError as error:
                hint = _LACKING if error.hint == LACKING else error.hint
                message = f"{place(at)}: `input.where` fails: {error.message}"
                raise UsageError(message, code=Code.ROW_TEMPLATE, hint=hint) from error
            if isinstance(found, str):
                message = f"{place(at)}: `input.where` is the string {brief(found)}, not a condition"
                hint = f'compare it, as in `{shown(self.source)} == "yes"`'
                raise UsageError(message, code=Code.ROW_TEMPLATE, hint=hint)
            if found:
                yield at, row


@dataclass(frozen=True, slots=True)
class SeededRanks:
    """A sample of rows.

    Attributes:
        n: its size in rows.
        seed: samples with different seeds are independent.
        last: the largest rank in the sample, once all rows were read.
    """

    n: int
    seed: int = 0
    last: bytes | None = None

    def rank(self, identity: str) -> bytes:
        """Return the pseudo-random rank of a row: the rows with the smallest ranks are in the sample."""
        return hashlib.blake2b(f"{self.seed}\n{identity}".encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class RowSelection:
    """Which rows of an input are read.

    Attributes:
        where: the condition that a row must fulfil.
        sample: the sample of the rows that fulfil it.
        limit: the maximum number of rows.
    """

    where: RowCondition | None = None
    sample: SeededRanks | None = None
    limit: int | None = None

    def drawn(self, identities: Iterable[str]) -> tuple[RowSelection, int]:
        """Return the selection with its sample drawn, and the number of its rows.

        Args:
            identities: those of all rows that fulfil the condition.
        """
        sample = self.sample
        if sample is None:
            count = sum(1 for _ in identities)
            return self, count if self.limit is None else min(count, self.limit)
        kept: list[int] = []  # the smallest ranks, negated: the heap has the largest of them first
        for identity in identities:
            rank = -int.from_bytes(sample.rank(identity))
            if len(kept) < sample.n:
                heappush(kept, rank)
            else:
                heappushpop(kept, rank)
        last = (-kept[0]).to_bytes(16) if kept else b""
        count = len(kept) if self.limit is None else min(len(kept), self.limit)
        return replace(self, sample=replace(sample, last=last)), count

    def chosen(self, rows: Iterator[InputRow]) -> Iterator[InputRow]:
        """Yield the rows of the sample, up to the limit, numbered anew; all until the sample is drawn."""
        sample = self.sample
        if sample is not None and sample.last is not None:
            last = sample.last
            kept = (row for row in rows if sample.rank(row.identity) <= last)
            rows = (replace(row, index=index) for index, row in enumerate(kept))
        yield from islice(rows, self.limit)


EVERY_ROW: Final = RowSelection()
"""No condition, no sample, no limit."""
