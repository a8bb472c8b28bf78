"""Text files as people have them: what a run refuses, `validate` reports with the option that reads the file."""

import gzip
import io
import os
import subprocess
import sys

import pytest

from file_sources import file_source
from yamlgen.api.loading import check
from yamlgen.data.input_buffer import buffered
from yamlgen.data.input_sources import source_of
from yamlgen.errors import EnvironmentProblem, YamlgenError
from yamlgen.pipeline.parsed_file import read

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIPELINE = """\
version: 1
input: {path: %s, id: id%s}
steps:
  s: {model: claude-haiku-5-5, prompt: "Hello {{ row.name }}"}
output: {path: out.jsonl}
"""
ROWS = [{"id": "1", "name": "Zoë"}, {"id": "2", "name": "b"}]
CSV = "id,name\n1,Zoë\n2,b\n"
JSONL = '{"id": "1", "name": "Zoë"}\n{"id": "2", "name": "b"}\n'
JSON = '[{"id": "1", "name": "Zoë"},\n {"id": "2", "name": "b"}]'
GZ, ZST = gzip.compress(CSV.encode(), mtime=0), zstd.compress(CSV.encode())
HEADLESS = ", header: false, columns: [id, name]"
LONG = "id,name\n" + "".join(f"{number},{number * 7919}\n" for number in range(900))

READ = [
    ("bom.csv", "", "\ufeff" + CSV),
    ("crlf.csv", "", CSV.replace("\n", "\r\n")),
    ("tabs.tsv", "", CSV.replace(",", "\t")),
    ("tabs.txt", ", format: tsv", CSV.replace(",", "\t")),
    ("tabs_called_csv.tsv", ", format: csv", CSV.replace(",", "\t")),
    ("semicolon.csv", ', delimiter: ";"', CSV.replace(",", ";")),
    ("semicolon.tsv", ', delimiter: ";"', CSV.replace(",", ";")),
    ("sep.csv", "", "sep=;\n" + CSV.replace(",", ";")),
    ("sep_crlf.csv", "", "\ufeffsep=\t\r\n" + CSV.replace(",", "\t")),
    ("sep_quoted.csv", "", '"sep=|"\n' + CSV.replace(",", "|")),
    ("sep_and_delimiter.csv", ', delimiter: ";"', "sep=,\n" + CSV.replace(",", ";")),
    ("headless.csv", HEADLESS, "1,Zoë\n2,b\n"),
    ("headless_sep.csv", HEADLESS, "sep=;\n1;Zoë\n2;b\n"),
    ("latin.csv", ", encoding: latin-1", CSV.encode("latin-1")),
    ("windows.csv", ", encoding: cp1252", CSV.encode("cp1252")),
    ("utf16.csv", ", encoding: utf-16", CSV.encode("utf-16")),
    ("utf16_be.csv", ", encoding: utf-16", ("\ufeff" + CSV).encode("utf-16-be")),
    ("utf16_unmarked.csv", ", encoding: utf-16-le", CSV.encode("utf-16-le")),
    ("utf16.jsonl", ", encoding: utf-16", JSONL.encode("utf-16")),
    ("latin.json", ", encoding: latin-1", JSON.encode("latin-1")),
    ("marked.csv", ", encoding: utf-8-sig", CSV.encode("utf-8-sig")),
    ("a.csv.gz", "", GZ),
    ("a.csv.zst", "", ZST),
    ("A.CSV.GZ", "", GZ),
    ("members.csv.gz", "", gzip.compress(b"id,name\n1,Zo") + gzip.compress("ë\n2,b\n".encode())),
    ("frames.csv.zst", "", zstd.compress(b"id,name\n1,Zo") + zstd.compress("ë\n2,b\n".encode())),
    ("padded.csv.gz", "", GZ + bytes(512)),
    ("a.gz", ", format: csv", GZ),
    ("a.tsv.gz", "", gzip.compress(CSV.replace(",", "\t").encode())),
    ("a.jsonl.gz", "", gzip.compress(JSONL.encode())),
    ("a.json.zst", "", zstd.compress(JSON.encode())),
    ("latin.csv.gz", ", encoding: latin-1", gzip.compress(CSV.encode("latin-1"))),
]


@pytest.mark.parametrize(("name", "keys", "content"), READ, ids=[name for name, *_ in READ])
def test_files_are_read_with_their_options(tmp_path, name, keys, content):
    """Each file is valid, and its rows are the same."""
    found, source = checked(tmp_path, name, keys, content)
    assert found == ()
    scanned, count = source.scan(frozenset({"s"}))
    assert ([each.row for each in scanned.rows()], count) == (ROWS, 2)


REFUSED = [
    ("no_name.csv", "", "id, ,name\n1,2,a\n", ":1: column 2 of the header has no name", "set `header: false`"),
    ("trailing.csv", "", "id,name,\n1,a,\n", ":1: column 3 of the header", "remove the delimiter at the end"),
    ("twice.csv", "", "1,1\n2,b\n", ":1: two columns are named `1`", "set `header: false` and `columns`"),
    ("json_cell.csv", "", 'id,name\n1,{"a": 1, "b": 2}\n', ":2: the header has 2", "double each quote in it"),
    ("sep.csv", "", "sep=\nid;name\n", ":1: the line `sep=` names no delimiter", "as in `sep=;`"),
    ("unclosed.csv", "", 'id,name\n1,"a\n2,b\n', ":2: not CSV: a quote is opened", "set `quoting: none`"),
    ("inner.csv", "", 'id,name\n1,"a"b\n', ":2: not CSV: `,` is expected", "set `quoting: none`"),
    ("quoted.csv", "", '"id";"name"\n"1";"a"\n', ":1: not CSV: `,` is expected", '`delimiter: ";"`'),
    ("r.csv", "", '"id","name"\n"1",2,"a"\n', ":2: the header has 2 cells", "add a name before the header"),
    ("inner.tsv", "", 'id\tname\n1\t"a"b\n', ":2: not TSV: ", "set `quoting: none`"),
    ("cr.csv", ", quoting: none", "id,name\r1,a\r", ":1: not CSV: a CR", "LF or CRLF"),
    ("cell.csv", ", quoting: none", 'id,name\n1,"a,b"\n', ":2: the header has 2", "remove `quoting: none`"),
    ("more.csv", HEADLESS, "1,a\n2,b,c\n", ":2: `columns` names 2 columns, but this row has 3", "correct `columns`"),
    ("less.csv", HEADLESS, "1,a\n2\n", ":2: `columns` names 2 columns, but this row has 1", "correct `columns`"),
    ("late.csv", HEADLESS, "sep=;\n1;a\n2\n", ":3: `columns` names 2", "correct `columns`"),
    ("latin.csv", "", CSV.encode("latin-1"), ":2: not UTF-8: byte 0xeb", "`encoding: cp1252`"),
    ("latin.jsonl", "", JSONL.encode("latin-1"), ":1: not UTF-8: byte 0xeb", "`encoding: cp1252`"),
    ("latin.json", "", JSON.encode("latin-1"), ":1: not UTF-8: byte 0xeb", "`encoding: cp1252`"),
    ("utf16.csv", "", CSV.encode("utf-16"), "this file is UTF-16", "`encoding: utf-16`"),
    ("utf16.jsonl", "", JSONL.encode("utf-16-le"), "this file is UTF-16", "`encoding: utf-16-le`"),
    ("utf16.json", "", JSON.encode("utf-16-be"), "this file is UTF-16", "`encoding: utf-16-be`"),
    ("utf32.csv", "", CSV.encode("utf-32"), "this file is UTF-32", "`encoding: utf-32`"),
    ("utf16_as_latin.csv", ", encoding: latin-1", CSV.encode("utf-16"), "UTF-16, not latin-1", "`encoding: utf-16`"),
    ("unmarked.csv", ", encoding: utf-16", CSV.encode("utf-16-le"), "UTF-16, not utf-16", "`encoding: utf-16-le`"),
    ("utf8_as_utf16.csv", ", encoding: utf-16-le", CSV, "this file is UTF-8, not utf-16-le", "remove `encoding`"),
    ("utf8_as_latin.csv", ", encoding: latin-1", CSV, "this file is UTF-8, not latin-1", "remove `encoding`"),
    ("ascii.csv", ", encoding: ascii", CSV, "this file is UTF-8, not ascii", "remove `encoding`"),
    ("sjis.csv", ", encoding: shift_jis", CSV.encode("latin-1"), ":2: not shift_jis: byte 0xeb", "set `encoding` to"),
    ("odd.csv", ", encoding: utf-16", CSV.encode("utf-16")[:-1], ":3: not utf-16: byte 0x0a", "set `encoding` to"),
    ("gzip_as_latin.csv", ", encoding: latin-1", GZ, "compressed with gzip, not latin-1", "add `.gz`"),
    ("gzip.csv", "", GZ, "this file is compressed with gzip", "add `.gz` to its name"),
    ("zstd.jsonl", "", ZST, "this file is compressed with zstd", "add `.zst` to its name"),
    ("bzip2.csv", "", b"BZh91AY&SY\0\0", "compressed with bzip2", "decompress it"),
    ("xz.csv", "", b"\xfd7zXZ\0\0\4", "compressed with xz", "decompress it"),
    ("plain.csv.gz", "", CSV, "not compressed with gzip, but its extension is `.gz`", "rename it"),
    ("plain.csv.zst", "", CSV, "not compressed with zstd, but its extension is `.zst`", "rename it"),
    ("zstd.csv.gz", "", ZST, "not compressed with gzip", "rename it"),
    (
        "cut.csv.gz",
        "",
        gzip.compress(LONG.encode())[:-400],
        "the gzip file ends too early",
        "copy or download it again",
    ),
    ("cut_sum.csv.gz", "", GZ[:-4], "the gzip file ends too early", "copy or download it again"),
    ("cut_head.csv.gz", "", GZ[:5], "the gzip file ends too early", "copy or download it again"),
    ("cut.csv.zst", "", ZST[:-4], "the zstd file ends too early", "copy or download it again"),
    ("sum.csv.gz", "", GZ[:-8] + b"\1\2\3\4" + GZ[-4:], "the gzip file is damaged", "copy or download it again"),
    ("appended.csv.gz", "", GZ + b"3,c\n", "has other content after its end", "copy or download it again"),
    ("appended.csv.zst", "", ZST + b"3,c\n", "has other content after its end", "copy or download it again"),
    ("flipped.csv.zst", "", ZST[:6] + bytes(8) + ZST[14:], "the zstd file is damaged", "copy or download it again"),
    ("twice.csv.gz", "", gzip.compress(GZ), "this file is compressed with gzip", "decompress it"),
    ("latin.csv.gz", "", gzip.compress(CSV.encode("latin-1")), ":2: not UTF-8: byte 0xeb", "`encoding: cp1252`"),
    ("row.csv.gz", "", gzip.compress(b"id,name\n1\n"), ":2: the header has 2 cells", "one cell for each column"),
    ("json.csv", ", json_columns: [name]", "id,name\n1,[1\n", ":2: column `name` is not JSON: a comma", "add it"),
    ("python.csv", ", json_columns: [name]", "id,name\n1,['a']\n", ":2: column `name` is not JSON", "`json.dumps`"),
    ("none.csv", ", json_columns: [name]", "id,name\n1,None\n", ":2: column `name` is not JSON", "`json.dumps`"),
    ("word.csv", ", json_columns: [name]", "id,name\n1,a\n", ":2: column `name` is not JSON", "double quotes"),
    ("two.csv", ", json_columns: [name]", "id,name\n1,1 2\n", "(character 3 of 1 2)", "write only one value"),
    ("nan.csv", ", json_columns: [name]", "id,name\n1,NaN\n", ":2: column `name`: not JSON: NaN", "write `null`"),
    (
        "keys.csv",
        ", json_columns: [name]",
        'id,name\n1,"{""a"":1,""a"":2}"\n',
        ':2: column `name`: the key "a"',
        "rename",
    ),
    (
        "lines.tsv",
        ", json_columns: [name]",
        'id\tname\n1\t"\n\n{"\n2\t3\n',
        ":2: column `name` is not JSON: a key in",
        'write `"name": value`',
    ),
]


@pytest.mark.parametrize(("name", "keys", "content", "message", "hint"), REFUSED, ids=[row[0] for row in REFUSED])
def test_validate_refuses_what_a_run_refuses_with_the_option(tmp_path, name, keys, content, message, hint):
    """One error at a place in the pipeline, which names the file, its line and the fix; a run raises the same."""
    (told, *more), source = checked(tmp_path, name, keys, content)
    assert (more, told.severity, told.mark.line) == ([], "error", 2)
    assert told.message.startswith(f"{tmp_path / name}")
    assert message in told.message
    assert hint in str(told.hint)
    with pytest.raises(YamlgenError) as caught:
        assert source.scan(frozenset({"s"}))[1]
    assert (caught.value.message, caught.value.hint) == (told.message, told.hint)


def checked(folder, name, keys, content):
    """What `validate` reports about a file with this content and these keys of `input`, and the source of its rows."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    path = folder / "p.yaml"
    path.write_text(PIPELINE % (name, keys), encoding="utf-8")
    parsed, _ = read(path, str(path))
    return check(path)[1], source_of(parsed.pipeline.input, parsed.path, parsed.shown)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst"])
def test_a_compressed_file_that_changes_is_told(tmp_path, name):
    """What is appended is not read, and told at the end; another content ends the reading."""
    path, packed = tmp_path / name, GZ if name.endswith("gz") else ZST
    path.write_bytes(packed)
    scanned, _ = file_source(path=path, shown=name).scan()
    path.write_bytes(packed + packed)
    assert [each.row for each in scanned.rows()] == ROWS
    assert f"grew by {len(packed)} bytes" in scanned.verify()
    path.write_bytes(packed[:-1] + b"U")
    for again in (scanned.verify, lambda: list(scanned.rows())):
        with pytest.raises(EnvironmentProblem, match="changed after it was first read"):
            again()


def test_standard_input_has_the_options_and_is_not_compressed():
    """Without a name, nothing says that it is compressed."""
    settings = {"format": "csv", "encoding": "utf-16", "header": False, "columns": ("id", "name")}
    with buffered(file_source(**settings), io.BytesIO("sep=;\n1;Zoë\n2;b\n".encode("utf-16"))) as source:
        assert [each.row for each in source.rows()] == ROWS
    with buffered(file_source(format="csv"), io.BytesIO(GZ)) as source, pytest.raises(YamlgenError) as caught:
        source.scan()
    assert caught.value.message == "standard input: this file is compressed with gzip"


def test_a_pipe_is_compressed_as_its_name_says(tmp_path):
    """The copy of a pipe keeps the extension of the compression."""
    os.mkfifo(tmp_path / "a.csv.gz")
    with subprocess.Popen(["cp", "/dev/stdin", tmp_path / "a.csv.gz"], stdin=subprocess.PIPE) as process:
        process.stdin.write(GZ)
        process.stdin.close()
        with buffered(file_source(path=tmp_path / "a.csv.gz"), None) as source:
            assert [each.row for each in source.rows()] == ROWS


def test_cells_of_json_are_values_of_expressions(tmp_path):
    """A list has items, and an object has keys; without the option the fix names it."""
    content = 'id\tname\ttags\n1\t{"first": "Ada"}\t["a", "b"]\n'
    (tmp_path / "r.tsv").write_text(content, encoding="utf-8")
    text = (PIPELINE % ("r.tsv", ", json_columns: [name, tags]")).replace(
        "row.name", "item | upper }} {{ row.name.first"
    )
    text = text.replace("{model:", "{for_each: row.tags, model:")
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    assert check(tmp_path / "p.yaml")[1] == ()
    (tmp_path / "p.yaml").write_text(text.replace(", tags]", "]"), encoding="utf-8")
    (told,) = check(tmp_path / "p.yaml")[1]
    assert told.hint.endswith("if its cells are JSON, add `json_columns: [tags]` under `input`")
