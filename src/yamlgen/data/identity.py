"""Who a row is, whatever its place: its id, or what the pipeline reads of it and an ordinal among equal ones.

A stored answer is found again by this text, so it is a contract as canonical JSON is. It holds no half of a surrogate
pair (that is written as its JSON escape), so it is UTF-8 wherever it goes.
"""

from __future__ import annotations

from yamlgen.canonical import canonical, short_digest, storable
from yamlgen.data.seen import Seen
from yamlgen.ports import JSON, Row


def id_identity(value: JSON) -> str | None:
    """Who a row with this id is; the same for ids that are equal as JSON values; `None` for what is no id."""
    if isinstance(value, str):
        return _text(canonical(["id", value])) if value else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _text(canonical(["id", int(value) if value == int(value) else value]))
    return None


def row_identity(row: Row, columns: frozenset[str] | None, seen: Seen) -> str:
    """Who a row without an id is, among those that `seen` has counted.

    Args:
        row: the row.
        columns: those that the pipeline refers to, of which the row may lack some; `None` is all that it has.
        seen: counts the rows of one input, in its order.
    """
    values = canonical({name: row[name] for name in row if columns is None or name in columns})
    return _text(b'["row",%b,%d]' % (values, seen.count(short_digest(values))))


def _text(content: bytes) -> str:
    return storable(content.decode("utf-8", "surrogatepass"))
