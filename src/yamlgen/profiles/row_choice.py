"""Which rows of a run to look at, and why each was chosen.

One pass in bounded memory: of each rule only the best rows until now are kept. The same run gives the same rows,
because the rest is drawn by a digest of the name of the run and the number of the row.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from yamlgen.profiles.failure_profile import MOST_WAYS, WayKey, failures_of
from yamlgen.reports.amount_words import time_told
from yamlgen.store.row_scan import ScannedRow
from yamlgen.value_objects import JSON

MOST_ROWS: Final = 200

RULES: Final = {
    "failed": "failed (at most {each} for each way of failing)",
    "suspicious": "named by a suspicion",
    "changed": "changed against the other run",
    "slowest": "slowest",
    "dearest": "dearest",
    "most re-asked": "re-asked most often",
    "rare value": "with a rare value",
    "at random": "at random",
}
"""The rules, the most important first, and how their rows are called."""

EACH: Final = 5
"""Rows of a way of failing, and of each rule that looks for the most of something."""

_MOST_FIELDS: Final = 200
_MOST_VALUES: Final = 24
"""A field with more values, or with longer ones, is no choice."""

_LONGEST: Final = 60
_MOST_ITEMS: Final = 20
_RARE: Final = 0.02
"""A value is rare if it is at most this share of the values of its field."""

_OF_A_VALUE: Final = 2
_MOST_RARE: Final = 20


@dataclass(frozen=True, slots=True)
class ChoiceReason:
    """Why a row was chosen.

    Attributes:
        rule: a key of `RULES`.
        detail: what it is in this row, as a phrase; may be empty.
    """

    rule: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ChosenRow:
    """A row to look at.

    Attributes:
        number: its position, from 0.
        reasons: why it was chosen, the most important first; at least one.
    """

    number: int
    reasons: tuple[ChoiceReason, ...]


@dataclass(slots=True)
class _Values:
    """The values of a field that may be a choice: how often each came, and the first rows with it."""

    counts: dict[str, int] = field(default_factory=dict)
    rows: dict[str, list[int]] = field(default_factory=dict)
    is_choice: bool = True

    def add(self, value: JSON, number: int) -> None:
        if value is None or not self.is_choice:
            return
        text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else None
        if text is None or len(text) > _LONGEST or (text not in self.counts and len(self.counts) == _MOST_VALUES):
            self.is_choice = False
            self.counts, self.rows = {}, {}
            return
        self.counts[text] = self.counts.get(text, 0) + 1
        known = self.rows.setdefault(text, [])
        if len(known) < _OF_A_VALUE and number not in known:
            known.append(number)


class _Top:
    """The rows with the most of something."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []

    def add(self, amount: float, number: int) -> None:
        entry = (amount, -number)
        if len(self._heap) < EACH:
            heapq.heappush(self._heap, entry)
        elif entry > self._heap[0]:
            heapq.heapreplace(self._heap, entry)

    def rows(self) -> Iterator[tuple[float, int]]:
        """Yield the amounts and the rows, the largest amount first, of equal ones the earliest row."""
        for amount, number in sorted(self._heap, reverse=True):
            if amount > 0:
                yield amount, -number


class RowChooser:
    """Chooses rows: five for each way of failing, the slowest, dearest, most re-asked, rare values, a drawn rest.

    Args:
        run: the name of the run.
        most: how many rows; with `None` all are shown, and only those with a reason of their own are chosen.
    """

    def __init__(self, run: str, most: int | None = MOST_ROWS) -> None:
        self._run = run
        self._most = most
        self._ways: dict[WayKey, list[int]] = {}
        self._slowest, self._dearest, self._reasked = _Top(), _Top(), _Top()
        self._fields: dict[str, _Values] = {}
        self._rest: list[tuple[int, int]] = []

    def add(self, row: ScannedRow) -> None:
        """Consider a row."""
        seconds, cost, reasks = 0.0, 0.0, 0
        for way, _ in failures_of(row):
            known = self._ways.get(way)
            if known is None and len(self._ways) < MOST_WAYS:
                known = self._ways[way] = []
            if known is not None and len(known) < EACH and row.number not in known:
                known.append(row.number)
        for name, step in row.steps.items():
            own = [each for each in step.attempts if each.run == self._run]
            seconds += sum(each.seconds for each in own if each.batch is None)
            cost += sum(each.cost or 0.0 for each in own)
            reasks += len(step.attempts) - len({each.case for each in step.attempts})
            for path, value in _leaves(step.value, name):
                values = self._fields.get(path)
                if values is None and len(self._fields) < _MOST_FIELDS:
                    values = self._fields[path] = _Values()
                if values is not None:
                    values.add(value, row.number)
        self._slowest.add(seconds, row.number)
        self._dearest.add(cost, row.number)
        self._reasked.add(reasks, row.number)
        if self._most:
            self._draw(row.number, self._most)

    def _draw(self, number: int, most: int) -> None:
        """Keep the rows with the smallest digests: a random part of all rows, whatever their order."""
        digest = blake2b(f"{self._run} {number}".encode(), digest_size=8).digest()
        entry = (-int.from_bytes(digest, "big"), number)
        if len(self._rest) < most:
            heapq.heappush(self._rest, entry)
        elif entry > self._rest[0]:
            heapq.heapreplace(self._rest, entry)

    def rows(self) -> tuple[ChosenRow, ...]:
        """Return the chosen rows, the most important first."""
        found = {
            "failed": [(number, _told(way)) for way, numbers in self._ways.items() for number in numbers],
            "slowest": [(number, time_told(seconds)) for seconds, number in self._slowest.rows()],
            "dearest": [(number, "") for _, number in self._dearest.rows()],
            "most re-asked": [(number, _times(times)) for times, number in self._reasked.rows()],
            "rare value": self._rare(),
        }
        rest = tuple(ChosenRow(number, (ChoiceReason("at random"),)) for _, number in sorted(self._rest, reverse=True))
        return with_named(rest, found, self._most)

    def _rare(self) -> list[tuple[int, str]]:
        """Return rows with rare values, the rarest first."""
        rare = []
        for path, values in self._fields.items():
            total = sum(values.counts.values())
            for text, count in values.counts.items():
                if count <= _RARE * total:
                    told = f"{path} = {text} ({count:,} of {total:,})"
                    rare.append((count / total, [(number, told) for number in values.rows[text]]))
        rare.sort(key=lambda each: each[0])
        return [row for _, rows in rare for row in rows][:_MOST_RARE]


def with_named(
    chosen: Iterable[ChosenRow], named: Mapping[str, Iterable[tuple[int, str]]], most: int | None
) -> tuple[ChosenRow, ...]:
    """Return chosen rows and others that a part of the report names, the most important first.

    Args:
        chosen: the chosen rows.
        named: by rule, the position of each row, from 0, and why it is named.
        most: how many rows at most; `None` for all.
    """
    ranks = {rule: rank for rank, rule in enumerate(RULES)}
    reasons: dict[int, list[ChoiceReason]] = {}
    for rule, rows in named.items():
        for number, detail in rows:
            reasons.setdefault(number, []).append(ChoiceReason(rule, detail))
    for row in chosen:
        known = reasons.get(row.number, [])
        reasons[row.number] = [*known, *(each for each in row.reasons if not (known and each.rule == "at random"))]
    rows_found = [
        ChosenRow(number, tuple(sorted(each, key=lambda one: ranks[one.rule]))) for number, each in reasons.items()
    ]
    return tuple(sorted(rows_found, key=lambda row: ranks[row.reasons[0].rule])[:most])


def _told(way: WayKey) -> str:
    *what, effect = way
    return f"{' '.join(filter(None, what))}{'' if effect == 'failed row' else f' ({effect})'}"


def _times(number: float) -> str:
    return "once" if number == 1 else f"{number:,.0f} times"


def _leaves(value: JSON, path: str) -> Iterator[tuple[str, JSON]]:
    """Yield the values inside of a value, each with its path, such as `triage.tags[]`."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}")
    elif isinstance(value, list):
        for each in value[:_MOST_ITEMS]:
            yield from _leaves(each, f"{path}[]")
    else:
        yield path, value
