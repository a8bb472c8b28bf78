"""The nearest right word, and lists of words."""

import pickle

import pytest

from yamlgen.suggestions import Rewrite, closest, is_slip, listing, nearest, suggestion


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


@pytest.mark.parametrize(
    ("word", "meant", "others"),
    [
        ("promt", "prompt", ()),
        ("prompr", "prompt", ()),
        ("proompt", "prompt", ()),
        ("rwo", "row", ("params", "steps")),
        ("max-tokens", "max_tokens", ()),
        ("Topic", "topic", ()),
        ("modle", "model", ("models",)),
    ],
)
def test_one_slip_is_certain(word, meant, others):
    """A letter that is missing, added, wrong or swapped, another case, or a hyphen."""
    assert is_slip(word, meant, (meant, *others))


@pytest.mark.parametrize(
    ("word", "meant", "others"),
    [
        ("topic2", "topic", ()),
        ("part_1", "part_2", ()),
        ("text_er", "text_en", ()),
        ("topics", "topic", ()),
        ("moral", "amoral", ()),
        ("rpompt", "prompt", ()),
        ("srart", "start", ("smart",)),
        ("strt", "start", ("strut",)),
        ("desc", "description", ()),
        ("lo", "low", ()),
        ("topic", "topic", ()),
        ("TOPIC", "topic", ("Topic",)),
    ],
)
def test_what_may_be_another_word_is_not_certain(word, meant, others):
    """Digits, short parts, plurals, the first letter, two candidates, two slips."""
    assert not is_slip(word, meant, (meant, *others))


def test_a_plural_is_a_slip_among_words_of_the_language():
    """An author chooses names, but not keys."""
    assert is_slip("sample", "samples", ["samples"], is_language=True)
    assert not is_slip("sample", "samples", ["samples"])


def test_a_rewrite_survives_pickling():
    """Errors are pickled, with their hints."""
    made = pickle.loads(pickle.dumps(Rewrite("write it", "a", "b", is_value=True)))  # noqa: S301 - our own
    assert (made, made.old, made.new, made.is_value) == ("write it", "a", "b", True)
