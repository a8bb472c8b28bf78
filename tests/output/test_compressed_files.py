"""Compressed outputs: the extension after that of the format decides."""

import gzip
import json
import sys

import pytest

import yamlgen
from file_sources import file_source
from yamlgen.formats.format import UNCHANGED
from yamlgen.output.files import write_rows

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROWS = [{"id": str(number), "name": "Zoë"} for number in range(3)]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.gz", "a.csv.gz", "a.tsv.zst", "a.jsonl.zst", "A.CSV.GZ"])
def test_compressed_files_are_read_as_written(tmp_path, name):
    """The same rows come back, and writing them again gives the same bytes."""
    path, content = tmp_path / name, set()
    for _ in range(2):
        write_rows([(path, lambda: (f"{json.dumps(row)}\n".encode() for row in ROWS), UNCHANGED)])
        content.add(path.read_bytes())
    assert len(content) == 1
    assert [each.row for each in file_source(path=path).rows()] == ROWS


def test_a_gzip_file_has_no_time(tmp_path):
    """Other programs decompress it."""
    write_rows([(tmp_path / "a.jsonl.gz", lambda: [b"{}\n"], UNCHANGED)])
    write_rows([(tmp_path / "a.jsonl.zst", lambda: [b"{}\n"], UNCHANGED)])
    content = (tmp_path / "a.jsonl.gz").read_bytes()
    assert (content[4:8], gzip.decompress(content)) == (bytes(4), b"{}\n")
    assert zstd.decompress((tmp_path / "a.jsonl.zst").read_bytes()) == b"{}\n"


def test_parts_and_trials_keep_both_extensions(tmp_path):
    """Parts, rejected rows and the files of a trial are compressed too; failed rows and the record are not."""
    (tmp_path / "p.yaml").write_text(
        """\
version: 1
input: {rows: [{id: "1"}, {id: "2"}, {id: "3"}], id: id}
steps: {s: {kind: compute, value: row.id}}
output: {path: out/a.jsonl.gz, split: {train: 0.5, test: 0.5}, where: row.id != "2", rejected: out/b.csv.zst}
""",
        encoding="utf-8",
    )
    yamlgen.run(tmp_path / "p.yaml", simulate=True)
    found = {path.name: len(list(file_source(path=path).rows())) for path in (tmp_path / "out").glob("*.[gz]*")}
    assert set(found) == {"a.simulated.train.jsonl.gz", "a.simulated.test.jsonl.gz", "b.simulated.csv.zst"}
    assert sum(found.values()) == 3
