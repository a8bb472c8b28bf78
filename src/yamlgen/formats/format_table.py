"""The table of formats, and the format of a path.

Input and output share this table, so a written file can be read back under the same name. An unknown format has no
fallback.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Literal

from yamlgen.formats.byte_layers import compression_of
from yamlgen.formats.csv import Csv, Tsv
from yamlgen.formats.format import Format
from yamlgen.formats.json_array import JsonArray
from yamlgen.formats.jsonl import Jsonl
from yamlgen.formats.parquet import Parquet
from yamlgen.formats.text import Text
from yamlgen.option_names import by_surface

TABLE: Final[tuple[Format, ...]] = (
    Jsonl(),
    Csv(),
    Tsv(),
    JsonArray(),
    Parquet(),
)
"""The formats."""

FORMATS: Final = {each.name: each for each in TABLE}
"""The formats by name."""

DOCUMENT: Final = Text()
"""The format of the files of a folder: each is one row. No name and no extension of the language leads to it."""

STREAMED: Final = FORMATS["jsonl"]
"""The format of streams without an extension: standard input and output, a shell's `<(...)`."""

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(FORMATS)]  # for pydantic, which lists the names in the JSON Schema

_TYPED_FIRST: Final = sorted(TABLE, key=lambda each: not each.keeps_types)
_BY_ENDING: Final = {ending: each for each in _TYPED_FIRST for ending in each.endings}


def format_of(path: PurePath) -> Format | None:
    """Return the format for the extension of `path`, before that of a compression; `None` if it is unknown."""
    inner = path if compression_of(path) is None else path.with_suffix("")
    return _BY_ENDING.get(inner.suffix.lower())


def format_named(name: str | None, path: PurePath) -> Format | None:
    """Return the format of a name, otherwise that of the path; `None` if unknown. CSV in a `.tsv` file is TSV."""
    found = format_of(path)
    return found if not name or (name, found) == ("csv", FORMATS["tsv"]) else FORMATS.get(name)


def _offered(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


NAMES: Final = _offered([f"`{'' if at else 'format: '}{name}`" for at, name in enumerate(FORMATS)])
"""The names of the formats, for messages."""

ENDINGS: Final = ", ".join(_BY_ENDING)
"""The known extensions, for messages; those of formats that keep types come first."""

SQLITE_ENDINGS: Final = (".sqlite", ".db")
"""The extensions of a database, which only an export writes."""

USUAL_ENDINGS: Final = _offered([each.endings[0] for each in _TYPED_FIRST])
"""The usual extension of each format, for messages."""


def known_endings(path: PurePath) -> str:
    """Return the hint for an output whose extension is not known."""
    ways = f"use one of the extensions {ENDINGS}"
    if path.suffix not in SQLITE_ENDINGS:
        return ways
    export = by_surface(command="`yamlgen runs export -o PATH`", python="`yamlgen.export(output=PATH)`")
    return f"{export} writes a database after the run; or {ways}"
