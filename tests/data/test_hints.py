"""What is said of an input that is broken: what stands there, and what to write in its place."""

import gzip

import pytest

from file_sources import file_source
from yamlgen.data.input_head import read_head
from yamlgen.errors import YamlgenError

TOLD = [
    ("a.csv", "a,b\n1\n", "the header has 2 cells, but this row has 1", "leave it empty if there is no value"),
    (
        "a.csv",
        "a,b\n1,2,\n",
        "the header has 2 cells, but this row has 3",
        "remove the delimiter at the end of the row",
    ),
    ("a.csv", "a,b\n1,2,3\n", "but this row has 3", "line break in quotes"),
    ("a.csv", "a,b\n1,2,3,4\n", "but this row has 4", "or remove the first line if it is not the names"),
    ("a.csv", "# a title\na,b\n1,2\n", "the header has 1 cell, but this row has 2", "is it a title?"),
    ("a.csv", "a,b\r1,2\r", "a CR without LF", "LF or CRLF"),
    ("a.csv", 'a,b\n"x" ,2\n', "`,` is expected after a closing quote", "double each quote"),
    ("a.csv", '[{"a": 1}, {"a": 2}]', "the file is JSON, not CSV", "`format: json`"),
    ("a.csv", '{"a": 1, "b": 2}\n', "the file is JSON, not CSV", "`format: jsonl`"),
    ("a.csv", "<!DOCTYPE html>\n<p>\n", "the file is HTML or XML, not CSV", "was a web page saved"),
    ("a.csv", "sep=\na,b\n1,2\n", "`sep=` names no delimiter", "or remove the line"),
    ("a.csv", b"PK\x03\x04rest", "a ZIP archive, such as an Excel workbook", "save the table as CSV"),
    ("a.jsonl", gzip.compress(b'{"a": 1}\n', mtime=0), "compressed with gzip", "decompress it"),
    ("a.jsonl", '{"a": 1}\n'.encode("utf-16"), "this file is UTF-16", "save the file as UTF-8"),
    ("a.csv", "a,b\n1,2\n".encode("utf-16-le"), "this file is UTF-16", "save the file as UTF-8"),
    ("a.json", '{"a": 1}\n{"a": 2}\n', "not an array of rows", "`format: jsonl`"),
    ("a.json", '{"data": [{"a": 1}]}', "not an array of rows", 'under "data"? then write that array, `[{...}]`'),
    ("a.json", '{\n"a": 1\n}', "not an array of rows", "put a single row in brackets too"),
    ("a.json", "a,b\n1,2\n", "not an array of rows", "for CSV, set `format: csv`"),
    ("a.json", '[["a"], [1]]', "the row is not an object", "write each row as an object"),
    ("a.json", '[{"a": 1},]', "nothing follows the last comma", "remove the comma"),
    ("a.jsonl", "{'a': 1}\n", "a key in double quotes is missing", "use double quotes"),
    ("a.jsonl", '{"a": True}\n', "a value is missing", "write `true`"),
    ("a.jsonl", '{"a": yes}\n', "a value is missing", "put a string in double quotes"),
    ("a.jsonl", '{"a": 01}\n', "a comma or the closing bracket is missing", "without a leading zero"),
    ("a.jsonl", '{"a": +1}\n', "a value is missing", "begin a number with a digit or `-`"),
    ("a.jsonl", '{"a": 1} // one\n', "unexpected content after the end of the row", "on its own line"),
    ("a.jsonl", '// rows\n{"a": 1}\n', "a value is missing", "JSON has no comments"),
    ("a.jsonl", '{"a": "b\tc"}\n', "a string has a control character", "write it as an escape"),
    ("a.jsonl", '{"a": "b', "this quote is never closed", "on the same line"),
    ("a.jsonl", "a,b\n1,2\n", "a value is missing", "for CSV, use"),
    ("a.jsonl", '{\n"a": 1\n}\n', "a key in double quotes is missing", "write one JSON object on each line"),
    ("a.jsonl", '{"a": NaN}\n', "NaN is not a JSON value", "write `null`"),
    ("a.jsonl", '{"a": 1e999}\n', "1e999 is out of range", "as a string, in quotes"),
    ("a.jsonl", '{"a": 1, "a": 2}\n', '"a" appears twice', "rename or remove one"),
]


@pytest.mark.parametrize(("name", "content", "message", "hint"), TOLD)
def test_a_broken_input_is_told_with_the_way_out(tmp_path, name, content, message, hint):
    """The fact in words, and what mends it."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(YamlgenError) as caught:
        file_source(path=path, shown=name).scan()
    assert message in caught.value.message
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_a_title_above_the_header_names_no_columns(tmp_path):
    """Of such a file no columns are known, so that none is called unknown."""
    path = tmp_path / "a.csv"
    path.write_text("made on Monday\na,b\n1,2\n")
    assert read_head(file_source(path=path)).columns is None
