"""The cards of a preview as one HTML page: no script, no network, nothing of a row but its text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from yamlgen.canonical_json import encoded
from yamlgen.html.embedding import beside, has_mark, page_template, policy
from yamlgen.reports.row_cards import Card
from yamlgen.reports.value_lines import clean

_MARK: Final = b'<meta name="generator" content="yamlgen preview">'


def preview_page(title: str, notes: Iterable[str], cards: Iterable[Card]) -> Iterable[bytes]:
    """Yield a page in parts.

    Args:
        title: the title.
        notes: sentences about the run, above the cards.
        cards: the cards, in order.
    """
    style = beside("preview_page.css")
    parts = page_template("preview_page.html.jinja").generate(
        title=clean(title),
        notes=map(clean, notes),
        cards=cards,
        policy=policy(style=style),
        style=style,
    )
    return map(encoded, parts)


def is_preview_page(path: Path) -> bool:
    """Return whether the file at a path is a page that `preview_page` has made."""
    return has_mark(path, _MARK)
