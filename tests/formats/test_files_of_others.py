"""Files that pandas writes, and files that NumPy brings, are read as pandas and DuckDB read them."""

import csv
import json
from importlib.resources import files

import duckdb
import pandas as pd
import pytest

from file_sources import file_source

WORDS = pd.DataFrame(
    {"word": ["Zoë", 'a "b"', "c;d,\te", "", "two\nlines"], "tags": ['["x"]', "", "{}", "null", "1.50"]}
)
PLAIN = WORDS.drop(index=[1, 2, 4])
COLUMNS = {"header": False, "columns": ("word", "tags")}

WRITTEN = [
    ("a.csv", WORDS, {}, {}),
    ("a.csv.gz", WORDS, {}, {}),
    ("a.tsv", WORDS, {"sep": "\t"}, {}),
    ("a.csv", WORDS, {"sep": ";", "lineterminator": "\r\n"}, {"delimiter": ";"}),
    ("a.csv", WORDS, {"quoting": csv.QUOTE_ALL}, {}),
    ("a.csv", WORDS, {"header": False}, COLUMNS),
    ("a.txt", PLAIN, {"sep": "\t", "quoting": csv.QUOTE_NONE, "quotechar": None}, {"format": "tsv", "quoting": "none"}),
    *(("a.csv", WORDS, {"encoding": name}, {"encoding": name}) for name in ("utf-16", "utf-32", "latin-1", "cp1252")),
    ("a.csv.gz", WORDS, {"encoding": "utf-8-sig"}, {}),
]


@pytest.mark.parametrize(("name", "table", "options", "settings"), WRITTEN)
def test_what_pandas_writes_is_read(tmp_path, name, table, options, settings):
    """Each way to write the same table gives the same rows."""
    table.to_csv(tmp_path / name, index=False, **options)
    assert rows(tmp_path / name, **settings) == table.to_dict("records")


def test_the_index_of_pandas_is_a_column(tmp_path):
    """A first column without a name has the names that pandas' `reset_index` gives."""
    WORDS.to_csv(tmp_path / "a.csv")
    assert rows(tmp_path / "a.csv") == WORDS.reset_index(names="index").astype(str).to_dict("records")
    WORDS.reset_index().to_csv(tmp_path / "b.csv")
    assert rows(tmp_path / "b.csv") == WORDS.reset_index().reset_index().astype(str).to_dict("records")


@pytest.mark.parametrize(("name", "options"), [("a.jsonl.gz", {"lines": True}), ("a.json", {}), ("a.json.gz", {})])
def test_json_of_pandas_is_read(tmp_path, name, options):
    """JSON lines and arrays, compressed or not."""
    WORDS.to_json(tmp_path / name, orient="records", **options)
    assert rows(tmp_path / name) == WORDS.to_dict("records")


def test_cells_of_json_have_their_types(tmp_path):
    """Objects, lists and numbers come back; an empty cell and null are null."""
    WORDS.to_csv(tmp_path / "a.csv", index=False)
    found = [row["tags"] for row in rows(tmp_path / "a.csv", json_columns=("tags",))]
    assert found == [json.loads(cell or "null") for cell in WORDS["tags"]]


@pytest.mark.parametrize("name", ["pcg64-testset-1.csv", "mt19937-testset-2.csv"])
def test_files_of_numpy_are_read_as_others_read_them(name):
    """A CSV file without a header, whose cells begin with spaces."""
    path = files("numpy.random.tests.data") / name
    found = [list(row.values()) for row in rows(path, header=False, columns=("number", "value"))]
    assert found == pd.read_csv(path, header=None, dtype=str, keep_default_na=False).to_numpy().tolist()
    with duckdb.connect() as connection:
        read = connection.read_csv(str(path), header=False, all_varchar=True, sep=",", quotechar='"')
        assert found == [list(row) for row in read.fetchall()]


def rows(path, **settings):
    """The rows of a file."""
    scanned, _ = file_source(path=path, **settings).scan()
    assert scanned.told == ()
    return [each.row for each in scanned.rows()]
