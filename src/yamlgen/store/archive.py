"""What a store holds, for reading: its runs, their rows as the output has them, every attempt of a row.

Nothing here writes, so it may look on while a run is at work.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from yamlgen.canonical import one_line
from yamlgen.errors import Code, UsageError
from yamlgen.ports import JSON, Usage
from yamlgen.store.database import damaged, mapped
from yamlgen.store.packing import shown, text_of, unpacked
from yamlgen.store.place import Place, holder
from yamlgen.store.tables import TO_RETRY
from yamlgen.surface import by_surface

_TOKENS: Final = tuple(Usage.__dataclass_fields__)
_SUMS: Final = ", ".join(f"coalesce(sum({name}), 0)" for name in _TOKENS)
_PAID: Final = ("attempt", "cut_stream")
_RECENT: Final = 200
"""How many earlier answers a forecast looks at."""

_RUNS: Final = "SELECT id, name, started, ended, status, retry, about, report FROM run WHERE status <> 'pruned'"
_ROWS: Final = """
    SELECT row.number, row.status, source.row, row.results FROM row CROSS JOIN source ON source.id = row.source
    WHERE row.run = ?
"""
"""CROSS keeps SQLite from looking through the sources first: rows come in the order of their index, unsorted."""


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run of a store.

    Attributes:
        number: its number in this store.
        name: how users call it.
        status: `running`, `finished`, `stopped`, or `killed`.
        retry: the name of the run whose failed rows it asks again.
        about: the pipeline as it ran, parameters, overrides, git, versions.
        report: how it ended; `None` while it runs, and when it was killed.
        finished: finished rows in the store.
        failed: failed rows in the store.
        missing: rows that lack an answer which the run might not ask for.
        paid: what it has paid for until now: attempts, usage, cost.
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
    paid: dict[str, JSON]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row failed, in short; `number` counts from 0."""

    number: int
    step: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier answers of a step took: how many are known, and their tokens.

    Attributes:
        per_character: input tokens for a character of the request.
        output: the least and the most output tokens.
    """

    answers: int
    per_character: float
    output: tuple[int, int]


class Archive:
    """A store, read.

    Args:
        connection: one that only reads; the caller closes it.
        place: the store's files.
    """

    def __init__(self, connection: sqlite3.Connection, place: Place) -> None:
        self._connection = connection
        self.place = place

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with mapped(self.place.database):
            return self._connection.execute(query, values).fetchall()

    def _one(self, query: str, *values: Any) -> tuple[Any, ...]:
        found = self._all(query, *values)
        if not found:
            raise damaged(self.place.database, "a record that others refer to is gone")
        return found[0]

    def _each(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        with mapped(self.place.database):
            yield from self._connection.execute(query, values)

    def _read(self, unpack: Callable[[Any], JSON], data: Any) -> JSON:
        """What was kept, or the error that the store is damaged."""
        with mapped(self.place.database):
            return unpack(data)

    def runs(self) -> list[RunEntry]:
        """All runs, the oldest first."""
        return [self._entry(row) for row in self._all(f"{_RUNS} ORDER BY id")]

    def names(self) -> list[tuple[str, str]]:
        """When each run began, and its name, the oldest first."""
        return self._all("SELECT started, name FROM run WHERE status <> 'pruned' ORDER BY id")

    def run(self, name: str) -> RunEntry:
        """A run by its name.

        Raises:
            UsageError: there is no such run.
        """
        entry = self._find(name)
        if entry is None:
            message = f"the store holds no run `{name}`"
            raise UsageError(message, code=Code.NO_RUN, hint=listing())
        return entry

    def _find(self, name: str) -> RunEntry | None:
        found = self._all(f"{_RUNS} AND name = ?", name)
        return self._entry(found[0]) if found else None

    def retried(self, run: RunEntry) -> list[RunEntry]:
        """The runs whose failed rows a retry of `run` asks again.

        That is itself, and where it is a retry that did not come to its end, the run that it retried, too: it may not
        have reached all of its rows.
        """
        found = [run]
        while not _came_to_its_end(found[-1]) and found[-1].retry:
            before = self._find(found[-1].retry)
            if before is None:
                break
            found.append(before)
        return found

    def has_to_retry(self, run: RunEntry) -> bool:
        """Whether a retry of `run` has anything to ask."""
        numbers = ", ".join(str(each.number) for each in self.retried(run))
        return bool(self._all(f"SELECT 1 FROM row WHERE run IN ({numbers}) AND {TO_RETRY} LIMIT 1"))

    def _entry(self, row: tuple[Any, ...]) -> RunEntry:
        number, name, started, ended, status, retry, about, report = row
        if status == "running" and holder(self.place) != f"run {name}":  # it may have ended since it was read
            status, ended, report = self._one("SELECT status, ended, report FROM run WHERE id = ?", number)
            status = "killed" if status == "running" else status
        told = None if report is None else self._read(json.loads, report)
        counts = told["rows"] if told else self._counts(number)
        return RunEntry(
            number,
            name,
            started,
            ended,
            status,
            retry,
            self._read(json.loads, about),
            told,
            counts.get("finished", 0),
            counts.get("failed", 0),
            counts.get("missing", 0),
            told["paid"] if told else self._bill("run = ?", number),
        )

    def _counts(self, run: int) -> dict[str, int]:
        return dict(self._all("SELECT status, count(*) FROM row WHERE run = ? GROUP BY status", run))

    def paid(self, run: int) -> dict[str, dict[str, JSON]]:
        """What a run has paid for until now, by step: attempts, usage, cost."""
        each = "SELECT step FROM {} WHERE run = ?"
        steps = self._all(f"{each.format('attempt')} UNION {each.format('cut_stream')}", run, run)
        return {step: self._bill("run = ? AND step = ?", run, step) for (step,) in steps}

    def _bill(self, which: str, *values: Any) -> dict[str, JSON]:
        """Answers, tokens and dollars; streams that broke off took tokens, and are no answers."""
        sums = f"count(*), {_SUMS}, coalesce(sum(cost), 0), count(cost)"
        each = (self._all(f"SELECT {sums} FROM {table} WHERE {which}", *values)[0] for table in _PAID)
        (attempts, *tokens, cost, priced), (cut, *lost, lost_cost, lost_priced) = each
        usage = {name: kept + gone for name, kept, gone in zip(_TOKENS, tokens, lost, strict=True)}
        is_priced = priced + lost_priced == attempts + cut
        return {"attempts": attempts, "usage": usage, "cost_usd": round(cost + lost_cost, 9) if is_priced else None}

    def past(self, step: str, request: Mapping[str, JSON]) -> Past | None:
        """What the newest answers of a step took, by whatever run; `None` where there are none.

        Args:
            step: its name.
            request: any request that it makes now: of two with other settings the one tells nothing of the other.
        """
        query = (
            "SELECT input_tokens + cache_creation_input_tokens + cache_read_input_tokens AS read, output_tokens, "
            "request_characters, request FROM attempt WHERE step = ? AND requested = ? AND read > 0 "
            "ORDER BY id DESC LIMIT ?"
        )
        recent, settings = self._each(query, step, request.get("model"), _RECENT), _settings(request)
        found = [row[:3] for row in recent if _settings(self._read(unpacked, row[3])) == settings]
        if not found:
            return None
        read, outputs, characters = zip(*found, strict=True)
        return Past(len(found), sum(read) / max(sum(characters), 1), (min(outputs), max(outputs)))

    def holds_answers(self) -> bool:
        """Whether anything was ever answered."""
        return bool(self._all("SELECT 1 FROM attempt LIMIT 1"))

    def rows(self, run: RunEntry) -> Iterator[bytes]:
        """The finished rows of a run as JSON lines, in input order: the row's columns, then the steps' values."""
        for _, _, source, results in self._each(f"{_ROWS} AND row.status = 'finished' ORDER BY row.number", run.number):
            yield self._finished(source, results, provenance=bool(run.about.get("provenance")))

    def failed(self, run: RunEntry) -> Iterator[bytes]:
        """The rows of a run that failed, or lack an answer, as JSON lines, in input order."""
        for _, _, source, results in self._each(
            f"{_ROWS} AND row.status <> 'finished' ORDER BY row.number", run.number
        ):
            yield f"{one_line(text_of(self._failed(source, results)))}\n".encode()

    def failures(self, run: RunEntry) -> Iterator[Failure]:
        """Why each row failed, or what it was missing, in input order."""
        query = f"{_ROWS} AND row.status <> 'finished' ORDER BY row.number"
        for number, _, _, results in self._each(query, run.number):
            for result in self._read(json.loads, results):
                step, _, _, error, _ = self._result(result)
                if error is not None:
                    yield Failure(number, step, error["code"], error["message"])
                    break

    def line(self, run: RunEntry, number: int) -> bytes | None:
        """The JSON line of one row (from 0): empty when it failed, `None` when it is not done."""
        found = self._all(f"{_ROWS} AND row.number = ?", run.number, number)
        if not found:
            return None
        _, status, source, results = found[0]
        if status != "finished":
            return b""
        return self._finished(source, results, provenance=bool(run.about.get("provenance")))

    def detail(self, run: RunEntry, number: int) -> dict[str, JSON]:
        """All that is known of one row (from 0): its columns, and each step's request, attempts, value or error.

        Raises:
            UsageError: the run has not finished such a row.
        """
        found = self._all(f"{_ROWS} AND row.number = CAST(? AS INTEGER)", run.number, str(number))  # of any size
        if not found:
            message = f"run {run.name} has no row {number + 1}, or has not finished it"
            raise UsageError(message, code=Code.NO_RUN, hint="rows count from 1")
        _, status, source, results = found[0]
        steps = {}
        for result in self._read(json.loads, results):
            step, made, value, error, attempts = self._result(result)
            told: dict[str, JSON] = {"status": made, "attempts": [self._attempt(*each) for each in attempts]}
            told |= {"value": value} if error is None else {"error": error}
            steps[step] = told
        return {
            "run": run.name,
            "row": number + 1,
            "status": status,
            "columns": self._read(json.loads, source),
            "steps": steps,
        }

    def _result(self, number: int) -> tuple[str, str, JSON, dict[str, JSON] | None, list[Any]]:
        query = "SELECT step, status, value, error, attempts FROM result WHERE id = ?"
        step, status, value, error, attempts = self._one(query, number)
        told = None if error is None else self._read(unpacked, error)
        made = None if value is None else self._read(json.loads, value)
        return step, status, made, told, self._read(json.loads, attempts)

    def _account(self, number: int) -> dict[str, JSON]:
        """Who paid for an attempt, who answered, and what it cost."""
        query = (
            "SELECT run.name, attempt.received, attempt.model, attempt.stop_reason, attempt.request_id, attempt.cost, "
            f"attempt.seconds, {', '.join(f'attempt.{name}' for name in _TOKENS)} "
            "FROM attempt LEFT JOIN run ON run.id = attempt.run WHERE attempt.id = ?"
        )
        run, received, model, stop_reason, request_id, cost, seconds, *tokens = self._one(query, number)
        return {
            "run": run,
            "received": received,
            "model": model,
            "stop_reason": stop_reason,
            "request_id": request_id,
            "usage": dict(zip(_TOKENS, tokens, strict=True)),
            "cost_usd": cost,
            "seconds": round(seconds, 3),
        }

    def _attempt(
        self, number: int, errors: list[str], case: str = "", notes: list[str] | None = None
    ) -> dict[str, JSON]:
        """An attempt as a whole."""
        request, response = self._one("SELECT request, response FROM attempt WHERE id = ?", number)
        told = {"request": self._read(unpacked, request), "response": self._read(shown, response), "errors": errors}
        told |= {"notes": notes} if notes else {}
        return {**({"case": case} if case else {}), **told, **self._account(number)}

    def _finished(self, source: str, results: str, *, provenance: bool) -> bytes:
        parts, made = [], {}
        for number in self._read(json.loads, results):
            query = "SELECT step, status, value, attempts FROM result WHERE id = ?"
            step, status, value, attempts = self._one(query, number)
            parts.append(f'"{step}": {value}')
            if provenance:
                skipped = status == "skipped"
                made[step] = {"skipped": True} if skipped else self._provenance(self._read(json.loads, attempts))
        if provenance:
            parts.append(f'"provenance": {text_of(made)}')
        columns = source[1:-1]
        text = ", ".join([columns, *parts] if columns else parts)
        return f"{{{one_line(text)}}}\n".encode()

    def _provenance(self, attempts: list[Any]) -> dict[str, JSON]:
        told = [self._account(number) for number, *_ in attempts]
        costs = [each["cost_usd"] for each in told]
        return {
            "runs": [each["run"] for each in told],
            "models": [each["model"] for each in told],
            "stop_reasons": [each["stop_reason"] for each in told],
            "usage": {name: sum(each["usage"][name] for each in told) for name in _TOKENS},
            "cost_usd": None if None in costs else round(sum(costs), 9),
        }

    def _failed(self, source: str, results: str) -> dict[str, JSON]:
        values: dict[str, JSON] = {}
        failures: list[dict[str, JSON]] = []
        for number in self._read(json.loads, results):
            step, _, value, error, attempts = self._result(number)
            if error is None:
                values[step] = value
                continue
            told = [self._attempt(*each) for each in attempts]
            short = [
                {key: each[key] for key in ("case", "response", "errors", "usage") if key in each} for each in told
            ]
            keys = ("code", "message", "request_id", "request", "items")
            about: dict[str, JSON] = {key: error[key] for key in keys if key in error}
            failures.append({"step": step, **about, "attempts": short})
        first, *others = failures
        record = {"row": self._read(json.loads, source), "steps": values, **first}
        return {**record, "also": others} if others else record


def listing() -> str:
    """How the runs of a store are listed, as a hint."""
    lists = by_surface(command="`yamlgen runs ls`", python="`yamlgen.api.history.list_runs`")
    return f"{lists} lists them"


def _came_to_its_end(run: RunEntry) -> bool:
    """Whether a run has reached all of its rows, be it that some lack an answer so that it wrote no output."""
    done = run.finished + run.failed + run.missing
    return run.status == "finished" or (run.status == "stopped" and done == run.about.get("rows"))


def _settings(request: Mapping[str, JSON]) -> list[JSON]:
    """What of a request decides how long its answer may be, besides the model and what is asked."""
    effort = (request.get("output_config") or {}).get("effort")
    return [request.get("max_tokens"), request.get("thinking"), request.get("stop_sequences"), effort]
