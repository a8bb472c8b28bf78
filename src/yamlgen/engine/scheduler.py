"""The order of rows: each through a plan, on one event loop.

Owns a bounded window of them, each on its own way; a row that fails is set aside and its siblings go on; when the run
is cancelled, what is in flight comes home and is kept. It knows models and sinks by their ports only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from yamlgen.engine.row_execution import Engine, RowExecution
from yamlgen.engine.trial_rows import OTHERS, UnreadRows, trial_failure
from yamlgen.errors import RowError, YamlgenError, fact_of
from yamlgen.events import RunDraining
from yamlgen.value_objects import InputRow, SystemicFailure

SPARE: Final = 4
SHARE: Final = 1.0
"""Rows under way beyond the ceiling of requests, at least and as a share of it, so that a step that is held back does
not keep rows from another. Of the requests that wait that of the oldest row goes first all the same."""

_TURN: Final = 64
"""How many rows are read, and not tried, until others get their turn."""

READY: Final = 32
"""Rows under way that have sent nothing yet: one is always ready, and memory follows what is sent, not the ceiling."""


class Window:
    """The rows under way: at most `size`, and at most `READY` of them before their first request is sent."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows = self._ready = 0
        self._room = asyncio.Event()

    async def empty(self, enough: Callable[[], bool]) -> None:
        """Wait until no row is under way, or it is `enough`."""
        while self._rows and not enough():
            self._room.clear()
            await self._room.wait()

    async def enter(self) -> None:
        """Wait until a row may begin."""
        while self._rows >= self._size or self._ready >= READY:
            self._room.clear()
            await self._room.wait()
        self._rows += 1
        self._ready += 1

    def send(self) -> None:
        """A row sends its first request."""
        self._ready -= 1
        self._room.set()

    def leave(self, *, sent: bool) -> None:
        """A row is done; `sent`: whether it has sent anything."""
        self._rows -= 1
        self._ready -= not sent
        self._room.set()


@dataclass
class RowScheduler(Engine):
    """Runs the rows of one input through one plan.

    Attributes:
        undone: whether a step of a row was left undone, since the run was cancelled: a row may have failed at another.
    """

    undone: bool = field(default=False, init=False)
    _fatal: Exception | None = field(default=None, init=False)
    _trial: asyncio.Task[None] | None = field(default=None, init=False)
    _tried: set[int] = field(default_factory=set, init=False)
    _begun: int = field(default=0, init=False)
    _group: asyncio.TaskGroup = field(init=False)
    _window: Window = field(init=False)
    _rest: UnreadRows | None = field(default=None, init=False)

    async def run(self, rows: Iterable[InputRow], rest: UnreadRows | None = None) -> None:
        """Run every row to its end.

        Args:
            rows: those of the input, in order.
            rest: the same, for a trial of those that have not begun; without it there are none to try.

        Raises:
            YamlgenError: the error that ended the run early; what was finished before is in the sink.
            Exception: what a listener raised, which ends the run too.
        """
        ceiling = self.plan.concurrency
        self._window, self._rest = Window(ceiling + max(SPARE, int(SHARE * ceiling))), rest
        async with asyncio.TaskGroup() as self._group:
            try:
                for row in rows:
                    await self._enter()
                    if self.cancellation.requested:
                        break
                    self._begun = row.index + 1
                    if row.index in self._tried:
                        self._window.leave(sent=False)
                    else:
                        self._group.create_task(self._row(row, self._window))
            except YamlgenError as error:  # the input changed under the run: what is under way comes home
                self.stop(error)
        if self._fatal is not None:
            raise self._fatal

    async def _enter(self) -> None:
        """Wait until a row may begin: there is room for it, and no trial under way."""
        await self._window.enter()
        while self._trial is not None:
            self._window.leave(sent=False)
            await asyncio.wait({self._trial})
            await self._window.enter()

    def leave(self) -> None:
        """Note that a step of a row is left undone."""
        self.undone = True

    def doubt(self, error: RowError, doubt: SystemicFailure, row: int) -> None:
        """Try rows from all over the rest of the input: so many have failed like this one that all may."""
        if row in self._tried:
            doubt.others.add(row)
        if self._trial is None and not self.cancellation.requested:
            self._trial = self._group.create_task(self._try(error, doubt))

    async def _try(self, error: RowError, doubt: SystemicFailure) -> None:
        try:
            tried = await self._try_rest(lambda: doubt.cleared or self.cancellation.requested)
            await self._window.empty(lambda: doubt.cleared)
            if doubt.cleared or self.cancellation.requested:
                return
            if tried and not doubt.others:  # none came to such a request: the step was skipped, or one before it failed
                doubt.raised, doubt.patience = False, 2 * doubt.patience
            else:
                self.stop(trial_failure(error, len(doubt.others)))
        except YamlgenError as raised:
            self.stop(raised)
        finally:
            self._trial = None

    async def _try_rest(self, enough: Callable[[], bool]) -> int:
        """Try rows until it is `enough`; how many were tried."""
        picks = self._rest.picks(self._begun) - self._tried if self._rest is not None else frozenset()
        trial, tried = Window(OTHERS), 0
        if self._rest is not None and picks:
            for row in self._rest.read():
                if row.index % _TURN == 0:
                    await asyncio.sleep(0)
                if row.index in picks and not enough():
                    await trial.enter()
                    tried += 1
                    self._tried.add(row.index)
                    self._group.create_task(self._row(row, trial))
                if row.index >= max(picks) or enough():
                    break
            await trial.empty(enough)
        return tried

    async def _row(self, row: InputRow, window: Window) -> None:
        work = RowExecution(self, row, window.send)
        try:
            await work.finish()
        except YamlgenError as error:
            self.stop(error)
        except Exception as error:  # noqa: BLE001 - whoever watches has failed: told where the run was started
            self._fatal = self._fatal or error
            self.cancellation.request(fact_of(error))
        finally:
            window.leave(sent=work.sent)

    def stop(self, error: YamlgenError) -> None:
        """End the run because of `error`; the first one is the one to tell."""
        if self._fatal is None:
            self._fatal = error
            self.emit(RunDraining(error.message))
        self.cancellation.request(error.message)
