"""The nearest right word, and lists of words."""

import pytest

from yamlgen.suggestions import closest, listing, nearest, suggestion


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("promt", "prompt"),
        ("max-tokens", "max_tokens"),
        ("Prompt", "prompt"),
        ("MAX_TOKENS", "max_tokens"),
        ("maxTokens", "max_tokens"),
        ("modle", "model"),
        ("modes", "model"),
        ("max_", "max_tokens"),
        ("node", None),
        ("promises", None),
        ("banana", None),
        ("", None),
    ],
)
def test_the_nearest_word_is_the_one_that_was_meant(word, meant):
    """A slip of the finger, of case or of a dash finds its word; another word finds none."""
    assert nearest(word, ["prompt", "max_tokens", "model"]) == meant


@pytest.mark.parametrize(
    ("word", "near"), [("nmae", "name"), ("nme", "name"), ("names", "name"), ("nane", None), ("time", None)]
)
def test_three_of_four_letters_are_not_enough(word, near):
    """A word that shares no more with another than that is no slip; two letters in each other's place are one."""
    assert nearest(word, ["name"]) == near


def test_what_is_not_said_may_be_farther():
    """A key is read as the one that it resembles, so that its slip has no second mistake behind it."""
    assert closest("pith", ["path", "rows"]) == "path"
    assert closest("banana", ["path", "rows"]) is None


def test_a_known_word_has_another_near():
    """What differs in case alone is nearer than what is similar."""
    assert nearest("name", ["Name", "names"]) == "Name"


def test_nothing_is_near_to_nothing():
    """Without known words there is no suggestion."""
    assert suggestion("word", []) is None


def test_without_a_near_word_the_known_are_listed():
    """The author is told what there is."""
    assert suggestion("banana", ["model", "prompt"], "keys") == "keys: `model` and `prompt`"


def test_a_long_list_is_cut():
    """The rest of a long list is counted."""
    assert listing("abcd", most=2) == "`a`, `b` and 2 more"


@pytest.mark.parametrize(("words", "text"), [([], ""), (["a"], "`a`"), (["a", "b", "c"], "`a`, `b` and `c`")])
def test_a_list_reads_like_a_sentence(words, text):
    """Words stand in code marks, the last behind an `and`."""
    assert listing(words) == text
