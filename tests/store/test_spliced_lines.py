"""Rows that are put together from what is stored, without being parsed."""

from dataclasses import replace

import pytest
from hand_made_store import SKIPPED, HandMadeStore, failed, finished, refused

from yamlgen.errors import Code
from yamlgen.output.row_composer import RowComposer, outputs_of
from yamlgen.row_result import Answer
from yamlgen.store.run_session import open_runs
from yamlgen.value_objects import Attempt, InputRow, Usage

LOST = refused(b"key", Attempt({}, Usage(), number=1), Code.REFUSED)


@pytest.fixture
def composer(tmp_path):
    """The output of a run with rows of every kind: without columns, without results, failed, with line ends."""
    store = HandMadeStore(tmp_path)

    async def work(run_recorder):
        rows = [InputRow(number, {"town": "Os\u2028lo"} if number else {}, str(number)) for number in range(4)]
        await run_recorder.add(finished(rows[0], facts=Answer("x\u0085"), line=SKIPPED))
        await run_recorder.add(failed(LOST, rows[1], line=Answer(1)))
        await run_recorder.add(finished(rows[2], line=Answer({"a": [1.5, None]}), facts=Answer(None, thinking="hm")))
        await run_recorder.add(finished(rows[3]))

    store.run("first", work)
    with open_runs(store.place) as run_reader:
        run = run_reader.run("first")
        (output,) = outputs_of(run)
        output = replace(output, steps=("facts", "line"), keep_thinking=frozenset({"facts"}))
        with RowComposer(run_reader, run, output) as made:
            yield made, run_reader, run


def test_spliced_lines_are_those_of_single_rows(composer):
    """All rows together have the bytes that each has when it is composed by itself."""
    made, run_reader, run = composer
    together = list(made.lines())
    assert together == [line for number in range(4) for line in [made.line(number)] if line]
    assert together == [line for row in run_reader.rows(run) for _, line in made.compose(row)]
    assert together[0] == b'{"facts": "x\\u0085", "facts_thinking": null, "line": null}\n'
    assert len(together) == 3


def test_rows_are_counted_as_they_are_spliced(composer):
    """The counts of an output are those of its lines, again after a second reading."""
    made, _, _ = composer
    assert [(len(list(made.lines())), made.counts.rows) for _ in range(2)] == [(3, 3), (3, 3)]
