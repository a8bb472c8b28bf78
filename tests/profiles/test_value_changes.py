"""How values differ between two runs: counted as a naive count does, within bounds."""

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from yamlgen.profiles.compared.value_changes import ChangeObserver

VALUES = st.one_of(
    st.sampled_from(["a", "b", "", "\x1e\x1f~", "\ud800", None, True, False, 0, 1, 2.5]), st.integers(-3, 3)
)
MISSING = object()


def compared(pairs, choices=frozenset({"x"})):
    """The changes of the field `x`, of which each pair has the value of this run, and then that of the other."""
    observer = ChangeObserver(["x"], choices)
    for number, (this, other) in enumerate(pairs, 1):
        sides = [[{} if value is MISSING else {"x": value}] for value in (this, other)]
        observer.add(number, sides[0], observer.text(sides[1]))
    return observer.changes()[0]


def form(value):
    """A value as JSON, in which 1 and 1.0 are equal, and 1 and true are not."""
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=40))
def test_changes_are_those_of_a_naive_count(pairs):
    """The table, the counts and the means are those of the pairs themselves."""
    found = compared(pairs)
    texts = [(form(other), form(this)) for this, other in pairs]
    assert found.compared == len(pairs)
    assert found.changed == sum(other != this for other, this in texts)
    counted = Counter(texts)
    told = {(form(each.other), form(each.this)): each.count for each in found.table}
    assert told.items() <= counted.items()
    assert sum(told.values()) + found.left_out == len(pairs)
    if len(set(found.this_values)) < 12 and len(set(found.other_values)) < 12:
        assert told == counted
    numbers = [pair for pair in pairs if all(type(each) in (int, float) for each in pair)]
    assert found.numbers == len(numbers)
    assert found.rose == sum(this > other for this, other in numbers)
    assert found.fell == sum(this < other for this, other in numbers)
    if numbers:
        assert found.mean == sum(this for this, _ in numbers) / len(numbers)


def test_changes_name_rows():
    """A change has its first rows, and an equal pair has none."""
    found = compared([("a", "a"), *[("b", "a")] * 7])
    assert found.rows == (2, 3, 4, 5, 6)
    assert {(each.other, each.this): each.rows for each in found.table} == {("a", "b"): (2, 3, 4, 5, 6), ("a", "a"): ()}


def test_absent_is_null():
    """A value that is absent is compared as null."""
    assert compared([(MISSING, None), (None, MISSING), (MISSING, MISSING)]).changed == 0


def test_long_texts_and_lists_are_compared_without_a_table():
    """Values that no table has room for are equal or not, by their whole content."""
    found = compared([("x" * 300 + "a", "x" * 300 + "b"), ([1, {"a": 2}], [1, {"a": 2}]), ([1], [2])])
    assert (found.changed, found.table) == (2, None)


def test_the_table_of_many_values_has_the_most_frequent():
    """Twelve values of each run are in the table of a choice, and the rest is counted."""
    pairs = [(f"v{number}", f"v{number}") for number in range(30) for _ in range(30 - number)]
    found = compared(pairs)
    assert found.this_values == tuple(f"v{number}" for number in range(12))
    assert found.left_out == len(pairs) - sum(each.count for each in found.table) == sum(range(1, 19))


def test_a_field_of_different_texts_has_no_table():
    """Texts that hardly come again are no values of a table, however few rows there are."""
    assert compared([("one", "two"), ("three", "four")], choices=frozenset()).table is None
    assert compared([("one", "two")] * 3, choices=frozenset()).table is not None
    assert compared([(str(number), "x") for number in range(5000)]).table is None


def test_uneven_rows_are_not_compared():
    """If a row came to two output rows in one run and to one in the other, none of them is compared."""
    observer = ChangeObserver(["x"], frozenset())
    observer.add(1, [{"x": 1}, {"x": 2}], observer.text([{"x": 1}]))
    observer.add(2, [{"x": 1}, {"x": 2}], observer.text([{"x": 1}, {"x": 3}]))
    observer.add(3, [], observer.text([{"x": 1}]))
    observer.add(4, [], observer.text([]))
    assert (observer.uneven, observer.changes()[0].compared, observer.changes()[0].changed) == (2, 2, 1)


def test_huge_numbers_have_no_mean():
    """A sum beyond the floats is told as no mean, not as infinity, which JSON does not have."""
    found = compared([(10**400, 1), (1, 10**400)])
    assert (found.rose, found.fell, found.mean) == (1, 1, None)


def test_nested_fields_are_compared_by_their_paths():
    """A field of an object is compared alone."""
    observer = ChangeObserver(["a.b", "a.c"], frozenset())
    observer.add(1, [{"a": {"b": 1, "c": "x"}}], observer.text([{"a": {"b": 2, "c": "x"}}]))
    assert [each.changed for each in observer.changes()] == [1, 0]


def test_an_object_is_not_null():
    """A field that is an object in one run and null in the other differs; two objects differ in their members."""
    observer = ChangeObserver(["a", "a.b"], frozenset())
    observer.add(1, [{"a": {"b": None}}], observer.text([{"a": None}]))
    observer.add(2, [{"a": {"b": 1}}], observer.text([{"a": {"b": 2}}]))
    observer.add(3, [{"a": {"b": None}}], observer.text([{"a": {}}]))
    assert [each.rows for each in observer.changes()] == [(1, 3), (2,)]
