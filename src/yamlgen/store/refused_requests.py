"""Stores requests that the API refused because of their content, so that a run with bad rows can be completed.

A gateway may refuse a wrong key or a wrong setting in the same way as a bad row. So a refusal is stored only after
another request of the same setup was answered, in this run or before it. If none is answered, the run ends, and no
refusal is stored.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from yamlgen.value_objects import Refusal

Write = Callable[[Callable[[sqlite3.Connection], Any]], Awaitable[Any]]
"""Runs a function in the writer's next transaction."""

_FIND: Final = "SELECT made, status, message FROM refusal WHERE key = ?"
_ANY: Final = "SELECT 1 FROM refusal LIMIT 1"
_KEEP: Final = "INSERT OR REPLACE INTO refusal (key, made, run, received, status, message) VALUES (?, ?, ?, ?, ?, ?)"
_TAKE: Final = "UPDATE refusal SET run = ? WHERE key = ?"
_PROVE: Final = "INSERT OR IGNORE INTO proven (setup) VALUES (?)"
_IS_PROVEN: Final = "SELECT 1 FROM proven WHERE setup = ?"


def find_refusal(reader: sqlite3.Connection, key: bytes) -> tuple[int, Refusal] | None:
    """Return the number of the run that was refused and the refusal of a key, or `None`."""
    found = reader.execute(_FIND, (key,)).fetchone()
    return (found[0], Refusal(found[1], found[2])) if found else None


class RefusedRequests:
    """The refusals of a store, as one run sees them.

    Args:
        reader: a read-only connection of this thread.
        write: writes to the store, once the run has started.
    """

    def __init__(self, reader: sqlite3.Connection, write: Write) -> None:
        self._reader = reader
        self._write = write
        self._run = 0
        self._proven: set[bytes] = set()
        self._waiting: defaultdict[bytes, list[tuple[Any, ...]]] = defaultdict(list)
        self._taken: set[bytes] = set()
        self._are_any: bool | None = None  # whether there are any; during a run nobody else writes

    def begin(self, run: int) -> None:
        """Store refusals for a run from now on."""
        self._run = run
        self._are_any = None
        self._proven.clear()  # setups that were proven while the run was planned are not on disk

    def find(self, key: bytes) -> tuple[int, Refusal] | None:
        """Return the number of the run that was refused and the refusal of a key, or `None`."""
        if not self._run:
            return find_refusal(self._reader, key)
        if self._are_any is None:
            self._are_any = self._reader.execute(_ANY).fetchone() is not None
        return find_refusal(self._reader, key) if self._are_any else None

    def take(self, key: bytes) -> None:
        """Record that this run uses a refusal, so that pruning other runs does not delete it."""
        self._taken.add(key)

    def taken(self) -> Callable[[sqlite3.Connection], object] | None:
        """Return a function that writes the uses since the last call; `None` if there are none."""
        taken, self._taken = [(self._run, key) for key in self._taken], set()
        return (lambda connection: connection.executemany(_TAKE, taken)) if taken else None

    def is_proven(self, setup: bytes) -> bool:
        """Return whether a request of a setup was ever answered."""
        if setup not in self._proven and self._reader.execute(_IS_PROVEN, (setup,)).fetchone():
            self._proven.add(setup)
        return setup in self._proven

    def proving(self, setup: bytes) -> Callable[[sqlite3.Connection], object] | None:
        """Record that a setup is proven. Return a function that writes it and its refusals; `None` if it is known."""
        if setup in self._proven:
            return None
        self._proven.add(setup)
        waiting = self._waiting.pop(setup, [])

        def prove(connection: sqlite3.Connection) -> None:
            connection.execute(_PROVE, (setup,))
            connection.executemany(_KEEP, waiting)

        return prove if self._run else None

    async def refuse(self, key: bytes, setup: bytes | None, refusal: Refusal) -> None:
        """Store a refusal as soon as its setup is proven. The refusal of a schema has no setup, and is stored now."""
        received = datetime.now(UTC).isoformat(timespec="milliseconds")
        values = (key, self._run, self._run, received, refusal.status, refusal.message)
        self._are_any = True
        if setup is None or self.is_proven(setup):
            await self._write(lambda connection: connection.execute(_KEEP, values))
        else:
            self._waiting[setup].append(values)
