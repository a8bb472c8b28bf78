"""Which part of a split a row is in depends on the row alone; and which of equal rows stays, on the input alone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import yamlgen
from yamlgen.shaping.partition import equal_bytes, part_of

SHARES = {"train": 0.6, "dev": 0.1, "test": 0.3}
PIPELINE = """\
version: 1
input: {id: id}
steps: {double: {kind: compute, value: row.n * 2}}
output:
  path: out.jsonl
  for_each: range(row.n % 3 + 1) | list
"""
BY_ID = "  split: {train: 0.6, dev: 0.1, test: 0.3}\n"
BY_VALUE = "  split: {by: row.n % 4, into: {train: 0.6, dev: 0.1, test: 0.3}}\n"
ids = st.lists(st.integers(0, 99) | st.text("aé\u2028", min_size=1, max_size=4), min_size=1, max_size=12, unique_by=str)


def parts(folder, text, rows):
    """The parts of the rows, by what tells them apart, of a run over them."""
    path = folder / "p.yaml"
    path.write_text(PIPELINE + text)
    yamlgen.run(path, rows=rows)
    found = {}
    for part in SHARES:
        for line in (folder / f"out.{part}.jsonl").read_text("utf-8").splitlines():
            found.setdefault(json.dumps(json.loads(line)["id"]), []).append(part)
    return found


@pytest.mark.parametrize("text", [BY_ID, BY_VALUE], ids=["by id", "by a value"])
def test_no_row_changes_sides(text, tmp_path_factory):
    """Property: rows stay in their parts when others are added, removed and sorted anew; items stay with their row."""

    @given(ids, st.randoms(use_true_random=False))
    def hold(names, random):
        folder = tmp_path_factory.mktemp("parts")
        rows = [{"id": name, "n": number} for number, name in enumerate(names)]
        first = parts(folder, text, rows)
        assert all(len(set(each)) == 1 for each in first.values())
        assert [len(first[json.dumps(row["id"])]) for row in rows] == [row["n"] % 3 + 1 for row in rows]
        others = random.sample(rows, random.randint(1, len(rows))) + [{"id": f"new {n}", "n": n} for n in range(3)]
        random.shuffle(others)
        again = parts(folder, text, others)
        assert all(again[name] == first[name] for name in again if name in first)
        if text is BY_VALUE:
            values = {(row["n"] % 4, *set(again[json.dumps(row["id"])])) for row in others}
            assert len(values) == len({value for value, _ in values})

    hold()


def test_the_parts_have_their_shares():
    """Of ten thousand ids each part has its share, within four standard deviations."""
    found = [part_of(SHARES, number) for number in range(10_000)]
    assert all(abs(found.count(name) - 10_000 * share) < 200 for name, share in SHARES.items())


@pytest.mark.parametrize(("one", "other"), [(4, 4.0), ([1.0, {"a": 0.0}], [1, {"a": 0}]), (1e22, 10**22)])
def test_equal_numbers_are_equal(one, other):
    """4 and 4.0 are one value, wherever they stand, as in JSON; `true` and the text "4" are others."""
    assert equal_bytes(one) == equal_bytes(other)
    assert len({equal_bytes(value) for value in (4, 4.5, "4", True, 1.0, None, [4], [[4]])}) == 8


def test_the_first_of_equal_rows_stays(tmp_path_factory):
    """Property: of equal values the first in the input is written, item by item, whichever rows are dropped before."""
    values = st.lists(st.lists(st.sampled_from([1, 1.0, 2, "a", "A", None, True]), max_size=4), min_size=1, max_size=6)

    @given(values, st.booleans())
    def hold(rows, drops):
        path = tmp_path_factory.mktemp("unique") / "p.yaml"
        where = "where: item != 2, " if drops else ""
        path.write_text(
            "version: 1\ninput: {}\nsteps: {one: {kind: compute, value: '1'}}\n"
            f"output: {{path: out.jsonl, for_each: row.v, {where}unique: item, columns: {{r: row.n, i: item_index}}}}\n"
        )
        done = yamlgen.run(path, rows=[{"n": n, "v": v} for n, v in enumerate(rows)])
        seen, expected = set(), []
        for n, each in enumerate(rows):
            for i, value in enumerate(each):
                known = (type(value) is bool, value)
                if known not in seen and not (drops and value == 2):
                    expected.append({"r": n, "i": i})
                    seen.add(known)
        assert done.rows() == expected

    hold()
