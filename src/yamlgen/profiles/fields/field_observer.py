"""Counts the values of the fields of rows: by their schema, and by what they are where it says nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from yamlgen.profiles.fields.field_profile import Field
from yamlgen.profiles.fields.field_tally import FieldTally
from yamlgen.profiles.fields.schema_part import SchemaPart
from yamlgen.value_objects import JSON

MOST_FIELDS: Final = 100
"""How many fields are counted, together with the objects that they are in."""

_MOST_UNKNOWN: Final = 40
"""How many members of an object are counted that its schema does not name: more are data, not fields."""

_DEEPEST: Final = 10
_MOST_LEFT_OUT: Final = 10_000


class FieldObserver:
    """Counts the values of all fields of the rows.

    Args:
        schema: the JSON Schema of the rows, as far as it is known.
        leave_out: the names of fields that are not counted, with all of their parts.
    """

    def __init__(self, schema: Mapping[str, JSON], leave_out: Collection[str] = ()) -> None:
        self._census = _Census(frozenset(leave_out))
        self._top = _FieldNode("", SchemaPart.of(schema), 0, self._census)
        self._top.begin()

    def add(self, values: Mapping[str, JSON], number: int) -> None:
        """Add the values of a row, whose position is `number`, from 0."""
        self._top.add(values, number + 1)

    @property
    def rows(self) -> int:
        """How many rows were added."""
        return self._top.tally.objects

    @property
    def left_out(self) -> int:
        """How many fields were left out, because there are too many; the count ends at 10,000."""
        return len(self._census.left_out)

    def fields(self) -> tuple[Field, ...]:
        """Return the fields, in the order of the schema, then in that of the rows."""
        return tuple(self._top.parts())


@dataclass(slots=True)
class _Census:
    """How many fields there are."""

    unwanted: frozenset[str]
    count: int = 0
    left_out: set[str] = field(default_factory=set)

    def node(self, name: str, part: SchemaPart, depth: int) -> _FieldNode | None:
        """Return a new field; `None` if it is not counted."""
        if name in self.unwanted:
            return None
        if self.count == MOST_FIELDS or depth > _DEEPEST:
            self.leave_out(name)
            return None
        self.count += 1
        return _FieldNode(name, part, depth, self)

    def leave_out(self, name: str) -> None:
        """Note that a field is not counted."""
        if len(self.left_out) < _MOST_LEFT_OUT:
            self.left_out.add(name)


class _FieldNode:
    """A field with its parts.

    Args:
        name: its path.
        part: its schema.
        depth: how many objects and lists it is in.
        census: all fields.
    """

    __slots__ = ("_census", "_depth", "_item", "_members", "_name", "_part", "_unknown", "tally")

    def __init__(self, name: str, part: SchemaPart, depth: int, census: _Census) -> None:
        self._name = name
        self._part = part
        self._depth = depth
        self._census = census
        self._members: dict[str, _FieldNode | None] = {}
        self._item: _FieldNode | None = None
        self._unknown = 0
        self.tally = FieldTally(part)

    def begin(self) -> None:
        """Expect the members that the schema names: one that never comes is a field, too."""
        for name in self._part.names():
            self._members[name] = self._census.node(self._path(name), self._part.member(name), self._depth + 1)

    def add(self, value: JSON, row: int) -> None:
        """Count a value of a row, from 1."""
        tally = self.tally
        if type(value) is dict:
            if not tally.objects and self._name:
                self.begin()
            tally.objects += 1
            members = self._members
            for name, each in value.items():
                member = members[name] if name in members else self._unexpected(name)
                if member is not None:
                    member.add(each, row)
        elif type(value) is list:
            if not tally.lists:
                self._item = self._census.node(f"{self._name}[]", self._part.item(), self._depth + 1)
            tally.add_list(len(value), row)
            if self._item is not None:
                for each in value:
                    self._item.add(each, row)
        else:
            tally.add(value, row)

    def _unexpected(self, name: str) -> _FieldNode | None:
        if self._unknown == _MOST_UNKNOWN:
            self._census.leave_out(self._path(name))
            return None
        self._unknown += 1
        member = self._census.node(self._path(name), self._part.member(name), self._depth + 1)
        self._members[name] = member
        return member

    def _path(self, name: str) -> str:
        return f"{self._name}.{name}" if self._name else name

    def parts(self) -> Iterator[Field]:
        """Yield the fields in this one."""
        for member in self._members.values():
            if member is not None:
                yield from member.all(self.tally.objects)
        if self._item is not None:
            yield from self._item.all(None)

    def all(self, places: int | None) -> Iterator[Field]:
        """Yield this field, unless it is an object like any other, and those in it.

        Args:
            places: how many objects could have it; `None` for the items of a list.
        """
        absent = 0 if places is None else places - self.tally.count
        parts = list(self.parts())
        if not parts or absent or self.tally.count != self.tally.objects:
            yield self.tally.field(self._name, absent)
        yield from parts
