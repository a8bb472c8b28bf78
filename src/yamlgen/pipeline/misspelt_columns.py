"""Rows that stand in the pipeline itself: a key that is misspelt in one of them.

Owns the warning about it. A column of all rows but one, and another of that one alone, are one column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from yamlgen.errors import Code, Diagnostic
from yamlgen.parsing.source_map import Document
from yamlgen.suggestions import listing, nearest

_DIGITS: Final = re.compile(r"\d+")


def odd_columns(document: Document) -> Iterator[Diagnostic]:
    """The columns of inline rows that stand in the place of another one.

    Args:
        document: the pipeline's file.
    """
    source = document.data.get("input")
    rows = source.get("rows") if isinstance(source, dict) else None
    if not isinstance(rows, list) or len(rows) < 2 or not all(isinstance(row, dict) for row in rows):  # noqa: PLR2004
        return
    count = Counter(name for row in rows for name in row)
    usual = [name for name in count if count[name] == len(rows) - 1]
    for index, row in enumerate(rows):
        if len(rows) == 2 and index == 0:  # noqa: PLR2004 - of two, either may be the odd one: one is told
            continue
        lacking = [name for name in usual if name not in row]
        for name in (name for name in row if count[name] == 1):
            meant = nearest(name, [each for each in lacking if _DIGITS.findall(each) == _DIGITS.findall(name)])
            if meant is None:
                continue
            mark = document.mark(("input", "rows", index, name), key=True)
            message = f"this row alone has the column `{name}`, and it alone lacks {listing([meant])}"
            hint = f"did you mean `{meant}`? If both are meant, write `{meant}: null` beside it"
            yield Diagnostic(Code.UNKNOWN_COLUMN, message, mark, hint, "warning")
