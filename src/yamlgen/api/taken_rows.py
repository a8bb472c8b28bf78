"""The first part of a run: rows that an equal earlier run has finished are taken over, and the rest is left to run.

The input is read once, in order. If rows are left, those among the rows that were read until then are read again.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Final, overload

from yamlgen.api.preparation import Preparation
from yamlgen.api.run_fingerprint import files_agree
from yamlgen.cancellation import Cancellation
from yamlgen.comparison.locked_parts import RowsDigest
from yamlgen.engine.trial_rows import UnreadRows
from yamlgen.events import Emit, RowsTakenOver
from yamlgen.store.run_recorder import RunRecorder
from yamlgen.store.takeover import CHUNK, ComingRow, Takeover, coming_row
from yamlgen.value_objects import InputRow

_TURN: Final = 64
"""How many rows are read before other tasks get a turn."""


class _Remaining(Sequence[int]):
    """Positions of rows, in order: some of the first rows, and all after them."""

    def __init__(self, first: Sequence[int], rest: range) -> None:
        self._first = first
        self._rest = rest

    def __len__(self) -> int:
        return len(self._first) + len(self._rest)

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[int]: ...
    def __getitem__(self, at: int | slice) -> int | Sequence[int]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        at = at + len(self) if at < 0 else at
        return self._first[at] if at < len(self._first) else self._rest[at - len(self._first)]

    def __iter__(self) -> Iterator[int]:
        return chain(self._first, self._rest)


async def rows_to_run(
    ready: Preparation, fingerprint: bytes | None, digest: RowsDigest, tell: Emit, cancellation: Cancellation
) -> tuple[Iterable[InputRow], UnreadRows]:
    """Take over the rows that an equal run has finished, and return the other rows of a run that has started.

    Args:
        ready: the run.
        fingerprint: its fingerprint; `None`: nothing is taken over.
        digest: is given every row of the input once, in order, by the time that the rows that are returned are read.
        tell: receives an event for each set of rows, which are on disk then.
        cancellation: ends it between two sets of rows.

    Returns:
        The rows that are left, in order, and the same rows to be read again.

    Raises:
        YamlgenError: the input has changed, or the store cannot be written.
    """
    read, recorder = partial(ready.source.rows, ready.rows, ready.plan.columns), ready.session.run_recorder
    rows, unread = digest.of(read()), UnreadRows(ready.rows, read)
    takeover = await recorder.open_takeover(fingerprint, ready.plan.steps, files_agree(ready.plan))
    if takeover is None:
        return rows, unread
    left = await _take_over(recorder, takeover, rows, tell, cancellation)
    rest = unread.among(_Remaining(left, range(digest.rows, ready.rows)))
    return chain(unread.among(left).read() if left else (), rows), rest


async def _take_over(
    recorder: RunRecorder, takeover: Takeover, rows: Iterator[InputRow], tell: Emit, cancellation: Cancellation
) -> array[int]:
    """Take rows over until no earlier row is left, and return the positions of those that were read and are left."""
    left = array("q")
    writing: tuple[list[ComingRow], asyncio.Future[RowsTakenOver | None]] | None = None

    async def settle() -> None:
        nonlocal writing
        if writing is None:
            return
        (coming, future), writing = writing, None
        taken = await future
        if taken is not None:
            tell(taken)
        known = frozenset(() if taken is None else taken.rows)
        left.extend(row.number for row in coming if row.number not in known)

    is_last = False
    try:
        while not (is_last or cancellation.requested) and takeover.left > 0:
            coming = await _next_rows(rows)
            is_last = len(coming) < CHUNK
            await settle()  # the next rows are read while the store is written
            writing = coming, asyncio.ensure_future(recorder.take_over(takeover, coming))
    finally:
        await settle()
    return left


async def _next_rows(rows: Iterator[InputRow]) -> list[ComingRow]:
    """Return what the store knows the next rows by, at most `CHUNK`; other tasks get their turns."""
    coming: list[ComingRow] = []
    for row in rows:
        coming.append(coming_row(row))
        if len(coming) == CHUNK:
            break
        if len(coming) % _TURN == 0:
            await asyncio.sleep(0)
    return coming
