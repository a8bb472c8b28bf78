"""One column of a file: what is read of it, and what is refused with its place."""

import gzip
import os

import pytest

from yamlgen.data.drawn_column import read_column
from yamlgen.errors import Code, EnvironmentProblem, UsageError


@pytest.fixture
def read(tmp_path):
    """Read the column `name` of a file with the given content; messages name it by its bare name."""

    def call(file, content, name="name"):
        path = tmp_path / file
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_column(path, file, name)

    return call


NULL = "write `null`, or a string in quotes"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.csv", "name,size\nOslo,1\nBergen,2\nOslo,3\n"),
        ("a.tsv", b"\xef\xbb\xbfsize\tname\r\n1\tOslo\r\n2\tBergen\r\n\r\n3\tOslo"),
        ("a.csv.gz", gzip.compress(b"sep=;\n;name\n1;Oslo\n2;Bergen\n3;Oslo\n", mtime=0)),
        ("a.jsonl", '{"name": "Oslo"}\n\n{"name": "Bergen"}\n{"size": 3, "name": "Oslo"}\n'),
        ("a.ndjson", '{"name": "Oslo"}\n{"name": "Bergen"}\n{"name": "Oslo"}'),
        ("a.JSON", '[{"name": "Oslo"},\n {"name": "Bergen"}, {"name": "Oslo"}]'),
    ],
)
def test_every_format_gives_the_values_in_order(read, file, content):
    """Each row gives its value, equal ones too."""
    assert read(file, content) == ("Oslo", "Bergen", "Oslo")


def test_values_keep_their_types(read):
    """JSON values stay what they are, the falsy ones too."""
    assert read("a.jsonl", '{"name": 0}\n{"name": false}\n{"name": [1]}\n{"name": {}}\n{"name": 2.5}\n') == (
        0,
        False,
        [1],
        {},
        2.5,
    )


@pytest.mark.parametrize(
    ("file", "content", "code", "message", "hint"),
    [
        ("a.csv", "nmae,size\nOslo,1\n", Code.UNKNOWN_COLUMN, "a.csv has no column `name`", "did you mean `nmae`?"),
        (
            "a.jsonl",
            '{"x": 1}\n{"y": 1}\n',
            Code.UNKNOWN_COLUMN,
            "a.jsonl has no column `name`",
            "columns: `x` and `y`",
        ),
        ("a.jsonl", "{}\n", Code.UNKNOWN_COLUMN, "a.jsonl has no column `name`", None),
        ("a.csv", "name\n", Code.BAD_DRAW, "a.csv has no rows", "add at least one row to draw from"),
        ("a.json", "[]", Code.BAD_DRAW, "a.json has no rows", "add at least one row to draw from"),
        *(
            (file, content, Code.BAD_DRAW, message, "fill in the value, or remove the row: every row can be drawn")
            for file, content, message in [
                ("a.csv", "name,size\nOslo,1\n,2\n,3\n", "a.csv:3: `name` is empty"),
                ("a.jsonl", '{"name": "Oslo"}\n\n{"name": null}\n', "a.jsonl:3: `name` is null"),
                ("a.jsonl", '{"size": 1}\n{"name": "Oslo"}\n', "a.jsonl:1: `name` is missing"),
                ("a.json", '[{"name": "Oslo"},\n{"size": 1}]', "a.json:2 (row 2): `name` is missing"),
            ]
        ),
        (
            "a.txt",
            "Oslo\n",
            Code.WRONG_VALUE,
            "cannot read a.txt: it has no known extension",
            "the extension must match the format; known extensions: .jsonl, .ndjson, .json, .parquet, .csv, .tsv",
        ),
        (
            "a.jsonl",
            "name,size\nOslo,1\n",
            Code.BAD_INPUT,
            "a.jsonl:1:1: not JSON: a value is missing here",
            "the extension must match the format; known extensions: .jsonl, .ndjson, .json, .parquet, .csv, .tsv",
        ),
        (
            "a.csv",
            "name,size\nOslo\n",
            Code.BAD_INPUT,
            "a.csv:2: the header has 2 cells, but this row has 1",
            "write one cell for each column; leave it empty if there is no value",
        ),
        ("a.csv", b"name\n\xff\n", Code.BAD_INPUT, "a.csv:2: not UTF-8: byte 0xff", "save the file as UTF-8"),
        ("a.jsonl", '{"name": NaN}\n', Code.BAD_INPUT, "a.jsonl:1: not JSON: NaN is not a JSON value", NULL),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(read, file, content, code, message, hint):
    """A mistake in the file is told with its line, and with advice that a draw can follow."""
    with pytest.raises(UsageError) as caught:
        read(file, content)
    assert (caught.value.code, caught.value.message, caught.value.hint) == (code, message, hint)


def test_a_file_must_be_there(tmp_path):
    """A missing file, a folder and a pipe are refused; the pipe without waiting for it."""
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    said = {}
    for name in ("absent.csv", "folder.csv", "pipe.csv"):
        with pytest.raises(EnvironmentProblem) as caught:
            read_column(tmp_path / name, name, "x")
        assert caught.value.code is Code.MISSING_FILE
        said[name] = caught.value.message
    assert list(said.values()) == [
        "absent.csv does not exist",
        "folder.csv is a folder",
        "pipe.csv is not a regular file",
    ]


def test_what_the_system_refuses_is_told(tmp_path):
    """A path that the system will not open, such as one that is too long, is an error of the surroundings."""
    with pytest.raises(EnvironmentProblem, match=r"`a\.csv` is too long for a path") as caught:
        read_column(tmp_path / f"{'a' * 300}.csv", "a.csv", "name")
    assert caught.value.code is Code.MISSING_FILE


def test_what_is_odd_in_a_csv_is_told(tmp_path):
    """A column is read like an input: a NUL is replaced, and told with its line."""
    (tmp_path / "a.csv").write_bytes(b"name\nOs\0lo\n")
    told = []
    assert read_column(tmp_path / "a.csv", "a.csv", "name", told.append) == ("Os\ufffdlo",)
    assert [sentence.partition(";")[0] for sentence in told] == ["a.csv:2: a NUL byte is read as U+FFFD"]


def test_no_fix_names_an_option_that_draws_do_not_have(read):
    """`encoding` is a key of `input`."""
    with pytest.raises(UsageError) as caught:
        read("a.csv", "name\nÉze\n".encode("latin-1"))
    assert (caught.value.message, caught.value.hint) == ("a.csv:2: not UTF-8: byte 0xc9", "save the file as UTF-8")
