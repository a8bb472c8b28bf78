"""The rules of suspicion about the values of a field."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from yamlgen.canonical_json import canonical
from yamlgen.profiles.doubts.field_origins import Authorship
from yamlgen.profiles.doubts.suspicions import Suspicion
from yamlgen.profiles.fields.field_profile import Bound, Field, Repeats
from yamlgen.reports.amount_words import share_told
from yamlgen.reports.value_lines import clean

LEAST_VALUES: Final = 20
"""The least number of values of which a share says anything."""

MOST_EQUAL: Final = 0.95
"""The share of one value above which a field hardly tells rows apart."""

EVEN_SHARES: Final = 23
"""With 23 * k values or more, each of `k` listed values should have come: one that is five times rarer than in an even
spread would have come in 99 of 100 such runs, because (1 - 1 / 5k) ** 23k is 0.01."""

MOST_LACKING: Final = 0.8
"""The share of null and of empty texts from which a field says nothing. Below, null is an answer like others."""

LONG_TEXT: Final = 40
"""The characters from which a text is written, and is no label or name: two of them are not equal by chance."""

SHORT_TEXT: Final = 20
"""Shorter texts are names and labels, which come again. Between the two, they are texts if most differ."""

MOST_REPEATS: Final = 0.005
"""The share of texts that may be equal to an earlier one, for few are lost if they are dropped."""

LEAST_REPEATS: Final = 2
"""One text that comes again is no pattern."""

MOST_AT_BOUND: Final = 0.2
"""The share of numbers that may be at a bound: a bound that is hit more often hides what lies beyond."""

MOST_AT_USUAL_BOUND: Final = 0.8
"""The same for 1 and 100, because once and all are common answers, and for the ends of a scale."""

_USUAL: Final = (1, 100)
_LONGEST_SCALE: Final = 11
_TWO: Final = 2
"""A number with two values is a flag: most may well be 0."""

MOST_AT_FULL_LENGTH: Final = 0.02
"""The share of texts that may have exactly the length of `maxLength`; and at most four times that of even lengths."""

MOST_UNENDED: Final = 0.1
"""The share of texts without an end up to which the others show that texts of this field are sentences."""

MOST_BROKEN: Final = 0.005
LEAST_BROKEN: Final = 3
"""The share and the number of texts that may end in a long line without an end: people forget full stops, too."""

_FORMS: Final = {"enum", "const", "pattern", "format"}
_MOST_NAMED: Final = 6
_LONGEST: Final = 40


def doubts(field: Field, origin: Authorship) -> Iterator[Suspicion]:
    """Yield what looks wrong with the values of a field.

    Args:
        field: the field.
        origin: where its values come from.
    """
    if not origin.made:
        return
    equal = list(_one_value(field))
    yield from equal
    if not equal:
        yield from _never_came(field)
        yield from _repeated(field)
        yield from _at_bound(field)
    if not origin.skipped:
        yield from _lacking(field)
    yield from _full_length(field)
    yield from _broken(field)


def _present(field: Field) -> int:
    return field.count - field.nulls


def _one_value(field: Field) -> Iterator[Suspicion]:
    """Yield a value that nearly all values are."""
    present, kinds = _present(field), ("choice", "boolean", "number", "text")
    listed = field.schema.get("enum")
    if field.kind not in kinds or present < LEAST_VALUES or "const" in field.schema or (listed and len(listed) == 1):
        return
    top = max(field.values, key=lambda each: each.count, default=field.mode)
    if top is None or top.count <= MOST_EQUAL * present:
        return
    is_told = listed is not None or field.kind in ("boolean", "number")  # a text is not: it may be anything
    name = _shown(top.value) if is_told else "one text"
    unseen = f"; {field.unseen:,} of the {len(listed):,} values never came" if listed and field.unseen else ""
    message = f"{name} is {share_told(top.count, present)} of {present:,} values{unseen}"
    yield Suspicion("one_value", field.name, message, top.rows)


def _never_came(field: Field) -> Iterator[Suspicion]:
    """Yield the values of an enum that never came, although there are enough values for each."""
    listed = [each for each in field.schema.get("enum") or () if each is not None]
    present = _present(field)
    if field.kind != "choice" or not field.unseen or present < EVEN_SHARES * len(listed):
        return
    names = [_shown(each.value) for each in field.values if not each.count]
    is_told = len(names) == field.unseen <= _MOST_NAMED
    what = " and ".join(names) if is_told else f"{field.unseen:,} of the {len(listed):,} listed values"
    yield Suspicion("never_came", field.name, f"{what} never came in {present:,} values")


def _repeated(field: Field) -> Iterator[Suspicion]:
    """Yield texts that come again."""
    found, length = _repeats(field), _length(field)
    if found is None or found.compared < LEAST_VALUES:
        return
    texts, count = found.compared, found.count
    is_written = length >= LONG_TEXT or (length >= SHORT_TEXT and count < texts / 2)
    if is_written and count >= max(LEAST_REPEATS, MOST_REPEATS * texts):
        groups = f"; {found.distinct:,} different texts come more than once" if found.distinct > 1 else ""
        message = f"{count:,} of {texts:,} texts ({share_told(count, texts)}) are equal to an earlier one{groups}"
        yield Suspicion("duplicates", field.name, message, found.rows)


def _repeats(field: Field) -> Repeats | None:
    """Return which texts of a field come again; also if they are so few that they look like a choice."""
    if field.kind != "choice" or field.schema.keys() & {"enum", "const"}:
        return field.repeats if field.kind == "text" else None
    again = [each for each in field.values if each.count > 1]
    often = max(again, key=lambda each: each.count, default=None)
    count = sum(each.count - 1 for each in again)
    return None if often is None else Repeats(_present(field), count, len(again), often.count, often.rows)


def _length(field: Field) -> float:
    """Return the median length of the texts of a field."""
    if field.kind == "text":
        return 0 if field.quantiles is None else field.quantiles.p50
    lengths = sorted((len(str(each.value)), each.count) for each in field.values)
    counted = accumulate(count for _, count in lengths)
    half = sum(count for _, count in lengths) / 2
    return next((length for (length, _), until in zip(lengths, counted, strict=True) if until >= half), 0)


def _at_bound(field: Field) -> Iterator[Suspicion]:
    """Yield a bound at which many numbers are."""
    present = _present(field)
    if field.kind != "number" or present < LEAST_VALUES or field.distinct == _TWO:
        return
    for bound in field.bounds:
        nothing_beyond = bound.keyword == "minimum" and bound.limit == 0
        if not nothing_beyond and bound.count > _allowed(field, bound) * present:
            part = f"{bound.count:,} of {present:,} numbers ({share_told(bound.count, present)})"
            message = f"{part} are {bound.limit:,.10g}, the bound by `{bound.keyword}`"
            yield Suspicion("at_bound", field.name, message, bound.rows)


def _allowed(field: Field, bound: Bound) -> float:
    """Return the share of numbers that may be at a bound."""
    is_scale = field.distinct is not None and field.distinct <= _LONGEST_SCALE
    return MOST_AT_USUAL_BOUND if is_scale or bound.limit in _USUAL else MOST_AT_BOUND


def _lacking(field: Field) -> Iterator[Suspicion]:
    """Yield a field that is null or empty in most rows."""
    lacking = field.nulls + field.empty
    if field.count >= LEAST_VALUES and lacking > MOST_LACKING * field.count:
        words = {(True, True): "null or empty", (True, False): "null", (False, True): "empty"}
        what = words[field.nulls > 0, field.empty > 0]
        message = f"{lacking:,} of {field.count:,} values ({share_told(lacking, field.count)}) are {what}"
        yield Suspicion("mostly_null", field.name, message, field.null_rows)


def _full_length(field: Field) -> Iterator[Suspicion]:
    """Yield a field whose texts often have the greatest length that is allowed, as if they were cut."""
    present = _present(field)
    limits = {each.keyword: each for each in field.bounds}
    most, least = limits.get("maxLength"), limits.get("minLength")
    is_fixed = field.schema.keys() & _FORMS or (least is not None and most is not None and least.limit == most.limit)
    if field.kind != "text" or most is None or is_fixed or most.limit < LONG_TEXT or present < LEAST_VALUES:
        return
    allowed = max(MOST_AT_FULL_LENGTH, 4 / most.limit) * present
    if most.count > max(1, allowed):
        part = f"{most.count:,} of {present:,} texts ({share_told(most.count, present)})"
        message = f"{part} have exactly the {most.limit:,.0f} characters that `maxLength` allows: they may be cut"
        yield Suspicion("full_length", field.name, message, most.rows)


def _broken(field: Field) -> Iterator[Suspicion]:
    """Yield a field of which few texts end in the middle of a sentence."""
    texts, lengths = _present(field) - field.empty, field.quantiles
    if field.kind != "text" or lengths is None or lengths.p50 < LONG_TEXT or texts < LEAST_VALUES:
        return
    if field.unended <= MOST_UNENDED * texts and field.broken >= max(LEAST_BROKEN, MOST_BROKEN * texts):
        part = f"{field.broken:,} of {texts:,} texts ({share_told(field.broken, texts)})"
        message = f"{part} end in the middle of a sentence, unlike the others: they may be cut"
        yield Suspicion("broken", field.name, message, field.broken_rows)


def _shown(value: object) -> str:
    """Return a value of the schema, or a number, as messages quote it."""
    text = value if isinstance(value, str) else canonical(value).decode("utf-8", "surrogatepass")
    return f"`{clean(text if len(text) <= _LONGEST else text[:_LONGEST] + '…')}`"
