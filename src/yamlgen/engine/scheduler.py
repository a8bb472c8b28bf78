"""The scheduler: runs rows through a plan concurrently, on one event loop.

Owns a bounded window of rows. A row that fails does not affect the other rows. When the run is cancelled, the requests
in flight complete and their answers are stored. Models and sinks are used through their interfaces only.
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
"""Rows in progress beyond the maximum number of concurrent requests: at least `SPARE`, or `SHARE` of that maximum. A
step that is held back then does not keep rows from other steps. Waiting requests are sent oldest row first."""

_TURN: Final = 64
"""How many rows a trial reads before it yields to other tasks."""

READY: Final = 32
"""The most rows in progress that have sent nothing yet: a row is always ready, and memory use stays bounded."""


class Window:
    """The rows in progress: at most `size`, of which at most `READY` have sent no request yet."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows = self._ready = 0
        self._room = asyncio.Event()

    async def empty(self, enough: Callable[[], bool]) -> None:
        """Wait until no row is in progress, or `enough` returns true."""
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
        """Note that a row sends its first request."""
        self._ready -= 1
        self._room.set()

    def leave(self, *, sent: bool) -> None:
        """Note that a row is done; `sent`: whether it has sent a request."""
        self._rows -= 1
        self._ready -= not sent
        self._room.set()


@dataclass
class RowScheduler(Engine):
    """Runs the rows of one input through one plan.

    Attributes:
        undone: whether cancellation left a step of a row undone, even if the row failed at another step.
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
            rows: the rows of the input, in order.
            rest: the same rows, to pick trial rows from; `None`: there is no trial.

        Raises:
            YamlgenError: the error that ended the run early; what finished before is in the sink.
            Exception: an error raised by a listener, which also ends the run.
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
            except YamlgenError as error:  # the input changed during the run: rows in progress complete
                self.stop(error)
        if self._fatal is not None:
            raise self._fatal

    async def _enter(self) -> None:
        """Wait until a row may begin: the window has room, and no trial is running."""
        await self._window.enter()
        while self._trial is not None:
            self._window.leave(sent=False)
            await asyncio.wait({self._trial})
            await self._window.enter()

    def leave(self) -> None:
        """Note that cancellation left a step of a row undone."""
        self.undone = True

    def doubt(self, error: RowError, doubt: SystemicFailure, row: int) -> None:
        """Start a trial of rows spread over the rest of the input, because all rows may fail with this error."""
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
            if (
                tried and not doubt.others
            ):  # no trial row got to this request: the step was skipped, or an earlier one failed
                doubt.raised, doubt.patience = False, 2 * doubt.patience
            else:
                self.stop(trial_failure(error, len(doubt.others)))
        except YamlgenError as raised:
            self.stop(raised)
        finally:
            self._trial = None

    async def _try_rest(self, enough: Callable[[], bool]) -> int:
        """Try rows until `enough` returns true, and return how many were tried."""
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
        except Exception as error:  # noqa: BLE001 - a listener's error, which `run` raises
            self._fatal = self._fatal or error
            self.cancellation.request(fact_of(error))
        finally:
            window.leave(sent=work.sent)

    def stop(self, error: YamlgenError) -> None:
        """End the run because of `error`; the first error is the one that is reported."""
        if self._fatal is None:
            self._fatal = error
            self.emit(RunDraining(error.message))
        self.cancellation.request(error.message)
