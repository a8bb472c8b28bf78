"""What the columns of an input contain: their kinds, gaps and lengths, and which of them identifies a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from yamlgen.data.source import Source
from yamlgen.redaction import redact
from yamlgen.schemas.types import kind_of
from yamlgen.value_objects import JSON, Columns, Row

_MOST_ROWS: Final = 100_000
_MOST_CHARACTERS: Final = 200_000_000
"""The part of an input that is read."""

_LONG: Final = 60
"""A column whose values have more characters on average contains text."""

_LONGEST_ID: Final = 100
_SETTLED: Final = 1000
_MOST_CANDIDATES: Final = 8
"""How many columns may still be unique after so many rows: their values are kept in memory."""

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_NAMED_ID: Final = frozenset({"id", "ids", "uuid", "guid", "uid"})
_NAMED_KEY: Final = frozenset(
    {"key", "index", "nr", "no", "number", "nummer", "code", "sku", "isbn", "ean", "doi", "url", "uri", "slug", "ref"}
)
_UNNAMED: Final = 2
"""The rank of a name that is not like that of an id."""

_FRACTION: Final = re.compile(r"[+-]?\d*[.,]\d+([eE][+-]?\d+)?")


@dataclass(slots=True)
class ColumnProfile:
    """What a column contains.

    Attributes:
        name: its name.
        is_nullable: whether a row may have null in it.
        present: in how many rows it is.
        filled: in how many rows it has a value that is neither null nor empty.
        characters: the length of all its strings.
        kinds: the types of its values in JSON Schema, without null.
        has_lines: whether a string has a line break.
        varies: whether two of its values differ.
    """

    name: str
    is_nullable: bool = False
    present: int = 0
    filled: int = 0
    characters: int = 0
    kinds: set[str] = field(default_factory=set)
    has_lines: bool = False
    varies: bool = False
    _first: JSON = None

    @property
    def is_long(self) -> bool:
        """Whether it contains text, or nested values, rather than short values."""
        return self.has_lines or self.is_nested or self.characters > _LONG * max(self.filled, 1)

    @property
    def is_nested(self) -> bool:
        """Whether it contains lists or objects."""
        return not self.kinds.isdisjoint(("array", "object"))

    def add(self, value: JSON) -> None:
        """Add the value of a row."""
        self._first = value if self.present == 0 else self._first
        self.varies = self.varies or value != self._first
        self.present += 1
        if isinstance(value, str):
            self.characters += len(value)
            self.has_lines = self.has_lines or "\n" in value.strip()
        kind = kind_of(value)
        if kind is None or kind == "null":
            self.is_nullable = True
            return
        self.kinds.add(kind)
        self.filled += not isinstance(value, str) or bool(value.strip())


@dataclass(frozen=True, slots=True)
class ColumnSurvey:
    """The columns of an input.

    Attributes:
        columns: the columns, in order.
        rows: how many rows were read.
        is_whole: whether these are all.
        id: the column that identifies a row, if there is one.
    """

    columns: tuple[ColumnProfile, ...]
    rows: int
    is_whole: bool
    id: str | None


def survey(source: Source, known: Columns | None) -> ColumnSurvey:
    """Read the rows of an input, up to 100,000.

    Args:
        source: the input.
        known: what the head of the input tells of the columns.

    Raises:
        UsageError: the input is broken at one of the rows.
    """
    columns: dict[str, ColumnProfile] = {}
    keys: dict[str, set[object]] | None = None
    rows = characters = 0
    is_whole = True
    with closing(source.numbered()) as numbered:
        for _, row in numbered:
            if rows == _MOST_ROWS or characters > _MOST_CHARACTERS:
                is_whole = False
                break
            rows += 1
            for name, value in row.items():
                if name not in columns:
                    columns[name] = ColumnProfile(
                        name, _allows_null({} if known is None else known.types.get(name, {}))
                    )
                columns[name].add(value)
                characters += len(value) if isinstance(value, str) else 1
            keys = _unique(row, keys)
            if rows == _SETTLED:
                keys = {name: keys[name] for name in sorted(keys, key=_rank)[:_MOST_CANDIDATES]}
    by_rank = sorted(filter(is_writable, keys or {}), key=_rank)
    return ColumnSurvey(tuple(columns.values()), rows, is_whole, next(iter(by_rank), None))


def is_writable(name: str) -> bool:
    """Check whether the name of a column can be in a file: it has neither a key nor half of a surrogate pair."""
    return redact(name) == name and not any("\ud800" <= character <= "\udfff" for character in name)


def _allows_null(schema: JSON) -> bool:
    if not isinstance(schema, Mapping):
        return False
    branches = schema.get("anyOf")
    kinds = schema.get("type", [])
    return "null" in ([kinds] if isinstance(kinds, str) else kinds) or any(map(_allows_null, branches or []))


def _unique(row: Row, keys: dict[str, set[object]] | None) -> dict[str, set[object]]:
    """Return the columns in which every row up to this one has another id, each with these ids."""
    if keys is None:
        keys = {name: set() for name in row}
    left: dict[str, set[object]] = {}
    for name, seen in keys.items():
        key = _key(row.get(name))
        if key is not None and key not in seen:
            seen.add(key)
            left[name] = seen
    return left


def _key(value: JSON) -> object:
    """Return what distinguishes an id from others; `None` if the value is not a good id."""
    if isinstance(value, str):
        is_good = value.strip() and len(value) <= _LONGEST_ID and "\n" not in value and not _FRACTION.fullmatch(value)
        return f"{hash(value):x}" if is_good else None
    is_integer = isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
    return value if is_integer else None


def _rank(name: str) -> int:
    """Return how little a name is like that of an id."""
    words = {word.lower() for word in _WORDS.findall(name)}
    return 0 if words & _NAMED_ID else 1 if words & _NAMED_KEY else _UNNAMED


def is_named_id(name: str) -> bool:
    """Check whether a column is an id by its name."""
    return _rank(name) < _UNNAMED
