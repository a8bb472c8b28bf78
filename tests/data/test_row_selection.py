"""Which rows of an input are read: conditions, samples and limits."""

import json
import tracemalloc
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_sources import file_source
from yamlgen.data.row_selection import RowCondition, RowSelection, SeededRanks
from yamlgen.data.source import Source
from yamlgen.errors import Code, UsageError

ids = st.lists(st.integers(0, 10_000), unique=True, max_size=60)


def selected(rows, *, id=None, where=None, params=None, sample=None, limit=None, columns=None):  # noqa: A002
    """The rows that are read, after a scan; it counts them."""
    condition = None if where is None else RowCondition(where, params or {})
    selection = RowSelection(condition, None if sample is None else SeededRanks(*sample), limit)
    source, count = Source(rows_inline=tuple(rows), id=id, shown="rows", selection=selection).scan(columns=columns)
    read = list(source.rows(columns=columns))
    assert len(read) == count
    assert [row.index for row in read] == list(range(count))
    return read


def sampled(numbers, n, seed=0):
    """The ids in a sample, in order."""
    return [row.row["id"] for row in selected([{"id": number} for number in numbers], id="id", sample=(n, seed))]


def test_a_condition_reads_rows_and_parameters():
    """Rows for which it is false are left out; any value counts as in `if`, but no string."""
    rows = [{"n": number, "tags": ["x"] * number} for number in range(4)]
    assert [row.row["n"] for row in selected(rows, where="row.n > params.least", params={"least": 1})] == [2, 3]
    assert [row.row["n"] for row in selected(rows, where="row.tags")] == [1, 2, 3]
    assert [row.row["n"] for row in selected(rows, where="row.n if row.n != 2 else none")] == [1, 3]


@pytest.mark.parametrize(
    ("third", "where", "message", "hint"),
    [
        ({"a": 2}, "row.b == 1", "fails: `row.b == 1` cannot be computed: there is no `b`", "default("),
        ({"a": "x"}, "row.a < 3", "fails: `row.a < 3` cannot be computed: TypeError", None),
        ({"a": 0}, "1 / row.a > 0", "fails: `1 / row.a > 0` cannot be computed: ZeroDivisionError", None),
        ({"a": "no"}, "row.a", 'is the string "no", not a condition', 'as in `row.a == "yes"`'),
        ({"a": 1e308}, "row.a * 10", "fails: `row.a * 10` gives inf, which is no JSON value", None),
    ],
)
def test_a_condition_that_fails_names_the_line(tmp_path, third, where, message, hint):
    """With the fix; empty lines count."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1, "b": 1}\n\n' + json.dumps(third) + "\n")
    source = file_source(path=path, shown="a.jsonl")
    with pytest.raises(UsageError) as caught:
        list(replace(source, selection=RowSelection(RowCondition(where, {}))).rows())
    assert caught.value.message.startswith(f"a.jsonl:3: `input.where` {message}")
    assert caught.value.code is Code.ROW_TEMPLATE
    assert hint is None or hint in caught.value.hint


def test_a_dropped_row_is_not_checked():
    """Neither its id nor its columns."""
    rows = [{"id": 1}, {"note": "no id"}, {"id": 1, "draft": True, "step": 1}]
    source = Source(rows_inline=tuple(rows), id="id", selection=RowSelection(RowCondition("row.id is defined", {})))
    with pytest.raises(UsageError, match="already used"):
        source.scan()
    where = "row.id is defined and row.draft is not defined"
    assert len(selected(rows, id="id", where=where)) == 1


def test_the_order_is_condition_sample_limit():
    """A limit takes the first rows of the sample, in the order of the input."""
    rows = [{"id": number} for number in range(100)]
    half = selected(rows, id="id", where="row.id % 2", sample=(10, 3))
    assert all(row.row["id"] % 2 for row in half)
    assert [row.row["id"] for row in half] == sorted(row.row["id"] for row in half)
    assert selected(rows, id="id", where="row.id % 2", sample=(10, 3), limit=4) == half[:4]
    assert len(selected(rows, id="id", where="row.id > 94", sample=(10, 3), limit=7)) == 5


@given(ids, st.integers(1, 70), st.integers(0, 3))
def test_a_sample_is_a_part_of_its_size(numbers, n, seed):
    """All rows, if there are fewer; the same on each reading; in the order of the input."""
    found = sampled(numbers, n, seed)
    assert len(found) == min(n, len(numbers))
    assert found == [number for number in numbers if number in found]
    assert sampled(numbers, n, seed) == found


@given(ids, ids, st.integers(1, 40))
def test_added_rows_change_a_sample_by_those_that_enter(before, added, n):
    """Property: whatever leaves the sample makes room for an added row."""
    new = [number for number in added if number not in before]
    first, second = set(sampled(before, n)), set(sampled(before + new, n))
    assert second - first <= set(new)
    assert len(first - second) <= len(second & set(new))


@given(ids, st.integers(1, 40), st.randoms(use_true_random=False))
def test_a_sample_does_not_depend_on_the_order(numbers, n, random):
    """Property: shuffled rows have the same sample."""
    shuffled = random.sample(numbers, len(numbers))
    assert set(sampled(shuffled, n)) == set(sampled(numbers, n))


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 20), st.randoms(use_true_random=False))
def test_equal_rows_without_ids_are_sampled_one_by_one(values, n, random):
    """The size is right, and the order does not matter, although rows are equal."""
    rows = [{"a": value} for value in values]
    found = selected(rows, sample=(n, 0)) if rows else []
    again = selected(random.sample(rows, len(rows)), sample=(n, 0)) if rows else []
    assert len(found) == min(n, len(rows))
    assert {row.identity for row in found} == {row.identity for row in again}


def test_seeds_draw_different_samples():
    """Each row is about equally likely."""
    counts = Counter(
        number for seed in range(300) for number in sorted(map(str, range(50)), key=SeededRanks(10, seed).rank)[:10]
    )
    assert 30 < min(counts.values()) < max(counts.values()) < 100


def test_a_sample_takes_the_memory_of_its_size(tmp_path):
    """Not that of the input."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"id": number}) + "\n" for number in range(5_000)))
    source = file_source(path=path, id="id")
    tracemalloc.start()
    try:
        RowSelection(sample=SeededRanks(10)).drawn(row.identity for row in source.rows())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
