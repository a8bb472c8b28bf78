"""What is suspected of a field by its numbers, and what nearly is."""

import pytest

from yamlgen.profiles.doubts.field_doubts import doubts
from yamlgen.profiles.doubts.field_origins import Authorship
from yamlgen.profiles.fields.field_profile import Bound, Field, Quantiles, Repeats, ValueCount

MADE = Authorship(made=True)
ENUM = {"enum": ["good", "bad", "none", None]}


def quantiles(p50):
    """Lengths around a median."""
    return Quantiles(0, p50, p50, p50, p50)


def choice(good, bad, none=0, **more):
    """A field of three values."""
    counts = {"good": good, "bad": bad, "none": none}
    values = tuple(ValueCount(name, count, (1, 2, 3)) for name, count in counts.items())
    unseen = sum(not count for count in counts.values())
    return Field("mood", "choice", ENUM, good + bad + none, values=values, distinct=3 - unseen, unseen=unseen, **more)


def texts(count=1000, *, p50=80, repeats=0, distinct=1, **more):
    """A field of texts."""
    found = Repeats(count, repeats, distinct, 2, (4, 5))
    return Field("note", "text", {}, count, quantiles=quantiles(p50), repeats=found, **more)


def full(count, schema=None, limit=200):
    """A field of 1,000 texts of which some have all characters that are allowed."""
    bounds = (Bound("minLength", 1, 0), Bound("maxLength", limit, count, (7,)))
    return Field("note", "text", schema or {}, 1000, quantiles=quantiles(80), bounds=bounds)


def numbers(count, keyword="maximum", limit=10_000.0, distinct=None):
    """A field of 1,000 numbers of which some are at a bound."""
    bounds = (Bound(keyword, limit, count, (9,)), Bound("minimum" if keyword == "maximum" else "maximum", 7, 1))
    return Field("score", "number", {"type": "number"}, 1000, bounds=bounds, distinct=distinct)


@pytest.mark.parametrize(
    ("field", "rule", "message"),
    [
        (choice(1950, 50), "one_value", "`good` is 97.5% of 2,000 values; 1 of the 4 values never came"),
        (choice(1951, 40, 9), "one_value", "`good` is 97.5% of 2,000 values"),
        (choice(20, 0), "one_value", "`good` is 100% of 20 values; 2 of the 4 values never came"),
        (choice(1000, 1000), "never_came", "`none` never came in 2,000 values"),
        (choice(60, 9), "never_came", "`none` never came in 69 values"),
        (
            Field("b", "boolean", {}, 100, values=(ValueCount(value=True, count=96), ValueCount(value=False, count=4))),
            "one_value",
            "`true` is 96% of 100 values",
        ),
        (
            Field("n", "number", {}, 100, nulls=40, values=(ValueCount(7, 58), ValueCount(8, 2))),
            "one_value",
            "`7` is 96.7% of 60 values",
        ),
        (Field("n", "number", {}, 100, mode=ValueCount(0, 97)), "one_value", "`0` is 97% of 100 values"),
        (
            Field("t", "choice", {}, 100, values=(ValueCount("a secret", 96), ValueCount("b", 4))),
            "one_value",
            "one text is 96% of 100 values",
        ),
        (texts(repeats=5), "duplicates", "5 of 1,000 texts (0.5%) are equal to an earlier one"),
        (
            texts(repeats=900, distinct=40),
            "duplicates",
            "900 of 1,000 texts (90%) are equal to an earlier one; 40 different texts come more than once",
        ),
        (texts(p50=20, repeats=499), "duplicates", "499 of 1,000 texts (50%) are equal to an earlier one"),
        (
            Field("t", "choice", {}, 100, values=(ValueCount("a" * 40, 60, (8,)), ValueCount("b" * 50, 40))),
            "duplicates",
            "98 of 100 texts (98%) are equal to an earlier one; 2 different texts come more than once",
        ),
        (texts(20, repeats=2), "duplicates", "2 of 20 texts (10%) are equal to an earlier one"),
        (
            Field("n", "number", {}, 1000, nulls=801, null_rows=(2,)),
            "mostly_null",
            "801 of 1,000 values (80%) are null",
        ),
        (texts(empty=500, nulls=301), "mostly_null", "801 of 1,000 values (80%) are null or empty"),
        (
            full(21),
            "full_length",
            "21 of 1,000 texts (2.1%) have exactly the 200 characters that `maxLength` allows: they may be cut",
        ),
        (
            texts(unended=100, broken=5, broken_rows=(3,)),
            "broken",
            "5 of 1,000 texts (0.5%) end in the middle of a sentence, unlike the others: they may be cut",
        ),
        (numbers(201), "at_bound", "201 of 1,000 numbers (20%) are 10,000, the bound by `maximum`"),
        (numbers(801, "minimum", 1), "at_bound", "801 of 1,000 numbers (80%) are 1, the bound by `minimum`"),
        (
            numbers(801, limit=5, distinct=5),
            "at_bound",
            "801 of 1,000 numbers (80%) are 5, the bound by `maximum`",
        ),
    ],
)
def test_what_is_suspected(field, rule, message):
    """With the numbers, and without any text of a row."""
    (one,) = doubts(field, MADE)
    assert (one.rule, one.place, one.message) == (rule, field.name, message)


@pytest.mark.parametrize(
    "field",
    [
        choice(1900, 50, 50),
        choice(19, 0, 0),
        choice(59, 9),  # a value that is five times rarer than the others might well not have come
        choice(60, 9, 1),
        Field("v", "choice", {"enum": ["only"]}, 100, values=(ValueCount("only", 100),)),
        Field("v", "choice", {"const": 1}, 100, values=(ValueCount(1, 100),)),
        Field("b", "boolean", {}, 100, values=(ValueCount(value=True, count=95), ValueCount(value=False, count=5))),
        Field("n", "number", {}, 100, mode=ValueCount(0, 95)),
        texts(repeats=4),
        texts(20, repeats=1),
        Field("t", "choice", {}, 100, values=(ValueCount("a" * 39, 60), ValueCount("b" * 50, 40))),
        Field("t", "choice", {"enum": ["a" * 40, "b"]}, 100, values=(ValueCount("a" * 40, 60), ValueCount("b", 40))),
        texts(p50=19, repeats=900),  # names and labels come again
        texts(p50=39, repeats=900),
        Field("n", "number", {}, 1000, nulls=800),
        texts(19, nulls=19),
        full(20),
        full(900, {"pattern": "^.{200}$"}),
        full(90, limit=40),
        full(900, limit=39),
        texts(unended=100, broken=4),  # the others end in a name or a heading
        texts(unended=101, broken=101),
        texts(100, unended=2, broken=2),
        texts(p50=39, unended=50, broken=50),
        numbers(200),
        numbers(800, "minimum", 1),
        numbers(940, "minimum", 0),  # nothing is less than nothing
        numbers(800, limit=100),
        numbers(800, limit=5, distinct=5),
        numbers(940, "minimum", 0, distinct=2),
        Field("n", "number", {"type": "number"}, 19, bounds=(Bound("maximum", 7, 19),)),
        Field("l", "list", {}, 100, bounds=(Bound("maxItems", 3, 100),), quantiles=quantiles(3)),
        Field("m", "mixed", {}, 100, kinds={"text": 100}),
        Field("e", "text", {}, 0),
    ],
)
def test_what_is_nearly_suspected(field):
    """Right work looks like this: names, scales, natural bounds, few rows."""
    assert not list(doubts(field, MADE))


def test_what_the_author_wrote_is_not_suspected():
    """Constants and draws are as they are wanted."""
    assert not list(doubts(choice(2000, 0), Authorship(made=False)))


def test_nulls_of_skipped_steps_are_not_suspected():
    """Their values are."""
    field = Field("b", "boolean", {}, 1000, nulls=950, values=(ValueCount(value=True, count=50),))
    assert [each.rule for each in doubts(field, Authorship(made=True, skipped=True))] == ["one_value"]


def test_one_value_says_all():
    """Nothing more is said of a field that has one value only: that others never came, or that texts come again."""
    field = texts(repeats=999, values=(ValueCount("the same", 1000, (1, 2)),))
    (one,) = doubts(field, MADE)
    assert (one.rule, one.rows) == ("one_value", (1, 2))
