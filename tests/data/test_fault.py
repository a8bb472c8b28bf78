"""What `validate` says of an input: the same as a run would, as far as it reads."""

import gzip

import pytest

from file_sources import file_source
from yamlgen.api.loading import check
from yamlgen.data.source import Source
from yamlgen.errors import Code, YamlgenError

GOOD = '{"id": 1, "name": "a"}\n'
NASTY = [
    ("no_name.csv", ",id,name\n0,1,a\n"),
    ("blank_name.csv", "id, ,name\n1,2,a\n"),
    ("trailing.csv", "id,name,\n1,a,\n"),
    ("twice.csv", "id,name,name\n1,a,b\n"),
    ("short.csv", "id,name\n1,a\n2\n"),
    ("long.csv", "id,name\n1,a,b\n"),
    ("comma.csv", "id,name\n1,a, b\n"),
    ("semicolon.csv", "id;name\n1;a, b\n"),
    ("tabs.csv", "id\tname\n1\ta\n"),
    ("sep.csv", "sep=;\nid;name\n1;a\n"),
    ("quote.csv", 'id,name\n1,"a\n2,b\n'),
    ("after_quote.csv", 'id,name\n1,"a"b\n'),
    ("latin.csv", b"id,name\n1,caf\xe9\n"),
    ("utf16.csv", "id,name\n1,a\n".encode("utf-16")),
    ("nul.csv", "id,na\0me\n1,a\n"),
    ("concat.csv", "\ufeffid,name\n1,a\n\ufeff2,b,c\n"),
    ("cr.csv", "id,name\r1,good\r2,bad\r"),
    ("empty.csv", ""),
    ("empty.csv.gz", b""),
    ("no_rows.csv.gz", gzip.compress(b"id,name\n")),
    ("no_id.csv.gz", gzip.compress(b"key,name\n1,a\n")),
    ("same_id.tsv.gz", gzip.compress(b"id\tname\n1\ta\n1\tb\n")),
    ("nan.jsonl.gz", gzip.compress(b'{"id": 1, "name": NaN}\n')),
    ("after.json.gz", gzip.compress(b'[{"id": 1, "name": "a"}] x')),
    ("cut.jsonl.gz", gzip.compress(GOOD.encode() * 9)[:-9]),
    ("plain.jsonl.zst", GOOD),
    ("empty.jsonl.zst", b""),
    ("blank.csv", "\n\n"),
    ("header.csv", "id,name\n"),
    ("no_id.csv", "key,name\n1,a\n"),
    ("same_id.csv", "id,name\n1,a\n1,b\n"),
    ("empty_id.csv", "id,name\n1,a\n,b\n"),
    ("step.csv", "id,name,s\n1,a,b\n"),
    ("comma.jsonl", '{"id": 1,}\n'),
    ("single.jsonl", "{'id': 1}\n"),
    ("third.jsonl", GOOD * 1 + '{"id": 2, "name": "b"}\n{"id": 3, "name": \n'),
    ("array.jsonl", '[{"id": 1, "name": "a"}]\n'),
    ("scalar.jsonl", GOOD + "12\n"),
    ("text.jsonl", GOOD + '"a"\n'),
    ("null.jsonl", GOOD + "null\n"),
    ("two.jsonl", '{"id": 1, "name": "a"} {"id": 2, "name": "b"}\n'),
    ("pretty.jsonl", '{\n  "id": 1,\n  "name": "a"\n}\n'),
    ("nan.jsonl", '{"id": 1, "name": NaN}\n'),
    ("huge.jsonl", '{"id": 1, "name": 1e999}\n'),
    ("key_twice.jsonl", '{"id": 1, "name": "a", "name": "b"}\n'),
    ("deep.jsonl", '{"id": 1, "name": ' + "[" * 100_000 + "]" * 100_000 + "}\n"),
    ("latin.jsonl", b'{"id": 1, "name": "caf\xe9"}\n'),
    ("utf16.jsonl", GOOD.encode("utf-16")),
    ("nul.jsonl", GOOD + "\0\n"),
    ("empty.jsonl", ""),
    ("blank.jsonl", " \n\n"),
    ("csv.jsonl", "id,name\n1,a\n"),
    ("no_id.jsonl", '{"key": 1, "name": "a"}\n'),
    ("id_lost.jsonl", GOOD + '{"name": "b"}\n'),
    ("id_null.jsonl", GOOD + '{"id": null, "name": "b"}\n'),
    ("id_list.jsonl", GOOD + '{"id": [1], "name": "b"}\n'),
    ("same_id.jsonl", GOOD + '{"id": 1.0, "name": "b"}\n'),
    ("late_step.jsonl", GOOD + "".join(f'{{"id": {i}, "name": "a"}}\n' for i in range(2, 300)) + '{"id": 0, "s": 1}\n'),
    ("object.json", '{"rows": [{"id": 1, "name": "a"}]}'),
    ("scalars.json", "[1, 2, 3]"),
    ("texts.json", '["a", "b"]'),
    ("mixed.json", '[{"id": 1, "name": "a"}, 2]'),
    ("open.json", '[{"id": 1, "name": "a"}, {"id": 2'),
    ("unclosed.json", '[{"id": 1, "name": "a"}'),
    ("comma.json", '[{"id": 1, "name": "a"},]'),
    ("after.json", '[{"id": 1, "name": "a"}] x'),
    ("lines.json", GOOD + GOOD),
    ("empty.json", ""),
    ("none.json", "[]"),
    ("latin.json", b'[{"id": 1, "name": "caf\xe9"}]'),
    ("no_id.json", '[{"key": 1, "name": "a"}]'),
    ("same_id.json", '[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]'),
]
PIPELINE = """\
version: 1
input: {path: %s, id: id}
steps:
  s: {model: claude-haiku-5-5, prompt: "Hello {{ row.name }}"}
output: {path: out.jsonl}
"""


def refused(source: Source) -> YamlgenError | None:
    """With what a run refuses an input, or `None`."""
    try:
        _, rows = source.scan(frozenset({"s"}))
    except YamlgenError as error:
        return error
    return None if rows else YamlgenError(f"{source.name()} has no rows", code=Code.NO_ROWS)


def validated(folder, name: str, content: str | bytes) -> list[str]:
    """The errors of `validate` for a pipeline over a file with this content."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "p.yaml").write_text(PIPELINE % name, encoding="utf-8")
    return [each.message for each in check(folder / "p.yaml")[1] if each.severity == "error"]


@pytest.mark.parametrize(("name", "content"), NASTY, ids=[name for name, _ in NASTY])
def test_validate_refuses_what_a_run_refuses(tmp_path, name, content):
    """An input that a run refuses gives an error of `validate`, and any other none."""
    errors = validated(tmp_path, name, content)
    refusal = refused(file_source(path=tmp_path / name, id="id", shown=name))
    assert bool(errors) == (refusal is not None), (errors, refusal)
    assert len(errors) <= 1


def test_a_mistyped_id_names_the_column(tmp_path):
    """Over JSON, too, an `id` that no row has is told with the one that was meant."""
    (tmp_path / "r.jsonl").write_text(GOOD, encoding="utf-8")
    (tmp_path / "p.yaml").write_text((PIPELINE % "r.jsonl").replace("id: id", "id: idd"), encoding="utf-8")
    (told,) = check(tmp_path / "p.yaml")[1]
    assert (told.code, told.mark.line, told.hint) == (Code.UNKNOWN_COLUMN, 2, "did you mean `id`?")


@pytest.mark.parametrize(("mark", "hint"), [(";", ";"), ("\t", "\\t"), ("|", "|")])
def test_another_delimiter_is_one_mistake(tmp_path, mark, hint):
    """Columns that are missing because none was parted are told as the delimiter that is."""
    (tmp_path / "r.csv").write_text(f"id{mark}name\n1{mark}a\n", encoding="utf-8")
    (tmp_path / "p.yaml").write_text(PIPELINE % "r.csv", encoding="utf-8")
    (told,) = check(tmp_path / "p.yaml")[1]
    assert (told.code, told.mark.line) == (Code.UNKNOWN_COLUMN, 2)
    assert told.hint == f'add `delimiter: "{hint}"` under `input`'


@pytest.mark.parametrize(("name", "line"), [("long.jsonl", '{"id": %d, "name": "a"}\n'), ("long.csv", "%d,a\n")])
def test_a_mistake_behind_the_thousandth_row_is_left_to_the_run(tmp_path, name, line):
    """`validate` reads the first 1,000 rows."""
    head = "id,name\n" if name.endswith("csv") else ""
    rows = "".join(line % number for number in range(1200))
    assert validated(tmp_path, name, head + rows + rows) == []


def test_what_four_megabytes_cut_is_not_broken(tmp_path):
    """`validate` reads 4 MB, and the row that they end in is no mistake."""
    row = '{"id": %d, "name": "' + "é" * 40_000 + '"}'
    rows = [row % number for number in range(60)]
    assert validated(tmp_path, "long.jsonl", "\n".join(rows)) == []
    assert validated(tmp_path, "long.json", f"[{','.join(rows)}]") == []
    assert validated(tmp_path, "long.csv", "id,name\n" + "\n".join(f'{n},"{"é" * 40_000}"' for n in range(60))) == []


def test_a_missing_input_stays_a_warning(tmp_path):
    """A file that is not there yet is no error."""
    (tmp_path / "p.yaml").write_text(PIPELINE % "none.jsonl", encoding="utf-8")
    assert [each.severity for each in check(tmp_path / "p.yaml")[1]] == ["warning"]


def test_rows_in_the_pipeline_are_examined(tmp_path):
    """An id that two rows of the pipeline share is told."""
    text = (PIPELINE % "x").replace("path: x", "rows: [{id: 1, name: a}, {id: 1, name: b}]")
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    assert [each.code for each in check(tmp_path / "p.yaml")[1]] == [Code.DUPLICATE_ID]
