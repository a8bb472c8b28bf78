"""The numbers of fields, against naive computing, and what is said of odd values."""

import itertools
import json
import math
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yamlgen.profiles.fields.field_observer import MOST_FIELDS, FieldObserver
from yamlgen.profiles.fields.number_tally import MOST_BINS, NumberTally, bins, quantiles, runs
from yamlgen.profiles.fields.text_tally import TextTally, letters

NUMBERS = st.lists(st.integers(-(10**12), 10**12), min_size=1) | st.lists(st.floats(-9e299, 9e299), min_size=1)
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["a", "b", "1", "", "  ", "Ä b."])


def fields(rows, schema=None, **options):
    """The fields of rows, by their names."""
    observer = FieldObserver(schema or {}, **options)
    for number, values in enumerate(rows):
        observer.add(values, number)
    return {field.name: field for field in observer.fields()}


def counts(field):
    """How often each listed value came, as JSON."""
    return {json.dumps(each.value): each.count for each in field.values}


@given(NUMBERS)
@example([0.0, 5e-324])
@example([-9e299, 9e299])
@example([1.5, 9e299])
@example([1e16, 1e16 + 2])
@example([0, 10**12])
def test_numbers_are_spread_as_counted_by_hand(numbers):
    """Quantiles by nearest rank; bars without a gap that hold every number once."""
    tally = NumberTally()
    for number in numbers:
        tally.add(number)
    ordered = tally.ordered()
    expected = sorted(map(float, numbers))
    assert ordered == expected
    found = quantiles(ordered)
    ranks = [math.ceil(percent * len(numbers) / 100) - 1 for percent in (5, 50, 95)]
    assert [found.p5, found.p50, found.p95] == [expected[rank] for rank in ranks]
    assert (found.least, found.most) == (expected[0], expected[-1])
    bars = bins(ordered)
    assert 1 <= len(bars) <= MOST_BINS
    assert sum(each.count for each in bars) == len(numbers)
    assert all(one.most == other.least for one, other in itertools.pairwise(bars))
    for each in bars:
        is_last = each is bars[-1]
        within = [n for n in expected if each.least <= n and (n < each.most or (is_last and n == each.most))]
        assert each.count == len(within)
    assert dict(runs(ordered)) == Counter(expected)


def test_integers_that_floats_round_are_not_taken_for_equal():
    """Which of them is the most frequent, and how many there are, is not said; of smaller ones it is."""
    large, small = (fields([{"x": 10**size + number} for number in range(30)])["x"] for size in (18, 15))
    assert (large.kind, large.distinct, large.mode, large.other) == ("number", None, None, 30)
    assert (small.distinct, small.mode.count, small.other) == (30, 1, 30)
    larger = fields([{"x": -(10**306) * number} for number in range(30)])["x"]
    assert (larger.measured, larger.distinct, larger.mode) == (1, None, None)


@given(st.lists(SCALARS, min_size=1))
def test_values_are_counted_as_by_hand(values):
    """Nulls, values of any kind, and how many are left out."""
    field = fields([{"x": value} for value in values])["x"]
    known = Counter(json.dumps(value) for value in values if value is not None)
    assert field.count == len(values)
    assert field.nulls == values.count(None)
    assert counts(field).items() <= {**known, "true": known["true"], "false": known["false"]}.items()
    assert field.other == known.total() - sum(counts(field).values())


@given(st.lists(st.text(alphabet="abAB .,!é", max_size=4), min_size=1))
def test_texts_that_come_again_are_counted_as_by_hand(texts):
    """Texts are equal if their letters are, without case, white space and punctuation."""
    long = [f"{text} {'x' * 70}" for text in texts]  # not one of a few short texts
    field = fields([{"x": text} for text in long])["x"]
    known = Counter(letters(text) for text in long)
    assert field.kind == "text"
    assert field.distinct == len(set(long))
    assert (field.repeats.compared, field.repeats.count) == (len(long), len(long) - len(known))
    assert field.repeats.distinct == sum(count > 1 for count in known.values())
    exact = Counter(long)
    assert {each.value: each.count for each in field.values}.items() <= exact.items()
    assert len(field.values) == min(12, sum(count > 1 for count in exact.values()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, world!", "hello world"),
        ("É\u00a0a", "éa"),
        ("e\u0301a", "éa"),
        ("«Ja»", "ja"),
        ("a-b", "ab"),
        ("Straße", "STRASSE."),
        ("\uff2a\uff41\uff01", "ja"),  # full width
        ("首都です。", "首都で\u200bす"),
    ],
)
def test_letters_are_all_that_counts(one, other):
    """Case, white space and punctuation of any script are dropped."""
    assert letters(one) == letters(other)


@pytest.mark.parametrize(
    ("one", "other"), [("!", "?"), ("नि", "ना"), ("a1", "a2"), ("👍", "👎"), ("é", "e"), ("C++", "C")]
)
def test_what_is_no_punctuation_stays(one, other):
    """Marks, digits and symbols count, and a text that would be empty is taken as it is."""
    assert letters(one) != letters(other)


def test_values_of_an_enum_that_never_came_are_listed():
    """With references, unions and null resolved; the schema is told without null."""
    schema = {
        "type": "object",
        "properties": {"x": {"anyOf": [{"$ref": "#/$defs/x"}, {"type": "null"}]}},
        "$defs": {"x": {"type": "string", "enum": ["a", "b", "c"]}},
    }
    field = fields([{"x": "a"}, {"x": None}, {"x": "a"}], schema)["x"]
    assert (field.kind, field.nulls, field.null_rows, field.unseen, field.distinct) == ("choice", 1, (2,), 2, 1)
    assert counts(field) == {'"a"': 2, '"b"': 0, '"c"': 0}
    assert field.values[0].rows == (1, 3)
    assert field.schema == {"type": "string", "enum": ["a", "b", "c"]}


def test_constants_in_a_union_are_a_choice():
    """As some write an enum whose values have descriptions."""
    schema = {"properties": {"x": {"oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]}}}
    assert counts(fields([{"x": "b"}], schema)["x"]) == {'"b"': 1, '"a"': 0}


def test_a_long_enum_still_names_what_never_came():
    """At most twelve values are listed, four of them among those that never came."""
    schema = {"properties": {"x": {"enum": [f"v{number}" for number in range(40)]}}}
    field = fields([{"x": f"v{number}"} for number in range(20)], schema)["x"]
    assert [each.count for each in field.values] == [1] * 8 + [0] * 4
    assert (field.other, field.unseen, field.distinct) == (12, 20, 20)


def test_numbers_at_the_bounds_of_their_schema():
    """Counted with their rows; an exclusive bound of an integer is the next one."""
    schema = {"properties": {"x": {"type": "integer", "minimum": 0, "exclusiveMaximum": 10}}}
    field = fields([{"x": value} for value in (0, 3, 9, 9, 5)], schema)["x"]
    assert [(each.keyword, each.limit, each.count, each.rows) for each in field.bounds] == [
        ("minimum", 0, 1, (1,)),
        ("exclusiveMaximum", 9, 2, (3, 4)),
    ]


def test_texts_and_lists_at_their_bounds():
    """Lengths are compared; a length that is fixed has no bounds."""
    text = {"type": "string", "maxLength": 3}
    schema = {
        "properties": {
            "a": text,
            "b": {"type": "array", "minItems": 1},
            "c": {"type": "array", "minItems": 2, "maxItems": 2},
        }
    }
    found = fields([{"a": "xyz", "b": [1], "c": [1, 2]}, {"a": "x", "b": [1, 2], "c": [3, 4]}], schema)
    assert [(each.keyword, each.count) for each in found["a"].bounds] == [("maxLength", 1)]
    assert [(each.keyword, each.count) for each in found["b"].bounds] == [("minItems", 1)]
    assert found["c"].bounds == ()


def test_texts_without_the_end_of_a_sentence():
    """Quotations, lists, code and emojis are ends, a comma is none; blank texts are counted apart."""
    texts = ["Done.", "Done!'", "好。", "`code`", "(so)", "fine 👍", "and then,", "it was the", " ", ""]
    field = fields([{"x": f"{'.' * 70}{text}" if text.strip() else text} for text in texts])["x"]
    assert (field.unended, field.broken, field.broken_rows, field.empty) == (2, 2, (7, 8), 2)


def test_without_a_schema_values_say_what_a_field_is():
    """Few short texts that come again are a choice, numbers are numbers, and several kinds are mixed."""
    rows = [
        {"a": "yn"[number % 2], "b": number, "c": [1] * number, "d": number if number % 2 else "x"}
        for number in range(20)
    ]
    found = fields(rows)
    assert {name: field.kind for name, field in found.items()} == {
        "a": "choice",
        "b": "number",
        "c": "list",
        "c[]": "number",
        "d": "mixed",
    }
    assert found["d"].kinds == {"text": 10, "number": 10}
    assert found["c"].quantiles.p50 == 9


def test_a_boolean_is_no_number():
    """True is not 1, and both values of a boolean are listed."""
    assert counts(fields([{"x": True}])["x"]) == {"true": 1, "false": 0}
    assert counts(fields([{"x": True}, {"x": 1}, {"x": 1.0}, {"x": "1"}])["x"]) == {"1": 2, "true": 1, '"1"': 1}


def test_items_and_members_are_fields():
    """Of lists in objects in lists, also if some are null; what is absent is told apart from what is null."""
    rows = [{"x": [{"a": 1}, None, {"b": [2, None]}]}, {"x": None}, {}]
    found = fields(rows)
    assert (found["x"].count, found["x"].nulls, found["x"].absent) == (2, 1, 1)
    assert (found["x[]"].kind, found["x[]"].count, found["x[]"].nulls) == ("object", 3, 1)
    assert (found["x[].a"].count, found["x[].a"].absent) == (1, 1)
    assert (found["x[].b[]"].count, found["x[].b[]"].nulls) == (2, 1)


def test_fields_that_never_came_are_there():
    """In the order of the schema, and without values."""
    schema = {"properties": {"b": {"type": "string"}, "a": {"type": "array", "items": {"type": "string"}}}}
    found = fields([{}], schema)
    assert [(field.name, field.kind, field.absent) for field in found.values()] == [("b", "text", 1), ("a", "list", 1)]
    assert list(fields([], schema)) == ["b", "a"]


def test_a_recursive_schema_ends_where_the_values_end():
    """A reference to itself is followed as deep as there are values."""
    schema = {
        "$ref": "#/$defs/n",
        "$defs": {"n": {"properties": {"n": {"$ref": "#/$defs/n"}, "v": {"type": "integer"}}}},
    }
    assert list(fields([{"n": {"n": {"v": 1}, "v": 2}, "v": 3}], schema)) == ["n.n.n", "n.n.v", "n.v", "v"]


def test_too_many_fields_are_counted():
    """An object whose names are data does not keep the others from being counted."""
    observer = FieldObserver({})
    observer.add(
        {"data": {str(number): number for number in range(500)}, "x": 1, **dict.fromkeys(map(str, range(200)), 1)}, 0
    )
    names = [field.name for field in observer.fields()]
    assert "x" in names
    assert len(names) <= MOST_FIELDS
    assert observer.left_out == 460 + 162


def test_fields_can_be_left_out():
    """With all of their parts."""
    assert list(fields([{"a": {"b": 1, "c": 2}, "d": 3}], leave_out={"a.b", "d"})) == ["a.c"]


def test_a_long_text_is_cut_and_says_so():
    """What is kept of a text is bounded."""
    (value,) = fields([{"x": "y" * 700}] * 3)["x"].values
    assert (len(value.value), value.cut, value.count) == (600, 100, 3)


@pytest.mark.parametrize("odd", [math.inf, math.nan, 10**400, 1e301])
def test_numbers_that_cannot_be_measured_are_left_out(odd):
    """They are counted as values, and said not to be measured."""
    field = fields([{"x": odd}, {"x": 2}])["x"]
    assert (field.kind, field.count, field.measured, field.quantiles.most) == ("number", 2, 1, 2)


def test_texts_that_came_once_are_never_told_to_have_come_again(monkeypatch):
    """Of more texts than are kept, the filter takes many for known; those that do come again are still found."""
    monkeypatch.setattr("yamlgen.profiles.fields.text_tally.MOST_MEASURED", 100)
    monkeypatch.setattr("yamlgen.profiles.fields.text_tally._SEEN", 64)
    tally = TextTally()
    for number in range(3000):
        tally.add(f"text {number}", number)
        if number % 10 == 0:
            tally.add("again", number)
    assert [each.value for each in tally.values()] == ["again"]


def test_memory_is_bounded(monkeypatch):
    """Beyond a limit the numbers are a sample, and texts are no longer counted to the end; both are told."""
    monkeypatch.setattr("yamlgen.profiles.fields.text_tally.MOST_MEASURED", 1000)
    tally = NumberTally(most=1000)
    for number in range(5000):
        tally.add(number)
    assert (tally.count, tally.measured, tally.mean) == (5000, 1000, 2499.5)
    assert quantiles(tally.ordered()).p50 == pytest.approx(2500, abs=250)
    field = fields([{"x": f"{number % 700} {'y' * 70}"} for number in range(3000)])["x"]
    assert (field.distinct, field.repeats.compared, field.repeats.count) == (None, 1000, 300)
    assert {each.count for each in field.values} <= {3, 4, 5}, "at the least"
