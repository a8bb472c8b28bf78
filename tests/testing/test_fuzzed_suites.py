"""Whatever a test file contains, reading it reports it: no third-party exception, and each mistake has a place."""

import json

import jsonschema_rs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from written_suites import SUITE, lay_out, read

from yamlgen.parsing.source_map import LINE_END, SourceText
from yamlgen.parsing.yaml_parser import compose
from yamlgen.testing.suite_schema import committed

VALID = compose(SourceText("", SUITE))[0].data
ACCEPTS = jsonschema_rs.Draft202012Validator(json.loads(committed()), offline=True).is_valid
ODD = (
    *(None, True, 0, -1, 2.5, 10**30, "", " ", "x", "..", "/", "a/b.jsonl", "data/gold.csv", "triage.yaml", "\x85"),
    *("steps.label", "steps.", "((((", "rows", "gold.x", "1 / 0", "{{ rows", "params | length", "row.text", "[1]" * 40),
    *([], {}, [[]], [{}], {"": 1}, {"a": {"b": []}}, ["x"], {"path": "data/gold.csv"}, {"expression": "finished"}),
)
KEYS = ("name", "row", "rows", "params", "expect", "golden", "gold", "on", "fields", "path", "limit", "x", "", "x-y")
PIECES = (
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    " #",
    "&a ",
    "*a",
    "!x ",
    "'",
    '"',
    "<<: *a\n",
    "\0",
    "\t",
    "\r",
    "{{",
    "---\n",
)


def places(value, path=()):
    """The path to each part of some data, except the whole."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*path, key)
        yield from places(part, (*path, key))


def changed(value, path, change):
    """The data with the part at a path changed: its owner and its key are given to `change`."""
    copied = json.loads(json.dumps(value))
    owner = copied
    for part in path[:-1]:
        owner = owner[part]
    change(owner, path[-1])
    return copied


CHANGES = {
    "another value": lambda new: lambda owner, key: owner.__setitem__(key, new),
    "without": lambda _: lambda owner, key: owner.pop(key),
    "beside": lambda new: lambda owner, key: owner.update({key[:-1]: new}) if isinstance(owner, dict) else None,
}


@st.composite
def broken_data(draw):
    """The valid data with one to three parts replaced, removed, renamed, or with another key beside them."""
    data = VALID
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(data)) or [("x",)]))
        how = draw(st.sampled_from([*CHANGES, "renamed"]))
        new = draw(st.sampled_from(ODD))
        if how == "renamed":
            name = draw(st.sampled_from(KEYS))

            def change(owner, key, name=name):
                if isinstance(owner, dict):
                    owner[name] = owner.pop(key)

        else:
            change = CHANGES[how](new)
        data = changed(data, path, change)
    return data


def dumped(data):
    """Data as YAML, with each key on a line of its own; strings like numbers are in quotes."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=10_000).replace("\non:", '\n"on":')


def judge(path, text):
    """Check what every reading of a test file must satisfy, and return what it reports."""
    suite, found = read(path)
    lines = LINE_END.split(text.removeprefix("\ufeff"))
    assert (suite is None) == any(each.severity == "error" for each in found)
    for each in found:
        assert each.message
        assert each.message == each.message.strip()
        assert each.mark.file == str(path)
        assert 1 <= each.mark.line <= len(lines), each
        assert 1 <= each.mark.column <= len(lines[each.mark.line - 1]) + 1, each
    assert len({(each.code, each.mark, each.message) for each in found}) == len(found)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with all that the test file names."""
    folder = tmp_path_factory.mktemp("suites")
    lay_out(folder)
    return folder


@given(data=broken_data())
def test_changed_data_is_reported_inside_the_file(folder, data):
    """Values, keys and parts that are out of place: an error if the schema refuses the data, or a check does."""
    path, text = folder / "fuzzed.test.yaml", dumped(data)
    path.write_text(text, "utf-8")
    found = judge(path, text)
    read_back = compose(SourceText("", text))[0]
    if read_back is not None and not ACCEPTS(read_back.data):
        assert any(each.severity == "error" for each in found)


@given(at=st.integers(0, len(SUITE)), piece=st.sampled_from(PIECES), length=st.integers(0, 3))
def test_changed_text_is_reported_inside_the_file(folder, at, piece, length):
    """A piece of YAML put anywhere."""
    path, text = folder / "fuzzed.test.yaml", SUITE[:at] + piece + SUITE[at + length :]
    path.write_text(text, "utf-8", newline="")
    judge(path, text)


BLOCKS = dumped(VALID)
PLACES = [path for path in places(VALID) if "row" not in path[:-1] and "params" not in path[:-1]]


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_a_value_of_another_type_is_reported_where_it_is(folder, path):
    """Each value, replaced by one that the schema refuses, is an error in its lines."""
    file = folder / "fuzzed.test.yaml"
    for new in (7, True, {"wrong": [1]}, [[1]]):
        data = changed(VALID, path, CHANGES["another value"](new))
        if ACCEPTS(data):
            continue
        text = dumped(data)
        file.write_text(text, "utf-8")
        document = compose(SourceText("", text))[0]
        node = document.node(path)
        first, last = document.mark(path, key=True).line, node.source.position(node.end)[0]
        assert set(range(first, last + 1)) & {
            each.mark.line for each in judge(file, text) if each.severity == "error"
        }, (path, new)
