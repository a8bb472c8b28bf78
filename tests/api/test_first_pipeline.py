"""`init --input`: what it writes for files of others' making validates without a word, and runs on the simulator."""

import gzip
import json
import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

import yamlgen
from yamlgen.api.first_pipeline import _quoted, _reference, first_pipeline
from yamlgen.errors import YamlgenError
from yamlgen.expressions.evaluation import evaluate
from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import compose

WIDE = "".join(
    ",".join(cells) + "\n"
    for cells in (
        [f"Q{number}: How often in a week?" for number in range(74)],
        *([str(number * row % 5) for number in range(74)] for row in range(3)),
    )
)
NAMES = (
    'for,id,row,1st,{{x}},{% raw %},"a ""b""",back\\slash,{# c #},"two\nlines",items,Größe in m\n' + "v," * 11 + "w\n"
)

READ = {
    "excel_german.csv": 'Größe;Straße und Nr.;Preis\r\n"groß";Hauptstr. 3;1,5\r\n"klein";Am Weg 4;2,5\r\n'.encode(
        "cp1252"
    ),
    "excel_unicode.txt": "id\tText\n1\tgrün\n2\tblau\n".encode("utf-16"),
    "windows_export.csv": "id,text\n1,grün\n2,blau\n".encode("utf-16-le"),
    "marked.csv": b"\xef\xbb\xbfid,text\r\n1,a\r\n2,b\r\n",
    "spreadsheet.csv": b"sep=;\r\nid;text\r\n1;a\r\n2;b\r\n",
    "pandas_index.csv": b",name,score\n0,a,1.5\n1,b,2.5\n",
    "r_write_csv.csv": b'"","mpg","cyl"\n"Mazda RX4",21,6\n"Datsun 710",22.8,4\n',
    "pandas_unnamed.csv": b"0,1,2\n5.1,3.5,setosa\n4.9,3.0,setosa\n",
    "years.csv": b"country,2019,2020\nDE,1,2\nFR,3,4\n",
    "iris.data": b"5.1,3.5,1.4,0.2,Iris-setosa\n4.9,3.0,1.4,0.2,Iris-setosa\n",
    "digits.csv": b"0,0,5,13\n0,1,5,13\n0,0,2,9\n",
    "imdb.tsv": b'id\treview\n1\t"Unclosed\n2\t5" screen\n3\tfine\n',
    "bars.dat": b"id|name|text\n1|a|b, c\n2|c|d\n",
    "newlines.csv": b'id,text\r\n1,"first\r\nsecond, ""quoted"""\r\n2,plain\r\n',
    "one_column.csv": b"text\nGood, but leaky\nFine\nNot, in any way, bad\n",
    "one_quoted_column.csv": b'text\n"Good, but leaky"\n"Fine"\n',
    "survey.csv": WIDE.encode(),
    "names.csv": NAMES.encode(),
    "empty_cells.csv": b"a,b\n" + b",\n" * 25,
    "same_rows.csv": b"a,b\n" + b"x,y\n" * 25,
    "japanese.csv": "id,テキスト\n1,こんにちは世界\n2,ありがとう\n".encode("shift_jis"),
    "packed.csv.gz": gzip.compress(b"id,text\n1,a\n2,b\n"),
    "it's [1] (copy).csv": b"id,text\n1,a\n2,b\n",
    "-dash.csv": b"id,text\n1,a\n2,b\n",
    "key.csv": b"id,text\n1,sk-ant-api03-abcdefghijklmnop\n2,b\n",
    "key_as_column.csv": b"sk-ant-api03-abcdefghijklmnop\na\nb\n",
    "nested.json": b'[{"id": 1, "user": {"name": "a", "tags": ["x"]}, "n": null}, {"id": 2, "ok": false, "n": 3.5}]',
    "lines.json": b'{"id": 1, "t": "a"}\n{"id": 2, "t": "b"}\n',
    "table.jsonl": b"id;text\n1;a\n2;b\n",
    "array.jsonl": b'[{"id": 1}, {"id": 2}]',
    "gaps.jsonl": b'{"id": "a", "text": "x", "n": 0}\n{"n": null}\n{"text": null, "tags": ["q"], "": "e"}\n{}\n',
    "mixed.jsonl": b'{"a": 1}\n{"a": "x"}\n{"a": [1]}\n{"a": null}\n',
    "nulls.jsonl": b'{"a": null}\n' * 25,
    "taken.jsonl": b'{"assessment": "x", "assessment_2": 1, "label": 2}\n',
    "surrogates.jsonl": b'{"\\ud800": "x", "b\\u0085": "y", "c\\u2028d": "z"}\n',
    "long.jsonl": json.dumps({"x" * 3000: "a", "b": "t" * 5000}).encode(),
}
"""Files as programs and people write them, by the names that they give them."""

REFUSED = {
    "header.csv": (b"id,text\n", "header.csv has no rows"),
    "nothing.csv": (b"", "nothing.csv has no rows"),
    "objects.jsonl": (b"{}\n{}\n", "objects.jsonl has no columns"),
    "twice.csv": (b"id,a,a\n1,2,3\n", "twice.csv:1: two columns are named `a`"),
    "unnamed.csv": (b"id,,b\n1,x,y\n", "unnamed.csv:1: column 2 of the header has no name"),
    "ragged.csv": (b"id,text\n1,a\n2\n", "ragged.csv:3: the header has 2 cells, but this row has 1"),
    "ragged_semicolons.csv": (b"id;text\n1;a;b\n2;c\n", "ragged_semicolons.csv:2: the header has 2 cells"),
    "title.csv": (b"My report\nid,text\n1,a\n", "title.csv:2: the header has 1 cell, but this row has 2"),
    "later.csv": (
        b"id,text\n" + b"1,a\n" * 1200 + b"2\n",
        "later.csv:1202: the header has 2 cells",
    ),
    "broken.csv": ("id,text\n1,grün größer\n2,".encode() + b"\xff\n", "broken.csv:3: not UTF-8: byte 0xff"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, "picture.csv is not a text file"),
    "workbook.csv": (b"PK\x03\x04" + bytes(100), "workbook.csv: this file is a ZIP archive"),
    "page.csv": (b"<!DOCTYPE html><html></html>", "page.csv:1: the file is HTML or XML"),
    "prose.txt": (b"It was a dark night.\nIt rained.\n", "cannot tell the format of prose.txt"),
    "broken.parquet": (b"PAR1" + bytes(range(256)), "broken.parquet"),
    "wrapped.json": (b'{"data": [{"id": 1}]}', "wrapped.json:1:1: not an array of rows"),
    "prose.jsonl": (b"It was a dark night.\nIt rained, and rained.\n", "prose.jsonl:1:1: not JSON"),
    "duplicate_key.json": (b'[{"a": 1, "a": 2}]', 'duplicate_key.json:1: the key "a" appears twice'),
}
"""What cannot be read, with the fact that is told."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, in which the test stands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder, name, content):
    """The pipeline that is written for a file, after it was found to be right; its name and text."""
    (folder / name).write_bytes(content)
    paths = yamlgen.init(folder, input=f"./{name}")
    assert not yamlgen.validate(paths[0])
    return paths[0], paths[0].read_text("utf-8")


@pytest.mark.parametrize("name", READ)
def test_a_pipeline_for_a_file_is_right(name, here):
    """It validates without an error or a warning, and each row runs on the simulator."""
    path, _ = written(here, name, READ[name])
    result = yamlgen.run(path, simulate=True, limit=2)
    assert result.rows()
    assert not result.failures


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_read_is_refused(name, here):
    """With the fact, the place and the fix, and nothing is written."""
    content, fact = REFUSED[name]
    (here / name).write_bytes(content)
    with pytest.raises(YamlgenError) as caught:
        yamlgen.init(here, input=name)
    assert caught.value.message.startswith(fact)
    assert caught.value.hint
    assert [path.name for path in here.iterdir()] == [name]


def test_parquet_is_read(here):
    """With nulls, lists, structs and dates."""
    columns = {"id": [1, 2], "Text größe": ["a", None], "list": [[1], None], "struct": [{"a": 1}] * 2, "f": [1.5, None]}
    parquet.write_table(pa.table(columns), here / "made.bin")
    path, text = written(here, "table.parquet", (here / "made.bin").read_bytes())
    assert yamlgen.run(path, simulate=True).rows()
    assert '{{ row["Text größe"] | default("", true) }}' in text
    assert "format: parquet" in first_pipeline("made.bin", here)[1]


def test_the_columns_are_in_the_prompt(here):
    """Short values on lines with their names, texts between tags, the id not at all."""
    rows = "".join(f'K-{n},Kettle,"{"It leaks. " * 10}"\n' for n in range(3))
    _, text = written(here, "reviews.csv", f"review_id,product,Review text\n{rows}".encode())
    assert "      product: {{ row.product }}\n" in text
    assert '      <review_text>\n      {{ row["Review text"] }}\n      </review_text>\n' in text
    assert "  id: review_id  # unique in all 3 rows\n" in text
    assert "# row.review_id is left out of the prompt: it is the id.\n" in text
    assert text.count("enum:") == text.count("label: {type: string, enum: [") == 1
    assert text.count("CHANGE") > 3


def test_of_many_columns_some_are_chosen(here):
    """Those that tell most; a comment lists the others as they are written in a template."""
    _, text = written(here, "survey.csv", WIDE.encode())
    _, _, prompt = text.partition("prompt: |")
    assert prompt.count("{{ row") == 12
    listed = re.findall(r'row\["Q\d+: How often in a week\?"\]', text.partition("prompt: |")[0])
    assert len(set(listed)) == 62
    assert "# 62 of 74 columns are left out of the prompt." in text
    assert all(len(line) < 140 for line in text.splitlines())


@pytest.mark.parametrize(
    ("content", "identity"),
    [
        (b"name,id\na,1\nb,2\n", "id"),
        (b"text,orderId\na,1\nb,2\n", "orderId"),
        (b"score,name\n0.5,a\n0.7,b\n", "name"),
        (b"id,name\n1,a\n1,b\n", "name"),
        (b"id,b\n1,x\n,x\n", None),
        (b"id,b\n" + b"".join(b"%d,x\n" % (n % 1100) for n in range(1101)), None),
    ],
)
def test_the_id_is_a_unique_column(content, identity, here):
    """One that is named so, or another one with short values; checked beyond the first rows."""
    _, text = written(here, "rows.csv", content)
    assert re.findall(r"^  id: (\S+)", text, re.MULTILINE) == ([] if identity is None else [identity])


def test_the_settings_of_the_file_are_written(here):
    """What was detected, and that an encoding is a guess."""
    _, text = written(here, "excel.csv", READ["excel_german.csv"])
    assert '  delimiter: ";"\n' in text
    assert "  # The file is not UTF-8. The encoding is a guess: check letters such as é.\n  encoding: cp1252\n" in text
    _, text = written(here, "iris.data", READ["iris.data"])
    assert "  header: false\n" in text
    assert "  columns: [column_1, column_2, column_3, column_4, column_5]\n" in text


@given(st.text(min_size=1, max_size=12))
def test_any_column_can_be_referred_to(name):
    """The reference of a template is that of the column, and YAML reads the same name."""
    name = name.encode("utf-8", "replace").decode()
    assert evaluate(_reference(name), {"row": {name: "found"}}) == "found"
    document, told = compose(SourceText("p.yaml", f"id: {_quoted(name)}\n"))
    assert document is not None
    assert (document.data, told) == ({"id": name}, [])


def test_the_path_is_relative_to_the_pipeline(here):
    """Files elsewhere are neither copied nor moved; a path that was absolute and leads out stays so."""
    (here / "data").mkdir()
    (here / "data/rows.csv").write_bytes(b"id,text\n1,a\n")
    assert "  path: data/rows.csv\n" in first_pipeline("data/rows.csv", here)[1]
    assert "  path: ../data/rows.csv\n" in first_pipeline("data/rows.csv", here / "new")[1]
    assert f"  path: {here}/data/rows.csv\n" in first_pipeline(f"{here}/data/rows.csv", here / "new")[1]
    assert "  path: rows.csv\n" in first_pipeline(f"{here}/data/rows.csv", here / "data")[1]


def test_a_pattern_is_an_input(here):
    """The name is that of its folder; one that matches the outputs is refused."""
    (here / "may").mkdir()
    for day in "12":
        (here / f"may/{day}.csv").write_text(f"id,text\n{day},a\n", "utf-8")
    name, text = first_pipeline("may/*.csv", here)
    assert name == "may.yamlgen.yaml"
    assert '  path: "may/*.csv"\n' in text
    (here / "may/3.jsonl").write_text('{"id": 1}\n', "utf-8")
    with pytest.raises(YamlgenError, match=r"the pattern \*\*/\*\.jsonl matches the outputs"):
        first_pipeline("**/*.jsonl", here)


def test_the_output_is_not_the_input(here):
    """An input in `out/` is kept."""
    (here / "out").mkdir()
    (here / "out/rows.jsonl").write_text('{"id": 1}\n', "utf-8")
    assert "  path: out/rows-labels.jsonl" in first_pipeline("out/rows.jsonl", here)[1]


def test_names_of_files_become_names_of_pipelines(here):
    """Letters, digits and hyphens."""
    names = {"Meine Daten (1).csv.gz": "Meine-Daten-1", "größe.csv": "größe", ".hidden.csv": "hidden", "a.b.csv": "a-b"}
    for name, expected in names.items():
        content = b"id\n1\n"
        (here / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        assert first_pipeline(name, here)[0] == f"{expected}.yamlgen.yaml"


@pytest.mark.parametrize(
    ("given_path", "message", "hint"),
    [
        ("reveiws.csv", "the input reveiws.csv does not exist", "did you mean `reviews.csv`?"),
        (".", ". is a folder", "'./*.csv'"),
        ("-", "standard input can be read only once", "save the rows to a file"),
        ("x/*.csv", "the folder x does not exist", ""),
        ("", "the path is empty", "write the path of a file"),
        ("https://example.org/a.csv", "https://example.org/a.csv is a URL", "download it"),
    ],
)
def test_what_is_not_a_file_is_refused(given_path, message, hint, here, call):
    """With the fix, and nothing is written."""
    (here / "reviews.csv").write_bytes(b"id,text\n1,a\n")
    told = call("init", "--input", given_path)
    assert told.code in (2, 3)
    assert message in told.err
    assert hint in told.err
    assert [path.name for path in here.iterdir()] == ["reviews.csv"]
