"""What holds for any rows: they come back as they went out, in input order, and no file breaks the reader."""

import csv
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from file_sources import file_source
from output_schemas import json_line
from yamlgen.errors import UsageError
from yamlgen.formats.format import UNCHANGED
from yamlgen.output.files import write_rows

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def write(path: Path, rows) -> None:
    """Write `rows` to `path`, as a run does."""
    write_rows([(path, lambda: map(json_line, rows), UNCHANGED)])


def read(path: Path) -> list:
    """The rows of a file."""
    return [row.row for row in file_source(path=path).rows()]


@given(rows=st.lists(st.dictionaries(st.text(), JSON_VALUES, max_size=4), max_size=6), ascii_only=st.booleans())
def test_any_json_rows_are_read_as_written(tmp_path_factory, rows, ascii_only):
    """Whatever rows of JSON values Python writes as lines or as an array are the rows that are read."""
    folder: Path = tmp_path_factory.mktemp("rows")
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    (folder / "a.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")
    (folder / "a.json").write_text("[" + " ,\n".join(lines) + "]", encoding="utf-8", newline="")
    assert read(folder / "a.jsonl") == rows
    assert read(folder / "a.json") == rows


@given(content=st.binary(max_size=200), name=st.sampled_from(["a.jsonl", "a.json", "a.csv"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, name):
    """No content of a file ends in anything but rows or a refusal that names the file and a line."""
    path: Path = tmp_path_factory.mktemp("rows") / name
    path.write_bytes(content)
    try:
        file_source(path=path, shown=name, id="id").scan()
    except UsageError as error:
        assert error.message.startswith(f"{name}:")  # noqa: PT017 - either way is right


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(
    columns=st.lists(CELLS.filter(str.strip), min_size=1, max_size=4, unique=True),
    cells=st.lists(st.lists(CELLS, min_size=4, max_size=4), min_size=1, max_size=4),
    ending=st.sampled_from(["csv", "tsv", "jsonl", "json"]),
)
def test_rows_of_strings_come_back(tmp_path_factory, columns, cells, ending):
    """Rows of strings are read back from every format as they were written, and CSV by Python's own reader too."""
    rows = [dict(zip(columns, row, strict=False)) for row in cells]
    path: Path = tmp_path_factory.mktemp("rows") / f"a.{ending}"
    write(path, rows)
    assert read(path) == rows
    if ending == "csv":
        with path.open(encoding="utf-8", newline="") as file:
            assert list(csv.DictReader(file)) == rows


@given(
    rows=st.lists(st.dictionaries(st.text(), JSON_VALUES, max_size=4), max_size=6),
    ending=st.sampled_from(["jsonl", "json"]),
)
def test_any_json_rows_come_back(tmp_path_factory, rows, ending):
    """Rows of any JSON values are read back from JSON formats as they were written."""
    path: Path = tmp_path_factory.mktemp("rows") / f"a.{ending}"
    write(path, rows)
    assert read(path) == rows


def is_same(found, value) -> bool:
    """Whether a value of a Parquet file is that of a row: itself, its JSON, or null for what an object lacks."""
    if isinstance(found, dict) and isinstance(value, dict):
        return value.keys() <= found.keys() and all(is_same(found[name], value.get(name)) for name in found)
    if isinstance(found, list) and isinstance(value, list):
        return len(found) == len(value) and all(map(is_same, found, value))
    if found == value and isinstance(found, bool) == isinstance(value, bool):
        return True
    return isinstance(found, str) and json.loads(found) == value


@given(rows=st.lists(st.dictionaries(st.text(), JSON_VALUES, min_size=1, max_size=4), max_size=6))
def test_any_rows_are_in_a_parquet_file(tmp_path_factory, rows):
    """Whatever the types of the values, every one is there, as itself or as JSON text."""
    path: Path = tmp_path_factory.mktemp("rows") / "a.parquet"
    write(path, rows)
    found = read(path)
    assert len(found) == len(rows)
    assert all(map(is_same, found, rows))
