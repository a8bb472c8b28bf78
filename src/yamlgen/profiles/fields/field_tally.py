"""Counts the values of one field."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from yamlgen.profiles.fields.bound_tally import BoundTally
from yamlgen.profiles.fields.field_profile import Field, ValueCount
from yamlgen.profiles.fields.number_tally import NumberTally, bins, quantiles, runs
from yamlgen.profiles.fields.schema_part import SchemaPart
from yamlgen.profiles.fields.text_tally import TextTally
from yamlgen.profiles.fields.value_tally import MOST_VALUES, ValueTally, noted
from yamlgen.value_objects import JSON

_OFTEN: Final = 5
"""How often a text comes on average, at least, that is one of a few values."""


class FieldTally:
    """Counts the values of a field.

    Args:
        part: its schema.
    """

    def __init__(self, part: SchemaPart) -> None:
        self._part = part
        listed = part.choices()
        self._choices = None if listed is None else ValueTally(listed)
        self._booleans = ValueTally([True, False])
        self._few_numbers = ValueTally(most=MOST_VALUES)
        self._numbers = NumberTally()
        self._number_count = 0
        self._number_bounds = BoundTally(part.limits("number"))
        self._texts: TextTally | None = None  # it takes some memory
        self._text_bounds = BoundTally(part.limits("text"))
        self._lengths = NumberTally()
        self._list_bounds = BoundTally(part.limits("list"))
        self._nulls = 0
        self._null_rows: list[int] = []
        self.objects = 0
        """How many of its values are objects."""
        self.lists = 0
        """How many of its values are lists."""

    def add(self, value: JSON, row: int) -> None:
        """Count a value of a row that is neither a list nor an object."""
        if value is None:
            self._nulls += 1
            noted(self._null_rows, row)
        elif self._choices is not None:
            self._choices.add(value, row)
            if type(value) is int or type(value) is float:
                self._numbers.add(value)
        elif type(value) is str:
            if self._texts is None:
                self._texts = TextTally()
            self._texts.add(value, row)
            self._text_bounds.add(len(value), row)
        elif type(value) is bool:
            self._booleans.add(value, row)
        else:
            self._number_count += 1
            self._numbers.add(value)
            self._number_bounds.add(value, row)
            if not self._few_numbers.lost:
                self._few_numbers.add(value, row)

    def add_list(self, length: int, row: int) -> None:
        """Count a list of a row, without its items."""
        self.lists += 1
        self._lengths.add(length)
        self._list_bounds.add(length, row)

    @property
    def count(self) -> int:
        """How many values were added, nulls included."""
        return self._nulls + sum(self._kinds().values())

    def _kinds(self) -> dict[str, int]:
        """Return how many values of each kind there are, without null."""
        counts = {
            "choice": 0 if self._choices is None else self._choices.count,
            "text": 0 if self._texts is None else self._texts.lengths.count,
            "number": self._number_count,
            "boolean": self._booleans.count,
            "list": self.lists,
            "object": self.objects,
        }
        return {kind: count for kind, count in counts.items() if count}

    def field(self, name: str, absent: int) -> Field:
        """Return what was counted.

        Args:
            name: the path of the field.
            absent: how many objects lack it.
        """
        kinds = self._kinds()
        found = Field(name, "mixed", self._part.own(), self.count, self._nulls, absent, tuple(self._null_rows))
        if self._choices is not None and kinds.keys() <= {"choice"}:
            return self._choice(found, self._choices)
        if len(kinds) > 1:
            return self._mixed(found, kinds)
        kind = next(iter(kinds), self._part.kind() or "null")
        if kind == "text":
            return self._text(found)
        if kind == "number":
            return self._number(found)
        if kind == "boolean":
            return _valued(replace(found, kind=kind), self._booleans)
        if kind == "list":
            return _measured(replace(found, kind=kind, bounds=self._list_bounds.bounds()), self._lengths)
        return replace(found, kind=kind)

    def _choice(self, found: Field, choices: ValueTally) -> Field:
        made = _valued(replace(found, kind="choice"), choices)
        if self._numbers.count != choices.count:
            return made
        return replace(_measured(made, self._numbers), bins=())

    def _text(self, found: Field) -> Field:
        texts = self._texts
        if texts is None:
            return replace(found, kind="text", distinct=0, bounds=self._text_bounds.bounds())
        count = texts.lengths.count
        if texts.few is not None and count >= _OFTEN * (texts.few.distinct or 0):
            return _valued(replace(found, kind="choice"), texts.few)
        values = texts.values()
        made = replace(
            found,
            kind="text",
            values=values,
            distinct=texts.distinct,
            other=count - sum(each.count for each in values),
            bounds=self._text_bounds.bounds(),
            repeats=texts.repeats(),
            empty=texts.empty,
            unended=texts.unended,
            broken=texts.broken,
            broken_rows=tuple(texts.broken_rows),
        )
        return _measured(made, texts.lengths)

    def _number(self, found: Field) -> Field:
        numbers = self._numbers
        made = replace(found, kind="number", bounds=self._number_bounds.bounds())
        if not self._few_numbers.lost:
            return _measured(_valued(made, self._few_numbers), numbers)
        made = _measured(replace(made, other=self._number_count), numbers)
        if numbers.count < self._number_count or not numbers.is_exact:
            return made
        counts = list(runs(numbers.ordered()))
        often, share = max(counts, key=lambda each: each[1])
        return replace(
            made,
            distinct=len(counts) if numbers.measured == self._number_count else None,
            mode=ValueCount(often, round(share * self._number_count / numbers.measured)),
        )

    def _mixed(self, found: Field, kinds: dict[str, int]) -> Field:
        tallies = (self._choices, self._booleans, self._few_numbers)
        listed = [each for tally in tallies if tally is not None and not tally.lost for each in tally.values()]
        if self._texts is not None:
            listed += self._texts.values() if self._texts.few is None else self._texts.few.values()
        values = sorted((each for each in listed if each.count), key=lambda each: -each.count)[:MOST_VALUES]
        other = sum(kinds.values()) - sum(each.count for each in values)
        return replace(found, kinds=kinds, values=tuple(values), other=other)


def _valued(found: Field, tally: ValueTally) -> Field:
    values = tally.values()
    other = tally.count - sum(each.count for each in values)
    return replace(found, values=values, distinct=tally.distinct, other=other, unseen=tally.unseen)


def _measured(found: Field, numbers: NumberTally) -> Field:
    ordered = numbers.ordered()
    return replace(
        found, quantiles=quantiles(ordered), mean=numbers.mean, bins=bins(ordered), measured=numbers.measured
    )
