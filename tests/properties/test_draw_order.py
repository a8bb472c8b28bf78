"""Draws depend on the row, the step and its seed, and on nothing else: order, limit, other rows, process."""

import json
import os
import subprocess
import sys
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from pipeline_strategies import Made, pipelines
from plan_runs import compiled, outcomes

import yamlgen
from yamlgen.data.source import Source

drawing = pipelines(kinds=("draw",), most=3)
has_ids = st.booleans()
EVERY_RULE = {
    "who": {"choices": ["x", "y", None, 1.5, {"ü": [1]}], "weights": [1, 2, 0.1, 5, 3]},
    "much": {"integer": [-5, 10**20]},
    "share": {"number": [-1, 1e9]},
    "price": {"number": [0.1, 3], "decimals": 2},
    "day": {"date": ["1999-12-31", "2026-11-30"]},
    "town": {"column": "town", "path": "towns.csv"},
    "size": {"given": "who", "cases": {"x": {"integer": [1, 9]}}, "otherwise": {"choices": ["none", "some"]}},
}


def drawn(done, rows, *, ids, limit=None):
    """What each row drew, in input order, with the row as text."""
    source = Source(rows_inline=tuple(rows), id="id" if ids else None, shown="rows")
    made = outcomes(done.plan, source.rows(limit, done.plan.columns))
    return [
        (json.dumps(outcome.row.row), json.dumps({name: answer.value for name, answer in outcome.answers.items()}))
        for outcome in made
    ]


def rows_of(done, *, ids, twice=2):
    """The rows of a pipeline; without ids each of them is there more than once."""
    rows = [dict(row.row) for row in done.rows()]
    return rows if ids else rows * twice


@given(drawing, has_ids, st.randoms(use_true_random=False))
def test_draws_do_not_depend_on_the_order_of_rows(made, ids, chance):
    """Property: shuffled rows draw what they drew, equal rows without ids among themselves."""
    with compiled(made) as done:
        rows = rows_of(done, ids=ids)
        shuffled = chance.sample(rows, len(rows))
        assert Counter(drawn(done, shuffled, ids=ids)) == Counter(drawn(done, rows, ids=ids))


@given(drawing, has_ids, st.integers(1, 4))
def test_draws_do_not_depend_on_a_limit(made, ids, limit):
    """Property: the first rows draw what they draw among all."""
    with compiled(made) as done:
        rows = rows_of(done, ids=ids)
        assert drawn(done, rows, ids=ids, limit=limit) == drawn(done, rows, ids=ids)[:limit]


@given(drawing, has_ids, st.data())
def test_draws_do_not_depend_on_other_rows(made, ids, data):
    """Property: whichever rows of another content are there, a row draws the same."""
    with compiled(made) as done:
        rows = rows_of(done, ids=ids, twice=1)
        some = data.draw(st.lists(st.sampled_from(rows), min_size=1, unique_by=lambda row: row["id"]))
        assert set(drawn(done, some, ids=ids)) <= set(drawn(done, rows, ids=ids))


@given(drawing, st.integers(10, 20))
def test_a_row_with_an_id_draws_by_it_alone(made, more):
    """Property: a column that changes changes no draw of a row that has an id, unless it is drawn for its items."""
    with compiled(made) as done:
        rows = rows_of(done, ids=True)
        changed = [{**row, "other": more} for row in rows]
        each = (drawn(done, of, ids=True) for of in (rows, changed))
        one, other = ([values for _, values in of] for of in each)
        assert one == other


def test_two_processes_draw_the_same(tmp_path):
    """Nothing of a process decides, such as the seed of its hashes, whether rows have ids or not."""
    rows = [{"id": number, "tags": ["a", "b"], "town": f"Größe {number % 2}"} for number in range(6)]
    steps = {
        "plain": {"kind": "draw", "draws": EVERY_RULE},
        "many": {"kind": "draw", "samples": 3, "seed": 7, "draws": EVERY_RULE},
        "each": {"kind": "draw", "for_each": "row.tags", "draws": EVERY_RULE},
    }
    paths = []
    for name, ids in (("with", {"id": "id"}), ("without", {})):
        document = {"version": 1, "input": {"rows": rows, **ids}, "steps": steps, "output": {"path": "out.jsonl"}}
        (tmp_path / name).mkdir()
        paths.append(Made(document, {"towns.csv": "town,size\nOslo,1\nRome,2\nGraz,3\n"}).write(tmp_path / name))
    code = "import json, sys, yamlgen\n"
    code += "print(json.dumps([yamlgen.run(path, simulate=True).rows() for path in sys.argv[1:]]))"
    command = [sys.executable, "-c", code, *map(str, paths)]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    there = json.loads(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)
    here = [yamlgen.run(path, simulate=True, fresh=True).rows() for path in paths]
    assert there == here
