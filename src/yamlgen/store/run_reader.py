"""Reads the runs of a store, and the results of their rows.

It never writes, so it can be used during a run.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from yamlgen.batches.batch_store import BatchRecord
from yamlgen.canonical_json import short_digest
from yamlgen.errors import Code, UsageError
from yamlgen.option_names import by_surface
from yamlgen.planning.request_costs import PastAnswers
from yamlgen.store.codec import unpacked
from yamlgen.store.database import mapped
from yamlgen.store.location import StoreLocation, holder
from yamlgen.store.migrations import TO_RETRY
from yamlgen.store.refused_requests import find_refusal
from yamlgen.store.stored_batches import batch_records
from yamlgen.store.stored_results import RESULT_COLUMNS, TOKENS, ResultReader, StoredRow
from yamlgen.value_objects import JSON, Refusal

TESTED: Final = "-test"
"""The end of the names of runs that record the answers of a test: they have no output."""

_SUMS: Final = ", ".join(f"coalesce(sum({name}), 0)" for name in TOKENS)
_PAID: Final = ("attempt", "cut_stream")
_RECENT: Final = 200
"""The maximum number of earlier answers that a forecast is based on."""

_RUNS: Final = "SELECT id, name, started, ended, status, retry, about, report FROM run WHERE status <> 'pruned'"
_PAST: Final = """
    SELECT input_tokens + cache_creation_input_tokens + cache_read_input_tokens AS read, output_tokens,
           request_characters, request, request_frame, cache_read_input_tokens, seconds, batch
    FROM attempt
    WHERE step = ? AND requested = ? AND read > 0 AND output_tokens > 0
          AND +run IN (SELECT id FROM run WHERE coalesce(json_extract(about, '$.address'), ?) = ?)
    ORDER BY id DESC LIMIT ?
"""
"""A refusal without output tells nothing of the length of answers. The plus keeps SQLite from sorting all answers of
these runs: it reads the newest first, and only a few."""

_ROWS: Final = """
    SELECT row.number, row.status, source.row, row.results FROM row CROSS JOIN source ON source.id = row.source
    WHERE row.run = ?
"""
"""CROSS keeps SQLite from scanning the sources first: it reads the rows in the order of their index, without a sort."""

_WHOLE_ROWS: Final = f"""
    SELECT row.number, row.status, source.row, own.value, {RESULT_COLUMNS}
    FROM row CROSS JOIN source ON source.id = row.source
    LEFT JOIN json_each(row.results) AS own LEFT JOIN result ON result.id = own.value
    WHERE row.run = ?
"""
"""For `whole`. Left joins keep the order of the tables, so the results of a row come in the order of their numbers."""

_TEXTS: Final = """
    SELECT row.number, source.row, own.value, result.id, result.step, result.value, result.thinking
    FROM row CROSS JOIN source ON source.id = row.source
    LEFT JOIN json_each(row.results) AS own LEFT JOIN result ON result.id = own.value
    WHERE row.run = ? AND row.status = 'finished' ORDER BY row.number
"""

_IDENTITIES: Final = """
    SELECT row.number, row.identity, source.digest, row.status
    FROM row CROSS JOIN source ON source.id = row.source WHERE row.run = ? ORDER BY row.number
"""

_SIZES: Final = """
    SELECT step, requested, coalesce(model, requested), read, output_tokens FROM (
        SELECT DISTINCT result.step AS step, attempt.id, requested, model, output_tokens,
               input_tokens + cache_creation_input_tokens + cache_read_input_tokens AS read
        FROM row JOIN json_each(row.results) AS own JOIN result ON result.id = own.value
        JOIN json_each(result.attempts) AS each JOIN attempt ON attempt.id = json_extract(each.value, '$[0]')
        WHERE row.run = ? AND requested IS NOT NULL
    )
"""

_ANY_FAILED: Final = f"(row.status <> 'finished' OR {TO_RETRY})"


_LOST: Final = """
    SELECT count(*) FILTER (WHERE result.value <> 'null'),
           count(DISTINCT own.value || ' ' || row.number) FILTER (WHERE result.value = 'null')
    FROM row JOIN json_each(row.results) AS own
    JOIN result ON result.id = own.value AND result.status = 'finished'
    JOIN failed_request AS lost ON lost.result = result.id
    WHERE row.run = ?
"""
"""The number of null items, and of null steps. A null step counts once, even if several of its items failed."""


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run of a store.

    Attributes:
        number: its number in this store.
        name: its name, which users see.
        status: `running`, `finished`, `stopped`, `detached` if its batches were in progress, or `killed`.
        retry: the name of the run whose failed rows it retries.
        about: the pipeline as it ran, parameters, overrides, git, versions.
        report: the report at its end; `None` while it runs, and if it was killed.
        finished: the number of finished rows.
        failed: the number of failed rows.
        missing: the number of rows that lack an answer whose request the run was not allowed to send.
        failed_items: the number of items and steps that failed and are null.
        paid: its billed answers until now: attempts, usage, cost.
    """

    number: int
    name: str
    started: str
    ended: str | None
    status: str
    retry: str | None
    about: dict[str, JSON]
    report: dict[str, JSON] | None
    finished: int
    failed: int
    missing: int
    failed_items: int
    paid: dict[str, JSON]

    @property
    def is_whole(self) -> bool:
        """Whether it has finished all rows of its input, and was no test."""
        return self.status == "finished" and not (self.about["limit"] or self.missing or self.name.endswith(TESTED))


class RunReader(ResultReader):
    """Reads a store.

    Args:
        connection: a read-only connection, which the caller closes.
        place: the store's files.
        held: who held the lock of the store just before everything was read as it was at one time; `None` otherwise.
    """

    def __init__(self, connection: sqlite3.Connection, place: StoreLocation, held: str | None = None) -> None:
        super().__init__(connection, place)
        self._held = held

    def runs(self) -> list[RunEntry]:
        """Return all runs, oldest first."""
        return [self._entry(row) for row in self._all(f"{_RUNS} ORDER BY id")]

    def names(self) -> list[tuple[str, str]]:
        """Return the start time and the name of each run, oldest first."""
        return self._all("SELECT started, name FROM run WHERE status <> 'pruned' ORDER BY id")

    def run(self, name: str) -> RunEntry:
        """Return a run by its name.

        Raises:
            UsageError: there is no such run.
        """
        entry = self._find(name)
        if entry is None:
            message = f"the store has no run `{name}`"
            raise UsageError(message, code=Code.NO_RUN, hint=listing())
        return entry

    def _find(self, name: str) -> RunEntry | None:
        found = self._all(f"{_RUNS} AND name = ?", name)
        return self._entry(found[0]) if found else None

    def retried(self, run: RunEntry) -> list[RunEntry]:
        """Return the runs whose failed rows a retry of `run` retries.

        If `run` is itself a retry that did not complete, the run that it retried is included, because `run` may not
        have reached all rows of that run.
        """
        found = [run]
        while not _came_to_its_end(found[-1]) and found[-1].retry:
            before = self._find(found[-1].retry)
            if before is None:
                break
            found.append(before)
        return found

    def has_to_retry(self, run: RunEntry) -> bool:
        """Return whether a retry of `run` has any rows to retry."""
        numbers = ", ".join(str(each.number) for each in self.retried(run))
        return bool(self._all(f"SELECT 1 FROM row WHERE run IN ({numbers}) AND {TO_RETRY} LIMIT 1"))

    def _entry(self, row: tuple[Any, ...]) -> RunEntry:
        number, name, started, ended, status, retry, about, report = row
        if status == "running" and not self._is_held(name):  # it may have ended since the query
            status, ended, report = self._one("SELECT status, ended, report FROM run WHERE id = ?", number)
            status = "killed" if status == "running" else status
        ended_with = None if report is None else self._read(json.loads, report)
        by_status = "SELECT status, count(*) FROM row WHERE run = ? GROUP BY status"
        counts = ended_with["rows"] if ended_with else dict(self._all(by_status, number))
        return RunEntry(
            number,
            name,
            started,
            ended,
            status,
            retry,
            self._read(json.loads, about),
            ended_with,
            counts.get("finished", 0),
            counts.get("failed", 0),
            counts.get("missing", 0),
            self._lost_items(number, ended_with),
            ended_with["paid"] if ended_with else self._bill("run = ?", number),
        )

    def _is_held(self, name: str) -> bool:
        """Return whether a run has locked the store, or had when everything was read."""
        return f"run {name}" in (self._held, holder(self.place))

    def _lost_items(self, run: int, report: dict[str, JSON] | None) -> int:
        if report is None:
            return sum(self._one(_LOST, run))
        counts = report.get("steps", {}).values()
        return sum(step.get("failed_items", 0) + step.get("null_rows", 0) for step in counts)

    def paid(self, run: int) -> dict[str, dict[str, JSON]]:
        """Return the billed answers of a run until now, by step: attempts, usage, cost."""
        each = "SELECT step FROM {} WHERE run = ?"
        steps = self._all(f"{each.format('attempt')} UNION {each.format('cut_stream')}", run, run)
        return {step: self._bill("run = ? AND step = ?", run, step) for (step,) in steps}

    def _bill(self, which: str, *values: Any) -> dict[str, JSON]:
        """Return answers, tokens and dollars. Streams that were cut off count for the tokens, but not as answers."""
        sums = f"count(*), {_SUMS}, coalesce(sum(cost), 0), count(cost)"
        each = (self._all(f"SELECT {sums} FROM {table} WHERE {which}", *values)[0] for table in _PAID)
        (attempts, *tokens, cost, priced), (cut, *lost, lost_cost, lost_priced) = each
        usage = {name: kept + gone for name, kept, gone in zip(TOKENS, tokens, lost, strict=True)}
        is_priced = priced + lost_priced == attempts + cut
        total = round(cost + lost_cost, 9) if is_priced else None
        return {"attempts": attempts, "usage": usage, "cost_usd": total, "cache_saved_usd": None}

    def batches(self, run: int) -> list[BatchRecord]:
        """Return the batches that a run has posted or waited for last, in the order in which they were begun."""
        with mapped(self._path):
            return batch_records(self._connection, "run = ?", run)

    def batched(self, run: int) -> dict[str, int]:
        """Return how many answers of a run have come with a batch until now, by step; without steps that have none."""
        query = "SELECT step, count(*) FROM attempt WHERE run = ? AND batch IS NOT NULL GROUP BY step"
        return dict(self._all(query, run))

    def past(self, step: str, request: Mapping[str, JSON], answerer: str) -> PastAnswers | None:
        """Return the tokens of the newest answers of a step, from any run; `None` if there are none.

        Args:
            step: the name of the step.
            request: a request that the step makes now. Only answers to requests with the same settings are used.
            answerer: the address of the API, or the simulator and its faults. Only answers from there are used.
        """
        unknown = "" if self.place.simulated else answerer  # runs of older versions do not record who answered
        recent = self._each(_PAST, step, request.get("model"), unknown, answerer, _RECENT)
        settings = _settings(request)
        with mapped(self._path):
            same = [row for row in recent if _settings(unpacked(row[3], self._frames.frame(row[4]))) == settings]
        return PastAnswers.of((row[:3] for row in same), (row[5:7] for row in same if row[7] is None))

    def sizes(self, run: RunEntry) -> Iterator[tuple[str, str, str, int, int]]:
        """Yield each answer that the rows of a run are made of, also those of earlier runs.

        Yields:
            The step, the model that was asked, the model that the answer names, and the input and output tokens.
        """
        return self._each(_SIZES, run.number)

    def holds_answers(self) -> bool:
        """Return whether the store contains any answer."""
        return bool(self._all("SELECT 1 FROM attempt LIMIT 1"))

    def rows(self, run: RunEntry, *, failed: bool = False) -> Iterator[StoredRow]:
        """Return the finished rows of a run, in input order.

        Args:
            run: the run.
            failed: whether to include the failed rows.
        """
        return self._rows(run, "row.status IN ('finished', 'failed')" if failed else "row.status = 'finished'")

    def texts(self, run: RunEntry) -> Iterator[tuple[str, dict[str, tuple[str | None, str | None]]]]:
        """Yield the finished rows of a run as they are stored, in input order, twice as fast as `rows`.

        Yields:
            The row of the input as JSON; and for each step its value, and what its model thought, as JSON.
        """
        before, columns = -1, ""
        found: dict[str, tuple[str | None, str | None]] = {}
        for number, source, own, result, step, value, thinking in self._each(_TEXTS, run.number):
            if number != before:
                if before >= 0:
                    yield columns, found
                before, columns, found = number, source, {}
            if result is not None:
                found[step] = value, thinking
            elif own is not None:
                raise self._incomplete()
        if before >= 0:
            yield columns, found

    def all_rows(self, run: RunEntry) -> Iterator[StoredRow]:
        """Return the rows that a run has finished, that failed, or that lack an answer, in input order."""
        return self._rows(run, "true")

    def failed(self, run: RunEntry, *, items: bool = False) -> Iterator[StoredRow]:
        """Return the rows of a run that failed or lack an answer, in input order.

        Args:
            run: the run.
            items: whether to include finished rows with items or steps that failed and are null.
        """
        return self._rows(run, _ANY_FAILED if items else "row.status <> 'finished'")

    def row(self, run: RunEntry, number: int) -> StoredRow | None:
        """Return the row at a position (from 0, of any size); `None` if the run has not finished it."""
        found = self._all(f"{_WHOLE_ROWS} AND row.number = CAST(? AS INTEGER)", run.number, str(number))
        return next(self.whole(found), None)

    def _rows(self, run: RunEntry, which: str) -> Iterator[StoredRow]:
        return self.whole(self._each(f"{_WHOLE_ROWS} AND {which} ORDER BY row.number", run.number))

    def rows_after(
        self, run: RunEntry, number: int, most: int, among: Iterable[int] | None = None
    ) -> list[tuple[int, str, str, str]]:
        """Return the next rows of a run in input order, for `together`.

        Args:
            run: the run.
            number: the position after which they begin; -1 for the first rows.
            most: how many rows.
            among: only rows at these positions; `None` for all.
        """
        which = "" if among is None else "AND row.number IN (SELECT value FROM json_each(?))"
        chosen = () if among is None else (json.dumps(list(among)),)
        query = f"{_ROWS} AND row.number > ? {which} ORDER BY row.number LIMIT ?"
        return self._all(query, run.number, number, *chosen, most)

    def nulls(self, run: RunEntry) -> tuple[int, int]:
        """Return how many items and how many steps failed and are null, in the finished rows of a run."""
        items, steps = self._one(f"{_LOST} AND row.status = 'finished'", run.number)
        return items, steps

    def id_column(self, run: RunEntry) -> str | None:
        """Return the column of the row ids (`input.id`), if the run's input has one."""
        resolved = run.about.get("resolved") or {}
        column: str | None = (resolved.get("input") or {}).get("id")
        return column

    def ids(self, run: RunEntry) -> Iterator[JSON]:
        """Return the ids of the rows that a run has finished, in input order."""
        column = self.id_column(run)
        for _, _, source, _ in self._each(f"{_ROWS} ORDER BY row.number", run.number):
            yield None if column is None else self._read(json.loads, source).get(column)

    def identities(self, run: RunEntry) -> Iterator[tuple[int, bytes, bytes, str]]:
        """Yield the rows that a run has reached: position from 0, digests of identity and columns, status."""
        return self._each(_IDENTITIES, run.number)

    def find(self, run: RunEntry, identity: str) -> int | None:
        """Return the position (from 0) of the row with this identity; `None` if the run has not finished it."""
        found = self._all("SELECT number FROM row WHERE run = ? AND identity = ?", run.number, short_digest(identity))
        return found[0][0] if found else None

    def refusal(self, key: bytes) -> Refusal | None:
        """Return the stored refusal of a request or of a native schema, by its key."""
        with mapped(self._path):
            found = find_refusal(self._connection, key)
        return None if found is None else found[1]

    def id(self, run: RunEntry, row: StoredRow) -> JSON:
        """Return the id of a row; `None` if its input has no ids."""
        column = self.id_column(run)
        return None if column is None else self.columns(row).get(column)


def listing() -> str:
    """Return the hint that explains how to list the runs of a store."""
    lists = by_surface(command="`yamlgen runs ls`", python="`yamlgen.runs`")
    return f"list the runs with {lists}"


def _came_to_its_end(run: RunEntry) -> bool:
    """Return whether a run has reached all of its rows, even if some lack an answer and no output was written."""
    done = run.finished + run.failed + run.missing
    return run.status == "finished" or (run.status == "stopped" and done == run.about.get("rows"))


def _settings(request: Mapping[str, JSON]) -> list[JSON]:
    """Return the settings of a request that affect the length of its answer, other than the model and the prompt."""
    effort = (request.get("output_config") or {}).get("effort")
    return [request.get("max_tokens"), request.get("thinking"), request.get("stop_sequences"), effort]
