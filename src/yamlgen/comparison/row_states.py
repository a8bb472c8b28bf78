"""What a row needs under one side of a comparison: its requests as far as stored answers show them, and its content.

A request that depends on a missing answer is unknown. Two unknown requests are the same if everything that they are
made of is the same: the text of the step, the columns that it reads, and the values of the steps that it needs, which
are compared in the same way.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

from yamlgen.canonical_json import canonical, short_digest
from yamlgen.comparison.request_log import RequestLog
from yamlgen.errors import Code, EnvironmentProblem, RowError
from yamlgen.expressions.name_resolution import all_of
from yamlgen.planning.coming_steps import ComingSteps
from yamlgen.planning.plan import Plan
from yamlgen.row_result import Answer, RowResult
from yamlgen.steps.plan_step import PlanStep
from yamlgen.value_objects import InputRow

_BATCH: Final = 500

_SETUP: Final = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -16384;
    CREATE TABLE state (identity BLOB PRIMARY KEY, number INTEGER, name TEXT, content BLOB, steps BLOB)
    WITHOUT ROWID;
    BEGIN;
"""


class StepState(NamedTuple):
    """A step for one row.

    Attributes:
        keys: the keys of its requests before any re-ask; `None` if they depend on a missing answer.
        missing: those of them for which an answer, or that of a re-ask, is missing.
        failed: the number of stored answers that are not accepted.
        by_text: a digest of everything that its requests, or its value, are made of: its text, its columns, and those
            of the steps that it needs, with what decides which of their answers are valid.
        by_value: the same, with the values of computed steps in place of their texts.
        value: a digest of its value, for a step without a model; empty if it is unknown.
    """

    keys: frozenset[bytes] | None
    missing: frozenset[bytes]
    failed: int
    by_text: bytes
    by_value: bytes
    value: bytes = b""

    def is_same(self, before: StepState) -> bool:
        """Return whether the requests, or the value, are certainly the same as before."""
        if before.keys is not None:  # if only this side lacks an answer, it has another store
            return self.keys is not None and (self.keys, self.value) == (before.keys, before.value)
        return self.by_text == before.by_text or self.by_value == before.by_value


class RowState(NamedTuple):
    """A row under one side.

    Attributes:
        content: a digest of its columns.
        steps: its steps, by name.
    """

    content: bytes
    steps: Mapping[str, StepState]


@dataclass
class RowReader:
    """Makes the states of rows from their outcomes.

    Args:
        plan: the plan that the rows were taken through.
        texts: for each step, by name, the digests of what its requests or its value are made of, and of what decides
            which of its answers are valid.
        log: the requests that the rows have needed.
    """

    plan: Plan
    texts: Mapping[str, tuple[str, str]]
    log: RequestLog
    _ordered: tuple[PlanStep, ...] = field(init=False)
    _origins: dict[str, _Origin] = field(default_factory=dict, init=False)
    _has_values: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._ordered = self.plan.ordered()
        for step in self._ordered:
            needs = [self._origins[name] for name in sorted(step.needs)]
            asks, accepts = self.texts[step.name]
            text = short_digest(asks, *(need.passed for need in needs))
            columns = all_of([step.columns, *(need.columns for need in needs)])
            has_values = any(need.has_values for need in needs) or not (step.variants or step.is_outside)
            passed = short_digest(text, accepts)
            self._origins[step.name] = _Origin(text, passed, columns, has_values)
        self._has_values = any(origin.has_values for origin in self._origins.values())

    def read(self, outcome: RowResult) -> RowState:
        """Return the state of a row."""
        coming = ComingSteps(outcome, self.plan)
        row = _RowDigests(outcome.row)
        made: dict[str, StepState] = {}
        passed: dict[str, bytes] = {}
        for step in self._ordered:
            made[step.name], passed[step.name] = self._step(step, outcome, coming, row, passed)
        return RowState(row.of(None), made)

    def _step(
        self, step: PlanStep, outcome: RowResult, coming: ComingSteps, row: _RowDigests, passed: Mapping[str, bytes]
    ) -> tuple[StepState, bytes]:
        """Return the state of a step, and a digest of its value, or of what it is made of if that is unknown."""
        answer, error = outcome.answers.get(step.name), outcome.failures.get(step.name)
        error = error if answer is None else answer.failure
        origin = self._origins[step.name]
        by_text = by_value = origin.text + row.of(origin.columns)
        if origin.has_values:
            needs = (passed[name] for name in sorted(step.needs))
            by_value = short_digest(self.texts[step.name][0], row.of(step.columns), *needs)
        unknown = by_value + origin.passed if self._has_values else b""
        is_missing = error is not None and error.code is Code.NOT_STORED
        if not step.variants:
            if is_missing or (answer is None and error is None and coming.has(step)):
                coming.missing.add(step.name)
                return StepState(None, frozenset(), 0, by_text, by_value), unknown
            value = short_digest(_value(answer, error))
            return StepState(frozenset(), frozenset(), 0, by_text, by_value, value), value
        keys, missing = self.log.taken(outcome.row.identity, step.name), frozenset[bytes]()
        if error is not None:
            parts = error.parts or (error,)
            missing = frozenset(part.key for part in parts if part.code is Code.NOT_STORED)
        if missing or (answer is None and error is None and coming.has(step)):
            coming.missing.add(step.name)
            if not missing:
                return StepState(None, frozenset(), 0, by_text, by_value), unknown
        return StepState(keys, missing, _failed(answer, error), by_text, by_value), unknown


class _Origin(NamedTuple):
    """What the requests or the value of a step are made of, apart from the row.

    Attributes:
        text: a digest of its text, and of those of the steps that it needs.
        passed: the same, with what decides which of its own answers are valid.
        columns: the columns that it and the steps that it needs read; `None`: all.
        has_values: whether it or one of them has a value that is known without a model.
    """

    text: bytes
    passed: bytes
    columns: frozenset[str] | None
    has_values: bool


class _RowDigests:
    """The digests of sets of columns of a row, each made once."""

    def __init__(self, row: InputRow) -> None:
        self._row = row.row
        self._made: dict[frozenset[str] | None, bytes] = {}

    def of(self, columns: frozenset[str] | None) -> bytes:
        """Return a digest of these columns, as far as the row has them; `None`: of all."""
        if columns is not None and columns >= self._row.keys():
            columns = None
        if columns not in self._made:
            read = self._row if columns is None else {name: self._row[name] for name in columns if name in self._row}
            self._made[columns] = short_digest(canonical(dict(read)))
        return self._made[columns]


def _value(answer: Answer | None, error: RowError | None) -> bytes:
    if answer is not None and error is None:
        return b"skipped" if answer.skipped else canonical(answer.value)
    return b"" if error is None else str(error.code).encode()


def _failed(answer: Answer | None, error: RowError | None) -> int:
    """Return the number of cases whose stored answers are not accepted."""
    lost = [each.error for each in answer.lost] if answer is not None else []
    parts = lost if error is None else list(error.parts or (error,))
    return sum(bool(part.attempts) and part.code is not Code.NOT_STORED for part in parts)


class StateTable:
    """The states of all rows of a side, on disk; a context manager."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(_SETUP)
        self._waiting: list[tuple[bytes, int, str, bytes, bytes]] = []
        self._taken = bytearray()

    def add(self, row: InputRow, state: RowState, name: str) -> None:
        """Add the state of a row.

        Args:
            row: the row.
            state: its state.
            name: its id, or its number, as messages show it.
        """
        steps = pickle.dumps(tuple((each, *step) for each, step in state.steps.items()))
        self._waiting.append((short_digest(row.identity), len(self._taken), name, state.content, steps))
        self._taken.append(0)
        if len(self._waiting) >= _BATCH:
            self._flush()

    def take(self, identity: str) -> tuple[int, RowState] | None:
        """Return the position and the state of a row, and note that the other side has it; `None`: there is none."""
        self._flush()
        key = short_digest(identity)
        found = self._database.execute("SELECT number, content, steps FROM state WHERE identity = ?", (key,)).fetchone()
        if found is None:
            return None
        number, content, steps = found
        self._taken[number] = 1
        states = {name: StepState(*parts) for name, *parts in pickle.loads(steps)}  # noqa: S301 - our own bytes
        return number, RowState(content, states)

    def untaken(self) -> Iterator[tuple[str, RowState]]:
        """Yield the names and the states of the rows that the other side does not have, in order."""
        self._flush()
        query = "SELECT number, name, content, steps FROM state ORDER BY number"
        for number, name, content, steps in self._database.execute(query) if 0 in self._taken else ():
            if not self._taken[number]:
                yield name, RowState(content, {each: StepState(*parts) for each, *parts in pickle.loads(steps)})  # noqa: S301

    def _flush(self) -> None:
        if not self._waiting:
            return
        insert = "INSERT INTO state (identity, number, name, content, steps) VALUES (?, ?, ?, ?, ?)"
        try:
            self._database.executemany(insert, self._waiting)
        except sqlite3.Error as error:
            message = f"cannot keep track of the rows in a temporary file: {error}"
            hint = "free disk space for temporary files, or set `TMPDIR` to another folder"
            raise EnvironmentProblem(message, code=Code.DISK, hint=hint) from error
        self._waiting.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
