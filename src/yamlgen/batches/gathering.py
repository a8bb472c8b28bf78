"""A batch while its requests are gathered."""

from __future__ import annotations

import asyncio
import random
from array import array
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from yamlgen.batches.batch_store import HEAD, SEPARATOR, TAIL, GatheredRequest
from yamlgen.batches.post_body import MOST_BYTES, MOST_REQUESTS

_LEAST_FULL: Final = 90_000
"""A full batch has a random size, so that two of them seldom have the same: a batch in doubt is found by its size."""

_AHEAD: Final = 512
"""How many requests may wait to be written to the store."""
_AHEAD_BYTES: Final = 16 * 2**20
"""How many bytes of them."""


def _full_size() -> int:
    return random.randint(_LEAST_FULL, MOST_REQUESTS)  # noqa: S311 - no secret


def rows_array() -> array[int]:
    """Return an empty array of row indexes."""
    return array("Q")


@dataclass(eq=False)
class Gathering:
    """A batch that is not posted yet.

    Args:
        number: its number in the store.
        step: the step of its requests.
        most_bytes: the maximum bytes of its body.

    Attributes:
        rows: the rows that wait for it.
        count: the number of its requests.
        size: the bytes of its body.
        most: the maximum cost in US dollars; `None` if a price is unknown.
        has_first_requests: whether a request of it is not a re-ask.
    """

    number: int
    step: str
    most_bytes: int = MOST_BYTES
    full: int = field(default_factory=_full_size)
    rows: array[int] = field(default_factory=rows_array)
    count: int = 0
    size: int = len(HEAD) + len(TAIL)
    most: float | None = 0.0
    has_first_requests: bool = False
    _writing: deque[tuple[int, asyncio.Future[bool]]] = field(default_factory=deque)
    _ahead: int = 0

    def has_room(self, size: int) -> bool:
        """Return whether a request whose entry has `size` bytes can be added."""
        return self.count < self.full and self.size + size + len(SEPARATOR) <= self.most_bytes

    async def add(
        self, request: GatheredRequest, row: int, most: float | None, written: asyncio.Future[bool], *, reask: bool
    ) -> None:
        """Count a request whose writing to the store has begun."""
        self.rows.append(row)
        self.count += 1
        self.size += len(request.entry) + len(SEPARATOR)
        self.most = None if self.most is None or most is None else self.most + most
        self.has_first_requests |= not reask
        self._writing.append((len(request.entry), written))
        self._ahead += len(request.entry)
        while len(self._writing) > _AHEAD or self._ahead > _AHEAD_BYTES:
            await self._write_first()

    async def finish(self) -> None:
        """Wait until all its requests are in the store."""
        while self._writing:
            await self._write_first()

    async def _write_first(self) -> None:
        size, written = self._writing.popleft()
        self._ahead -= size
        await written
