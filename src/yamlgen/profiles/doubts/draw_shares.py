"""How often the values of draws came, against their weights.

A draw follows from a hash of the row's identity, so over all rows its values are spread as its weights say. They are
not if rows with some values fail more often than others, or if many rows have one identity: these draw one value.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Final, NamedTuple

from yamlgen.canonical_json import canonical
from yamlgen.decimal_fractions import grid
from yamlgen.profiles.doubts.suspicions import MOST_EXAMPLES, Suspicion
from yamlgen.reports.amount_words import share_told
from yamlgen.reports.value_lines import clean
from yamlgen.store.row_scan import ScannedRow
from yamlgen.value_objects import JSON

LEAST_CHANCE: Final = 1e-6
"""The most probability with which a right draw is suspected: among a million draws one may be."""

LEAST_SHIFT: Final = 0.1
"""A share that differs from its weight by less than a tenth of it is no reason to worry, however certain it is."""

_BARS: Final = 8
_MOST_SINGLE: Final = 12
"""A range with more values than this is divided into eight bars."""

_FINEST: Final = 1e-9
"""The least width of a bar of numbers, as a share of them."""

_LONGEST: Final = 40
"""The maximum length of a value in a message."""


class _Shares(NamedTuple):
    """What a draw should give: the probability of each label, and the label of a value."""

    expected: Mapping[str, float]
    label: Callable[[JSON], str]


@dataclass
class _Drawn:
    """What a draw gave: how often each label came in rows that finished, and in other rows, and some of the rows."""

    shares: _Shares
    finished: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    rows: dict[str, list[int]] = field(default_factory=dict)


class DrawObserver:
    """Counts the values of the draws of a run.

    Args:
        steps: the steps of the pipeline as it ran, by name.
    """

    def __init__(self, steps: Mapping[str, Mapping[str, JSON]]) -> None:
        self._rules = {name: keys["draws"] for name, keys in steps.items() if keys.get("kind") == "draw"}
        self._drawn: dict[tuple[str, str], _Drawn | None] = {}

    def add(self, row: ScannedRow) -> None:
        """Add the draws of a row."""
        for step, rules in self._rules.items():
            if (done := row.steps.get(step)) is not None and done.status == "finished":
                for made in _each(done.value):
                    for name, rule in rules.items():
                        self._note(f"{step}.{name}", rule, made, made.get(name), row)

    def _note(self, place: str, rule: Mapping[str, JSON], made: JSON, value: JSON, row: ScannedRow) -> None:
        condition = ""
        while "cases" in rule:
            given = _text(made.get(rule["given"]))
            case = rule["cases"].get(given)
            condition += f"if `{rule['given']}` is {f'`{_cut(given)}`' if case else 'no other case'}, "
            rule = case or rule.get("otherwise") or {}
        if (place, condition) not in self._drawn:
            shares = _shares_of(rule)
            self._drawn[place, condition] = None if shares is None else _Drawn(shares)
        drawn = self._drawn[place, condition]
        if drawn is None:
            return
        label = drawn.shares.label(value)
        (drawn.finished if row.status == "finished" else drawn.others)[label] += 1
        rows = drawn.rows.setdefault(label, [])
        if len(rows) < MOST_EXAMPLES and (not rows or rows[-1] != row.number + 1):
            rows.append(row.number + 1)

    def suspicions(self) -> Iterator[Suspicion]:
        """Yield the draws whose values came too often or too seldom in the rows that finished."""
        for (place, condition), drawn in self._drawn.items():
            if drawn is None:
                continue
            off = _most_off(drawn.finished, drawn.shares.expected)
            if off is None:
                continue
            count, whole, expected = drawn.finished[off], drawn.finished.total(), drawn.shares.expected[off]
            part = f"`{_cut(off)}` is {share_told(count, whole)} of {whole:,} draws in finished rows"
            message = f"{condition}{part}, not {share_told(expected, 1)}: {_why(drawn, off)}"
            yield Suspicion("draws_off_weights", place, message, tuple(drawn.rows.get(off, ())))


def _cut(value: str) -> str:
    return clean(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…")


def _why(drawn: _Drawn, label: str) -> str:
    """Return why the finished rows have too many or too few of a label."""
    if _most_off(drawn.finished + drawn.others, drawn.shares.expected) is not None:
        return "rows with equal ids or equal values draw equal values"
    own, lost = drawn.finished[label] + drawn.others[label], drawn.others[label]
    rest, lost_rest = drawn.finished.total() + drawn.others.total() - own, drawn.others.total() - lost
    part, others = share_told(lost, own), share_told(lost_rest, rest)
    return f"{part} of the draws with it are in rows that failed, {others} of the others"


def _most_off(counts: Counter[str], expected: Mapping[str, float]) -> str | None:
    """Return the label that is farthest off its share; `None` if chance explains all.

    By Chernoff's bound, a share `q` of `n` independent draws is that far from its probability `p` with a probability of
    at most exp(-n * KL(q, p)), for any n. No approximation is involved, so it also holds for few draws.
    """
    whole = counts.total()
    if not whole:
        return None
    enough = math.log(2 * len(expected) / LEAST_CHANCE)
    found = [
        (round(surprise, 6), counts[label] / whole < least, label)  # of two, the one that is too seldom
        for label, least in expected.items()
        if (surprise := whole * _divergence(counts[label] / whole, least)) > enough
        and abs(counts[label] / whole - least) > LEAST_SHIFT * least
    ]
    return max(found)[2] if found else None


def _divergence(found: float, expected: float) -> float:
    """Return the Kullback-Leibler divergence of two probabilities of an event, in nats."""
    if expected in (0.0, 1.0):
        return 0.0
    return sum(a * math.log(a / b) for a, b in ((found, expected), (1 - found, 1 - expected)) if a > 0)


def _each(value: JSON) -> Iterator[dict[str, JSON]]:
    """Yield the draws of a step: one, or those of its items and samples."""
    if isinstance(value, list):
        for each in value:
            yield from _each(each)
    elif isinstance(value, dict):
        yield value


def _text(value: JSON) -> str:
    """Return a value as a key of `cases`: a string as it is, any other value as JSON."""
    return value if isinstance(value, str) else canonical(value).decode("utf-8", "surrogatepass")


def _shares_of(rule: Mapping[str, JSON]) -> _Shares | None:
    """Return what a draw should give; `None` for a column, because its file may have changed since the run."""
    if (values := rule.get("choices")) is not None:
        weights = rule.get("weights") or [1.0] * len(values)
        parts: dict[str, float] = {}
        for value, weight in zip(values, weights, strict=True):
            parts[_text(value)] = parts.get(_text(value), 0.0) + weight / sum(weights)
        return _Shares(parts, _text)
    if "integer" in rule:
        least, most = rule["integer"]
        return _even(least, most, int, str)
    if "date" in rule:
        first, last = (date.fromisoformat(each).toordinal() for each in rule["date"])
        return _even(
            first, last, lambda day: date.fromisoformat(day).toordinal(), lambda day: date.fromordinal(day).isoformat()
        )
    if "number" in rule:
        least, most = rule["number"]
        if (decimals := rule.get("decimals")) is not None:
            unit = 10**decimals
            first, last = grid(least, most, decimals)
            return _even(first, last, lambda number: round(number * unit), lambda place: f"{place / unit:.15g}")
        width = (most - least) / _BARS
        if not _FINEST * max(abs(least), abs(most)) < width < math.inf:
            return None  # too few different numbers to be spread evenly, or too large to be divided
        return _even(
            0,
            _BARS - 1,
            lambda number: int((number - least) / width),
            lambda bar: f"{least + bar * width:.12g} to {least + (bar + 1) * width:.12g}",
        )
    return None


def _even(least: int, most: int, place: Callable[[JSON], int], spoken: Callable[[int], str]) -> _Shares:
    """Return the shares of whole numbers that are equally likely, in bars if there are many.

    Args:
        least: the first number.
        most: the last number.
        place: returns the number of a value.
        spoken: returns the name of a number.
    """
    size = most - least + 1
    bars = size if size <= _MOST_SINGLE else _BARS
    starts = [least + size * bar // bars for bar in range(bars + 1)]
    names = [
        spoken(start) if end - start == 1 else f"{spoken(start)} to {spoken(end - 1)}"
        for start, end in pairwise(starts)
    ]
    expected = {name: (starts[at + 1] - starts[at]) / size for at, name in enumerate(names)}
    return _Shares(expected, lambda value: names[min(bisect_right(starts, place(value)), bars) - 1])
