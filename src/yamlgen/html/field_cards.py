"""The fields of a run as they are shown: a card for each, with its facts in words, its bars or its histogram."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yamlgen.html.charts import Histogram, ShareBar, bar, histogram
from yamlgen.html.page_detail import Detail
from yamlgen.profiles.fields.field_profile import Field, Quantiles, holds_names
from yamlgen.reports.amount_words import counted, figure, share_told
from yamlgen.reports.value_lines import clean
from yamlgen.value_objects import JSON

_KINDS = {"choice": "choice", "boolean": "yes or no", "text": "text", "list": "list", "mixed": "several kinds"}
_MEASURED = {"text": "length in characters", "list": "length"}


@dataclass(frozen=True, slots=True)
class FieldCard:
    """What is shown of a field.

    Attributes:
        number: its number on the page, from 1.
        name: its name.
        kind: what it holds, in words.
        facts: what is known of it, as phrases.
        bars: its values.
        cut: what `bars` leaves out, as a sentence.
        measured: what is measured, in words: `length in characters`; empty for numbers.
        quantiles: their names, and what they are.
        histogram: the histogram.
    """

    number: int
    name: str
    kind: str
    facts: tuple[str, ...]
    bars: tuple[ShareBar, ...]
    cut: str
    measured: str
    quantiles: tuple[tuple[str, str], ...]
    histogram: Histogram | None


def field_cards(fields: Sequence[Field], detail: Detail) -> tuple[FieldCard, ...]:
    """Return the cards of the first fields."""
    return tuple(_card(field, number, detail) for number, field in enumerate(fields[: detail.fields], 1))


def value_shown(value: JSON, most: int, cut: int = 0) -> tuple[str, str]:
    """Return a value in at most so many characters, cleaned, and what it lacks, as a phrase.

    Args:
        value: the value.
        most: how many characters.
        cut: how many characters it lacks already.
    """
    text = value if isinstance(value, str) and value.strip() else json.dumps(value, ensure_ascii=False)
    more = max(len(text) - most, 0) + cut
    return clean(text[:most]), f"{counted(more, 'more character')}" if more else ""


def name_shown(name: str, detail: Detail) -> str:
    """Return a name, cut if it is long."""
    shown, left_out = value_shown(name, detail.name)
    return f"{shown}…" if left_out else shown


def _card(field: Field, number: int, detail: Detail) -> FieldCard:
    measured = _MEASURED.get(field.kind, "")
    is_shown = detail.text or holds_names(field.kind, field.schema)
    bars, cut = _bars(field, detail) if is_shown else ((), _untold(field))
    has_each = field.kind == "number" and bool(field.values)  # the bars say it all
    drawn, facts = None, tuple(_facts(field))
    told = quantiles_told(field.quantiles, field.mean) if field.quantiles and not _is_constant(field) else ()
    if told and not detail.columns:
        facts += (f"{measured} {', '.join(f'{name} {each}' for name, each in told)}".strip(),)
        told = ()
    elif told and field.quantiles and not has_each:
        drawn = histogram(field.bins, field.quantiles, detail.columns)
    return FieldCard(
        number,
        name_shown(field.name, detail),
        _KINDS.get(field.kind, field.kind),
        facts,
        bars,
        cut,
        measured,
        told,
        drawn,
    )


def _is_constant(field: Field) -> bool:
    return field.quantiles is not None and field.quantiles.least == field.quantiles.most


def _untold(field: Field) -> str:
    return "Its values are left out, because they are text." if field.values else ""


def quantiles_told(quantiles: Quantiles, mean: float | None = None) -> tuple[tuple[str, str], ...]:
    """Return order statistics with their names, in words."""
    names = {"least": quantiles.least, "p5": quantiles.p5, "p50": quantiles.p50, "p95": quantiles.p95}
    told = [(name, figure(number)) for name, number in names.items()]
    told.append(("most", figure(quantiles.most)))
    return (*told, *([] if mean is None else [("mean", figure(mean))]))


def _bars(field: Field, detail: Detail) -> tuple[tuple[ShareBar, ...], str]:
    """Return the bars of a field, and what they leave out, as a sentence."""
    shown = field.values[: detail.values]
    bars = []
    for each in shown:
        label, left_out = value_shown(each.value, detail.characters, each.cut)
        bars.append(bar(label, each.count, field.count, style="" if each.count else "never", left_out=left_out))
    rest = field.other + sum(each.count for each in field.values[detail.values :])
    is_all = field.kind in ("choice", "boolean", "number")
    if shown and rest and is_all:
        more = "" if field.distinct is None else f" ({field.distinct - sum(1 for each in shown if each.count):,})"
        bars.append(bar(f"all others{more}", rest, field.count, style="quiet"))
    if field.nulls and (bars or is_all):
        bars.append(bar("null", field.nulls, field.count, style="quiet"))
    hidden = max(field.unseen - sum(1 for each in shown if not each.count), 0)
    cuts = [f"{counted(hidden, 'more value')} never came"] if hidden else []
    if not is_all and len(shown) < len(field.values):
        cuts.append(f"{counted(len(field.values) - len(shown), 'more value')} came more than once")
    return tuple(bars), f"{'; '.join(cuts)}." if cuts else ""


def _facts(field: Field) -> Iterator[str]:
    yield counted(field.count, "value")
    if field.nulls:
        yield f"{share_told(field.nulls, field.count)} null"
    if field.absent:
        yield f"absent {field.absent:,} times" if field.absent > 1 else "absent once"
    filled = field.count - field.nulls
    if field.distinct and field.kind not in ("choice", "boolean"):
        yield "all different" if field.distinct == filled and filled > 1 else f"{field.distinct:,} different"
    if field.quantiles and _is_constant(field):
        yield f"{_MEASURED.get(field.kind, 'value')} always {figure(field.quantiles.least)}"
    for kind, count in field.kinds.items():
        yield f"{count:,} {kind}"
    for each in field.bounds:
        if each.count:
            yield f"{each.count:,} at {each.keyword} {figure(each.limit)}"
    if field.repeats and field.repeats.count:
        yield f"{field.repeats.count:,} {'duplicate' if field.repeats.count == 1 else 'duplicates'}"
    if field.empty:
        yield f"{field.empty:,} empty"
    if 0 < field.measured < filled:
        yield f"measured on {field.measured:,}"
