"""Templates, styles and scripts of pages: read from beside the code, and allowed by their digests."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

_HERE: Final = Path(__file__).parent
_HEAD: Final = 400
"""The mark of a page is within so many bytes."""


def page_template(name: str, filters: Mapping[str, Callable[..., Any]] | None = None) -> Template:
    """Return the template of a page, which escapes whatever it is given; it can import its neighbours.

    Args:
        name: its file.
        filters: what it can apply to its values, by name.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FileSystemLoader(_HERE, encoding="utf-8"),
    )
    environment.filters.update(filters or {})
    return environment.get_template(name)


def beside(name: str) -> Markup:
    """Return a style or a script of ours, as it is embedded in a page."""
    return Markup((_HERE / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file


def has_mark(path: Path, mark: bytes) -> bool:
    """Return whether the file at a path is a page of ours, by the mark in its head."""
    with suppress(OSError), path.open("rb") as file:
        return mark in file.read(_HEAD)
    return False


def policy(*, style: str, scripts: Iterable[str] = ()) -> Markup:
    """Return the Content-Security-Policy of a page that has this style and these scripts, and nothing else."""
    allowed = [f"script-src {' '.join(map(_source, scripts))}"] if scripts else []
    rules = ["default-src 'none'", *allowed, f"style-src {_source(style)}", "base-uri 'none'", "form-action 'none'"]
    return Markup("; ".join(rules))  # noqa: S704 - our own words and digests, which are read better with their quotes


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
