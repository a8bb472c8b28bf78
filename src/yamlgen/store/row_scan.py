"""All rows of a run with the results and attempts of their steps, read in sets: for statistics over a whole run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from yamlgen.errors import Code
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import StoredAttempt, StoredResult, StoredRow
from yamlgen.value_objects import JSON

_TOGETHER: Final = 200
"""How many rows are read in one query: more are not faster, and take memory."""

_UNREAD: Final[Any] = object()


@dataclass(slots=True)
class ScannedStep:
    """What a step did in a row.

    Attributes:
        status: `finished`; `null` if it failed and is null; `skipped`; `failed`; `missing` if it lacks an answer that
            the run was not allowed to request.
        error: why it failed or is null: code, message, hint, request; `None` if it did not fail.
        failed_items: the items that failed and are null, each with its name under `case`, and its error.
        attempts: its answers, in their order; also those that an earlier run paid for.
        result: its result, as it is stored.
    """

    status: str
    error: Mapping[str, JSON] | None
    failed_items: list[dict[str, JSON]]
    attempts: list[StoredAttempt]
    result: StoredResult
    _reader: RunReader = field(repr=False)
    _value: JSON = field(default=_UNREAD, repr=False)

    @property
    def value(self) -> JSON:
        """Its value; null if it has none."""
        if self._value is _UNREAD:
            self._value = self._reader.value(self.result)
        return self._value


@dataclass(slots=True)
class ScannedRow:
    """A row that a run has reached.

    Attributes:
        number: its position in the input, from 0.
        status: `finished`, `failed` or `missing`.
        steps: what each step did, in file order; a step that was not reached is absent.
        stored: the row, as it is stored.
    """

    number: int
    status: str
    steps: dict[str, ScannedStep]
    stored: StoredRow
    _reader: RunReader = field(repr=False)
    _id_column: str | None = field(repr=False)
    _columns: Any = field(default=_UNREAD, repr=False)

    @property
    def columns(self) -> dict[str, JSON]:
        """The row of the input."""
        if self._columns is _UNREAD:
            self._columns = self._reader.columns(self.stored)
        found: dict[str, JSON] = self._columns
        return found

    @property
    def id(self) -> JSON:
        """Its id; `None` if the input has no ids."""
        return None if self._id_column is None else self.columns.get(self._id_column)


class RowScan:
    """Reads the rows of a run. Values are decoded when they are first used.

    Args:
        run_reader: the store.
        run: the run.
    """

    def __init__(self, run_reader: RunReader, run: RunEntry) -> None:
        self._run_reader = run_reader
        self._run = run
        self._id_column = run_reader.id_column(run)

    def rows(self, numbers: Iterable[int] | None = None) -> Iterator[ScannedRow]:
        """Yield the rows that the run has reached, in input order.

        Args:
            numbers: only the rows at these positions, from 0; `None` for all.
        """
        for found in self._all() if numbers is None else self._some(sorted(set(numbers))):
            yield from self._scanned(self._run_reader.together(found))

    def _all(self) -> Iterator[Sequence[tuple[int, str, str, str]]]:
        last = -1
        while found := self._run_reader.rows_after(self._run, last, _TOGETHER):
            yield found
            last = found[-1][0]

    def _some(self, numbers: Sequence[int]) -> Iterator[Sequence[tuple[int, str, str, str]]]:
        for begin in range(0, len(numbers), _TOGETHER):
            among = numbers[begin : begin + _TOGETHER]
            yield self._run_reader.rows_after(self._run, -1, len(among), among)

    def _scanned(self, rows: list[StoredRow]) -> Iterator[ScannedRow]:
        results = {result.number: result for row in rows for result in row.results}.values()
        lost, attempts = self._run_reader.all_lost(results), self._run_reader.all_attempts(results)
        for row in rows:
            steps = {
                each.step: self._step(each, lost.get(each.number, []), attempts[each.number]) for each in row.results
            }
            yield ScannedRow(row.number, row.status, steps, row, self._run_reader, self._id_column)

    def _step(self, result: StoredResult, lost: list[dict[str, JSON]], attempts: list[StoredAttempt]) -> ScannedStep:
        reader, status = self._run_reader, result.status
        error: Mapping[str, JSON] | None = reader.error(result)
        if result.value == "null" and any(each["item"] is None for each in lost):
            status, error, lost = "null", lost[0], []
        elif error is not None and error["code"] == Code.NOT_STORED:
            status = "missing"
        return ScannedStep(status, error, lost, attempts, result, reader)
