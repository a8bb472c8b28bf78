"""Files that are nearly right, in each format, encoding and compression, end in rows or in a refusal."""

import gzip
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_sources import file_source
from yamlgen.data.input_head import read_head
from yamlgen.errors import UsageError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CSV = 'id,name,tags\n1,Zoë,"[""a"", 1]"\n2,"b,\nc",\n3,,{}\n'
VALID = {
    "csv": CSV,
    "tsv": CSV.replace(",", "\t"),
    "jsonl": '{"id": "1", "name": "Zoë"}\n{"id": "2", "name": [1.5, null]}\n',
    "json": '[{"id": "1", "name": "Zoë"},\n {"id": "2", "name": {}}]\n',
}
PACKED = {"": bytes, ".gz": lambda raw: gzip.compress(raw, mtime=0), ".zst": zstd.compress}
PIECES = [
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"sep=;\n",
    b"{",
    b"]",
    b"NaN",
    b"\\ud800",
    b"\x1f\x8b",
]
EDITS = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 3), st.sampled_from(PIECES) | st.binary(max_size=3)), max_size=3
)
CELLS = st.fixed_dictionaries(
    {},
    optional={
        "delimiter": st.sampled_from([",", ";", "\t", "é"]),
        "quoting": st.just("none"),
        "json_columns": st.sampled_from([("tags",), ("id", "name")]),
    },
)
HEADLESS = {"header": False, "columns": ("id", "name", "tags")}
ENCODINGS = st.sampled_from(
    ["utf-8", "latin-1", "utf-16", "utf-16-be", "utf-32", "shift_jis", "gb18030", "iso2022_jp", "utf-7"]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for the files of all examples."""
    return tmp_path_factory.mktemp("rows")


@given(
    kind=st.sampled_from(sorted(VALID)),
    packing=st.sampled_from(sorted(PACKED)),
    encodings=st.tuples(ENCODINGS, ENCODINGS) | ENCODINGS.map(lambda name: (name, name)),
    cells=CELLS,
    is_headless=st.booleans(),
    edits=st.tuples(EDITS, EDITS),
)
def test_nearly_right_files_are_read_or_refused(folder, kind, packing, encodings, cells, is_headless, edits):
    """A refusal names the file and the fix, and the head of the file gives one, too."""
    path = folder / f"a.{kind}{packing}"
    content = edited(VALID[kind].encode(encodings[0], "replace"), edits[0])
    path.write_bytes(edited(PACKED[packing](content), edits[1]))
    settings = {**cells, **(HEADLESS if is_headless else {})} if kind.endswith("sv") else {}
    source = file_source(path=path, shown=path.name, id="id", encoding=encodings[1], **settings)
    found = read_head(source, 1001).fault()
    told = [] if found is None else [found]
    try:
        scanned, count = source.scan()
    except UsageError as error:
        told.append(error)
        assert len(told) == 2
    else:
        assert len(list(scanned.rows())) == count
        assert (found is None) == bool(count)
    assert [error for error in told if not error.hint or not error.message.startswith(path.name)] == []


def edited(content, edits):
    """Content in which bytes are replaced; each edit is a place, how many bytes are left out, and what is put in."""
    for at, left_out, put_in in edits:
        content = content[:at] + put_in + content[at + left_out :]
    return content
