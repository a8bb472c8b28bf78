"""The simulated prompt cache: which tokens of a request are read from it, and which are written to it.

A part of a request is written at its breakpoint, if it is long enough for the model, and can be read once the request
is answered. A breakpoint finds a written part that ends at most 20 blocks before it. Each use extends the lifetime.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from yamlgen.prompt_prefixes import SECONDS, blocks_of, is_marked, least_cached

_LOOK_BACK: Final = 20
"""The number of blocks, the one of the breakpoint included, at whose end a written part is looked for."""

_MOST: Final = 100_000
"""The maximum number of parts that are kept."""


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What the cache does for a request.

    Attributes:
        read: the tokens that are read.
        written: the tokens that are written, by lifetime.
        kept: the lifetime in seconds of each part that is kept, by its digest.
    """

    read: int = 0
    written: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[bytes, float] = field(default_factory=dict)

    def usage(self, tokens: int) -> dict[str, Any]:
        """Return the input usage of a request of so many tokens."""
        created = sum(self.written.values())
        counts = {f"ephemeral_{lifetime}_input_tokens": self.written.get(lifetime, 0) for lifetime in SECONDS}
        return {
            "input_tokens": max(0, tokens - self.read - created),
            "cache_creation_input_tokens": created,
            "cache_read_input_tokens": self.read,
            **({"cache_creation": counts} if self.kept else {}),
        }


UNCACHED: Final = CacheUse()


class SimulatedCache:
    """The cache of a simulated model.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._parts: dict[bytes, tuple[float, float]] = {}  # the end of each, and its lifetime in seconds

    def look(self, body: Mapping[str, Any]) -> CacheUse:
        """Return what the cache does for a request that arrives now."""
        if not is_marked(body):
            return UNCACHED
        now, blocks = self._clock(), blocks_of(body)
        marked = [index for index, block in enumerate(blocks) if block.lifetime]
        found = -1
        for end in marked:
            near = range(end, max(found, end - _LOOK_BACK), -1)
            found = next((at for at in near if self._end_of(blocks[at].digest) > now), found)
        before = read = blocks[found].tokens if found >= 0 else 0
        written = dict.fromkeys(SECONDS, 0)
        kept: dict[bytes, float] = {}
        least = least_cached(str(body["model"]))
        for end in marked:
            block = blocks[end]
            if block.tokens < least or block.lifetime is None:
                continue
            kept[block.digest] = SECONDS[block.lifetime]
            written[block.lifetime] += max(0, block.tokens - before)
            before = max(before, block.tokens)
        if found >= 0:
            digest = blocks[found].digest
            kept.setdefault(digest, self._parts[digest][1])
        return CacheUse(read, written, kept)

    def keep(self, kept: Mapping[bytes, float]) -> None:
        """Keep the parts of a request that was answered."""
        now = self._clock()
        for digest, seconds in kept.items():
            end = max(self._end_of(digest), now + seconds)
            self._parts.pop(digest, None)  # so that the newest is the last
            self._parts[digest] = end, seconds
        while len(self._parts) > _MOST:
            del self._parts[next(iter(self._parts))]

    def _end_of(self, digest: bytes) -> float:
        return self._parts.get(digest, (0.0, 0.0))[0]
