"""Who a row is, whatever its place: its id, or what the pipeline reads of it and an ordinal among equal ones.

A stored answer is found again by this text, so it is a contract as canonical JSON is. It holds no half of a surrogate
pair (that is written as its JSON escape), so it is UTF-8 wherever it goes. Owns how messages name a row, too, and what
a user may mean by such a name.
"""

from __future__ import annotations

import json
import re
from typing import Final

from yamlgen.canonical_json import canonical, short_digest, storable
from yamlgen.data.occurrence_counter import OccurrenceCounter
from yamlgen.value_objects import JSON, Row

LONGEST: Final = 60
"""The most characters of an id by which messages name a row."""

_DIGITS: Final = 18
"""The most digits of a row's number."""

_PLAIN: Final = re.compile(r"\w[\w./:@#+-]*")
"""A text that needs no quotes, in a sentence and in a shell."""


def id_identity(value: JSON) -> str | None:
    """Who a row with this id is; the same for ids that are equal as JSON values; `None` for what is no id."""
    if isinstance(value, str):
        return _text(canonical(["id", value])) if value else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _text(canonical(["id", int(value) if value == int(value) else value]))
    return None


def row_identity(row: Row, columns: frozenset[str] | None, seen: OccurrenceCounter) -> str:
    """Who a row without an id is, among those that `seen` has counted.

    Args:
        row: the row.
        columns: those that the pipeline refers to, of which the row may lack some; `None` is all that it has.
        seen: counts the rows of one input, in its order.
    """
    values = canonical({name: row[name] for name in row if columns is None or name in columns})
    return _text(b'["row",%b,%d]' % (values, seen.count(short_digest(values))))


def id_of(identity: str) -> JSON:
    """The id of a row by who it is; `None` where the input has no ids."""
    return json.loads(identity)[1] if identity.startswith('["id",') else None


def row_name(index: int, id: JSON) -> str:  # noqa: A002 - the word that the YAML has for it
    """How messages name a row: `row a-7`, by its id; by its number, from 1, where it has none or one that is long."""
    if id is None:
        return f"row {index + 1}"
    told = id_name(id)
    return f"row {told}" if len(told) <= LONGEST else f"row {index + 1} ({told[: LONGEST - 1]}…)"


def id_name(id: JSON) -> str:  # noqa: A002
    """An id as messages show it, and as a user may write it: in quotes, and escaped, where it has odd characters."""
    if isinstance(id, str) and _PLAIN.fullmatch(id):
        return id
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in json.dumps(id, ensure_ascii=False))


def identities(name: str) -> list[str]:
    """Those whom a user may mean by an id: one that is this text, a number that is written so, or what it quotes."""
    values: list[JSON] = [name]
    try:
        values.append(json.loads(name, parse_constant=str))
        return [found for found in dict.fromkeys(map(id_identity, values)) if found is not None]
    except (ValueError, OverflowError, RecursionError):  # no JSON, or an infinite number
        found = id_identity(name)
        return [] if found is None else [found]


def number_of(name: str) -> int | None:
    """The place, from 0, that a row's number means; `None` for what is no number from 1 on."""
    digits = name.strip()
    return int(digits) - 1 if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS and int(digits) else None


def _text(content: bytes) -> str:
    return storable(content.decode("utf-8", "surrogatepass"))
