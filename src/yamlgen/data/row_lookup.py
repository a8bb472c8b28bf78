"""Which row a user means who writes its id, or its number: what is proposed for a wrong one, and what is in doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Final

from yamlgen.data.row_identity import LONGEST, id_name, number_of
from yamlgen.suggestions import listing
from yamlgen.value_objects import JSON

_MOST: Final = 10_000
"""How many ids are looked through for those that are near."""

_SHOWN: Final = 3


def proposed(name: str, ids: Iterable[JSON]) -> str:
    """The hint for what names no row: the nearest of the ids, or some of them."""
    known = [told for told in map(id_name, islice(ids, _MOST)) if len(told) <= LONGEST]
    folded = {told.lower(): told for told in known}
    near = [folded[each] for each in get_close_matches(name[:LONGEST].lower(), folded, n=_SHOWN)]
    if near:
        return f"did you mean {listing(near)}?" if len(near) == 1 else f"the nearest ids are {listing(near)}"
    such = f"; its ids are such as {listing(known[:_SHOWN])}" if known else ""
    return f"a row is named by its id, or by its number, from 1{such}"


def tell_apart(name: str, id: JSON, tell: Callable[[str], object]) -> None:  # noqa: A002 - the word that the YAML has
    """Tell that a number is no id, where the ids are numbers themselves, so that it could have been meant as one."""
    if number_of(str(id)) is not None:
        tell(f"no row has the id {name}: this is row number {name}, whose id is {id_name(id)}")
