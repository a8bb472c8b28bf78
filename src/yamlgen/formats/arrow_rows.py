"""Arrow data as rows of JSON values, and an Arrow schema as JSON Schemas.

Owns what each Arrow type becomes: Parquet files, tables from Python and the results of SQL are read by this mapping.
Dates, times, timestamps (in UTC) and UUIDs are ISO 8601 strings, decimals are numbers, dictionaries are their values,
lists, structs and maps nest. What JSON cannot represent is an error that names the row and the column.

This module imports pyarrow, which is optional: other modules import this one inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import pyarrow as pa
from pyarrow import compute, types

from yamlgen.canonical_json import canonical
from yamlgen.errors import UsageError
from yamlgen.formats.format import refused
from yamlgen.value_objects import JSON

_BUFFERS: Final = {"int8": "b", "int16": "h", "int32": "i", "int64": "q", "float": "f", "double": "d"}
_BUFFERS.update({"uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q"})
"""The types of numbers whose buffers Python reads itself, with the format of a `memoryview`."""

_FIRST_DAY: Final = -719_162
_LAST_DAY: Final = 2_932_897
"""The first day of year 1, and the day after year 9999, since 1970: Arrow writes others in different ways."""

_PER_DAY: Final = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}

_NULL_HINT: Final = "replace it with null"
_TEXT_HINT: Final = "convert the column to strings before (in SQL: `decode(x)`), or leave it out"
_NUMBER_HINT: Final = "convert the column to a number or a string before, or leave it out"


class _UnrepresentableError(Exception):
    """A value that JSON cannot represent: what it is, how to fix it, and the path to it below its column."""

    def __init__(self, what: str, hint: str, within: str = "") -> None:
        super().__init__(what)
        self.what, self.hint, self.within = what, hint, within


def column_types(schema: pa.Schema, shown: str) -> dict[str, JSON]:
    """Return the columns of an Arrow schema, each with the JSON Schema of its values.

    Args:
        schema: the schema; a field that is not nullable has a type without null.
        shown: the name of the data in messages.

    Raises:
        UsageError: two columns have the same name.
    """
    twice = [name for name in schema.names if schema.names.count(name) > 1]
    if twice:
        raise refused(shown, f"two columns have the name `{twice[0]}`", "rename one of them")
    return {field.name: _field_type(field) for field in schema}


def rows_of(batches: Iterable[pa.RecordBatch], shown: str) -> Iterator[dict[str, JSON]]:
    """Yield the rows of Arrow batches.

    Args:
        batches: the batches; each is converted when its first row is read.
        shown: the name of the data in messages.

    Raises:
        UsageError: JSON cannot represent a value of the next batch.
    """
    before = 0
    for batch in batches:
        names = batch.schema.names
        columns = [_column(name, array, before, shown) for name, array in zip(names, batch.columns, strict=True)]
        if columns:
            yield from (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))
        else:
            yield from ({} for _ in range(batch.num_rows))
        before += batch.num_rows


def _column(name: str, array: pa.Array, before: int, shown: str) -> list[JSON]:
    try:
        return _values(array)
    except _UnrepresentableError:
        for at in range(len(array)):
            try:
                _values(array.slice(at, 1))
            except _UnrepresentableError as error:
                raise _not_json(f"{shown}, row {before + at + 1}", name, error) from error
        raise


def _not_json(place: str, name: str, error: _UnrepresentableError) -> UsageError:
    where = f"column `{name}` {'contains' if error.within else 'is'} {error.what}"
    at = f" at `{name}{error.within}`" if error.within else ""
    return refused(place, f"{where}{at}, which JSON cannot represent", error.hint)


def _values(array: pa.Array) -> list[JSON]:
    """Return the values of an array as JSON values."""
    if array.null_count == len(array):
        return [None] * len(array)
    if isinstance(array, pa.ExtensionArray):
        return _of_extension(array)
    convert = next((convert for is_it, convert in _CONVERSIONS if is_it(array.type)), None)
    if convert is None:
        raise _unrepresentable(array.type)
    return convert(array)


def _unrepresentable(kind: pa.DataType) -> _UnrepresentableError:
    if types.is_duration(kind) or types.is_interval(kind):
        return _UnrepresentableError("an interval", _NUMBER_HINT)
    if types.is_union(kind):
        return _UnrepresentableError("a union", _TEXT_HINT)
    return _UnrepresentableError("binary data", _TEXT_HINT)


def _is_text(kind: pa.DataType) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_moment(kind: pa.DataType) -> bool:
    return bool(types.is_date(kind) or types.is_time(kind) or types.is_timestamp(kind))


def _is_list(kind: pa.DataType) -> bool:
    return types.is_nested(kind) and hasattr(kind, "value_field")


def _inner(array: pa.Array, path: str) -> list[JSON]:
    """Return the values of an array below a column or another array."""
    try:
        return _values(array)
    except _UnrepresentableError as error:
        raise _UnrepresentableError(error.what, error.hint, path + error.within) from error


def _with_nulls(values: list[JSON], array: pa.Array) -> list[JSON]:
    if not array.null_count:
        return values
    return [value if valid else None for value, valid in zip(values, array.is_valid().to_pylist(), strict=True)]


def _numbers(array: pa.Array) -> list[JSON]:
    view = memoryview(array.buffers()[1]).cast("B").cast(_BUFFERS[str(array.type)])  # type: ignore[call-overload]
    return _with_nulls(view[array.offset : array.offset + len(array)].tolist(), array)


def _floats(array: pa.Array) -> list[JSON]:
    if not compute.all(compute.is_finite(array)).as_py():
        is_nan = compute.any(compute.is_nan(array)).as_py()
        raise _UnrepresentableError("NaN" if is_nan else "an infinite number", _NULL_HINT)
    return _numbers(array.cast(pa.float32()) if array.type == pa.float16() else array)


def _strings(array: pa.Array) -> list[JSON]:
    try:
        return array.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError as error:
        raise _UnrepresentableError("a string that is not UTF-8", _TEXT_HINT) from error


def _booleans(array: pa.Array) -> list[JSON]:
    return _with_nulls([value == 1 for value in _numbers(array.cast(pa.uint8()))], array)


def _decimals(array: pa.Array) -> list[JSON]:
    number: Callable[[Any], JSON] = int if array.type.scale <= 0 else float
    return [None if value is None else number(value) for value in array.to_pylist()]


def _of_dictionary(array: pa.DictionaryArray) -> list[JSON]:
    values = _values(array.dictionary)
    return [None if at is None else values[at] for at in _values(array.indices)]


def _moments(array: pa.Array) -> list[JSON]:
    """Return dates, times and timestamps as ISO 8601 strings, without zeros at the end of a fraction."""
    kind = array.type
    if types.is_timestamp(kind) and kind.tz is not None:
        array = array.cast(pa.timestamp(kind.unit, "UTC"))
    if not types.is_time(kind):
        per_day = 1 if kind == pa.date32() else _PER_DAY[getattr(kind, "unit", "ms")]
        ends = compute.min_max(array.view(pa.int32() if kind == pa.date32() else pa.int64()))
        if not _FIRST_DAY * per_day <= ends["min"].as_py() <= ends["max"].as_py() < _LAST_DAY * per_day:
            raise _UnrepresentableError("a date outside the years 1 to 9999", _NULL_HINT)
    text = array.cast(pa.string())
    if types.is_date(kind):
        return text.to_pylist()  # type: ignore[no-any-return]
    text = compute.replace_substring_regex(text, r"(\.\d*?)0+(Z?)$", r"\1\2")
    text = compute.replace_substring_regex(text, r"\.(Z?)$", r"\1")
    return compute.replace_substring(text, " ", "T").to_pylist()  # type: ignore[no-any-return]


def _of_extension(array: pa.ExtensionArray) -> list[JSON]:
    kind = array.type.extension_name
    if kind == "arrow.uuid":
        return [None if value is None else str(value) for value in array.to_pylist()]
    return _values(array.storage.cast(pa.bool_()) if kind == "arrow.bool8" else array.storage)


def _structs(array: pa.StructArray) -> list[JSON]:
    names = [field.name for field in array.type]
    if not names:
        return _with_nulls([{} for _ in range(len(array))], array)
    members = [_inner(part, f".{name}") for name, part in zip(names, array.flatten(), strict=True)]
    return _with_nulls([dict(zip(names, each, strict=True)) for each in zip(*members, strict=True)], array)


def _maps(array: pa.MapArray) -> list[JSON]:
    """Return maps as objects; a key that is not a string is written as JSON."""
    lists = array.cast(pa.list_(pa.struct([array.type.key_field, array.type.item_field])))
    keys, items = lists.flatten().flatten()
    names = [name if isinstance(name, str) else canonical(name).decode() for name in _inner(keys, " (a key)")]
    made = _lists(lists, list(zip(names, _inner(items, "{}"), strict=True)))
    objects = [None if pairs is None else dict(pairs) for pairs in made]
    if any(pairs and len(each or ()) < len(pairs) for each, pairs in zip(objects, made, strict=True)):
        raise _UnrepresentableError("a map with the same key twice", "keep one value for each key")
    return objects


def _arrays(array: pa.Array) -> list[JSON]:
    return _lists(array, _inner(array.flatten(), "[]"))


def _lists(array: pa.Array, items: list[Any]) -> list[Any]:
    """Return the lists of an array, from the items of all of them."""
    made: list[Any] = []
    at = 0
    for length in compute.list_value_length(array).to_pylist():
        made.append(None if length is None else items[at : at + length])
        at += length or 0
    return made


_CONVERSIONS: Final[tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any], list[JSON]]], ...]] = (
    (_is_text, _strings),
    (types.is_integer, _numbers),
    (types.is_floating, _floats),
    (types.is_boolean, _booleans),
    (_is_moment, _moments),
    (types.is_decimal, _decimals),
    (types.is_dictionary, _of_dictionary),
    (types.is_run_end_encoded, lambda array: _values(compute.run_end_decode(array))),
    (types.is_struct, _structs),
    (types.is_map, _maps),
    (_is_list, _arrays),
)
"""The conversion of each group of types; the first that fits."""


def _field_type(field: pa.Field) -> JSON:
    made = _type(field.type)
    if not field.nullable or not made.get("type"):
        return made
    kinds = [made["type"]] if isinstance(made["type"], str) else made["type"]
    return made if "null" in kinds else {**made, "type": [*kinds, "null"]}


def _type(kind: pa.DataType) -> dict[str, JSON]:
    """Return the JSON Schema of the values of an Arrow type, without null."""
    if isinstance(kind, pa.BaseExtensionType):
        named = {"arrow.uuid": "string", "arrow.bool8": "boolean"}.get(kind.extension_name)
        return _type(kind.storage_type) if named is None else {"type": named}
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _type(kind.value_type)
    if types.is_struct(kind):
        members = {field.name: _field_type(field) for field in kind}
        made = {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
        return made if members else {"type": "object"}
    if types.is_map(kind):
        return {"type": "object", "additionalProperties": _field_type(kind.item_field)}
    if _is_list(kind):
        return {"type": "array", "items": _field_type(kind.value_field)}
    is_whole = types.is_integer(kind) or (types.is_decimal(kind) and kind.scale <= 0)
    is_number = types.is_floating(kind) or types.is_decimal(kind)
    is_text = _is_text(kind) or _is_moment(kind)
    found = {"string": is_text, "integer": is_whole, "number": is_number, "boolean": types.is_boolean(kind)}
    return {"type": next((name for name, is_it in found.items() if is_it), "null")}
