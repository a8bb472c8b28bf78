"""Rows that are written in the pipeline itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from yamlgen.errors import Code
from yamlgen.formats.format import Rows, refused
from yamlgen.value_objects import Row


def inline_rows(rows: Iterable[Row], shown: str) -> Rows:
    """Each of `rows` with its number, checked to be an object of JSON values."""
    for number, row in enumerate(rows, start=1):
        place = f"{shown}, row {number}"
        if not isinstance(row, Mapping):
            raise refused(place, "a row that is not an object", code=Code.NOT_AN_OBJECT)
        try:
            json.dumps(values := dict(row), allow_nan=False, sort_keys=True)  # which refuses keys of several types
        except (TypeError, ValueError, RecursionError) as error:
            raise refused(place, f"a value that JSON cannot hold: {error}") from error
        yield number, values
