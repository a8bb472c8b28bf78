"""A run against another one, as a section of its page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from yamlgen.data.row_identity import full_row_name
from yamlgen.html.embedding import page_template
from yamlgen.html.report_sections import coded, moment_told
from yamlgen.profiles.compared.run_comparison import NAMED_ROWS, FieldComparison, RunComparison, StepComparison
from yamlgen.profiles.compared.value_changes import MOST_VALUES, Transition, ValueChanges
from yamlgen.profiles.fields.field_profile import Field, holds_names
from yamlgen.profiles.headline import Headline
from yamlgen.profiles.run_profile import RunProfile
from yamlgen.profiles.step_profile import StepProfile
from yamlgen.reports.amount_words import figure, share_told, time_told
from yamlgen.reports.bill import SIMULATED, dollars
from yamlgen.reports.value_lines import clean
from yamlgen.value_objects import JSON

MOST_FIELDS: Final = 40
MOST_TABLES: Final = 8
"""The fields with a table from value to value: those in which most values differ."""

MOST_FLIPS: Final = 6
"""The changes of a value that are shown with rows."""

_MOST_CHANGES: Final = 20
_LONGEST: Final = 40
"""Characters of a value, a name or an id."""

_CHOICES: Final = frozenset({"choice", "boolean"})
_UNITS: Final[Mapping[str, str]] = {"text": ", characters", "list": ", items"}
_NONE: Final = "-"
_NOTHING: Final = (_NONE,) * 4


@dataclass(frozen=True, slots=True)
class ValueTable:
    """A field of which a table shows which value came in the place of which.

    Attributes:
        field: the field.
        changes: how its values differ; `None` for the items of lists.
        shares: each value: how many percent it is of the values of this run and of the other run.
        columns: the values of this run.
        lines: each value of the other run with how often each value of this run came in its place.
        flips: the most frequent changes.
    """

    field: FieldComparison
    changes: ValueChanges | None
    shares: tuple[tuple[JSON, float, float], ...]
    columns: tuple[JSON, ...] = ()
    lines: tuple[tuple[JSON, tuple[int, ...]], ...] = ()
    flips: tuple[Transition, ...] = ()


def against_section(profile: RunProfile, *, text: bool = True) -> Markup:
    """Return what a page shows of the comparison of a run; empty without one.

    Args:
        profile: the run in numbers.
        text: whether texts that come from rows and answers are shown; without, a row is a number and no link.
    """
    against = profile.against
    if against is None:
        return Markup()
    filters: Mapping[str, Callable[..., Any]] = {
        "number": "{:,}".format,
        "clean": clean,
        "coded": coded,
        "moment": moment_told,
        "short": _short,
        "figure": figure,
        "share": share_told,
        "id": lambda number: _id(number, against.ids),
    }
    changed = [each for each in against.fields if each.changes and each.changes.changed]
    equal = [each for each in against.fields if each.changes and each.changes.compared and not each.changes.changed]
    tables = sorted(_tables(against, text=text), key=lambda each: -each.changes.changed if each.changes else 0)
    measured = tuple(_measured(against))
    made = page_template("report_against.jinja", filters).render(
        against=against,
        head=profile.headline,
        text=text,
        has_rows=text and bool(profile.chosen),
        totals=tuple(_totals(profile.headline, against)),
        changed=changed[:MOST_FIELDS],
        more_changed=len(changed) - MOST_FIELDS,
        named_rows=NAMED_ROWS,
        most_changes=_MOST_CHANGES,
        equal=equal[:MOST_FIELDS],
        more_equal=len(equal) - MOST_FIELDS,
        measured=measured[:MOST_FIELDS],
        more_measured=len(measured) - MOST_FIELDS,
        tables=tables[:MOST_TABLES],
        more_tables=len(tables) - MOST_TABLES,
        alone=tuple(_alone(against)),
        steps=tuple(map(_step, against.steps[:MOST_FIELDS])),
    )
    return Markup(made)  # noqa: S704 - our own template has escaped it


def _short(value: JSON, most: int = _LONGEST) -> str:
    """Return a value, cleaned, on one line, in at most so many characters."""
    text = value if isinstance(value, str) and value.strip() else json.dumps(value, ensure_ascii=False)
    return clean(text[:most].replace("\n", " ")) + ("…" if len(text) > most else "")


def _id(number: int, ids: Mapping[int, JSON]) -> str:
    """Return what the name of a row has after its number."""
    return clean(full_row_name(number - 1, ids.get(number)).removeprefix(f"row {number}"))


def _totals(mine: Headline, against: RunComparison) -> Iterator[tuple[str, ...]]:
    """Yield numbers of both runs: their name, the other run, this run, and the difference."""
    other = against.other
    for name in ("finished", "failed", "missing"):
        before, after = getattr(other, name), getattr(mine, name)
        if before or after or name == "finished":
            yield f"rows {name}", f"{before:,}", f"{after:,}", _difference(before, after)
    is_alike = other.simulated == mine.simulated
    marks = [not is_alike and each.simulated for each in (other, mine)]
    costs = (other.cost_usd, mine.cost_usd)
    told = [_NONE if cost is None else dollars(cost, simulated=mark) for cost, mark in zip(costs, marks, strict=True)]
    yield "cost" + (SIMULATED if is_alike and mine.simulated else ""), *told, _percent(*costs)
    times = (other.seconds, mine.seconds)
    yield "time", *(_NONE if each is None else time_told(each) for each in times), _percent(*times)
    for name in dict.fromkeys([*against.other_usage, *against.usage]):
        before, after = against.other_usage.get(name, 0), against.usage.get(name, 0)
        if before or after:
            yield name.replace("_", " "), f"{before:,}", f"{after:,}", _percent(before, after)


def _difference(before: int, after: int) -> str:
    return f"{after - before:+,}" if after != before else "0"


def _percent(before: float | None, after: float | None) -> str:
    """Return by how much a number has changed, in percent of what it was."""
    if before is None or after is None or (not before and after):
        return _NONE
    change = 100 * (after - before) / before if before else 0.0
    return f"{change:+.0f}%" if round(change) else "0%"


def _tables(against: RunComparison, *, text: bool) -> Iterator[ValueTable]:
    """Yield the fields with a table: those whose values came again and again, and differ."""
    for each in against.fields:
        if each.this is None or each.other is None or not (text or _is_untold(each)):
            continue
        changes, shares = each.changes, tuple(_shares(each))
        if changes is not None and changes.changed and changes.table:
            yield _value_table(each, changes, shares)
        elif changes is None and {each.this.kind, each.other.kind} <= _CHOICES and any(a != b for _, a, b in shares):
            yield ValueTable(each, None, shares)


def _value_table(
    compared: FieldComparison, changes: ValueChanges, shares: tuple[tuple[JSON, float, float], ...]
) -> ValueTable:
    table, listed = changes.table or (), _listed(compared)
    counts = {(json.dumps(each.other), json.dumps(each.this)): each.count for each in table}
    columns = _sorted(changes.this_values, listed)
    lines = tuple(
        (other, tuple(counts.get((json.dumps(other), json.dumps(this)), 0) for this in columns))
        for other in _sorted(changes.other_values, [*listed, *columns])
    )
    flips = tuple(each for each in table if each.rows)
    return ValueTable(compared, changes, shares, tuple(columns), lines, flips[:MOST_FLIPS])


def _measured(against: RunComparison) -> Iterator[tuple[str, ...]]:
    """Yield the numbers, and the lengths of texts and lists, that differ: name and unit, rose, fell, means, medians."""
    for each in against.fields:
        sides = (each.other, each.this)
        found = [(side.mean, side.quantiles.p50) for side in sides if side and side.quantiles and side.mean is not None]
        rose, fell = (each.changes.rose, each.changes.fell) if each.changes else (0, 0)
        if len(found) < len(sides) or each.this is None or (found[0] == found[1] and not rose and not fell):
            continue
        unit = _UNITS.get(each.this.kind, "")
        counts = (f"{rose:,}", f"{fell:,}") if each.changes and each.changes.numbers else (_NONE, _NONE)
        means, medians = zip(*found, strict=True)
        yield f"{_short(each.name)}{unit}", *counts, *map(figure, (*means, *medians))


def _is_untold(compared: FieldComparison) -> bool:
    """Whether the values of a field say nothing that a row or an answer says in words of its own."""
    return all(field is not None and holds_names(field.kind, field.schema) for field in (compared.this, compared.other))


def _listed(compared: FieldComparison) -> list[JSON]:
    """Return the values of a field in the order in which the schemas list them."""
    schemas = [field.schema for field in (compared.this, compared.other) if field is not None]
    return [value for schema in schemas for value in schema.get("enum", ())]


def _sorted(values: Sequence[JSON], listed: Sequence[JSON]) -> list[JSON]:
    """Return listed values in the order of the list, then numbers by size, then others, the most frequent first."""
    places = {json.dumps(value): place for place, value in reversed(list(enumerate(listed)))}

    def place(value: JSON) -> tuple[int, float]:
        at = places.get(json.dumps(value))
        if at is not None:
            return 0, at
        return (1, value) if isinstance(value, int | float) and not isinstance(value, bool) else (2, 0)

    return sorted(values, key=place)


def _shares(compared: FieldComparison) -> Iterator[tuple[JSON, float, float]]:
    """Yield the most frequent values of a field, each with its share of the values of this run and of the other."""
    sides = [_counts(field) for field in (compared.this, compared.other)]
    totals = [max(1, field.count) if field else 1 for field in (compared.this, compared.other)]
    both: Counter[str] = Counter()
    for counts in sides:
        both.update(counts)
    shown = [json.loads(text) for text, count in both.most_common(MOST_VALUES) if count]
    for value in _sorted(shown, _listed(compared)):
        text = json.dumps(value)
        yield value, *(100 * counts[text] / total for counts, total in zip(sides, totals, strict=True))


def _counts(field: Field | None) -> Counter[str]:
    if field is None:
        return Counter()
    return Counter({json.dumps(each.value): each.count for each in field.values} | {"null": field.nulls})


def _alone(against: RunComparison) -> Iterator[str]:
    """Yield the fields that one of the runs lacks, as sentences."""
    for run, names in (
        ("this run", [each.name for each in against.fields if each.other is None]),
        ("the other run", [each.name for each in against.fields if each.this is None]),
    ):
        if names:
            more = len(names) - MOST_FIELDS
            shown = ", ".join(map(_short, names[:MOST_FIELDS]))
            yield f"Only {run} has {shown}{f' and {more:,} more' if more > 0 else ''}."


def _step(compared: StepComparison) -> tuple[str, ...]:
    """Return a step in words: its name, and answers, re-asks, cost and seconds of the other run and of this one."""
    sides = [_NOTHING if side is None else _figures(side) for side in (compared.other, compared.this)]
    return (_short(compared.name), *(told for pair in zip(*sides, strict=True) for told in pair))


def _figures(step: StepProfile) -> tuple[str, ...]:
    cost = _NONE if step.cost_usd is None else dollars(step.cost_usd)
    return f"{step.answers:,}", f"{step.reasks:,}", cost, _NONE if step.latency is None else time_told(step.latency.p50)
