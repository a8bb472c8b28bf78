"""The batches of a store: their requests, until each has an outcome, and what became of them.

An answer that a batch brings is an attempt like that of a single request. The requests of a batch that was never
posted are discarded when the next run begins.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable, Container, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from yamlgen.batches.batch_api import RemoteBatch
from yamlgen.batches.batch_store import (
    HEAD,
    SEPARATOR,
    TAIL,
    BatchFailure,
    BatchOrigin,
    BatchOutcome,
    BatchRecord,
    GatheredRequest,
    State,
    entry_from,
)
from yamlgen.steps.config_fields import Auth
from yamlgen.store.codec import bytes_of, compressed, packed, text_of, unpacked, unpacked_text
from yamlgen.store.database import mapped
from yamlgen.store.refused_requests import RefusedRequests
from yamlgen.store.stored_frames import StoredFrames, number_of
from yamlgen.store.stored_rows import (
    PackedRequest,
    attempt_values,
    insert_attempt,
    insertion,
    packed_request,
    packed_response,
)
from yamlgen.value_objects import Attempt

Submit = Callable[[Callable[[sqlite3.Connection], Any]], Awaitable[Any]]
"""Queues a function for the writer's next transaction."""

OPEN: Final = "('gathering', 'posting', 'posted')"
"""The states of batches that have requests, in SQL."""
_SENT: Final = "('posting', 'posted')"
_PAGE: Final = 8
"""How many requests are read at once. No query stays open meanwhile, because one that does hides newer answers."""
_PAST: Final = 20

_RECORD: Final = (
    "id, run, step, state, remote, requests, size, betas, most, intended, created, ended, counts, cost, "
    "base_url, api_key_env, api_version, simulated, headers, workspace, auth"
)
_BEGIN: Final = insertion(
    *("batch", "run", "step", "state", "requests", "size", "betas", "cost"),
    *("base_url", "api_key_env", "api_version", "simulated", "headers", "workspace", "auth"),
)
_ADD: Final = insertion(
    *("batch_request", "batch", "key", "setup", "variant", "requested", "request_characters", "length"),
    *("request", "request_frame", "entry"),
).replace("INSERT", "INSERT OR IGNORE", 1)
_GROW: Final = f"""
    UPDATE batch SET size = size + ? + (requests > 0) * {len(SEPARATOR)}, requests = requests + 1 WHERE id = ?
"""
_ENTRIES: Final = """
    SELECT id, key, request, request_frame, entry FROM batch_request WHERE batch = ? AND id > ? ORDER BY id LIMIT ?
"""
_REQUEST: Final = """
    SELECT setup, requested, request_characters, request, request_frame FROM batch_request WHERE key = ? AND batch = ?
"""
_SETTLED: Final = "DELETE FROM batch_request WHERE key = ? AND batch = ?"
_ANSWERED: Final = "DELETE FROM batch_failure WHERE key = ?"
_AGAIN: Final = """
    ON CONFLICT (key) DO UPDATE SET
    times = CASE run WHEN excluded.run THEN times + 1 ELSE 1 END, run = excluded.run, kind = excluded.kind,
    error = excluded.error
"""
_FAILED: Final = f"INSERT INTO batch_failure (key, run, kind, error, times) VALUES (?, ?, ?, ?, 1) {_AGAIN}"
_MISSING: Final = f"""
    INSERT INTO batch_failure (key, run, kind, error, times)
    SELECT key, ?, 'missing', NULL, 1 FROM batch_request WHERE batch = ? {_AGAIN}
"""
_FAILURE: Final = """
    SELECT kind, error, times FROM batch_failure AS failure
    WHERE key = ? AND run = ? AND NOT EXISTS (SELECT 1 FROM batch_request WHERE batch_request.key = failure.key)
"""
_COLLECTED: Final = """
    UPDATE batch SET state = 'collected', remote = ?, created = ?, ended = ?, counts = ? WHERE id = ?
"""
_EMPTIED: Final = """
    UPDATE batch SET state = 'collected'
    WHERE state = 'posted' AND NOT EXISTS (SELECT 1 FROM batch_request WHERE batch_request.batch = batch.id)
"""
_TIMES: Final = """
    SELECT created, ended FROM batch WHERE state = 'collected' AND created IS NOT NULL AND ended IS NOT NULL
    AND coalesce(json_extract(counts, '$.canceled'), 0) = 0
    ORDER BY id DESC LIMIT ?
"""


class StoredBatches:
    """The batches of a store, as one run sees them: it implements `BatchStore`.

    Args:
        reader: a read-only connection of this thread.
        path: the database, for messages.
        submit: writes to the store, once the run has started.
        refusals: learns which setups are proven.
        frames: the frames of the store.
    """

    def __init__(
        self, reader: sqlite3.Connection, path: Path, submit: Submit, refusals: RefusedRequests, frames: StoredFrames
    ) -> None:
        self._reader = reader
        self._path = path
        self._submit = submit
        self._refusals = refusals
        self._frames = frames
        self._steps: dict[int, str] = {}
        self._run = 0
        self.arrived: Container[int] = frozenset()
        self.is_settling = False  # whether answers of batches were stored in this run

    def begin(self, run: int) -> None:
        """Store batches for a run from now on."""
        self._run = run

    def open_batches(self) -> list[BatchRecord]:
        """Return the batches of earlier runs that are `POSTING` or `POSTED`."""
        with mapped(self._path):
            return batch_records(self._reader, f"run <> ? AND state IN {_SENT}", self._run)

    def record_of(self, number: int) -> BatchRecord:
        """Return a batch."""
        with mapped(self._path):
            found = batch_records(self._reader, "id = ?", number)
        return found[0]

    async def adopt(self, number: int) -> None:
        """Note that this run waits for a batch of an earlier run."""
        await self._execute("UPDATE batch SET run = ? WHERE id = ?", self._run, number)

    def knows(self, id: str) -> bool:  # noqa: A002 - the API's word
        """Return whether the API's id of a batch is in the store."""
        return self._find("SELECT 1 FROM batch WHERE remote = ?", id) is not None

    def batch_of(self, key: bytes) -> int | None:
        """Return the number of the open batch that has the request of a key."""
        found = self._find("SELECT batch FROM batch_request WHERE key = ?", key)
        return found[0] if found else None

    def is_sent(self, key: bytes) -> bool:
        """Return whether an open batch that the API has, or may have, contains the request of a key."""
        query = f"SELECT 1 FROM batch_request JOIN batch ON batch.id = batch WHERE key = ? AND state IN {_SENT}"
        return self._find(query, key) is not None

    async def begin_batch(self, step: str, betas: Sequence[str] = (), origin: BatchOrigin | None = None) -> int:
        """Add a batch in the state `GATHERING`, and return its number."""
        values = {
            "run": self._run,
            "step": step,
            "state": State.GATHERING,
            "requests": 0,
            "size": len(HEAD) + len(TAIL),
            "betas": text_of(list(betas)),
            "cost": 0.0,
            "base_url": origin and origin.base_url,
            "api_key_env": origin and origin.api_key_env,
            "api_version": origin and origin.api_version,
            "simulated": origin and origin.simulated,
            "headers": origin and json.dumps(origin.headers),
            "workspace": origin and origin.workspace,
            "auth": origin and origin.auth,
        }
        number: int = await self._submit(lambda connection: connection.execute(_BEGIN, values).lastrowid)
        self._steps[number] = step
        return number

    def add(self, number: int, request: GatheredRequest) -> Awaitable[bool]:
        """Add a request to a batch; the result is false if an open batch has its key already."""
        length = len(request.entry)
        kept = packed_request(request.body, self._frames, self._steps.get(number, ""))
        is_plain = request.entry == entry_from(request.key, bytes_of(request.body))
        values = {
            "batch": number,
            "key": request.key,
            "setup": request.setup,
            "variant": request.variant,
            "requested": kept.model,
            "request_characters": kept.characters,
            "length": length,
            "request": kept.data,
            "request_frame": kept.frame,
            "entry": None if is_plain else compressed(request.entry),
        }

        def insert(connection: sqlite3.Connection) -> bool:
            own = {**values, "request_frame": number_of(connection, kept.frame)}
            is_new = connection.execute(_ADD, own).rowcount > 0
            if is_new:
                connection.execute(_GROW, (length, number))
            return is_new

        return self._submit(insert)

    async def intend(self, number: int, when: datetime, most: float | None) -> BatchRecord:
        """Note that a batch is about to be posted (`POSTING`), and return it with its count and size."""
        query = "UPDATE batch SET state = ?, intended = ?, most = ? WHERE id = ?"
        await self._execute(query, State.POSTING, when.isoformat(), most, number)
        return self.record_of(number)

    def entries(self, number: int) -> Iterator[bytes]:
        """Yield the lines of its requests, in the order in which they were added."""
        last = 0
        while page := self._page(number, last):
            for last, key, request, frame, entry in page:  # noqa: B007 - where the next page begins
                with mapped(self._path):
                    if entry is None:
                        line = entry_from(key, unpacked_text(request, self._frames.frame(frame)))
                    else:
                        line = unpacked_text(entry)
                yield line

    def _page(self, number: int, last: int) -> list[tuple[int, bytes, bytes, int | None, bytes | None]]:
        with mapped(self._path):
            return self._reader.execute(_ENTRIES, (number, last, _PAGE)).fetchall()

    async def posted(self, number: int, remote: RemoteBatch) -> None:
        """Note that the API has the batch (`POSTED`)."""
        query = "UPDATE batch SET state = ?, remote = ?, created = ? WHERE id = ?"
        await self._execute(query, State.POSTED, remote.id, remote.created.isoformat(), number)

    async def drop(self, number: int, state: State | None = None) -> None:
        """Forget the requests of a batch, which may then be sent again. Without a state, forget the batch too."""

        def forget(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM batch_request WHERE batch = ?", (number,))
            if state is None:
                connection.execute("DELETE FROM batch WHERE id = ?", (number,))
            else:
                connection.execute("UPDATE batch SET state = ? WHERE id = ?", (state, number))

        await self._submit(forget)

    def variant_of(self, number: int, key: bytes) -> str | None:
        """Return the variant of a request that a batch still lacks the result of; `None` if there is none."""
        found = self._find("SELECT variant FROM batch_request WHERE key = ? AND batch = ?", key, number)
        return found[0] if found else None

    async def settle(self, number: int, outcomes: Sequence[BatchOutcome]) -> None:
        """Store outcomes: answers as billed attempts, failures for this run. The batch has their requests no more.

        An outcome whose request the batch no longer has is ignored: its result came twice.
        """
        self.is_settling = True
        step, proofs, made = self.record_of(number).step, [], []
        for outcome in outcomes:
            found = self._find(_REQUEST, outcome.key, number)
            if found is None:
                continue
            setup, *request = found
            made.append(self._settled(number, step, outcome, PackedRequest(*request)))
            prove = self._refusals.proving(setup) if isinstance(outcome.outcome, Attempt) else None
            if prove is not None:
                proofs.append(prove)

        def write(connection: sqlite3.Connection) -> None:
            for prove in proofs:
                prove(connection)
            for key, attempt, failure in made:
                if not connection.execute(_SETTLED, (key, number)).rowcount:
                    continue
                if failure is not None:
                    connection.execute(_FAILED, failure)
                    continue
                insert_attempt(connection, attempt)
                connection.execute(_ANSWERED, (key,))
                connection.execute("UPDATE batch SET cost = cost + ? WHERE id = ?", (attempt["cost"], number))

        if made:
            await self._submit(write)

    def _settled(
        self, number: int, step: str, each: BatchOutcome, request: PackedRequest
    ) -> tuple[bytes, dict[str, Any], tuple[Any, ...] | None]:
        """Return the key of an outcome, and the values of its attempt or of its failure."""
        outcome = each.outcome
        if isinstance(outcome, Attempt):
            response = packed_response(outcome, self._frames, step, request.model)
            values = attempt_values(each.key, self._run, step, request, outcome, number, response)
            return each.key, values, None
        error = None if outcome.error is None else packed(outcome.error)
        return each.key, {}, (each.key, self._run, outcome.kind, error)

    def unsettled(self, number: int) -> int:
        """Return how many requests of a batch have no outcome yet."""
        found = self._find("SELECT count(*) FROM batch_request WHERE batch = ?", number)
        return int(found[0]) if found else 0

    async def collected(self, number: int, remote: RemoteBatch) -> BatchRecord:
        """Note that a batch is done (`COLLECTED`). Requests that are left failed as `missing`. Return the batch."""
        ended = None if remote.ended is None else remote.ended.isoformat()
        values = (remote.id, remote.created.isoformat(), ended, text_of(dict(remote.counts)), number)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(_MISSING, (self._run, number))
            connection.execute("DELETE FROM batch_request WHERE batch = ?", (number,))
            connection.execute(_COLLECTED, values)

        await self._submit(write)
        return self.record_of(number)

    def failure(self, key: bytes) -> BatchFailure | None:
        """Return why the request of a key has failed in a batch of this run, if it was not sent again since."""
        found = self._find(_FAILURE, key, self._run)
        if found is None:
            return None
        kind, error, times = found
        with mapped(self._path):
            return BatchFailure(kind, None if error is None else unpacked(error), times)

    def past_seconds(self) -> tuple[float, ...]:
        """Return how long the newest collected batches took, in seconds from creation to end; at most 20.

        Canceled batches are left out: they ended early.
        """
        with mapped(self._path):
            found = self._reader.execute(_TIMES, (_PAST,)).fetchall()
            spans = (datetime.fromisoformat(ended) - datetime.fromisoformat(created) for created, ended in found)
            return tuple(span.total_seconds() for span in spans)

    def _find(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        with mapped(self._path):
            found: tuple[Any, ...] | None = self._reader.execute(query, values).fetchone()
        return found

    async def _execute(self, query: str, *values: Any) -> None:
        await self._submit(lambda connection: connection.execute(query, values))


def discard_unsent(connection: sqlite3.Connection) -> None:
    """Delete what a run that has ended leaves: batches that were never posted, failures, and held values.

    A posted batch without requests is collected: the run was killed after it had stored the last of its results.
    """
    connection.execute(f"DELETE FROM batch_request WHERE batch NOT IN (SELECT id FROM batch WHERE state IN {_SENT})")
    connection.execute("DELETE FROM batch WHERE state = 'gathering'")
    connection.execute(_EMPTIED)
    connection.execute("DELETE FROM batch_failure")
    connection.execute("DELETE FROM held")


def batch_records(connection: sqlite3.Connection, which: str, *values: Any) -> list[BatchRecord]:
    """Return the batches that a condition selects, in the order in which they were begun."""
    found = connection.execute(f"SELECT {_RECORD} FROM batch WHERE {which} ORDER BY id", values)
    return [_record(*row) for row in found.fetchall()]


def _record(number: int, run: int, step: str, state: str, *values: Any) -> BatchRecord:
    remote, requests, size, betas, most, *times, counts, cost = values[:-7]
    base_url, api_key_env, api_version, *more = values[-7:]
    intended, created, ended = (None if time is None else datetime.fromisoformat(time) for time in times)
    return BatchRecord(
        number,
        run,
        step,
        State(state),
        remote,
        requests,
        size,
        tuple(json.loads(betas)),
        most,
        intended,
        created,
        ended,
        None if counts is None else json.loads(counts),
        cost if state == State.COLLECTED else None,
        None if base_url is None else BatchOrigin(base_url, api_key_env, api_version, *_origin(*more)),
    )


def _origin(
    simulated: int, headers: str | None, workspace: str | None, auth: Auth | None
) -> tuple[bool, tuple[tuple[str, str], ...], str, Auth]:
    """Return the last fields of the origin of a batch; a batch of an older version has no headers."""
    named = tuple((name, env) for name, env in json.loads(headers or "[]"))
    return bool(simulated), named, workspace or "", auth or "key"
