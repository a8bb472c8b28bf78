"""Who a row is: what keeps the answers of two rows apart, and finds them again whatever their order."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.canonical_json import canonical
from yamlgen.data.row_identity import full_row_name, id_identity, id_name, id_of, number_of, row_name
from yamlgen.data.row_identity import identities as names_of
from yamlgen.data.source import Source
from yamlgen.errors import UsageError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.5, 1.0]) | st.text("a\\\ud800é😀", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
    max_leaves=3,
)
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), max_size=8)
COLUMNS = st.none() | st.frozensets(st.sampled_from("abc"))


def identities(rows, columns=None, **settings) -> list[str]:
    """The identity of each row."""
    return [row.identity for row in Source(rows_inline=tuple(rows), **settings).rows(columns=columns)]


def seen_through(row, columns) -> bytes:
    """What a pipeline that refers to `columns` sees of a row, so that equal rows are equal bytes."""
    return canonical({name: row[name] for name in row if columns is None or name in columns})


@given(rows=ROWS, columns=COLUMNS, random=st.randoms(use_true_random=False))
def test_order_changes_no_identity(rows, columns, random):
    """Rows in another order keep their identities, but for those among which a pipeline sees no difference."""
    shuffled = random.sample(rows, len(rows))

    def told(rows):
        pairs = zip((seen_through(row, columns) for row in rows), identities(rows, columns), strict=True)
        return sorted(pairs)

    assert told(shuffled) == told(rows)


@given(rows=ROWS, columns=COLUMNS, ids=st.booleans())
def test_identities_are_distinct(rows, columns, ids):
    """No two rows of an input share an identity, and each is text that UTF-8 and JSON can hold."""
    rows = [row | {"id": index} for index, row in enumerate(rows)] if ids else rows
    found = identities(rows, columns, id="id" if ids else None)
    assert len(set(found)) == len(rows)
    assert all(json.loads(identity.encode())[0] == ("id" if ids else "row") for identity in found)


@given(rows=ROWS, columns=st.frozensets(st.sampled_from("abc")), more=VALUES)
def test_columns_that_are_not_referred_to_change_nothing(rows, columns, more):
    """A wider input has the same identities, wherever the new column stands in its rows."""
    wider = [{"new": more} | row | {"newer": index} for index, row in enumerate(rows)]
    assert identities(wider, columns) == identities(rows, columns)


def test_identity_of_an_id():
    """The id is all that counts; equal numbers are one, a number and a string are two."""
    assert identities([{"k": "x", "v": 1}, {"k": 1.0}, {"k": "1"}, {"k": 1.5}, {"k": "é\ud800"}], id="k") == [
        '["id","x"]',
        '["id",1]',
        '["id","1"]',
        '["id",1.5]',
        '["id","é\\ud800"]',
    ]


def test_identity_without_an_id():
    """It is the canonical JSON of what is referred to and an ordinal, from 0, among equal rows."""
    rows = [{"b": [1], "a": "x", "c": 1}, {"a": "y"}, {"a": "x", "b": [1], "c": 2}]
    assert identities(rows, frozenset("ab")) == [
        canonical(["row", {"a": "x", "b": [1]}, 0]).decode(),
        canonical(["row", {"a": "y"}, 0]).decode(),
        canonical(["row", {"a": "x", "b": [1]}, 1]).decode(),
    ]
    assert identities(rows, frozenset()) == ['["row",{},0]', '["row",{},1]', '["row",{},2]']
    assert identities(rows[:1]) == ['["row",{"a":"x","b":[1],"c":1},0]']


def test_rows_carry_their_place():
    """The index counts from 0, and a limit changes neither it nor who the rows are."""
    source = Source(rows_inline=({"a": 1}, {"a": 1}, {"a": 2}))
    rows = list(source.rows())
    assert [row.index for row in rows] == [0, 1, 2]
    assert list(source.rows(limit=2)) == rows[:2]


def test_row_that_lost_its_id():
    """An input that changed after it was scanned is refused at the row that has no id."""
    with pytest.raises(UsageError, match=r"p\.yaml, row 2: `k` is missing"):
        identities([{"k": 1}, {}], id="k", shown="p.yaml")


IDS = st.text(min_size=1, max_size=9) | st.text('-_.7é "\\\ud800\u202e', min_size=1) | st.integers() | st.floats(-9, 9)


@given(value=IDS)
def test_a_name_of_an_id_means_it(value):
    """What messages show is what `--row` takes, and it can be shown: every character is printable."""
    assert id_name(value).isprintable()
    assert id_identity(value) in names_of(id_name(value))
    assert id_of(id_identity(value)) == value


@pytest.mark.parametrize(
    ("index", "value", "named"),
    [
        (4, None, "row 5"),
        (4, "r-1", "row r-1"),
        (4, "Łódź", "row Łódź"),
        (4, "New York", 'row "New York"'),
        (4, 12, "row 12"),
        (4, "x" * 61, f"row 5 ({'x' * 59}…)"),
    ],
)
def test_how_messages_name_a_row(index, value, named):
    """By its id, in quotes where it has to be; by its number, from 1, where there is none, or a long one."""
    assert row_name(index, value) == named


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (None, "row 5"),
        (5, "row 5"),
        (12, "row 5 (id 12)"),
        ("r-1", "row 5 (id r-1)"),
        ("x" * 61, f"row 5 (id {'x' * 59}…)"),
    ],
)
def test_how_pages_name_a_row(value, named):
    """By its number, from 1, and its id, if that says more."""
    assert full_row_name(4, value) == named


@pytest.mark.parametrize("name", ["NaN", "Infinity", "1e999", "[" * 100_000, "9" * 10_000, "true", "{}", "\ud800"])
def test_odd_names_mean_no_more_than_themselves(name):
    """What is no number, or none that an id can be, is a text."""
    assert names_of(name) == [id_identity(name)]
    assert number_of(name) is None


def test_a_number_may_be_written_as_text():
    """`7` means the text as well as the number; the empty text is no id."""
    assert names_of("7") == [id_identity("7"), id_identity(7)]
    assert names_of("") == []
    assert [number_of(text) for text in ("7", "0", "-1", "1.0", "x")] == [6, None, None, None, None]
