"""What libyaml refuses and YAML 1.2 allows: read, and every place stays where it is."""

import json

import pytest

from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import compose


def read(text):
    """The data of a text without mistakes."""
    document, problems = compose(SourceText("a.yaml", text))
    assert problems == []
    return document


PAIR = "\\ud83d\\ude00"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (f'"{PAIR}"', "\U0001f600"),
        (f'"a{PAIR}\\uD83D\\uDE01 b"', "a\U0001f600\U0001f601 b"),
        (f'"\\\\{PAIR}"', "\\\U0001f600"),
        (f'"\\ue000\\ue001{PAIR}\ue002"', "\ue000\ue001\U0001f600\ue002"),
        (f'"\\\\ud83d {PAIR}\x85"', "\\ud83d \U0001f600\x85"),
        (PAIR, PAIR),
        (f"'{PAIR}'", PAIR),
        (f"|\n  {PAIR}\u2028", f"{PAIR}\u2028"),
    ],
)
def test_a_pair_of_escapes_is_one_character_between_double_quotes(written, value):
    """Elsewhere it is the text that it looks like."""
    assert read(f"a: {written}").data == {"a": value}


def test_a_pair_may_stand_in_a_key():
    """As JSON writes keys."""
    assert read(json.dumps({"\U0001f600": {"\U0001f601": 1}})).data == {"\U0001f600": {"\U0001f601": 1}}


@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00", "\\ude00\\ud83d", "\\\\ud83d\\ude00"])
def test_half_of_a_pair_is_no_character(half):
    """It is told at its place."""
    _, (problem,) = compose(SourceText("a.yaml", f'a: "{half}"'))
    assert problem.message == "this escape is not a character"


def test_a_place_behind_a_pair_counts_what_is_written():
    """The pair has twelve columns, as in the file."""
    mark = read(f'a: "{PAIR}bc"').within(("a",), 1, 2)
    assert (mark.line, mark.column, mark.end_column) == (1, 17, 18)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_place_in_a_block_has_its_line_whatever_ends_lines(end):
    """A lone carriage return ends a line too."""
    document = read(end.join(("a:", "  b: |", "    one", "    two", "")))
    mark = document.within(("a", "b"), 4, 7)
    assert (mark.line, mark.column, mark.end_column) == (4, 5, 8)
