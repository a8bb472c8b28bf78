"""The card of a row: its input, its steps and its cost in words, for a terminal and for a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from yamlgen.data.row_identity import full_row_name
from yamlgen.reports.bill import SIMULATED, dollars
from yamlgen.reports.row_facts import RowFacts, StepFacts
from yamlgen.reports.value_lines import ValueLine, clean, column_lines, cut, value_lines

_MOST_REASKS: Final = 5
_MOST_ITEMS: Final = 5


@dataclass(frozen=True, slots=True)
class CardPart:
    """A part of a card: the input, or a step.

    Attributes:
        name: its name.
        note: what it is, such as `generate` or `skipped`.
        lines: its value.
        remarks: what was asked again and why, and what failed, as sentences.
    """

    name: str
    note: str
    lines: tuple[ValueLine, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """What is shown of a row.

    Attributes:
        title: the name of the row.
        status: `finished`, `failed` or `missing`.
        parts: the input, and each step.
        cost: what the row cost, as a phrase.
    """

    title: str
    status: str
    parts: tuple[CardPart, ...]
    cost: str


def card_of(row: RowFacts, *, simulated: bool) -> Card:
    """Return the card of a row."""
    steps = [CardPart(step.name, _note(step), _lines(step), tuple(_remarks(step))) for step in row.steps]
    parts = (CardPart("input", "", column_lines(row.columns)), *steps)
    return Card(clean(full_row_name(row.number, row.id)), row.status, parts, _cost(row, simulated=simulated))


def _note(step: StepFacts) -> str:
    said = {"finished": "", "null": "failed, null"}.get(step.status, step.status)
    return ", ".join(each for each in (step.kind, said) if each)


def _lines(step: StepFacts) -> tuple[ValueLine, ...]:
    return value_lines(step.value) if step.status in ("finished", "null") else ()


def _remarks(step: StepFacts) -> Iterator[str]:
    if step.reason:
        yield _short(f"skipped: {step.reason}")
    if step.reasks:
        times = len(step.reasks)
        yield f"asked again {'once' if times == 1 else f'{times} times'}:"
        yield from _first([_in_case(each.case, each.reason) for each in step.reasks], _MOST_REASKS)
    if step.error is not None:
        yield from _error(step.error)
    if step.failed_items:
        count = len(step.failed_items)
        yield f"{count:,} item{' failed and is' if count == 1 else 's failed and are'} null:"
        items = [_in_case(each["case"], f"{each['code']}: {each['message']}") for each in step.failed_items]
        yield from _first(items, _MOST_ITEMS)


def _error(error: Any) -> Iterator[str]:
    yield _short(f"{error['code']}: {error['message']}")
    if error["hint"]:
        yield _short(f"= {error['hint']}")


def _in_case(case: Any, reason: str) -> str:
    return _short(f"- {case}: {reason}" if case else f"- {reason}")


def _first(told: list[str], most: int) -> Iterator[str]:
    """Yield the first sentences, each once, and how many more there are."""
    counts = Counter(told)
    for each in list(counts)[:most]:
        yield each if counts[each] == 1 else f"{each} ({counts[each]} times)"
    more = sum(list(counts.values())[most:])
    if more:
        yield f"- {more:,} more"


def _short(text: str) -> str:
    shown, left_out = cut(text)
    return f"{shown} … ({left_out})" if left_out else shown


def _cost(row: RowFacts, *, simulated: bool) -> str:
    mark = SIMULATED if simulated else ""
    paid, stored = row.answers - row.stored, row.stored
    kept = f"{stored:,} answer{'' if stored == 1 else 's'} from the store"
    if not row.answers:
        return "cost: nothing, no request"
    if not paid:
        return f"cost: nothing, {kept}"
    cost = "unknown" if row.cost_usd is None else dollars(row.cost_usd) + mark
    return f"cost: {cost}, {paid:,} answer{'' if paid == 1 else 's'}{f'; {kept}' if stored else ''}"
