"""The table of formats, and how a path tells its own.

Input and output share this one table, so that what was written can be read back under the same name. What is not in
it is no format: nothing stands in for it.
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
"""The formats, one on each line."""

FORMATS: Final = {each.name: each for each in TABLE}
"""The formats by their names."""

STREAMED: Final = FORMATS["jsonl"]
"""What has no ending is in this format where it is a stream: standard input and output, a shell's `<(...)`."""

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(FORMATS)]  # for pydantic, which lists the names in the JSON Schema

_TYPED_FIRST: Final = sorted(TABLE, key=lambda each: not each.keeps_types)
_BY_ENDING: Final = {ending: each for each in _TYPED_FIRST for ending in each.endings}


def format_of(path: PurePath) -> Format | None:
    """The format that `path` has by its ending, or `None` where the ending is not a known one."""
    return _BY_ENDING.get(path.suffix.lower())


def _offered(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


NAMES: Final = _offered([f"`{'' if at else 'format: '}{name}`" for at, name in enumerate(FORMATS)])
"""The names, as a message offers them."""

ENDINGS: Final = ", ".join(_BY_ENDING)
"""The known endings, as a message lists them; those that keep types come first."""

USUAL_ENDINGS: Final = _offered([each.endings[0] for each in _TYPED_FIRST])
"""The ending that each format usually has, as a message offers them."""
