"""Rows written in the pipeline itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from yamlgen.errors import Code
from yamlgen.formats.format import Rows, refused
from yamlgen.value_objects import Row


def inline_rows(rows: Iterable[Row], shown: str) -> Rows:
    """Yield each row with its number, after checking that it is an object of JSON values."""
    for number, row in enumerate(rows, start=1):
        place = f"{shown}, row {number}"
        if not isinstance(row, Mapping):
            raise refused(place, "the row is not an object", code=Code.NOT_AN_OBJECT)
        try:
            json.dumps(values := dict(row), allow_nan=False, sort_keys=True)  # sorting fails for keys of mixed types
        except (TypeError, ValueError, RecursionError) as error:
            raise refused(place, f"the row contains a value that JSON cannot represent: {error}") from error
        yield number, values
