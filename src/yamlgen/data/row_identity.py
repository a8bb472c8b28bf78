"""The identity of a row, which does not depend on its position, and the names of rows in messages.

The identity is based on the row's id; without an id, on the columns that the pipeline reads, and an ordinal among equal
rows. Stored answers are found by this string, so its form must not change. It contains no lone surrogates (they are
written as JSON escapes), so it is always valid UTF-8. The module also resolves the names by which users refer to rows.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from yamlgen.canonical_json import canonical, short_digest, storable
from yamlgen.value_objects import JSON, Row

if TYPE_CHECKING:
    from yamlgen.data.occurrence_counter import OccurrenceCounter

LONGEST: Final = 60
"""The maximum length of an id that messages show in full."""

_DIGITS: Final = 18
"""The maximum number of digits of a row number."""

_PLAIN: Final = re.compile(r"\w[\w./:@#+-]*")
"""A string that needs no quotes, in a message or in a shell."""


def id_identity(value: JSON) -> str | None:
    """Return the identity of a row with this id, the same for equal JSON values; `None` if the id is invalid."""
    if type(value) is int:
        return f'["id",{value}]'
    if isinstance(value, str):
        return _text(canonical(["id", value])) if value else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _text(canonical(["id", int(value) if value == int(value) else value]))
    return None


def row_identity(row: Row, columns: frozenset[str] | None, seen: OccurrenceCounter) -> str:
    """Return the identity of a row without an id, and count the row in `seen`.

    Args:
        row: the row.
        columns: the columns that the pipeline refers to, some of which the row may lack; `None`: all columns.
        seen: counts the rows of one input, in order.
    """
    values = canonical({name: row[name] for name in row if columns is None or name in columns})
    return _text(b'["row",%b,%d]' % (values, seen.count(short_digest(values))))


def without_number(identity: str) -> str:
    """Return an identity without the number by which it differs from those of equal rows."""
    return identity.rpartition(",")[0] if identity.startswith('["row",') else identity


def id_of(identity: str) -> JSON:
    """Return the id that an identity contains; `None` if the input has no ids."""
    return json.loads(identity)[1] if identity.startswith('["id",') else None


def row_name(index: int, id: JSON) -> str:  # noqa: A002 - the word that the YAML has for it
    """Return the name of a row in messages: `row a-7`, or its number (from 1) if it has no id or a long one."""
    if id is None:
        return f"row {index + 1}"
    told = id_name(id)
    return f"row {told}" if len(told) <= LONGEST else f"row {index + 1} ({told[: LONGEST - 1]}…)"


def full_row_name(index: int, id: JSON) -> str:  # noqa: A002
    """Return the name of a row where rows are numbered: `row 3 (id a-7)`, or `row 3` if its id says no more.

    Args:
        index: its position, from 0.
        id: its id; `None` if the input has none. A long one is cut.
    """
    number, name = str(index + 1), "" if id is None else id_name(id)
    name = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    return f"row {number}" if name in ("", number) else f"row {number} (id {name})"


def id_name(id: JSON) -> str:  # noqa: A002
    """Return an id as messages show it and users may write it: quoted and escaped if it has special characters."""
    if isinstance(id, str) and _PLAIN.fullmatch(id):
        return id
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in json.dumps(id, ensure_ascii=False))


def identities(name: str) -> list[str]:
    """Return the identities that an id typed by a user may mean: this string, this number, or this JSON string."""
    values: list[JSON] = [name]
    try:
        values.append(json.loads(name, parse_constant=str))
        return [found for found in dict.fromkeys(map(id_identity, values)) if found is not None]
    except (ValueError, OverflowError, RecursionError):  # not JSON, or an infinite number
        found = id_identity(name)
        return [] if found is None else [found]


def number_of(name: str) -> int | None:
    """Return the index (from 0) that a row number (from 1) means; `None` if it is not a positive integer."""
    digits = name.strip()
    return int(digits) - 1 if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS and int(digits) else None


def _text(content: bytes) -> str:
    return storable(content.decode("utf-8", "surrogatepass"))
