"""What yamlgen writes is read by Python, pandas and DuckDB as the same rows."""

import csv
import io
import json
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from output_schemas import json_line
from yamlgen.formats.format import WriteOptions, is_delimiter
from yamlgen.formats.format_table import format_of


def write(path, rows, **options):
    """Write rows to `path`; return the warnings."""
    told = []
    path.write_bytes(
        b"".join(format_of(path).write(lambda: map(json_line, rows), path, told.append, WriteOptions(**options)))
    )
    return told


def csv_by_python(path, delimiter):
    """The rows of a CSV file, as Python's own module reads them."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter, strict=True))


def csv_by_pandas(path, delimiter):
    """The rows of a CSV file, as pandas reads them."""
    return pd.read_csv(path, sep=delimiter, dtype=str, keep_default_na=False).to_dict("records")


def csv_by_duckdb(path, delimiter):
    """The rows of a CSV file, as DuckDB reads them; an empty cell is its NULL."""
    with duckdb.connect() as connection:
        options = {"header": True, "all_varchar": True, "quotechar": '"', "escapechar": '"'}
        found = rows_of(connection.read_csv(str(path), sep=delimiter, **options))
    return [{name: "" if cell is None else cell for name, cell in row.items()} for row in found]


def rows_of(relation):
    """The rows of a relation of DuckDB."""
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def json_by_python(path):
    """The rows of a JSON file, as Python's own module reads them."""
    text = path.read_text(encoding="utf-8")
    return (
        json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in io.StringIO(text, newline="\n")]
    )


def json_by_pandas(path):
    """The rows of a JSON file, as pandas reads them; its missing values are null."""
    table = pd.read_json(path, lines=path.suffix != ".json", dtype=False)
    return [
        {name: None if not isinstance(value, list | dict) and pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def json_by_duckdb(path):
    """The rows of a JSON file, as DuckDB reads them."""
    with duckdb.connect() as connection:
        return rows_of(connection.read_json(str(path)))


CSV_READERS = [csv_by_python, csv_by_pandas, csv_by_duckdb]
JSON_READERS = [json_by_python, json_by_pandas, json_by_duckdb]

ROWS = [
    {"\ufeffname": "one, two; three\tfour|five", "note": 'a "quoted" word, and "', "odd column;,\n": "x"},
    {
        "\ufeffname": "line\nline\r\nline\rline\n",
        "note": "\ufeffat the start, in the \ufeff middle",
        "odd column;,\n": "",
    },
    {
        "\ufeffname": "",
        "note": "Łódź 東京 \U0001f9d1\u200d\U0001f680 \u2028 \u0085 \u00a0",
        "odd column;,\n": "  spaces  ",
    },
    {"\ufeffname": "null", "note": "NaN", "odd column;,\n": "'"},
]
"""Strings of which a reader may make something else."""


@pytest.mark.parametrize("read", CSV_READERS)
@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", None), ("a.tsv", None), ("a.csv", ";"), ("a.csv", "|")])
def test_strings_in_csv_are_read_as_written(tmp_path, read, name, delimiter):
    """Delimiters, quotes, line ends, byte order marks and wide characters come back, with each delimiter."""
    path = tmp_path / name
    assert write(path, ROWS, delimiter=delimiter) == []
    assert read(path, delimiter or format_of(path).separator) == ROWS


@pytest.mark.parametrize("read", CSV_READERS)
def test_other_values_in_csv_are_json(tmp_path, read):
    """A value that is no string comes back as its JSON, whole; null and an empty string are an empty cell."""
    values = [{"a": [1, {"b": "x;\n\0\ud800"}]}, [], {}, 1, -2.5, 10**30, True, False]
    write(tmp_path / "a.csv", [{"id": "x", "v": value} for value in [*values, None, ""]], delimiter=";")
    cells = [row["v"] for row in read(tmp_path / "a.csv", ";")]
    assert ([json.loads(cell) for cell in cells[:-2]], cells[-2:]) == (values, ["", ""])


@pytest.mark.parametrize("read", CSV_READERS)
def test_a_row_of_one_empty_cell_is_a_row(tmp_path, read):
    """A column alone, with null or nothing in it, has as many rows as were written."""
    write(tmp_path / "a.csv", [{"v": "x"}, {"v": None}, {"v": ""}, {}, {"v": "y"}])
    assert [row["v"] for row in read(tmp_path / "a.csv", ",")] == ["x", "", "", "", "y"]


@pytest.mark.parametrize("read", CSV_READERS)
@pytest.mark.parametrize(("odd", "what"), [("\0", "NUL characters"), ("\udc00", "lone surrogates")])
def test_what_csv_cannot_hold_is_replaced_and_told(tmp_path, read, odd, what):
    """A character that readers stop at is U+FFFD, in the cells and in the header, with how many and the first row."""
    rows = [{"a": "x"}, {"a": f"{odd}y{odd}"}, {"a": odd, "n": [odd]}]
    told = [f"CSV cannot contain {what}: 3 became U+FFFD, the first in row 2 of the output"]
    assert write(tmp_path / "a.csv", rows) == told
    assert [row["a"] for row in read(tmp_path / "a.csv", ",")] == ["x", "\ufffdy\ufffd", "\ufffd"]
    assert json.loads(read(tmp_path / "a.csv", ",")[2]["n"]) == [odd]
    told = [f"CSV cannot contain {what}: 1 became U+FFFD, the first in the header"]
    assert write(tmp_path / "a.csv", [{f"{odd}a": "x", "b": "y"}]) == told
    assert read(tmp_path / "a.csv", ",") == [{"\ufffda": "x", "b": "y"}]


def test_each_kind_of_lost_character_is_told_once(tmp_path):
    """NULs and lone surrogates are two warnings, each with its own count and first row."""
    told = write(tmp_path / "a.csv", [{"a": "\ud800\udbff"}, {"a": "\0\ud800"}, {"a": "\0"}])
    assert told == [
        "CSV cannot contain lone surrogates: 3 became U+FFFD, the first in row 1 of the output",
        "CSV cannot contain NUL characters: 2 became U+FFFD, the first in row 2 of the output",
    ]


@pytest.mark.parametrize(("names", "formulas"), [(("a\0", "a\ud800"), "keep"), (("=a", "'=a"), "escape")])
def test_columns_that_become_one_name_are_told(tmp_path, names, formulas):
    """Two columns that differ in what CSV cannot hold have one name, which a reader refuses or changes."""
    told = write(tmp_path / "a.csv", [dict.fromkeys(names, "x")], formulas=formulas)
    assert told[-1].startswith("2 columns of the output have the name `")
    assert write(tmp_path / "a.csv", [{"=a": "x", "b": "y"}], formulas=formulas) == []


@pytest.mark.parametrize("read", CSV_READERS)
def test_formulas_are_escaped_on_request(tmp_path, read):
    """What a spreadsheet would execute gets an apostrophe; numbers and all other cells come back as they were."""
    formulas = ["=1+1", "+SUM(A1)", "-2+3", "@x", "\tx", "\rx", "-", "+49 30 1234", "-1e", "=", "-٣"]
    plain = ["-5", "+1.5e3", "-.5", "-5.", "5", "a=1", "'=1", " =1", "", "x\n=1", "e-5"]
    rows = [{"=id": value, "v": -1.5, "n": [value]} for value in formulas + plain]
    assert write(tmp_path / "a.csv", rows, formulas="escape", delimiter=";") == []
    found = read(tmp_path / "a.csv", ";")
    assert [row["'=id"] for row in found] == [f"'{value}" for value in formulas] + plain
    assert [json.loads(row["n"]) for row in found] == [[value] for value in formulas + plain]
    assert {row["v"] for row in found} == {"-1.5"}
    write(tmp_path / "a.csv", rows, delimiter=";")
    assert [row["=id"] for row in read(tmp_path / "a.csv", ";")] == formulas + plain


@pytest.mark.parametrize("read", JSON_READERS)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_json_is_read_as_written(tmp_path, read, name):
    """Strings, numbers, nested values, NUL, null and an empty string come back; options for CSV change nothing."""
    rows = [
        {"id": number, "s": row["note"], "t": row["\ufeffname"], "n": {"a": [{"b": row["note"]}, {"b": None}]}}
        for number, row in enumerate(ROWS, start=1)
    ]
    rows += [{**rows[0], "id": 5, "s": "nul\0nul", "t": None}, {**rows[0], "id": 6, "t": "=1+1"}]
    assert write(tmp_path / name, rows, formulas="escape", delimiter=";") == []
    assert read(tmp_path / name) == rows


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_lone_surrogates_in_json_are_told(tmp_path, name):
    """DuckDB refuses them, and other readers drop them; a pair, and the text of an escape, are as they are."""
    rows = [{"a": "\U0001f600"}, {"a": "\\ud83d \\\\udc00"}]
    assert write(tmp_path / name, rows) == []
    odd = [{"a": "half\ud83d"}, {"a\udbff": ["\\\udc00", "\\\\\udc00\udc00"]}]
    told = "some JSON readers refuse or drop lone surrogates: 5 became escapes, the first in row 3 of the output"
    assert write(tmp_path / name, [*rows, *odd]) == [told]
    with pytest.raises(duckdb.Error):
        json_by_duckdb(tmp_path / name)
    assert json_by_python(tmp_path / name) == [*rows, *odd]


def test_a_delimiter_is_one_character_that_is_free():
    """What CSV uses otherwise, or what is replaced, separates nothing."""
    assert all(map(is_delimiter, [",", ";", "\t", "|", " ", "a", "§", "\x1f", "\U0001f600"]))
    assert not any(map(is_delimiter, ["", ",,", "tab", '"', "\n", "\r", "\0", "\ufeff", "\ufffd", "\ud800"]))


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text(",;\t\"'\n\r \ufeff=-#\\a")


@given(
    cells=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5),
    delimiter=st.sampled_from(",;\t|"),
    read=st.sampled_from(CSV_READERS),
)
def test_any_strings_in_csv_are_read_as_written(tmp_path_factory, cells, delimiter, read):
    """Whatever strings the cells hold, each reader finds them with any delimiter."""
    rows = [{"first": one, "second": other} for one, other in cells]
    path: Path = tmp_path_factory.mktemp("rows") / "a.csv"
    assert write(path, rows, delimiter=delimiter) == []
    assert read(path, delimiter) == rows
