"""Reads and writes the store for one run.

It decides which stored answers a run may use (all, none from earlier runs, or none that failed a row that is retried),
and writes attempts, results, and the values of the author's functions. An answer is identified by its key alone. If a
key has several answers, the newest is used.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from yamlgen import failpoint
from yamlgen.canonical_json import short_digest, storable
from yamlgen.errors import ANSWERED, RowError
from yamlgen.interfaces import AttemptLog, RequestContext
from yamlgen.row_result import Answer, RowResult
from yamlgen.store.codec import text_of, unpacked
from yamlgen.store.database import mapped
from yamlgen.store.migrations import TO_RETRY
from yamlgen.store.refused_requests import RefusedRequests
from yamlgen.store.stored_batches import StoredBatches
from yamlgen.store.stored_results import TOKENS, usage_json
from yamlgen.store.stored_rows import (
    ATTEMPT,
    attempt_values,
    insert_row,
    insertion,
    now,
    packed_request,
    result_of,
    shared,
    status_of,
)
from yamlgen.store.writer import Writer
from yamlgen.value_objects import JSON, Attempt, CachedValue, Refusal, Usage

_RECALL: Final = """
    SELECT id, run, batch, response, request_id, seconds, cost, input_tokens, output_tokens,
           cache_creation_input_tokens, cache_read_input_tokens
    FROM attempt WHERE key = ? AND id > ? ORDER BY id DESC LIMIT 1
"""


_CUT: Final = insertion("cut_stream", "run", "step", "received", "requested", "cost", *TOKENS)
_KEPT: Final = (
    "SELECT kept.run, kept.value, files.files FROM kept LEFT JOIN files ON files.id = kept.files WHERE key = ?"
)
_KEEP: Final = "INSERT OR REPLACE INTO kept (key, run, value, files) VALUES (?, ?, ?, ?)"
_HELD: Final = "SELECT value FROM held WHERE key = ?"
_HOLD: Final = "INSERT OR REPLACE INTO held (key, value) VALUES (?, ?)"
_TAKE: Final = "UPDATE kept SET run = ? WHERE key = ?"

_FAILED_TABLES: Final = """
    CREATE TEMP TABLE failed_row (identity BLOB PRIMARY KEY) WITHOUT ROWID;
    CREATE TEMP TABLE failed_key (key BLOB PRIMARY KEY, newest INTEGER) WITHOUT ROWID;
"""
_DONE: Final = "SELECT identity FROM row WHERE run IN ({}) AND status <> 'missing'"
_ANSWERED: Final = ", ".join(f"'{code}'" for code in sorted(ANSWERED))
_FAILED_KEYS: Final = f"""
    INSERT OR IGNORE INTO failed_key
    SELECT request.key, (
        SELECT max(other.newest) FROM failed_request AS other
        WHERE other.key = request.key AND other.code IN ({_ANSWERED})
    )
    FROM (SELECT results {{}}) AS failed, json_each(failed.results) AS each
    JOIN failed_request AS request ON request.result = each.value
    WHERE request.code IN ({_ANSWERED})
"""
"""The keys of the failed rows, each with the newest answer that failed it in any run. Newer answers, from a retry that
was stopped or from a fresh run, are not paid for again. If a step has several items, these are the keys of the failed
items only: the other items keep their answers."""


@dataclass(frozen=True, slots=True)
class ReusePolicy:
    """Which stored answers a run uses, and which requests it may send.

    Attributes:
        fresh: uses no answers of earlier runs.
        offline: sends no requests.
        retry: retries only the failed rows of one run, without the answers that failed them. Contains the number of
            that run, after the numbers of its retries that did not complete. Rows that finished or failed in one of
            these retries are not retried again.
    """

    fresh: bool = False
    offline: bool = False
    retry: tuple[int, ...] = ()


class RunRecorder:
    """The store of one run: it implements `RunStore`.

    Before `begin` no requests may be sent and nothing is written. In this state, a run is planned.

    Args:
        reader: a read-only connection of this thread.
        path: the database, for messages.
        reuse: which stored answers may be used.
    """

    def __init__(self, reader: sqlite3.Connection, path: Path, reuse: ReusePolicy) -> None:
        self._reader = reader
        self._path = path
        self._reuse = reuse
        self._writer: Writer | None = None
        self._run = 0
        self._busy: dict[bytes, asyncio.Event] = {}
        self._taken: set[bytes] = set()
        self.refusals = RefusedRequests(reader, self.write)
        self.batches = StoredBatches(reader, path, self.submit, self.refusals)
        with mapped(path):
            (self._before,) = reader.execute("SELECT coalesce(max(id), 0) FROM attempt").fetchone()
            if reuse.retry:
                self._note_failed(reuse.retry)

    def begin(self, writer: Writer, run: int) -> None:
        """Write for a run from now on."""
        self._writer, self._run = writer, run
        self.refusals.begin(run)
        self.batches.begin(run)

    def allows(self, identity: str) -> bool:
        """Return whether this run may send requests for a row."""
        if self._reuse.offline:
            return False
        if not self._reuse.retry:
            return True
        with mapped(self._path):
            query = "SELECT 1 FROM failed_row WHERE identity = ?"
            return self._reader.execute(query, (short_digest(identity),)).fetchone() is not None

    def _note_failed(self, runs: tuple[int, ...]) -> None:
        """Record the rows to retry, in temporary tables, because a million rows may have failed."""
        self._reader.executescript(_FAILED_TABLES)
        *again, first = runs
        done = _DONE.format(", ".join(map(str, again)))
        failed = f"FROM row WHERE run = {first} AND {TO_RETRY} AND identity NOT IN ({done})"
        self._reader.execute(f"INSERT OR IGNORE INTO failed_row SELECT identity {failed}")
        self._reader.execute(_FAILED_KEYS.format(failed))

    @asynccontextmanager
    async def attempts_of(self, keys: tuple[bytes, ...], context: RequestContext) -> AsyncIterator[AttemptLog]:
        """Open the attempts that begin with the request of these keys. Equal requests wait for each other."""
        key = keys[0]
        while key in self._busy:
            await self._busy[key].wait()
        done = self._busy[key] = asyncio.Event()
        try:
            yield self._chain(keys, context)
        finally:
            del self._busy[key]
            done.set()

    def _chain(self, keys: tuple[bytes, ...], context: RequestContext) -> _StoredAttempts:
        reuse, allowed = self._reuse, self.allows(context.identity)
        after = self._before if reuse.fresh else max(map(self._failed_by, keys)) if reuse.retry else 0
        refused_in = {self._run} if reuse.fresh else {self._run, *reuse.retry[:-1]} if reuse.retry and allowed else None
        return _StoredAttempts(self, context.step, self._writer is not None and allowed, after, refused_in)

    def _failed_by(self, key: bytes) -> int:
        """Return the number of the newest answer of a key that failed a row to retry; 0 for other keys."""
        with mapped(self._path):
            found = self._reader.execute("SELECT newest FROM failed_key WHERE key = ?", (key,)).fetchone()
        return int(found[0]) if found else 0

    def recall(self, keys: tuple[bytes, ...], after: int) -> Attempt | None:
        """Return the newest answer with a number above `after`, for the first of these keys that has one."""
        with mapped(self._path):
            found = (self._reader.execute(_RECALL, (key, after)).fetchone() for key in keys)
            row = next((each for each in found if each is not None), None)
            if row is None:
                return None
            number, run, batch, response, request_id, seconds, cost, *tokens = row
            attempt = Attempt(unpacked(response), Usage(*tokens), (), request_id, seconds, cost, number=number)
        own = run == self._run
        reused = not (own and batch in self.batches.arrived)
        return replace(attempt, reused=reused, batched=batch is not None, own=own)

    def had_fallbacks(self, number: int) -> bool:
        """Return whether the request of an answer named fallback models."""
        with mapped(self._path):
            (request,) = self._reader.execute("SELECT request FROM attempt WHERE id = ?", (number,)).fetchone()
            return "fallbacks" in unpacked(request)

    def answered(self, key: bytes) -> int:
        """Return the number of answers of a key.

        A fresh run counts only its own, so that simulated faults occur as in the first run.
        """
        query, after = "SELECT count(*) FROM attempt WHERE key = ? AND id > ?", self._before if self._reuse.fresh else 0
        with mapped(self._path):
            (count,) = self._reader.execute(query, (key, after)).fetchone()
        return int(count)

    def submit(self, work: Callable[[sqlite3.Connection], Any]) -> Awaitable[Any]:
        """Queue `work` for the writer's next transaction. It is awaited for its value, after the commit."""
        assert self._writer is not None  # noqa: S101 - nothing is written before `begin`
        return self._writer.submit(work)

    async def write(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Run `work` in the writer's next transaction."""
        return await self.submit(work)

    async def record(
        self, key: bytes, step: str, request: Mapping[str, JSON], attempt: Attempt, setup: bytes = b""
    ) -> Attempt:
        """Store a billed answer, and that its setup is proven. Return it with its number, once it is on disk."""
        failpoint.reach("after-receive")
        values = attempt_values(key, self._run, step, packed_request(request), attempt)
        prove = self.refusals.proving(setup)

        def insert(connection: sqlite3.Connection) -> int | None:
            if prove is not None:  # in the same commit, which saves waiting for a second one
                prove(connection)
            return connection.execute(ATTEMPT, values).lastrowid

        return replace(attempt, number=await self.write(insert))

    async def cut(self, step: str, model: str, usage: Usage, cost: float | None) -> None:
        """Store the usage of a stream that was cut off."""
        values = {"run": self._run, "step": step, "received": now(), "requested": storable(model), "cost": cost}
        values |= usage_json(usage)
        await self.write(lambda connection: connection.execute(_CUT, values))

    def refused(self, key: bytes, runs: AbstractSet[int] | None) -> Refusal | None:
        """Return the refusal of a key in one of these runs; in any run, if `runs` is `None`."""
        with mapped(self._path):
            found = self.refusals.find(key)
        if found is None or (runs is not None and found[0] not in runs):
            return None
        self.refusals.take(key)
        return found[1]

    def is_refused(self, schema: bytes) -> bool:
        """Return whether the API has refused a native schema in any run. It is not sent again."""
        return self.refused(schema, None) is not None

    async def refuse(self, schema: bytes, refusal: Refusal) -> None:
        """Store that the API has refused a native schema; when this returns, it is on disk."""
        await self.refusals.refuse(schema, None, refusal)

    def kept(self, key: bytes) -> CachedValue | None:
        """Return the stored result of a function. A fresh run uses only its own."""
        with mapped(self._path):
            found = self._reader.execute(_KEPT, (key,)).fetchone()
            if found is None or (self._reuse.fresh and found[0] != self._run):
                return None
            run, value, files = found
            kept = CachedValue(json.loads(value), _files_of(files))
        if run != self._run and self._writer is not None:
            self._taken.add(key)
        return kept

    async def keep(self, key: bytes, kept: CachedValue) -> None:
        """Store the result of a function; when this returns, it is on disk."""
        value, files = text_of(kept.value), text_of(dict(sorted(kept.files.items())))

        def insert(connection: sqlite3.Connection) -> None:
            number, _ = shared(connection, "files", {"digest": short_digest(files), "files": files})
            connection.execute(_KEEP, (key, self._run, value, number))

        await self.write(insert)

    def held(self, key: bytes) -> CachedValue | None:
        """Return the result of a function in this run, for a row that is run again."""
        with mapped(self._path):
            found = self._reader.execute(_HELD, (key,)).fetchone()
        return CachedValue(json.loads(found[0]), {}) if found else None

    async def hold(self, key: bytes, value: JSON) -> None:
        """Store the result of a function until this run ends; when this returns, it is on disk."""
        values = key, text_of(value)
        await self.write(lambda connection: connection.execute(_HOLD, values))

    async def add(self, outcome: RowResult) -> None:
        """Store the result of a row; when this returns, it is on disk."""
        source = text_of(dict(outcome.row.row))
        made: dict[str, Answer | RowError] = {**outcome.answers, **outcome.failures}
        results = [result_of(step, each) for step, each in made.items()]
        row = {
            "run": self._run,
            "number": outcome.row.index,
            "identity": short_digest(outcome.row.identity),
            "status": status_of(outcome),
        }
        taken, self._taken = [(self._run, key) for key in self._taken], set()  # pruning other runs keeps these
        take_refusals = self.refusals.taken()

        def insert(connection: sqlite3.Connection) -> None:
            insert_row(connection, row, source, results)
            if taken:
                connection.executemany(_TAKE, taken)
            if take_refusals is not None:
                take_refusals(connection)

        await self.write(insert)


@dataclass(frozen=True, slots=True)
class _StoredAttempts:
    run_recorder: RunRecorder
    step: str
    sends: bool
    after: int
    refused_in: AbstractSet[int] | None

    def recall(self, keys: tuple[bytes, ...]) -> Attempt | None:
        return self.run_recorder.recall(keys, self.after)

    def may_follow(self, keys: tuple[bytes, ...]) -> bool:  # noqa: ARG002 - every re-ask may be made
        return True

    def answered(self, key: bytes) -> int:
        return self.run_recorder.answered(key)

    def had_fallbacks(self, attempt: Attempt) -> bool:
        return self.run_recorder.had_fallbacks(attempt.number)

    async def record(self, key: bytes, setup: bytes, request: Mapping[str, JSON], attempt: Attempt) -> Attempt:
        return await self.run_recorder.record(key, self.step, request, attempt, setup)

    async def cut(self, model: str, usage: Usage, cost: float | None) -> None:
        await self.run_recorder.cut(self.step, model, usage, cost)

    async def prove(self, setup: bytes) -> None:
        prove = self.run_recorder.refusals.proving(setup)
        if prove is not None:
            await self.run_recorder.write(prove)

    def is_proven(self, setup: bytes) -> bool:
        return self.run_recorder.refusals.is_proven(setup)

    def refused(self, key: bytes) -> Refusal | None:
        return self.run_recorder.refused(key, self.refused_in)

    async def refuse(self, key: bytes, setup: bytes, refusal: Refusal) -> None:
        await self.run_recorder.refusals.refuse(key, setup, refusal)


@lru_cache(maxsize=64)
def _files_of(text: str | None) -> Mapping[str, str]:
    """Return the files that a stored value depends on. Cached, because many values depend on the same files."""
    files: Mapping[str, str] = json.loads(text) if text else {}
    return files
