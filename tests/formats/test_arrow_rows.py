"""What each Arrow type becomes."""

import datetime as dt
import decimal
import uuid

import pyarrow as pa
import pytest
from jsonschema import Draft202012Validator

from yamlgen.errors import UsageError
from yamlgen.formats.arrow_rows import column_types, rows_of

DAY = dt.date(2024, 2, 29)
MOMENT = dt.datetime(2024, 2, 29, 12, 30, 5, 250000)  # noqa: DTZ001 - a local time
PARIS = pa.timestamp("us", "Europe/Paris")
PAIRS = pa.map_(pa.string(), pa.int64())

VALUES = [
    pytest.param(pa.array([1, None, -128], pa.int8()), [1, None, -128], {"type": ["integer", "null"]}, id="int8"),
    pytest.param(pa.array([2**64 - 1], pa.uint64()), [2**64 - 1], {"type": ["integer", "null"]}, id="uint64"),
    pytest.param(pa.array([0.5, None], pa.float16()), [0.5, None], {"type": ["number", "null"]}, id="half"),
    pytest.param(pa.array([0.1, -0.0]), [0.1, -0.0], {"type": ["number", "null"]}, id="double"),
    pytest.param(pa.array([True, None, False]), [True, None, False], {"type": ["boolean", "null"]}, id="bool"),
    pytest.param(pa.array([None, None]), [None, None], {"type": "null"}, id="null"),
    pytest.param(pa.array(["ä", None]), ["ä", None], {"type": ["string", "null"]}, id="string"),
    pytest.param(pa.array(["ä"], pa.string_view()), ["ä"], {"type": ["string", "null"]}, id="view"),
    pytest.param(pa.array([DAY]), ["2024-02-29"], {"type": ["string", "null"]}, id="date"),
    pytest.param(pa.array([-719_162, 2_932_896], pa.date32()), ["0001-01-01", "9999-12-31"], None, id="all dates"),
    pytest.param(pa.array([MOMENT.time()]), ["12:30:05.25"], {"type": ["string", "null"]}, id="time"),
    pytest.param(pa.array([MOMENT]), ["2024-02-29T12:30:05.25"], {"type": ["string", "null"]}, id="timestamp"),
    pytest.param(pa.array([0], PARIS), ["1970-01-01T00:00:00Z"], {"type": ["string", "null"]}, id="zone"),
    pytest.param(pa.array([10], pa.timestamp("ns")), ["1970-01-01T00:00:00.00000001"], None, id="nanosecond"),
    pytest.param(pa.array([decimal.Decimal("1.50")]), [1.5], {"type": ["number", "null"]}, id="decimal"),
    pytest.param(pa.array([decimal.Decimal(10**30)]), [10**30], {"type": ["integer", "null"]}, id="whole decimal"),
    pytest.param(pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"], None, id="dictionary"),
    pytest.param(pa.array([uuid.UUID(int=1).bytes], pa.uuid()), [str(uuid.UUID(int=1))], None, id="uuid"),
    pytest.param(
        pa.array([[1], None, []]), [[1], None, []], {"type": ["array", "null"], "items": {"type": ["integer", "null"]}}
    ),
    pytest.param(pa.array([[DAY], None], pa.list_view(pa.date32())), [["2024-02-29"], None], None, id="list view"),
    pytest.param(pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), [[1, 2], None], None, id="fixed size"),
    pytest.param(pa.array([{"a": {"b": [DAY]}}, None]), [{"a": {"b": ["2024-02-29"]}}, None], None, id="struct"),
    pytest.param(pa.array([[("a", 1)], None, []], PAIRS), [{"a": 1}, None, {}], None, id="map"),
    pytest.param(pa.array([[(1, "a")]], pa.map_(pa.int64(), pa.string())), [{"1": "a"}], None, id="map of integers"),
    pytest.param(pa.array([None], pa.binary()), [None], {"type": "null"}, id="no bytes"),
]


@pytest.mark.parametrize(("array", "values", "schema"), VALUES)
def test_each_type_has_its_value_and_its_schema(array, values, schema):
    """The values are plain JSON, also in a part of a larger batch, and the schema of the column accepts them."""
    table = pa.table({"x": array})
    assert [row["x"] for row in rows_of(table.to_batches(), "t")] == values
    assert [row["x"] for row in rows_of(table.slice(len(array) - 1).to_batches(), "t")] == values[-1:]
    found = column_types(table.schema, "t")["x"]
    assert schema is None or found == schema
    for value in values:
        Draft202012Validator(found).validate(value)


def test_a_field_without_nulls_has_a_type_without_null():
    """The schema of the data decides whether null is a value."""
    schema = pa.schema([pa.field("x", pa.int64(), nullable=False)])
    assert column_types(schema, "t") == {"x": {"type": "integer"}}


BROKEN = [
    (pa.array([1.0, float("nan")]), "column `x` is NaN", "replace it with null"),
    (pa.array([None, float("-inf")]), "column `x` is an infinite number", "replace it with null"),
    (pa.array([None, b"\xff"]), "column `x` is binary data", "convert the column to strings"),
    (pa.array([None, 1], pa.duration("s")), "column `x` is an interval", "convert the column to a number"),
    (pa.array([None, (1, 2, 3)], pa.month_day_nano_interval()), "column `x` is an interval", "convert the column"),
    (pa.array([[{"a": 1.0}], [{"a": float("nan")}]]), "column `x` contains NaN at `x[].a`", "replace it with null"),
    (pa.array([[], [("a", 1), ("a", 2)]], PAIRS), "column `x` is a map with the same key twice", "keep one"),
    (pa.array([0, 10**14], pa.timestamp("s")), "column `x` is a date outside the years 1 to 9999", "replace it"),
    (pa.array([0, 2_932_897], pa.date32()), "column `x` is a date outside the years 1 to 9999", "replace it"),
    (pa.array([0, -719_163 * 86_400_000], pa.date64()), "column `x` is a date outside the years", "replace it"),
    (pa.array([b"a", b"\xff"]).view(pa.string()), "column `x` is a string that is not UTF-8", "convert"),
]


@pytest.mark.parametrize(("array", "fact", "hint"), BROKEN)
def test_what_json_cannot_represent_is_an_error_with_row_and_column(array, fact, hint):
    """The row is counted over all batches."""
    before = pa.table({"x": pa.nulls(3, array.type)}).to_batches()
    with pytest.raises(UsageError) as caught:
        list(rows_of([*before, *pa.table({"x": array}).to_batches()], "t.parquet"))
    assert caught.value.message.startswith(f"t.parquet, row 5: {fact}")
    assert caught.value.message.endswith("which JSON cannot represent")
    assert caught.value.hint.startswith(hint)


def test_two_columns_of_one_name_are_an_error():
    """A row could have only one of them."""
    schema = pa.schema([("x", pa.int64()), ("x", pa.string())])
    with pytest.raises(UsageError, match="t: two columns have the name `x`"):
        column_types(schema, "t")


def test_rows_without_columns_are_counted():
    """A table may have rows and no columns."""
    table = pa.table({"x": [1, 2]}).select([])
    assert list(rows_of(table.to_batches(), "t")) == [{}, {}]
