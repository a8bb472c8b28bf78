"""Rows in: what is read, and what is refused with its place."""

import csv
import io
import os
import pickle
import threading

import pytest

from file_sources import file_source
from yamlgen.data import duplicate_detector
from yamlgen.data.input_buffer import buffered
from yamlgen.data.input_head import read_head
from yamlgen.data.source import Source
from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.exit_codes import ExitCode
from yamlgen.value_objects import Columns

TEXT = {"type": "string"}
INT = {"type": "integer"}


@pytest.fixture
def source(tmp_path):
    """Make a source of a file with the given content; messages name it by its bare name."""

    def make(name: str, content: str | bytes, **settings) -> Source:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return file_source(path=path, shown=name, **settings)

    return make


def read(source: Source, **settings) -> list:
    """The rows of `source`."""
    return [row.row for row in source.rows(**settings)]


def refusal(source: Source) -> UsageError:
    """The error with which the scan of `source` ends."""
    with pytest.raises(UsageError) as caught:
        source.scan()
    return caught.value


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"a": "1", "b": "x"}\n{"a": "2", "b": "y"}\n'),
        ("a.ndjson", '{"a": "1", "b": "x"}\n{"a": "2", "b": "y"}'),
        ("a.JSONL", '{"a": "1", "b": "x"}\r\n{"a": "2", "b": "y"}\r\n'),
        ("a.jsonl", '\n{"a": "1", "b": "x"}\n \t\r\n\n{"a": "2", "b": "y"}\n\n'),
        ("a.jsonl", b'\xef\xbb\xbf{"a": "1", "b": "x"}\n{"a": "2", "b": "y"}\n'),
        ("a.csv", "a,b\n1,x\n2,y\n"),
        ("a.csv", "a,b\r\n1,x\r\n2,y"),
        ("a.csv", b"\xef\xbb\xbfa,b\n1,x\n\n2,y\n"),
        ("a.csv", '"a","b"\n"1","x"\n"2","y"\n'),
        ("a.tsv", "a\tb\n1\tx\n2\ty\n"),
        ("a.json", '[{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]'),
        ("a.json", b'\xef\xbb\xbf \r\n[\r\n{"a": "1", "b": "x"}\r\n,\r\n{"a": "2", "b": "y"}\r\n]\r\n'),
    ],
)
def test_every_format_gives_the_same_rows(source, name, content):
    """The ending tells the format; BOM, CRLF, empty lines and a missing last line end are no mistakes."""
    it = source(name, content)
    assert it.scan()[1] == 2
    assert read(it) == [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]


def test_format_overrules_the_ending(source):
    """A named format is read whatever the ending says."""
    it = source("a.txt", "a;b\n1;x\n", format="csv", delimiter=";")
    assert read(it) == [{"a": "1", "b": "x"}]


def test_limit_stops_the_rows(source):
    """Only the first `limit` rows are given."""
    it = source("a.jsonl", '{"a": 1}\n{"a": 2}\n{"a": 3}\n')
    assert read(it, limit=2) == [{"a": 1}, {"a": 2}]


def test_source_is_a_value(source):
    """A source survives pickling and reads the same afterwards, as often as it is asked."""
    it = pickle.loads(pickle.dumps(source("a.jsonl", '{"a": 1}\n')))  # noqa: S301 - our own bytes
    assert read(it) == read(it) == [{"a": 1}]


@pytest.mark.parametrize(("name", "content"), [("a.jsonl", ""), ("a.jsonl", "\n"), ("a.csv", ""), ("a.csv", "a,b\n")])
def test_no_rows_is_zero(source, name, content):
    """An input without rows is counted, not refused."""
    assert source(name, content).scan()[1] == 0


@pytest.mark.parametrize("content", ["", " \n", "[]", " [ ] \n"])
def test_empty_array_is_zero(source, content):
    """An empty JSON file and an empty array have no rows."""
    assert source("a.json", content).scan()[1] == 0


def test_line_separator_inside_a_string_is_no_line_end(source):
    """U+2028, U+0085 and a form feed inside a JSON string break no line."""
    it = source("a.jsonl", '{"a": "x\u2028y\u0085z"}\n{"a": "2"}\n')
    assert [row["a"] for row in read(it)] == ["x\u2028y\u0085z", "2"]


def test_csv_as_in_rfc_4180(source):
    """Quotes, doubled quotes, delimiters and line ends in quotes; an empty cell is an empty string."""
    it = source("a.csv", 'a,b,c\n"say ""hi""","x,y",\n"two\r\nlines", z ,5" nail\n')
    assert read(it) == [
        {"a": 'say "hi"', "b": "x,y", "c": ""},
        {"a": "two\r\nlines", "b": " z ", "c": '5" nail'},
    ]


def test_very_long_cell(source):
    """A cell may be longer than the csv module's own limit, which is the same before and after."""
    limit = csv.field_size_limit()
    it = source("a.csv", f"a\n{'x' * 3 * limit}\n")
    rows = it.rows()
    assert len(next(rows).row["a"]) == 3 * limit
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("content", "code", "place", "says"),
    [
        ('{"a": 1}\n\n[1]\n', Code.NOT_AN_OBJECT, "a.jsonl:3:", "[1]"),
        ("null\n", Code.NOT_AN_OBJECT, "a.jsonl:1:", "null"),
        ('{"a": 1}\n{"a": 1,}\n', Code.BAD_INPUT, "a.jsonl:2:9:", "not JSON"),
        ('  {"a": }\n', Code.BAD_INPUT, "a.jsonl:1:9:", "a value is missing here"),
        ('{"a": 1} {"a": 2}\n', Code.BAD_INPUT, "a.jsonl:1:10:", "unexpected content after the end of the row"),
        ('{"a": 1}\n{"a": 1, "b": {"c": 1, "c": 2}}\n', Code.BAD_INPUT, "a.jsonl:2:", '"c" appears twice'),
        ('{"a": NaN}\n', Code.BAD_INPUT, "a.jsonl:1:", "NaN"),
        ('{"a": -Infinity}\n', Code.BAD_INPUT, "a.jsonl:1:", "-Infinity"),
        ('{"a": 1e999}\n', Code.BAD_INPUT, "a.jsonl:1:", "1e999 is out of range"),
        ('{"a": ' + "1" * 5000 + "}\n", Code.BAD_INPUT, "a.jsonl:1:", "thousands of digits"),
        ('{"a": ' + "[" * 100_000 + "\n", Code.BAD_INPUT, "a.jsonl:1:", "nested too deeply"),
        (b'{"a": 1}\n{"a": "\xff"}\n', Code.BAD_INPUT, "a.jsonl:2:", "not UTF-8: byte 0xff"),
        (b'{"a": 1}\n{"a": "\x00"}\n', Code.BAD_INPUT, "a.jsonl:2:", "NUL"),
        ('[\n{"a": 1},\n\n3\n]', Code.NOT_AN_OBJECT, "a.json:4 (row 2):", "an object: 3"),
        ('[\n{"a": 1},\n]', Code.BAD_INPUT, "a.json:3:1:", "not JSON"),
        ('[\n{"a": 1}\n{"a": 2}]', Code.BAD_INPUT, "a.json:3:1:", "comma"),
        ('[{"a": 1}', Code.BAD_INPUT, "a.json:1:10:", "comma or the end of the array"),
        ("[", Code.BAD_INPUT, "a.json:1:2:", "a value is missing here"),
        ("[]\nx", Code.BAD_INPUT, "a.json:2:1:", "unexpected content after"),
        ('\n{"a": 1}', Code.BAD_INPUT, "a.json:2:1:", "not an array"),
        ('[{"a": 1},\n{"a":\n 1, "b": x}]', Code.BAD_INPUT, "a.json:3:10:", "not JSON"),
        ('[{"a": 1},\n{"b": 1, "b": 1}]', Code.BAD_INPUT, "a.json:2:", '"b" appears twice'),
        (b'[{"a": 1},\n\n{"a": "\xc3\x28"}]', Code.BAD_INPUT, "a.json:3:", "not UTF-8"),
        ('a,b\n1,2\n"x\ny",2\n1\n', Code.BAD_INPUT, "a.csv:5:", "the header has 2 cells, but this row has 1"),
        ("a,b\n1,2,3\n", Code.BAD_INPUT, "a.csv:2:", "the header has 2 cells, but this row has 3"),
        ('a,b\n1,2\n3,"open\n4,5\n', Code.BAD_INPUT, "a.csv:3:", "never closed"),
        ('a,b\n1,"', Code.BAD_INPUT, "a.csv:2:", "never closed"),
        ('a,b\n"1"x,2\n', Code.BAD_INPUT, "a.csv:2:", "`,` is expected after a closing quote"),
        ("a,b\n1\r2,3\n", Code.BAD_INPUT, "a.csv:2:", "a CR without LF"),
        ("a,b\n1\n".encode("utf-16"), Code.BAD_INPUT, "a.csv:", "this file is UTF-16"),
        ("a,b,a\n1,2,3\n", Code.BAD_INPUT, "a.csv:1:", "two columns are named `a`"),
        ("a,,b\n1,2,3\n", Code.BAD_INPUT, "a.csv:1:", "column 2"),
        (b"a,b\n1,2\n\xe9,3\n", Code.BAD_INPUT, "a.csv:3:", "not UTF-8: byte 0xe9"),
        (b"a,\0b\n1,2\n", Code.BAD_INPUT, "a.csv:1:", "NUL"),
        ("a\n\0\n".encode("utf-16-le"), Code.BAD_INPUT, "a.csv:1:", "NUL"),
        ('{"a": 1}\n\ufeff{"a": 2}\n', Code.BAD_INPUT, "a.jsonl:2:1:", "not JSON"),
    ],
)
def test_broken_input_is_refused_at_its_place(source, content, code, place, says):
    """What is broken is told with the file, the line and what is wrong, before any row is used."""
    error = refusal(source(place.partition(":")[0], content))
    assert error.code == code
    assert error.message.startswith(place)
    assert says in error.message
    assert error.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("name", "content", "place", "first"),
    [
        ("a.jsonl", '{"k": "x"}\n\n{"k": "y"}\n{"k": "x"}\n', "a.jsonl:4:", "a.jsonl:1"),
        ("a.csv", 'k,v\nx,"1\n2"\ny,3\nx,4\n', "a.csv:5:", "a.csv:2"),
        ("a.json", '[{"k": "y"},\n{"k": "x"}, {"k": "x"}]', "a.json:2 (row 3):", "a.json:2 (row 2)"),
    ],
)
def test_duplicate_id_names_both_places(source, name, content, place, first):
    """An id that stands twice is told with its value and both of its places."""
    error = refusal(source(name, content, id="k"))
    assert error.code == Code.DUPLICATE_ID
    assert error.message == f'{place} `k` "x" is already used at {first}'


@pytest.mark.parametrize("after", ['{"k": 9}', "no JSON"])
def test_the_first_duplicate_id_of_many_rows(source, monkeypatch, after):
    """Where more ids than memory should hold stand before a duplicate, it is told before what follows it."""
    monkeypatch.setattr(duplicate_detector, "_MOST", 2)
    rows = "".join(f'{{"k": {key}}}\n' for key in (1, 2, 3, 4, 5, 4, 1))
    error = refusal(source("a.jsonl", f"{rows}{after}\n", id="k"))
    assert error.message == "a.jsonl:6: `k` 4 is already used at a.jsonl:4"


def test_ids_compare_as_json_values(source):
    """The number 1 and the string "1" are two ids; 1 and 1.0 are one."""
    assert source("a.jsonl", '{"k": 1}\n{"k": "1"}\n{"k": 1.5}\n{"k": "\\ud800"}\n', id="k").scan()[1] == 4
    assert refusal(source("a.jsonl", '{"k": 1}\n{"k": 1.0}\n', id="k")).code == Code.DUPLICATE_ID


@pytest.mark.parametrize("row", ['{"k": null}', '{"k": [1]}', '{"k": true}', '{"k": ""}', '{"j": 1}'])
def test_what_is_no_id_is_refused(source, row):
    """Null, a list, a boolean, an empty string and nothing at all name no row."""
    error = refusal(source("a.jsonl", f'{{"k": 1}}\n{row}\n', id="k"))
    assert error.code == Code.BAD_INPUT
    assert error.message.startswith("a.jsonl:2: `k` ")


def test_csv_without_the_id_column(source):
    """A header that lacks the id column is refused with the columns that there are, even with no rows."""
    error = refusal(source("a.csv", "a,b\n", id="k"))
    assert error.message == "a.csv:1: the id column `k` is missing"
    assert error.hint == "the columns are a, b"


def test_missing_file(tmp_path):
    """A file that is not there is a matter of the environment, named as the user knows it."""
    with pytest.raises(EnvironmentProblem) as caught:
        file_source(path=tmp_path / "no.jsonl", shown="data/no.jsonl").scan()
    assert caught.value.code == Code.MISSING_INPUT
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert "data/no.jsonl" in caught.value.message
    with pytest.raises(EnvironmentProblem) as caught:
        file_source(path=tmp_path / "no.jsonl", is_given=True).scan()
    assert caught.value.hint == "check the path: it is relative to the current directory"
    (tmp_path / "people.jsonl").touch()
    with pytest.raises(EnvironmentProblem) as caught:
        file_source(path=tmp_path / "poeple.jsonl", shown="poeple.jsonl", is_given=True).scan()
    assert caught.value.hint == "did you mean `people.jsonl`?"


def test_folder_as_input(tmp_path):
    """A folder cannot be read, and the error says so."""
    (tmp_path / "rows.jsonl").mkdir()
    with pytest.raises(EnvironmentProblem, match="Is a directory") as caught:
        file_source(path=tmp_path / "rows.jsonl").scan()
    assert caught.value.code == Code.MISSING_INPUT


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(source):
    """A file that may not be read is a matter of the environment."""
    it = source("a.jsonl", "{}\n")
    it.file.path.chmod(0)
    with pytest.raises(EnvironmentProblem, match="Permission denied"):
        it.scan()


def test_unknown_ending(source):
    """An ending that tells no format is refused with those that do."""
    error = refusal(source("a.xlsx", ""))
    assert error.code == Code.BAD_INPUT
    assert ".jsonl" in error.hint
    assert ".csv" in error.hint


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
def test_impossible_delimiter(source, delimiter):
    """A delimiter is one character, and not one that CSV needs itself."""
    assert refusal(source("a.csv", "a,b\n", delimiter=delimiter)).code == Code.BAD_INPUT


def test_inline_rows():
    """Rows written inline are given as they are; their columns are all that any of them has."""
    it = Source(rows_inline=({"a": 1}, {"b": [None]}), id=None)
    assert it.scan()[1] == 2
    assert read(it) == [{"a": 1}, {"b": [None]}]
    types = {"a": {"type": "integer"}, "b": {"type": "array", "items": {"type": "null"}}}
    assert read_head(it).columns == Columns(("a", "b"), closed=True, types=types)


@pytest.mark.parametrize(
    ("rows", "code", "message"),
    [
        (({"k": 1}, "x"), Code.NOT_AN_OBJECT, "p.yaml, row 2: the row is not an object"),
        (({"k": 1}, {"k": 1}), Code.DUPLICATE_ID, "p.yaml, row 2: `k` 1 is already used at p.yaml, row 1"),
        (({"k": float("nan")},), Code.BAD_INPUT, "p.yaml, row 1: the row contains a value that JSON cannot represent"),
        (({"k": {1, 2}},), Code.BAD_INPUT, "p.yaml, row 1: the row contains a value that JSON cannot represent"),
        (
            ({"k": {1: 1, "a": 1}},),
            Code.BAD_INPUT,
            "p.yaml, row 1: the row contains a value that JSON cannot represent",
        ),
    ],
)
def test_inline_rows_are_checked(rows, code, message):
    """Rows written inline meet the same checks; their place is their number."""
    error = refusal(Source(rows_inline=rows, id="k", shown="p.yaml"))
    assert error.code == code
    assert error.message.startswith(message)


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("a.csv", "b,a\n1\n", Columns(("b", "a"), closed=True, types={"b": TEXT, "a": TEXT}, complete=True)),
        ("a.jsonl", '{"b": 1}\n{"a": 1, "b": 2}\n', Columns(("b", "a"), closed=False, types={"b": INT, "a": INT})),
        ("a.jsonl", '{"b": 1}\n' * 100 + '{"late": 1}\n', Columns(("b",), closed=False, types={"b": INT})),
        ("a.jsonl", '{"b": 1}\n' * 100 + '{"b": "late"}\n', Columns(("b",), closed=False, types={"b": INT})),
        ("a.jsonl", '{"b": 1}\n' * 100 + "broken", Columns(("b",), closed=False, types={"b": INT})),
        ("a.json", '[{"b": 1}]', Columns(("b",), closed=False, types={"b": INT})),
        ("a.jsonl", '{"b": 1}\nbroken', None),
        ("a.csv", "a,a\n", None),
        ("a.csv", "", None),
        ("a.jsonl", "", None),
        ("a.xyz", "", None),
    ],
)
def test_columns(source, name, content, columns):
    """A CSV header is the last word; other files are judged by 100 rows; a broken file by nothing."""
    assert read_head(source(name, content)).columns == columns


@pytest.mark.parametrize(
    ("name", "content", "least"),
    [
        ("a.csv", "a\n1\n2\n", 2),
        ("a.csv", "a,b\n1,2\nbroken\n3,4\n", 1),
        ("a.csv", "a\n" + "1\n" * 5000, 100),
        ("a.json", '[{"b": 1}, {"b": 2}, {"b": 3}]', 3),
    ],
)
def test_how_many_rows_there_are_at_least(source, name, content, least):
    """A look counts the first rows, up to one that is broken."""
    assert read_head(source(name, content)).columns.least == least


def test_the_type_of_a_column_is_that_of_the_values_that_are_there(source):
    """Values of several types, a null and a row without the column are all allowed for; objects stay open."""
    content = '{"a": 1, "b": {"c": "x"}}\n{"b": {}}\n{"a": null}\n{"a": 2.5}\n'
    assert read_head(source("a.jsonl", content)).columns.types == {
        "a": {"type": ["null", "number"]},
        "b": {"type": "object", "properties": {"c": TEXT}},
    }


def test_columns_of_nothing(tmp_path):
    """A missing file and standard input tell no columns, and are not waited for."""
    assert read_head(file_source(path=tmp_path / "no.csv")).columns is None
    assert read_head(file_source()).columns is None
    os.mkfifo(tmp_path / "pipe.csv")
    assert read_head(file_source(path=tmp_path / "pipe.csv")).columns is None


def test_standard_input_can_be_read_twice():
    """Standard input is copied once, read as JSONL, named in messages, and the copy is removed."""
    with buffered(file_source(id="a"), io.BytesIO(b'{"a": 1}\n{"a": 2}\n')) as it:
        assert it.scan()[1] == 2
        assert read(it) == [{"a": 1}, {"a": 2}]
    assert not it.file.path.exists()
    with buffered(file_source(), io.BytesIO(b"x")) as it:
        assert refusal(it).message.startswith("standard input:1:1: not JSON")


def test_standard_input_in_a_named_format():
    """Standard input may be CSV when the pipeline says so."""
    with buffered(file_source(format="csv", delimiter=";"), io.BytesIO(b"a;b\n1;2\n")) as it:
        assert read(it) == [{"a": "1", "b": "2"}]


def test_standard_input_before_it_is_copied():
    """Standard input is nothing to read rows from until it has been copied."""
    with pytest.raises(EnvironmentProblem):
        file_source().scan()


def test_pipe_can_be_read_twice(tmp_path):
    """A path that is a pipe is copied like standard input, and keeps its name and its format."""
    pipe = tmp_path / "rows.tsv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("a\tb\n1\t2\n",))
    writer.start()
    with buffered(file_source(path=pipe), io.BytesIO()) as it:
        assert it.scan()[1] == 1
        assert read(it) == [{"a": "1", "b": "2"}]
        assert it.shown == str(pipe)
    writer.join()


def test_files_are_not_copied(source):
    """A file and inline rows are used as they are."""
    file, inline = source("a.jsonl", "{}\n"), Source(rows_inline=({},))
    with buffered(file, io.BytesIO()) as one, buffered(inline, io.BytesIO()) as two:
        assert (one, two) == (file, inline)


def test_column_named_like_a_step(source):
    """A column under whose name a step's output would be written is refused at its first row."""
    with pytest.raises(UsageError, match=r"a\.jsonl:2: the column `note` has the same name as a step") as caught:
        source("a.jsonl", '{"a": 1}\n{"note": 1}\n').scan(taken=frozenset({"note", "b"}))
    assert caught.value.code == Code.NAME_TAKEN


@pytest.mark.parametrize(
    ("content", "rows", "told"),
    [
        (
            b"a,b\n1,x\0y\n\0,\0\n",
            [["1", "x\ufffdy"], ["\ufffd", "\ufffd"]],
            ["a.csv:2: a NUL byte is read as U+FFFD (3 in"],
        ),
        (b"a,b\n1,x\n\xef\xbb\xbf2,y\n", [["1", "x"], ["\ufeff2", "y"]], ["a.csv:3: a byte order mark in the middle"]),
        (
            b'\xef\xbb\xbfa,b\n"1\n\0",\xef\xbb\xbf\n',
            [["1\n\ufffd", "\ufeff"]],
            ["a.csv:3: a NUL byte is read as U+FFFD; replace", "a.csv:3: a byte order mark"],
        ),
        (b"\xef\xbb\xbfa,b\n1,x\n", [["1", "x"]], []),
    ],
)
def test_what_is_odd_in_a_csv_is_read_and_told(source, content, rows, told):
    """A NUL is replaced, a later BOM kept: the scan tells each once, with its first place; so does a look."""
    it = source("a.csv", content)
    scanned, _ = it.scan()
    assert [list(row.row.values()) for row in scanned.rows()] == rows
    assert read_head(it).anomalies == scanned.told
    assert len(told) == len(scanned.told)
    assert all(sentence.startswith(begin) for sentence, begin in zip(scanned.told, told, strict=True))


def test_a_row_that_a_bom_breaks_says_so(source):
    """Quotes behind a BOM are none, so that the cells are too many: the hint names the BOM."""
    error = refusal(source("a.csv", 'a,b\n\ufeff"1, 2",3\n'))
    assert error.message == "a.csv:2: the header has 2 cells, but this row has 3"
    assert "byte order mark" in error.hint
    assert "byte order mark" in refusal(source("b.jsonl", '{"a": 1}\n\ufeff{"a": 2}\n')).hint
