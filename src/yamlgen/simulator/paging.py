"""Pages of a list, as the routes of the API that list something return them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from yamlgen.simulator.api_errors import SimulatedAPIError

_MOST: Final = 1_000


def page_of(ids: Sequence[str], query: Mapping[str, str], noun: str) -> tuple[Sequence[str], bool]:
    """Return the ids on one page, and whether there are more.

    Args:
        ids: all ids, newest first.
        query: the query string, with `limit`, `after_id` and `before_id`.
        noun: what the list contains, for messages.

    Raises:
        SimulatedAPIError: 400 for a `limit` outside 1 to 1000, or an id that is not in the list.
    """
    text = query.get("limit", "20")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST:
        raise SimulatedAPIError("limit: Input should be an integer from 1 to 1000")
    limit = int(text)
    if "after_id" in query:
        ids = ids[_index(query["after_id"], ids, noun) + 1 :]
    if "before_id" in query:
        ids = ids[: _index(query["before_id"], ids, noun)]
    is_backwards = "before_id" in query and "after_id" not in query
    return ids[-limit:] if is_backwards else ids[:limit], len(ids) > limit


def _index(name: str, ids: Sequence[str], noun: str) -> int:
    if name not in ids:
        raise SimulatedAPIError(f"no {noun} `{name}` to page from")
    return ids.index(name)
