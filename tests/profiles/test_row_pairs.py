"""Rows of two runs are paired by identity, the first of equal rows with the first."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.errors import EnvironmentProblem
from yamlgen.profiles.compared.row_pairs import OTHER, THIS, RowPairs

STATUSES = st.sampled_from(["finished", "failed", "missing"])
ROWS = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), STATUSES), max_size=25)


def added(pairs, run, rows):
    """Add rows, whose positions have gaps, and whose columns differ from those of all others."""
    pairs.add(run, [(3 * at, digest, b"%d %d" % (run, at), status) for at, (digest, status) in enumerate(rows)])


def naive(this, other):
    """The pairs, by nested lists of the positions of equal rows."""
    places = [defaultdict(list), defaultdict(list)]
    for known, rows in zip(places, (this, other), strict=True):
        for at, (digest, _) in enumerate(rows):
            known[digest].append(3 * at)
    return dict(
        sorted(pair for digest in places[0] for pair in zip(places[0][digest], places[1][digest], strict=False))
    )


@given(this=ROWS, other=ROWS)
def test_pairs_are_those_of_a_naive_join(this, other):
    """Whatever the order and the number of equal rows, each row has at most one pair, the nth the nth of its equals."""
    with RowPairs() as pairs:
        added(pairs, THIS, this)
        added(pairs, OTHER, other)
        counts = pairs.match()
        expected = naive(this, other)
        found = {pairs.this(number): number for number in range(0, 3 * len(other), 3)}
        found.pop(None, None)
        assert dict(sorted(found.items())) == expected
        assert (counts.both, counts.only_this, counts.only_other) == (
            len(expected),
            len(this) - len(expected),
            len(other) - len(expected),
        )
        ended = Counter((this[a // 3][1] == "finished", other[b // 3][1] == "finished") for a, b in expected.items())
        assert pairs.outcomes() == (ended[True, True], ended[False, True], ended[True, False])


def test_rows_are_paired_by_content_if_asked():
    """Rows without a common identity are paired by the digests of their columns."""
    with RowPairs() as pairs:
        pairs.add(THIS, [(0, b"a", b"x", "finished"), (1, b"b", b"y", "finished")])
        pairs.add(OTHER, [(0, b"c", b"y", "finished")])
        assert pairs.match().both == 0
        assert pairs.match(by_content=True).both == 1
        assert pairs.this(0) == 1


@given(st.lists(st.tuples(st.sampled_from([THIS, OTHER]), st.integers(0, 6), st.sampled_from("ab")), max_size=30))
def test_failures_of_one_run_are_a_difference_of_sets(failures):
    """A failure that both runs have in a row is in neither list; each list is sorted, and names a row once."""
    with RowPairs() as pairs:
        for run, number, step in failures:
            pairs.fail(run, number, step, "YG503", "failed row")
        sides = [{(step, number) for run, number, step in failures if run == side} for side in (THIS, OTHER)]
        for side, expected in ((THIS, sides[0] - sides[1]), (OTHER, sides[1] - sides[0])):
            assert [(step, number) for step, _, _, number in pairs.failures_of(side)] == sorted(expected)


def test_a_full_disk_is_told():
    """An error of the database is one about the disk, with what to do about it."""
    with RowPairs() as pairs:
        pairs._database.execute("DROP TABLE kept")
        with pytest.raises(EnvironmentProblem) as caught:
            pairs.keep(0, "x")
    assert "TMPDIR" in caught.value.hint
