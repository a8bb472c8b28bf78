"""YAML is read as YAML 1.2 core: the same data comes back, whoever wrote it."""

import json

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline_documents import json_values, texts
from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import compose

anything = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t\r\x85\u2028 :#-'\"{}")
)
keys = anything.filter(
    lambda key: len(key) <= 100
)  # YAML ends a key in one line after 1,024 characters, escapes included
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | anything,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


class Quoted(yaml.SafeDumper):
    """A dumper that quotes every string, so that none can be read as something else."""


Quoted.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


class Literal(yaml.SafeDumper):
    """A dumper that writes strings as block scalars, where YAML can hold them so."""


Literal.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|"))


def read(text):
    """The data of a text, which must be right."""
    document, problems = compose(SourceText("x.yaml", text), any_root=True)
    assert problems == []
    return document.data


def scalar(text):
    """The value of a plain scalar."""
    return read(f"[{text}]")[0]


@given(values)
@example({"a": ["\x85", "\u2028\ue000", "\x7f"]})
def test_json_is_yaml(data):
    """A JSON document reads as itself (JSON text escapes what YAML may not hold)."""
    assert read(json.dumps(data)) == data


@given(values)
def test_what_another_writer_quotes_comes_back(data):
    """Strings in quotes are strings, numbers are numbers."""
    assert read(yaml.dump(data, Dumper=Quoted, allow_unicode=True)) == data


@given(json_values)
def test_block_scalars_come_back(data):
    """Strings as block scalars are the same strings."""
    assert read(yaml.dump(data, Dumper=Literal, allow_unicode=True)) == data


@given(texts)
def test_json_with_its_characters_unescaped_is_yaml(text):
    """Letters of every script stand for themselves."""
    assert read(json.dumps({text: text}, ensure_ascii=False)) == {text: text}


@pytest.mark.parametrize(
    "word",
    [
        "on",
        "off",
        "yes",
        "no",
        "y",
        "n",
        "On",
        "NO",
        "1:30",
        "12:30:45",
        "2026-10-21",
        "2026-10-21T10:00:00Z",
        "1_000",
        "0b11",
        "0o8",
        "0xG",
        "tRue",
        "nULL",
        ".e1",
        "1e",
        "+",
        "-",
        ".",
        "=",
        "<<",
        "1.2.3",
        "0x",
        "١٢",
    ],
)
def test_what_yaml_1_1_made_something_of_is_text(word):
    """Words, times and dates stay strings."""
    assert scalar(word) == word
    assert isinstance(scalar(word), str)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("012", 12),
        ("0o17", 15),
        ("0xFf", 255),
        ("+12", 12),
        ("-0", 0),
        ("-12", -12),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5E+3", -1500.0),
        ("1e3", 1000.0),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("NULL", None),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("!!int 12", 12),
        ("!!float 1", 1),
        ('"12"', "12"),
        ("'true'", "true"),
    ],
)
def test_core_scalars(text, value):
    """Numbers, booleans and null are those of the core schema, each of its type."""
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.Inf", "+.INF", ".nan", ".NaN", "1e999", "-1e999", "9" * 401])
def test_a_number_that_json_lacks_is_an_error(text):
    """Neither infinities nor what is no number can be sent."""
    _, (found,) = compose(SourceText("x.yaml", f"[{text}]"), any_root=True)
    assert (found.code, found.mark.column) == ("YG016", 2)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}}),
        ("a: &x {b: 1}\ne: {<<: [*x, {b: 2, c: 3}]}", {"a": {"b": 1}, "e": {"b": 1, "c": 3}}),
        ("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}),
        ("? a\n: b", {"a": "b"}),
        ("{a, b: }", {"a": None, "b": None}),
        ("a: &x\nb: *x", {"a": None, "b": None}),
        ("&x a: 1\nb: *x", {"a": 1, "b": "a"}),
        ("'<<': 1", {"<<": 1}),
        ("a: |\n  x\n  y\nb: >\n  x\n  y\n", {"a": "x\ny\n", "b": "x y\n"}),
        ("%YAML 1.2\n---\na: 1\n", {"a": 1}),
        ("--- # begins\na: 1\n...\n", {"a": 1}),
    ],
)
def test_structures(text, data):
    """Anchors, aliases, merge keys, block scalars and a document's marks are read as editors read them."""
    assert read(text) == data
