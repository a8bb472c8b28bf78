"""From a character of a value back to the same character of the author's text."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import compose

letters = string.ascii_letters + string.digits + "é漢🏃{}%.,"
words = st.text(st.sampled_from(letters), min_size=1, max_size=6).filter(lambda word: word[0] not in "{}%,.")
lines = st.lists(words, min_size=1, max_size=4).map(" ".join)
bmp = st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])
paragraphs = st.lists(lines | st.just(""), min_size=1, max_size=6).filter(any)


def landed(text, path=("value",)):
    """Each visible character of the string at `path`, with the character of the text that it is traced to."""
    document, problems = compose(SourceText("x.yaml", text))
    assert problems == []
    value = document.data
    for part in path:
        value = value[part]
    rows = text.replace("\r\n", "\n").split("\n")
    for at, character in enumerate(value):
        if not character.isspace():
            mark = document.within(path, at, at + 1)
            yield character, rows[mark.line - 1][mark.column - 1]


def block(header, parts, indent):
    """A block scalar of lines."""
    pad = " " * indent
    body = "".join(f"{pad}{line}\n" if line else "\n" for line in parts)
    return f"first: 1\nvalue: {header}\n{body}last: 1\n"


@pytest.mark.parametrize(
    "header", ["|", "|-", "|+", ">", ">-", ">+", "| # a comment", "&x |", "!!str >", "&x !!str |-"]
)
@given(parts=paragraphs, indent=st.integers(1, 9), ends=st.sampled_from(["\n", "\r\n"]))
def test_block_scalars(header, parts, indent, ends):
    """Every visible character of a literal or folded scalar is found again."""
    text = block(header, parts, indent).replace("\n", ends)
    assert all(one == other for one, other in landed(text))


@pytest.mark.parametrize("style", ["|", ">"])
@given(parts=paragraphs, indent=st.integers(1, 9), more=st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_block_scalars_with_an_indentation_of_their_own(style, parts, indent, more):
    """Lines that are indented more keep their spaces, and their places."""
    deeper = [" " * extra + line if line else "" for extra, line in zip(more, parts, strict=False)]
    assert all(one == other for one, other in landed(block(f"{style}{indent}-", deeper, indent)))


@given(parts=paragraphs)
def test_single_quoted(parts):
    """Doubled quotes count once, folded lines not at all."""
    folded = "\n  ".join(part.replace("'", "''") for part in parts)
    pairs = list(landed(f"value: '{folded}'\nlast: 1\n"))
    assert all(one == other for one, other in pairs)


@given(st.text(st.sampled_from("ab'c "), min_size=1))
def test_doubled_quotes(text):
    """A quote in a single-quoted scalar is traced to the first of the two."""
    quoted = text.replace("'", "''")
    assert all(one == other for one, other in landed(f"value: '{quoted}'\n"))


@given(parts=paragraphs)
def test_plain(parts):
    """A plain scalar over several lines is traced line by line."""
    kept = [part for part in parts if part] or ["x"]
    folded = "\n  ".join(part.translate({ord(c): "x" for c in "{}%,"}) for part in kept)
    assert all(one == other for one, other in landed(f"value: v{folded}\nlast: 1\n"))


escapes = st.sampled_from(
    [
        r"\n",
        r"\t",
        r"\"",
        r"\\",
        r"\/",
        r"\x41",
        r"\u00e9",
        r"\U0001F3C3",
        r"\x20",
        r"\_",
        r"\N",
        r"\0",
        r"\e",
        "\\\n  ",
    ]
)


@given(st.lists(words.map(lambda word: ("word", word)) | escapes.map(lambda text: ("escape", text)), min_size=1))
def test_double_quoted(pieces):
    """Escapes count as the one character that they stand for; what is written as itself is found again."""
    text = f'value: "{"".join(piece for _, piece in pieces)}"\n'
    written = set(letters)
    for one, other in landed(text):
        assert other in (one, "\\") or one not in written


@given(st.text(bmp, min_size=1))
def test_json_strings(text):
    """A string as JSON writes it traces each character to itself or to the escape that stands for it."""
    for one, other in landed(f"value: {json.dumps(text)}\n"):
        assert other in (one, "\\")


@given(st.text(bmp, min_size=1), st.integers(0, 30), st.integers(0, 30))
def test_any_range_has_a_place(text, start, length):
    """Ranges beyond the value are cut to it; a place always lies in the text."""
    source = f"value: {json.dumps(text, ensure_ascii=True)}\n"
    document, _ = compose(SourceText("x.yaml", source))
    mark = document.within(("value",), start, start + length)
    assert mark.line == 1
    assert 1 <= mark.column < mark.end_column <= len(source) + 1


def test_an_alias_is_shown_where_it_stands():
    """A value that is an alias stands where the alias does; a place inside of it is at the anchor."""
    document, _ = compose(SourceText("x.yaml", "x-a: &a |\n  Hello\nvalue: *a\n"))
    whole, part = document.mark(("value",)), document.within(("value",), 0, 5)
    assert (whole.line, whole.column, whole.end_column) == (3, 8, 10)
    assert (part.line, part.column, part.end_column) == (2, 3, 8)


def test_what_is_not_there_is_shown_at_its_parent():
    """A missing key is shown at the mapping that lacks it."""
    document, _ = compose(SourceText("x.yaml", "a:\n  b: 1\n"))
    assert document.mark(("a", "c")).line == 2


def test_columns_count_code_points():
    """An emoji is one column, and a BOM is none."""
    document, _ = compose(SourceText("x.yaml", "a: {🏃: 漢, b: 1}\n"))
    assert document.mark(("a", "b"), key=True).column == 11


def test_the_places_of_a_string_are_computed_once():
    """A long prompt with many mistakes asks for them with each."""
    document, _ = compose(SourceText("x.yaml", "value: |\n  one\n  two\n"))
    node = document.node(("value",))
    assert node.offsets() is node.offsets()
