"""The local engine: rows through a plan on one event loop.

Owns the order of rows: a bounded window of them, each on its own way; a row that fails is set aside and its siblings go
on; when the run is halted, what is in flight comes home and is kept. It knows models and sinks by their ports only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from yamlgen.errors import YamlgenError
from yamlgen.events import Emit, RunDraining
from yamlgen.halt import Halt
from yamlgen.language.plan import Plan
from yamlgen.outcome import RowSink
from yamlgen.ports import InputRow
from yamlgen.run.row import RowWork
from yamlgen.run.step import Performer

SPARE: Final = 4
SHARE: Final = 0.25
"""Rows under way beyond the ceiling of requests, at least and as a share of it, so that a step that is held back does
not keep rows from another. Of the requests that wait that of the oldest row goes first all the same."""

READY: Final = 32
"""Rows under way that have sent nothing yet: one is always ready, and memory follows what is sent, not the ceiling."""


class Window:
    """The rows under way: at most `size`, and at most `READY` of them before their first request is sent."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows = self._ready = 0
        self._room = asyncio.Event()

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
class LocalEngine:
    """Runs the rows of one input through one plan.

    Args:
        plan: what to do.
        performer: does the steps.
        sink: where rows go; its calls return when the row is safe.
        emit: told what happens.
        halt: ends the run early.
    """

    plan: Plan
    performer: Performer
    sink: RowSink
    emit: Emit
    halt: Halt
    _fatal: Exception | None = field(default=None, init=False)

    async def run(self, rows: Iterable[InputRow]) -> None:
        """Run every row to its end.

        Raises:
            YamlgenError: the error that ended the run early; what was finished before is in the sink.
            Exception: what a listener raised, which ends the run too.
        """
        ceiling = self.plan.concurrency
        window = Window(ceiling + max(SPARE, int(SHARE * ceiling)))
        async with asyncio.TaskGroup() as group:
            try:
                for row in rows:
                    await window.enter()
                    if self.halt.requested:
                        break
                    group.create_task(self._row(row, window))
            except YamlgenError as error:  # the input changed under the run: what is under way comes home
                self.stop(error)
        if self._fatal is not None:
            raise self._fatal

    async def _row(self, row: InputRow, window: Window) -> None:
        work = RowWork(self, row, window.send)
        try:
            await work.finish()
        except YamlgenError as error:
            self.stop(error)
        except Exception as error:  # noqa: BLE001 - whoever watches has failed: told where the run was started
            self._fatal = self._fatal or error
            self.halt.request(str(error))
        finally:
            window.leave(sent=work.sent)

    def stop(self, error: YamlgenError) -> None:
        """End the run because of `error`; the first one is the one to tell."""
        if self._fatal is None:
            self._fatal = error
            self.emit(RunDraining(error.message))
        self.halt.request(error.message)
