"""Reads and writes the store for one run.

It decides which stored answers a run may use (all, none from earlier runs, or none that failed a row that is retried),
and writes attempts, results, and the values of the author's functions. An answer is identified by its key alone. If a
key has several answers, the newest is used.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from yamlgen import failpoint
from yamlgen.canonical_json import short_digest, storable
from yamlgen.errors import RowError
from yamlgen.events import RowsTakenOver
from yamlgen.interfaces import AttemptLog, RequestContext
from yamlgen.row_result import Answer, RowResult
from yamlgen.steps.plan_step import PlanStep
from yamlgen.store.codec import text_of, unpacked
from yamlgen.store.database import mapped
from yamlgen.store.key_filter import KeyFilter
from yamlgen.store.refused_requests import RefusedRequests
from yamlgen.store.retried_rows import failed_by, is_to_retry, note_failed
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.stored_batches import StoredBatches
from yamlgen.store.stored_frames import StoredFrames
from yamlgen.store.stored_results import TOKENS, usage_json
from yamlgen.store.stored_rows import (
    attempt_values,
    insert_attempt,
    insert_row,
    insertion,
    kept_values,
    now,
    packed_request,
    packed_response,
    result_of,
    row_digests,
    shared,
    status_of,
)
from yamlgen.store.takeover import ComingRow, ForeseenTakeover, Takeover
from yamlgen.store.writer import Writer
from yamlgen.value_objects import JSON, Attempt, CachedValue, Refusal, Usage

_RECALL: Final = """
    SELECT id, run, batch, response, response_frame, request_id, seconds, cost, input_tokens, output_tokens,
           cache_creation_input_tokens, cache_read_input_tokens
    FROM attempt WHERE key = ? AND id > ? ORDER BY id DESC LIMIT 1
"""


_HAS_ANY: Final = "SELECT 1 FROM attempt LIMIT 1"
_CUT: Final = insertion("cut_stream", "run", "step", "received", "requested", "cost", *TOKENS)
_KEPT: Final = (
    "SELECT kept.run, kept.value, files.files, kept.number "
    "FROM kept LEFT JOIN files ON files.id = kept.files WHERE key = ?"
)
_KEEP: Final = "INSERT OR REPLACE INTO kept (key, run, value, files, number) VALUES (?, ?, ?, ?, ?)"
_NUMBERS: Final = 2**62
"""The numbers of kept values are drawn from so many that none comes twice, even after others were deleted."""

_HELD: Final = "SELECT value FROM held WHERE key = ?"
_HOLD: Final = "INSERT OR REPLACE INTO held (key, value) VALUES (?, ?)"
_TAKE: Final = "UPDATE kept SET run = ? WHERE key = ?"
_UNEQUAL: Final = "UPDATE run SET fingerprint = NULL WHERE id = ?"


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
        self._own_keys: KeyFilter | None = None
        self._has_refused_schema = False
        self.refusals = RefusedRequests(reader, self.write)
        self._frames = StoredFrames(reader, path)
        self.batches = StoredBatches(reader, path, self.submit, self.refusals, self._frames)
        with mapped(path):
            (self._before,) = reader.execute("SELECT coalesce(max(id), 0) FROM attempt").fetchone()
            if reuse.retry:
                note_failed(reader, reuse.retry)

    def begin(self, writer: Writer, run: int) -> None:
        """Write for a run from now on."""
        self._writer, self._run = writer, run
        self.refusals.begin(run)
        with mapped(self._path):
            is_empty = self._reader.execute(_HAS_ANY).fetchone() is None
        # In these cases only answers of this run are used.
        self._own_keys = KeyFilter() if is_empty or self._reuse.fresh else None
        self.batches.begin(run)

    def allows(self, identity: str) -> bool:
        """Return whether this run may send requests for a row."""
        if self._reuse.offline:
            return False
        if not self._reuse.retry:
            return True
        with mapped(self._path):
            return is_to_retry(self._reader, identity)

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
        sends = self._writer is not None and allowed
        return _StoredAttempts(self, context.step, sends, after, refused_in)

    def _failed_by(self, key: bytes) -> int:
        with mapped(self._path):
            return failed_by(self._reader, key)

    def recall(self, keys: tuple[bytes, ...], after: int) -> Attempt | None:
        """Return the newest answer with a number above `after`, for the first of these keys that has one."""
        own_keys = None if self.batches.is_settling else self._own_keys
        if own_keys is not None and not any(map(own_keys.may_have, keys)):
            return None
        with mapped(self._path):
            found = ((key, self._reader.execute(_RECALL, (key, after)).fetchone()) for key in keys)
            by, row = next(((key, each) for key, each in found if each is not None), (b"", None))
            if row is None:
                return None
            number, run, batch, response, frame, request_id, seconds, cost, *tokens = row
            body = unpacked(response, self._frames.frame(frame))
            attempt = Attempt(body, Usage(*tokens), (), request_id, seconds, cost, number=number)
        own = run == self._run
        reused = not (own and batch in self.batches.arrived)
        older = by != keys[0]
        return replace(attempt, reused=reused, batched=batch is not None, own=own, by_older_key=older)

    def had_fallbacks(self, number: int) -> bool:
        """Return whether the request of an answer named fallback models."""
        query = "SELECT request, request_frame FROM attempt WHERE id = ?"
        with mapped(self._path):
            request, frame = self._reader.execute(query, (number,)).fetchone()
            return "fallbacks" in unpacked(request, self._frames.frame(frame))

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
        self,
        key: bytes,
        step: str,
        request: Mapping[str, JSON],
        attempt: Attempt,
        setup: bytes = b"",
    ) -> Attempt:
        """Store a billed answer, and that its setup is proven. Return it with its number, once it is on disk."""
        failpoint.reach("after-receive")
        kept = packed_request(request, self._frames, step)
        response = packed_response(attempt, self._frames, step, kept.model)
        values = attempt_values(key, self._run, step, kept, attempt, response=response)
        prove = self.refusals.proving(setup)
        if self._own_keys is not None:
            self._own_keys.add(key)

        def insert(connection: sqlite3.Connection) -> int | None:
            if prove is not None:  # in the same commit, which saves waiting for a second one
                prove(connection)
            return insert_attempt(connection, values)

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
        is_refused = self.refused(schema, None) is not None
        self._has_refused_schema |= is_refused
        return is_refused

    async def refuse(self, schema: bytes, refusal: Refusal) -> None:
        """Store that the API has refused a native schema; when this returns, it is on disk.

        From now on this run asks otherwise than its fingerprint says, so no run takes over its rows.
        """
        await self.write(lambda connection: connection.execute(_UNEQUAL, (self._run,)))
        await self.refusals.refuse(schema, None, refusal)

    def kept(self, key: bytes) -> CachedValue | None:
        """Return the stored result of a function. A fresh run uses only its own."""
        with mapped(self._path):
            found = self._reader.execute(_KEPT, (key,)).fetchone()
            if found is None or (self._reuse.fresh and found[0] != self._run):
                return None
            run, value, files, number = found
            kept = CachedValue(json.loads(value), _files_of(files), number)
        if run != self._run and self._writer is not None:
            self._taken.add(key)
        return kept

    async def keep(self, key: bytes, kept: CachedValue) -> int:
        """Store the result of a function, and return its number; when this returns, it is on disk."""
        value, files = text_of(kept.value), text_of(dict(sorted(kept.files.items())))
        made = 1 + secrets.randbelow(_NUMBERS)

        def insert(connection: sqlite3.Connection) -> None:
            number, _ = shared(connection, "files", {"digest": short_digest(files), "files": files})
            connection.execute(_KEEP, (key, self._run, value, number, made))

        await self.write(insert)
        return made

    def held(self, key: bytes) -> CachedValue | None:
        """Return the result of a function in this run, for a row that is run again."""
        with mapped(self._path):
            found = self._reader.execute(_HELD, (key,)).fetchone()
        return CachedValue(json.loads(found[0]), {}) if found else None

    async def hold(self, key: bytes, value: JSON) -> None:
        """Store the result of a function until this run ends; when this returns, it is on disk."""
        values = key, text_of(value)
        await self.write(lambda connection: connection.execute(_HOLD, values))

    async def open_takeover(
        self, fingerprint: bytes | None, steps: Sequence[PlanStep], are_current: Callable[[Mapping[str, str]], bool]
    ) -> Takeover | None:
        """Return what takes over the rows of equal earlier runs; `None` if there are none, or none may be used.

        The arguments are those of `Takeover`.
        """
        takeover = self._takeover(fingerprint, steps, are_current)
        return takeover if takeover is not None and await self.write(takeover.open) else None

    def foresee_takeover(
        self, fingerprint: bytes | None, steps: Sequence[PlanStep], are_current: Callable[[Mapping[str, str]], bool]
    ) -> ForeseenTakeover | None:
        """Return what finds the rows that a run would take over. The arguments are those of `Takeover`."""
        takeover = self._takeover(fingerprint, steps, are_current)
        return None if takeover is None else ForeseenTakeover(takeover, self._reader, self._path)

    def _takeover(
        self, fingerprint: bytes | None, steps: Sequence[PlanStep], are_current: Callable[[Mapping[str, str]], bool]
    ) -> Takeover | None:
        if fingerprint is None or self._reuse.fresh or self._reuse.retry:
            return None
        return Takeover(fingerprint, steps, are_current, self._has_refused_schema)

    def take_over(self, takeover: Takeover, rows: Sequence[ComingRow]) -> Awaitable[RowsTakenOver | None]:
        """Take over those of the next rows that can be; when it is awaited, they are on disk."""
        take_refusals = self.refusals.taken()

        def take(connection: sqlite3.Connection) -> RowsTakenOver | None:
            if take_refusals is not None:
                take_refusals(connection)
            return takeover.take(connection, rows, self._run)

        return self.submit(take)

    async def add(self, outcome: RowResult) -> None:
        """Store the result of a row; when this returns, it is on disk."""
        digests = row_digests(outcome.row)
        made: dict[str, Answer | RowError] = {**outcome.answers, **outcome.failures}
        results = [result_of(step, each) for step, each in made.items()]
        row = {
            "run": self._run,
            "number": outcome.row.index,
            "identity": digests.identity,
            "status": status_of(outcome),
            "kept": kept_values(outcome),
        }
        taken, self._taken = [(self._run, key) for key in self._taken], set()  # pruning other runs keeps these
        take_refusals = self.refusals.taken()

        def insert(connection: sqlite3.Connection) -> None:
            insert_row(connection, row, digests, results)
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
