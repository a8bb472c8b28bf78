"""The only writer of a store: a thread that commits all waiting writes together.

A caller that awaits a write continues after its COMMIT. Many rows share one commit, so that the disk is awaited once
for all of them. The writes of one turn of the event loop, and those that arrive during a commit, are handed over
together: a thread that is woken for each of them would take turns with the loop's at every statement.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from yamlgen import failpoint
from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.store.database import problem
from yamlgen.store.location import keep_lock
from yamlgen.system_limits import start

Write = Callable[[sqlite3.Connection], Any]
"""A function that runs in the writer's transaction. It runs only SQL, nothing that can fail for another reason."""

Batch = list[tuple[Write, asyncio.Future[Any]]]
Outcomes = list[tuple[asyncio.Future[Any], Any]]
"""The writes of one commit, and what became of each: its value, or an error."""

_MOST: Final = 1024
"""The maximum number of writes in one commit, so that none waits long."""


class Writer:
    """Runs writes in the order in which they arrive. It belongs to one event loop.

    Args:
        connection: the connection to the store, which only the writer uses until `close` returns.
        path: the database, for messages.

    Raises:
        EnvironmentProblem: the system's limit on threads is reached.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._inode = path.stat().st_ino
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._waiting: Batch = []
        self._is_busy = False  # the thread has a batch, or gets one in this turn of the loop
        self._failed: EnvironmentProblem | None = None
        self._ended = asyncio.Event()
        self._thread = start(self._work, "yamlgen store")

    def submit(self, work: Write) -> asyncio.Future[Any]:
        """Queue `work`, to be run in a transaction. The future has its value after the commit, or the error.

        Raises:
            EnvironmentProblem: an earlier write failed. After a failure no more writes are tried.
        """
        if self._failed is not None:
            raise EnvironmentProblem(self._failed.message, code=self._failed.code, hint=self._failed.hint)
        future = self._loop.create_future()
        self._waiting.append((work, future))
        if not self._is_busy:
            self._is_busy = True
            self._loop.call_soon(self._hand_over)
        return future

    def _hand_over(self) -> None:
        """Give the thread the waiting writes, at most `_MOST` of them."""
        batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        self._is_busy = bool(batch)
        if batch:
            self._queue.put(batch)

    async def write(self, work: Write) -> Any:
        """Run `work` in a transaction, and return its value after the commit.

        Raises:
            EnvironmentProblem: this write failed, or an earlier one. After a failure no more writes are tried.
        """
        return await self.submit(work)

    async def close(self) -> None:
        """Finish the waiting writes, and end the thread. If the caller is cancelled, it still waits for the end."""
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            self._queue.put(batch)
        self._queue.put(None)
        cancelled: asyncio.CancelledError | None = None
        while not self._ended.is_set():
            try:
                await self._ended.wait()
            except asyncio.CancelledError as error:
                cancelled = error
        self._thread.join()  # returns at once: the thread has nothing left to do
        if cancelled is not None:
            raise cancelled

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            self._loop.call_soon_threadsafe(self._settle, self._commit(batch))
        self._loop.call_soon_threadsafe(self._ended.set)

    def _commit(self, batch: Batch) -> Outcomes:
        """Run all writes in one transaction; if one of them fails, run each in its own. Return what became of them."""
        error: BaseException | None = self._failed
        values: list[Any] = []
        if error is None:
            try:
                self._check_place()
                self._connection.execute("BEGIN IMMEDIATE")
                values = [work(self._connection) for work, _ in batch]
                failpoint.reach("before-commit")
                self._connection.execute("COMMIT")
                failpoint.reach("after-commit")
            except BaseException as raised:  # noqa: BLE001 - raised in the waiting callers
                error = self._give_up(raised)
                if error is not self._failed and len(batch) > 1:
                    return [outcome for item in batch for outcome in self._commit([item])]
        return [(future, values[at] if error is None else error) for at, (_, future) in enumerate(batch)]

    def _settle(self, outcomes: Outcomes) -> None:
        """Wake the callers of a batch. Those that write again in this turn are in the next batch."""
        for future, value in outcomes:
            if future.done():  # the caller was cancelled
                continue
            if isinstance(value, BaseException):
                future.set_exception(value)
            else:
                future.set_result(value)
        self._loop.call_soon(self._hand_over)

    def _check_place(self) -> None:
        """Check that the database was not moved or removed; otherwise writes would go to a file without a name.

        Raises:
            EnvironmentProblem: the database was moved or removed, or another process has taken the removed lock.
        """
        try:
            found = self._path.stat().st_ino
        except OSError:
            found = None
        if found != self._inode:
            message = f"the store {near(self._path)} was moved or removed during the run"
            hint = "put it back, or start with an empty store (answers are paid for again)"
            raise EnvironmentProblem(message, code=Code.DISK, hint=hint)
        keep_lock(self._path)

    def _give_up(self, raised: BaseException) -> BaseException:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):  # even without ROLLBACK the file is as it was before the transaction
                self._connection.execute("ROLLBACK")
        if isinstance(raised, sqlite3.Error):
            raised = problem(self._path, raised)
        if isinstance(raised, EnvironmentProblem):
            self._failed = raised
        return raised
