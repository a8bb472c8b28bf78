"""Messages about a row that a user names by id or number: suggestions for a wrong name, a note on an ambiguous one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Final

from yamlgen.data.row_identity import LONGEST, id_name, number_of
from yamlgen.suggestions import listing
from yamlgen.value_objects import JSON

_MOST: Final = 10_000
"""The most ids that are searched for similar ones."""

_SHOWN: Final = 3


def proposed(name: str, ids: Iterable[JSON]) -> str:
    """Return the hint for a name that matches no row: the closest ids, or examples of ids."""
    known = [told for told in map(id_name, islice(ids, _MOST)) if len(told) <= LONGEST]
    folded = {told.lower(): told for told in known}
    near = [folded[each] for each in get_close_matches(name[:LONGEST].lower(), folded, n=_SHOWN)]
    if near:
        return f"did you mean {listing(near)}?" if len(near) == 1 else f"the closest ids are {listing(near)}"
    such = f"; ids are, for example, {listing(known[:_SHOWN])}" if known else ""
    return f"write the id of a row, or its number (from 1){such}"


def tell_apart(name: str, id: JSON, tell: Callable[[str], object]) -> None:  # noqa: A002 - the word that the YAML has
    """Note that a number was not taken as an id, if the ids are numbers too."""
    if number_of(str(id)) is not None:
        tell(f"no row has the id {name}: this is row number {name}, whose id is {id_name(id)}")
