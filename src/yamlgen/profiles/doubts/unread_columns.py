"""The columns of the input that no step reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from yamlgen.expressions.evaluation import parse_expression
from yamlgen.expressions.syntax_trees import members_read
from yamlgen.profiles.doubts.suspicions import Suspicion
from yamlgen.reports.value_lines import clean, scalars
from yamlgen.store.row_scan import ScannedRow
from yamlgen.suggestions import listing
from yamlgen.value_objects import JSON

_ROW: Final = "row"
_MOST_COLUMNS: Final = 1000
"""Rows may all have columns of their own: more are not gathered."""

MOST_LOOKED_AT: Final = 1000
"""The first rows show which columns there are, and which of them are ids."""

_ADDED: Final = frozenset({"path", "name"})
"""The columns beside the text that a folder of files has, whether they are of use or not."""

_FILE: Final = "_file"
_LONGEST_ID: Final = 200
_WORDS = "id|ids|uid|uuid|guid|key|index|idx|no|nr|num|number|code|hash|ref|sku|slug|url|uri|link|path|file|filename"
_NAMED: Final = re.compile(rf"(?is:(.*[\W_])?({_WORDS}))|\w*[a-z](Id|ID|Key|Url|URL)")
"""What an id is called."""

_DATE = r"\d{4}-\d\d-\d\d([T ][\d:.,]+ ?(Z|UTC|[+-]\d\d:?\d\d)?)?"
_IDENTIFIER: Final = re.compile(rf"{_DATE}|[a-z]+://\S+|[0-9a-f]{{8}}-[0-9a-f-]{{27}}|[0-9a-f]{{32,}}", re.IGNORECASE)
"""What is an id, a link or a date, however it is called."""

_MOST_NAMED: Final = 8
_LONGEST: Final = 40


class ColumnObserver:
    """Gathers the columns of the rows.

    Args:
        about: the record of the run.
    """

    def __init__(self, about: Mapping[str, JSON]) -> None:
        self._about = about
        self._names: dict[str, None] = {}
        self._rows = 0
        self._others: set[str] = set()

    def add(self, row: ScannedRow) -> None:
        """Add a row."""
        if self._rows == MOST_LOOKED_AT:
            return
        self._rows += 1
        if row.columns.keys() - self._names.keys() and len(self._names) < _MOST_COLUMNS:
            self._names.update(dict.fromkeys(row.columns))
        for name in row.columns.keys() & self._names.keys() - self._others:
            self._look_at(name, row.columns[name])

    def _look_at(self, name: str, value: JSON) -> None:
        """Note whether the values of a column still look like ids, links or dates."""
        text = str(value)[: _LONGEST_ID + 1]
        is_word = value is None or (len(text) <= _LONGEST_ID and len(text.split()) <= 1)
        if not (is_word and _NAMED.fullmatch(name)) and not _IDENTIFIER.fullmatch(text):
            self._others.add(name)

    def suspicions(self) -> Iterator[Suspicion]:
        """Yield the columns that no step reads and that nothing else names, as one suspicion.

        An id, a link or a date need not be read, nor what yamlgen adds. A column that `input.where` or an
        output names is there on purpose; one that is copied into the output with all others is not.
        """
        unread = list(self._unread())
        if not unread:
            return
        names = listing((clean(name[:_LONGEST]) for name in unread), _MOST_NAMED)
        message = f"no prompt reads {len(unread):,} of the {len(self._names):,} columns: {names}"
        yield Suspicion("unread_columns", "input", message)

    def _unread(self) -> Iterator[str]:
        declared, resolved = self._about.get("declared"), self._about.get("resolved") or {}
        given = resolved.get("input") or {}
        if not declared or "range" in given or all(step["kind"] != "generate" for step in declared.values()):
            return  # an earlier version has recorded no columns; the numbers of a range need no reader
        known = {given.get("id"), _FILE, *(_ADDED if "folder" in given else ())}
        known |= self._names.keys() - self._others
        for step in declared.values():
            if step["kind"] == "draw":
                continue  # a draw is identified by the whole row, and does not read it
            if step["columns"] is None:
                return
            known.update(step["columns"])
        sources = (each for part in _parts(resolved) for each in scalars(part) if isinstance(each, str))
        trees = list(map(parse_expression, sources))
        known.update(members_read(trees, _ROW, self._names))
        yield from (name for name in self._names if name not in known)


def _parts(resolved: Mapping[str, JSON]) -> Iterator[JSON]:
    """Yield the expressions outside of the steps, which may name a column."""
    yield (resolved.get("input") or {}).get("where")
    for output in (resolved.get("outputs") or {"": resolved.get("output") or {}}).values():
        yield [output.get(key) for key in ("for_each", "where", "unique", "columns", "exclude")]
        yield (output.get("split") or {}).get("by")
