"""Rows that a Python caller gives in place of the input of a pipeline.

Owns which Python values are rows. Tables stay Arrow data (see `given_table`). Other rows are copied once into plain
JSON values, because the caller may change its objects during the run, and because a subclass of `str` or `dict` may
behave in any way.
"""

from __future__ import annotations

import builtins
import math
import re
from collections.abc import Iterable, Mapping
from numbers import Number
from typing import Any, Final, TypeAlias

from yamlgen.data.given_table import ArrowStream, GivenTable, given_table
from yamlgen.errors import Code, UsageError
from yamlgen.formats.format import refused
from yamlgen.value_objects import JSON, Row

SHOWN: Final = "rows from Python"
"""The name of the input in messages and in the record of a run."""

_MOST_BITS: Final = 10_000
"""Python converts integers of more than 4,300 digits only to binary formats."""

_MAPPING: Final = 'write each row as a mapping: {"column": value}'
_CONVERSIONS: Final = {"to_dicts": "to_dicts()", "to_pylist": "to_pylist()", "to_dict": 'to_dict("records")'}
"""The methods of tables, and the calls that return rows if pyarrow is not installed."""

_NAMES: Final = {"str": "a string", "bytes": "a bytes object", "dict": "a mapping"}
_AN: Final = re.compile("[AEIOaeio]|[Uu]n(?!i)|[FHLMNRSX][A-Z]|nd")
"""The beginning of a name that is spoken with a vowel first, such as `int`, `NAType` and `ndarray`."""
_MISSING: Final = ("NAType", "NaTType")


class _NotJSONValueError(Exception):
    """A part of a row that is not JSON, how to mend it, and the path to it, innermost part first."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint
        self.path: list[str] = []


GivenRows: TypeAlias = Iterable[Mapping[str, JSON]] | ArrowStream
"""The rows of a Python caller: mappings, or a table of pandas, polars or Arrow."""


def copied(rows: GivenRows) -> tuple[Row, ...] | GivenTable:
    """Return a table as Arrow data, and a copy of other rows in plain JSON values; a tuple becomes a list.

    Raises:
        UsageError: a row is not a mapping, or contains a value that JSON cannot represent; with its number, from 1; or
            a table cannot be read.
    """
    if (table := given_table(rows, SHOWN)) is not None:
        return table
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        hint = "pass a list of mappings, such as `rows=[row]`"
        if isinstance(rows, str):
            hint = "pass the path of a file as `input`; " + hint.replace("pass", "or pass", 1)
        elif hasattr(rows, "collect"):
            hint = "pass `rows.collect()`"
        raise UsageError(f"`rows` is {_named(rows)}, not a list of rows", code=Code.BAD_INPUT, hint=hint)
    return tuple(_row(row, f"{SHOWN}, row {number}", rows) for number, row in enumerate(rows, start=1))


def _row(row: Any, place: str, rows: Any) -> Row:
    if not isinstance(row, Mapping):
        calls = [call for name, call in _CONVERSIONS.items() if hasattr(rows, name)]
        hint = f"pass `rows.{calls[0]}`" if calls else f"{_MAPPING}; `dict`, `asdict` or `model_dump` can convert a row"
        raise refused(place, f"the row is {_named(row)}, not a mapping", hint, Code.NOT_AN_OBJECT)
    try:
        return _object(row)
    except _NotJSONValueError as error:
        if not error.path:
            raise refused(place, f"the row is {error.what}, which JSON cannot represent", error.hint) from None
        column, *inner = reversed(error.path)
        where = f"column `{column[1:]}` {'contains' if inner else 'is'} {error.what}"
        at = f" at `{column[1:]}{''.join(inner)}`" if inner else ""
        raise refused(place, f"{where}{at}, which JSON cannot represent", error.hint) from None
    except RecursionError:
        hint = "write the nested value as a string"
        raise refused(place, f"column `{_deep(row)}` is nested too deeply, or contains itself", hint) from None


def _deep(row: Mapping[str, Any]) -> str:
    """Return the first column that is nested too deeply."""
    for name, value in row.items():
        try:
            _plain(value)
        except RecursionError:
            return name
    return ""


def _plain(value: Any) -> JSON:
    if type(value) is str or value is None or isinstance(value, bool):  # the most frequent first
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            raise _NotJSONValueError("an integer of thousands of digits", "pass it as a string")
        return int.__index__(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            what = "NaN" if math.isnan(value) else "an infinite number"
            raise _NotJSONValueError(what, "pass None for a missing value")
        return float.__float__(value)
    if isinstance(value, list | tuple):
        return _list(value)
    if isinstance(value, Mapping):
        return _object(value)
    raise _NotJSONValueError(_named(value), _conversion(value))


def _object(value: Mapping[Any, Any]) -> dict[str, JSON]:
    made: dict[str, JSON] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            shown = f"the key {key!r}" if isinstance(key, int | float | None) else f"{_named(key)} as a key"
            raise _NotJSONValueError(f"a mapping with {shown}", "use strings as keys, such as `str(key)`")
        try:
            made[str.__str__(key)] = _plain(item)
        except _NotJSONValueError as error:
            error.path.append(f".{key}")
            raise
    return made


def _list(value: list[Any] | tuple[Any, ...]) -> list[JSON]:
    made: list[JSON] = []
    try:
        for item in value:
            made.append(_plain(item))  # noqa: PERF401 - its length is the index of a wrong item
    except _NotJSONValueError as error:
        error.path.append(f"[{len(made)}]")
        raise
    return made


def _named(value: Any) -> str:
    kind = type(value)
    name = kind.__name__
    if hasattr(builtins, name) and kind.__module__ != "builtins":  # such as a boolean of numpy
        name = f"{kind.__module__}.{name}"
    return _NAMES.get(name, f"an {name}" if _AN.match(name) else f"a {name}")


def _conversion(value: Any) -> str:
    """Return how to convert a value to JSON."""
    if type(value).__name__ in _MISSING:
        return "pass None for a missing value"
    if hasattr(value, "isoformat"):
        return "convert it to a string with `.isoformat()`"
    if isinstance(value, bytes | bytearray):
        return "convert it to a string with `.decode()`, or with `base64`"
    if hasattr(value, "tolist"):  # a value or an array of numpy
        return "convert it with `.tolist()`"
    if isinstance(value, Number):
        return "convert it with `float` or `str`"
    if isinstance(value, set | frozenset):
        return "convert it with `sorted`"
    return "convert it to a string, a number, a boolean, a list or a dict"
