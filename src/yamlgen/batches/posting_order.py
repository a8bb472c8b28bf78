"""In which order gathered requests are posted: what others read from the prompt cache comes first.

Requests of one batch do not read what another of them writes to the cache, and neither do they read what a request that
is sent by itself has written. So the first request with a shared part is put in a batch of its own, with the first ones
of other parts. The rest is posted when that batch has ended.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Container, Iterator
from typing import Final, NamedTuple

from yamlgen.batches.batch_store import BatchOrigin
from yamlgen.batches.gathering import Gathering

_LIFETIME: Final = 3600.0
"""Seconds for which a part is cached. Parts with a shorter lifetime are not waited for: batches take too long."""

_MOST_PARTS: Final = 100_000
"""The maximum number of cached parts that are known. A forgotten part is written again."""


class BatchKind(NamedTuple):
    """What may be gathered in the same batch.

    Attributes:
        step: the step of the requests.
        betas: the beta features that they need.
        origin: where they are posted.
        first: whether they are the first ones of parts that others wait for; `None` if they share no part.
        number: the number of a full batch that cannot be posted yet; 0 for one that still grows.
    """

    step: str
    betas: tuple[str, ...]
    origin: BatchOrigin
    first: bool | None = None
    number: int = 0


class PostingOrder:
    """The batches that are gathered and not posted yet, and the parts that posted ones write to the cache."""

    def __init__(self) -> None:
        self._gathered: dict[BatchKind, Gathering] = {}
        self._after: dict[int, set[int]] = {}  # the batches that each gathered one waits for, by number
        self._certain: set[int] = set()
        self._writing: dict[bytes, int] = {}
        self._cached: OrderedDict[bytes, float] = OrderedDict()

    def __iter__(self) -> Iterator[Gathering]:
        return iter([*self._gathered.values()])

    def __getitem__(self, kind: BatchKind) -> Gathering:
        return self._gathered[kind]

    def get(self, kind: BatchKind) -> Gathering | None:
        """Return the batch of a kind that grows, if there is one."""
        return self._gathered.get(kind)

    def find(self, number: int) -> Gathering | None:
        """Return the gathered batch with a number."""
        return next((each for each in self._gathered.values() if each.number == number), None)

    def kind_of(self, step: str, betas: tuple[str, ...], origin: BatchOrigin, part: bytes) -> BatchKind:
        """Return in which batch a request belongs, given the digest of its shared part; empty if it has none."""
        if not part or self._cached.get(part, 0.0) > time.monotonic():
            return BatchKind(step, betas, origin)
        return BatchKind(step, betas, origin, part not in self._writing)

    def add(self, kind: BatchKind, gathering: Gathering) -> None:
        """Add a batch that grows."""
        self._gathered[kind] = gathering

    def note(self, number: int, kind: BatchKind, part: bytes) -> None:
        """Note that a request with a shared part was added to a batch."""
        if kind.first:
            self._writing[part] = number
        elif kind.first is False:
            self._after.setdefault(number, set()).add(self._writing[part])

    def note_open(self, number: int, part: bytes) -> None:
        """Note that an open batch of an earlier run has a request with a shared part, which others wait for."""
        if part and self._cached.get(part, 0.0) <= time.monotonic():
            self._writing.setdefault(part, number)

    def is_held(self, gathering: Gathering, followed: Container[int]) -> bool:
        """Return whether a batch waits for another one, given the posted batches that have not ended."""
        waiting = self._after.get(gathering.number, ())
        return any(number in followed or self.find(number) is not None for number in waiting)

    def hold(self, kind: BatchKind, gathering: Gathering) -> None:
        """Keep a full batch that cannot be posted yet; others of its kind are gathered in the next one."""
        del self._gathered[kind]
        self._gathered[kind._replace(number=gathering.number)] = gathering
        self._certain.add(gathering.number)

    def kinds(self) -> list[BatchKind]:
        """Return the kinds of what is gathered."""
        return [*self._gathered]

    def together(self, kind: BatchKind) -> list[Gathering]:
        """Return the batches that count together: those of a step with the same features and address."""
        return [each for other, each in self._gathered.items() if other[:3] == kind[:3]]

    def is_certain(self, gathering: Gathering) -> bool:
        """Return whether a batch is posted however small it is, because it belongs to one that was posted."""
        return gathering.number in self._certain

    def take(self, kind: BatchKind) -> Gathering:
        """Remove a batch, which is posted. What counts together with it is certain to be posted, too."""
        self._certain.update(each.number for each in self.together(kind))
        gathering = self._gathered.pop(kind)
        self._after.pop(gathering.number, None)
        self._certain.discard(gathering.number)
        return gathering

    def clear(self) -> None:
        """Forget what is gathered: it is sent otherwise."""
        numbers = {each.number for each in self}
        self._writing = {part: number for part, number in self._writing.items() if number not in numbers}
        self._gathered.clear()
        self._after.clear()
        self._certain.clear()

    def ended(self, number: int) -> None:
        """Note that a posted batch has ended: others read what its requests have written."""
        end = time.monotonic() + _LIFETIME
        for part in [part for part, writer in self._writing.items() if writer == number]:
            del self._writing[part]
            self._cached.pop(part, None)
            self._cached[part] = end
        while len(self._cached) > _MOST_PARTS:
            self._cached.popitem(last=False)
