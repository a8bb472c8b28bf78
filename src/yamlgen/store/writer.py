"""The one writer of a store: a thread that takes all that waits, commits it, and tells those who wait.

Whoever awaits a write goes on after its COMMIT, not before. Many rows share one commit, so that the disk is waited
for once and not once each.
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
"""What is done in the writer's transaction. It runs SQL and nothing that may fail for another reason."""

_MOST: Final = 1024
"""How many writes share a commit at most, so that none waits long."""


class Writer:
    """Runs writes in the order in which they come; it belongs to one event loop.

    Args:
        connection: the store's, handed over until `close` returns.
        path: the database, for messages.

    Raises:
        EnvironmentProblem: the system has no more threads.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._inode = path.stat().st_ino
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[Write, asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._failed: EnvironmentProblem | None = None
        self._ended = asyncio.Event()
        self._thread = start(self._work, "yamlgen store")

    async def write(self, work: Write) -> Any:
        """Do `work` in a transaction; its value, once that is committed.

        Raises:
            EnvironmentProblem: the disk refused this write or an earlier one; nothing is tried again on top of it.
        """
        if self._failed is not None:
            raise EnvironmentProblem(self._failed.message, code=self._failed.code, hint=self._failed.hint)
        future = self._loop.create_future()
        self._queue.put((work, future))
        return await future

    async def close(self) -> None:
        """Finish what waits, and end the thread; whoever is in a hurry waits for it all the same."""
        self._queue.put(None)
        cancelled: asyncio.CancelledError | None = None
        while not self._ended.is_set():
            try:
                await self._ended.wait()
            except asyncio.CancelledError as error:
                cancelled = error
        self._thread.join()  # nothing is left for it to do
        if cancelled is not None:
            raise cancelled

    def _work(self) -> None:
        last = False
        while not last:
            batch, last = self._batch()
            if batch:
                self._commit(batch)
        self._loop.call_soon_threadsafe(self._ended.set)

    def _batch(self) -> tuple[list[tuple[Write, asyncio.Future[Any]]], bool]:
        """All that waits, at least one; and whether that was the last."""
        item, batch = self._queue.get(), []
        while item is not None:
            batch.append(item)
            if len(batch) == _MOST:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[tuple[Write, asyncio.Future[Any]]]) -> None:
        """Do all writes in one transaction, or each in its own where one of them cannot be done."""
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
            except BaseException as raised:  # noqa: BLE001 - told to those who wait
                error = self._give_up(raised)
                if error is not self._failed and len(batch) > 1:
                    for item in batch:
                        self._commit([item])
                    return
        told = [(future, values[at] if error is None else error) for at, (_, future) in enumerate(batch)]
        self._loop.call_soon_threadsafe(_settle, told)

    def _check_place(self) -> None:
        """Notice a database that was moved or removed: the kernel would go on writing to a file without a name.

        Raises:
            EnvironmentProblem: so it was, or its lock was and another process has taken it.
        """
        try:
            found = self._path.stat().st_ino
        except OSError:
            found = None
        if found != self._inode:
            message = f"the store {near(self._path)} was moved or removed while the run was at work"
            raise EnvironmentProblem(message, code=Code.DISK, hint="put it back, or begin anew (which pays again)")
        keep_lock(self._path)

    def _give_up(self, raised: BaseException) -> BaseException:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):  # the file is as it was before the transaction all the same
                self._connection.execute("ROLLBACK")
        if isinstance(raised, sqlite3.Error):
            raised = problem(self._path, raised)
        if isinstance(raised, EnvironmentProblem):
            self._failed = raised
        return raised


def _settle(told: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, value in told:
        if future.done():  # whoever waited was cancelled
            continue
        if isinstance(value, BaseException):
            future.set_exception(value)
        else:
            future.set_result(value)
