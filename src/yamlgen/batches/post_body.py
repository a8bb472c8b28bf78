"""The body of a creation: the entries of a batch, joined and streamed in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Final

from yamlgen.batches.batch_store import HEAD, SEPARATOR, TAIL

MOST_REQUESTS: Final = 100_000
MOST_BYTES: Final = 256 * 1_000_000
"""The API's limits for one batch."""

_PIECE: Final = 1 << 16


async def pieces_of(entries: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield the body of a creation in pieces."""
    piece = bytearray(HEAD)
    for number, entry in enumerate(entries):
        if number:
            piece += SEPARATOR
        piece += entry
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece + TAIL)
