"""The warning about a misspelt column in `input.rows`.

A column of all rows except one, and a similar column that only this row has, are taken as the same column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.parsing.source_map import Document
from yamlgen.suggestions import Hint, listing, nearest

_DIGITS: Final = re.compile(r"\d+")


def odd_columns(document: Document) -> Iterator[Diagnostic]:
    """Yield a warning for each column of inline rows that is probably misspelt.

    Args:
        document: the pipeline file.
    """
    source = document.data.get("input")
    rows = source.get("rows") if isinstance(source, dict) else None
    if not isinstance(rows, list) or len(rows) < 2 or not all(isinstance(row, dict) for row in rows):  # noqa: PLR2004
        return
    count = Counter(name for row in rows for name in row)
    usual = [name for name in count if count[name] == len(rows) - 1]
    for index, row in enumerate(rows):
        if len(rows) == 2 and index == 0:  # noqa: PLR2004 - of two rows, either may be wrong: report the second
            continue
        lacking = [name for name in usual if name not in row]
        for name in (name for name in row if count[name] == 1):
            meant = nearest(name, [each for each in lacking if _DIGITS.findall(each) == _DIGITS.findall(name)])
            if meant is None:
                continue
            mark = document.mark(("input", "rows", index, name), key=True)
            message = f"only this row has the column `{name}`, and only this row lacks {listing([meant])}"
            hint = f"did you mean `{meant}`? If both are meant, add `{meant}: null`"
            yield Diagnostic(Code.UNKNOWN_COLUMN, message, mark, Hint(hint, count), "warning")
