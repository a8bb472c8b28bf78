"""The table of formats, and the format of a path.

Input and output share this table, so a written file can be read back under the same name. An unknown format has no
fallback.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Literal

from yamlgen.formats.csv import Csv
from yamlgen.formats.format import Format
from yamlgen.formats.json_array import JsonArray
from yamlgen.formats.jsonl import Jsonl

TABLE: Final[tuple[Format, ...]] = (
    Jsonl(),
    Csv(),
    JsonArray(),
)
"""The formats."""

FORMATS: Final = {each.name: each for each in TABLE}
"""The formats by name."""

STREAMED: Final = FORMATS["jsonl"]
"""The format of streams without an extension: standard input and output, a shell's `<(...)`."""

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(FORMATS)]  # for pydantic, which lists the names in the JSON Schema

_TYPED_FIRST: Final = sorted(TABLE, key=lambda each: not each.keeps_types)
_BY_ENDING: Final = {ending: each for each in _TYPED_FIRST for ending in each.endings}


def format_of(path: PurePath) -> Format | None:
    """Return the format for the extension of `path`; `None` if the extension is unknown."""
    return _BY_ENDING.get(path.suffix.lower())


def _offered(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


NAMES: Final = _offered([f"`{'' if at else 'format: '}{name}`" for at, name in enumerate(FORMATS)])
"""The names of the formats, for messages."""

ENDINGS: Final = ", ".join(_BY_ENDING)
"""The known extensions, for messages; those of formats that keep types come first."""

USUAL_ENDINGS: Final = _offered([each.endings[0] for each in _TYPED_FIRST])
"""The usual extension of each format, for messages."""
