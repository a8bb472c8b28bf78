"""Detection of a wrong CSV delimiter: the file has one column, whose name contains all column names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePath
from typing import Final

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.formats.format_table import format_named
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.value_objects import Columns

_USUAL: Final = (";", "\t", "|", ",")


def parted(parsed: ParsedFile, columns: Columns | None) -> tuple[Columns | None, list[Diagnostic]]:
    """Return the columns under the correct delimiter, and a diagnostic if the delimiter is wrong."""
    if parsed.is_broken("input", "delimiter"):
        return None, []
    character = _parting(parsed, columns)
    if columns is None or character is None:
        return columns, []
    (column,) = columns.names
    has_own = parsed.pipeline.input.delimiter is not None
    message = f"{parsed.beside(parsed.pipeline.input.path or '')[1]} has one column, `{column}`"
    hint = f"{'write' if has_own else 'add'} `delimiter: {json.dumps(character)}` under `input`"
    mark = parsed.document.mark(("input", "delimiter" if has_own else "path"))
    names = tuple(part.strip('"') for part in column.split(character))
    meant = replace(columns, names=names, types={name: {"type": "string"} for name in names})
    return meant, [Diagnostic(Code.UNKNOWN_COLUMN, message, mark, hint)]


def _parting(parsed: ParsedFile, columns: Columns | None) -> str | None:
    """Return the likely delimiter within the only column that was read, or `None`."""
    source = parsed.pipeline.input
    if columns is None or len(columns.names) != 1 or source.path is None or parsed.is_broken_within("input"):
        return None
    kind = format_named(source.format, PurePath(source.path))
    default = None if kind is None else kind.separator
    if default is None or source.columns is not None:
        return None
    (name,) = columns.names
    used = source.delimiter or default
    counts = {each: name.count(each) for each in _USUAL if each != used and each in name}
    meant = max(counts, key=counts.__getitem__, default=None)
    is_used = name in parsed.texts[0].text
    return None if meant is None or is_used or not all(part.strip() for part in name.split(meant)) else meant
