"""The cards of a preview as one HTML page: no script, no network, nothing of a row but its text."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from yamlgen.canonical_json import encoded
from yamlgen.reports.row_cards import Card
from yamlgen.reports.value_lines import clean

_MARK: Final = b'<meta name="generator" content="yamlgen preview">'
_HEAD: Final = 400
"""The mark is within so many bytes."""


def preview_page(title: str, notes: Iterable[str], cards: Iterable[Card]) -> Iterable[bytes]:
    """Yield a page in parts.

    Args:
        title: the title.
        notes: sentences about the run, above the cards.
        cards: the cards, in order.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_beside("preview_page.html.jinja"))
    style = _beside("preview_page.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    parts = template.generate(
        title=clean(title),
        notes=map(clean, notes),
        cards=cards,
        policy=policy,
        style=Markup(style),  # noqa: S704 - our own file
    )
    return map(encoded, parts)


def is_preview_page(path: Path) -> bool:
    """Return whether the file at a path is a page that `preview_page` has made."""
    with suppress(OSError), path.open("rb") as file:
        return _MARK in file.read(_HEAD)
    return False


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
