"""The results of steps and their attempts as a store holds them, as values: what each row is told from."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from yamlgen.canonical_json import one_line
from yamlgen.store.codec import shown, text_of, unpacked
from yamlgen.store.database import damaged, mapped
from yamlgen.store.location import StoreLocation
from yamlgen.values import JSON, Usage

TOKENS: Final = tuple(Usage.__dataclass_fields__)


_UNTOLD: Final = "the run was made by an earlier version, which did not keep why"
_TOLD: Final[tuple[str, ...]] = ("code", "message", "request_id", "request", "items")
_SHORT: Final = ("case", "response", "errors", "usage")


@dataclass(frozen=True, slots=True)
class Made:
    """What a step made of a row.

    Attributes:
        status: `finished`, `skipped` or `failed`.
        value: as JSON, where it has not failed.
        error: where it has.
        lost: the items that are null in the value: which one, and why.
        attempts: each its number, what was wrong with it, which case it is, what was done to read it.
    """

    step: str
    status: str
    value: JSON
    error: dict[str, JSON] | None
    lost: list[dict[str, JSON]]
    attempts: list[list[Any]]


class Accounts:
    """Results and attempts of a store, read.

    Args:
        connection: one that only reads; the caller closes it.
        place: the store's files.
    """

    def __init__(self, connection: sqlite3.Connection, place: StoreLocation) -> None:
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

    def _results(self, numbers: str) -> list[Made]:
        """What the steps made of a row, by the numbers of their results."""
        return [self._made(number) for number in self._read(json.loads, numbers)]

    def _made(self, number: int) -> Made:
        query = "SELECT step, status, value, error, attempts FROM result WHERE id = ?"
        step, status, value, error, attempts = self._one(query, number)
        told = None if error is None else self._read(unpacked, error)
        made = None if value is None else self._read(json.loads, value)
        asked = self._read(json.loads, attempts)
        if status == "failed":
            return Made(step, status, made, told, [], asked)
        return Made(step, status, made, None, self._lost(number, asked) if told is None else told["items"], asked)

    def _lost(self, result: int, attempts: list[list[Any]]) -> list[dict[str, JSON]]:
        """The items that are null in a result which an earlier version has kept, without saying why."""
        known = {number: (case, errors) for number, errors, case, *_ in (each for each in attempts if len(each) > 2)}  # noqa: PLR2004
        failed = self._all("SELECT code, newest FROM failed_request WHERE result = ? ORDER BY id", result)
        told = ((code, *known.get(newest, ("", []))) for code, newest in failed)
        return [
            {"item": None, "case": case, "code": code, "message": "; ".join(errors) or _UNTOLD, "request": None}
            for code, case, errors in told
        ]

    def _account(self, number: int) -> dict[str, JSON]:
        """Who paid for an attempt, who answered, and what it cost."""
        query = (
            "SELECT run.name, attempt.received, attempt.model, attempt.stop_reason, attempt.request_id, attempt.cost, "
            f"attempt.seconds, {', '.join(f'attempt.{name}' for name in TOKENS)} "
            "FROM attempt LEFT JOIN run ON run.id = attempt.run WHERE attempt.id = ?"
        )
        run, received, model, stop_reason, request_id, cost, seconds, *tokens = self._one(query, number)
        return {
            "run": run,
            "received": received,
            "model": model,
            "stop_reason": stop_reason,
            "request_id": request_id,
            "usage": dict(zip(TOKENS, tokens, strict=True)),
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
            "usage": {name: sum(each["usage"][name] for each in told) for name in TOKENS},
            "cost_usd": None if None in costs else round(sum(costs), 9),
            **({"simulated": True} if self.place.simulated else {}),
        }

    def _failed(self, source: str, results: str) -> dict[str, JSON]:
        """A row that failed, as the failed file has it."""
        made = self._results(results)
        values = {each.step: each.value for each in made if each.error is None}
        failures: list[dict[str, JSON]] = []
        for each in made:
            if each.error is not None:
                about = {key: each.error[key] for key in _TOLD if key in each.error}
                failures.append({"step": each.step, **about, "attempts": self._shortly(each.attempts)})
        first, *others = failures
        record = {"row": self._read(json.loads, source), "steps": values, **first}
        return {**record, "also": others} if others else record

    def _nulls(self, source: str, results: str) -> Iterator[dict[str, JSON]]:
        """The items of a row that are null, each as the failed file has a row."""
        for each in self._results(results):
            for item in each.lost:
                which = {key: item[key] for key in ("item", "case")}
                about = {key: item[key] for key in _TOLD if key in item}
                asked = [attempt for attempt in each.attempts if attempt[2:3] == [item["case"]]]
                row = self._read(json.loads, source)
                yield {"row": row, "step": each.step, **which, **about, "attempts": self._shortly(asked)}

    def _shortly(self, attempts: list[list[Any]]) -> list[dict[str, JSON]]:
        told = (self._attempt(*each) for each in attempts)
        return [{key: each[key] for key in _SHORT if key in each} for each in told]
