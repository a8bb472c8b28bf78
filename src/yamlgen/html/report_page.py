"""The report of a run as one HTML page: no network, readable without script up to the rows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from markupsafe import Markup

from yamlgen.canonical_json import encoded
from yamlgen.html.compared_runs import against_section
from yamlgen.html.embedding import beside, has_mark, page_template, policy
from yamlgen.html.report_sections import FILTERS, report_sections
from yamlgen.html.row_packing import PackedRows
from yamlgen.profiles.run_profile import RunProfile
from yamlgen.reports.value_lines import clean

_MARK: Final = b'<meta name="generator" content="yamlgen report">'
MOST_BYTES: Final = 149_900
"""The size of a page, but for all rows of a run, which have no limit."""

_TOLD: Final = 900
"""The most bytes of the sentences about the rows."""


def report_page(profile: RunProfile, rows: PackedRows, *, text: bool = True) -> Iterable[bytes]:
    """Yield a page in parts.

    Args:
        profile: the run in numbers.
        rows: its rows.
        text: whether texts that come from rows and answers are shown.
    """
    styles = ("report_page.css", "report_rows.css", *(["report_against.css"] if profile.against else []))
    style = Markup("").join(map(beside, styles))
    script = beside("report_page.js") if rows.has_rows else ""
    parts = page_template("report_page.html.jinja", FILTERS).generate(
        title=f"{clean(profile.headline.pipeline)}: report",
        sections=report_sections(profile, text=text),
        against=against_section(profile, text=text),
        rows=rows,
        policy=policy(style=style, scripts=[script] if script else []),
        style=style,
        script=script,
    )
    return map(encoded, parts)


def room_for_rows(profile: RunProfile) -> int:
    """Return how many bytes of rows fit into a page with texts, beside everything else and the sentences about them."""
    return MOST_BYTES - _TOLD - sum(len(part) for part in report_page(profile, PackedRows(())))


def is_report_page(path: Path) -> bool:
    """Return whether the file at a path is a page that `report_page` has made."""
    return has_mark(path, _MARK)
