"""Whatever happens to requests, calls and processes: every row ends once, and nothing is billed twice."""

from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlucky_batches import UnluckyAPI, UnluckyProject
from yamlgen.events import (
    AnswerReceived,
    BatchEnded,
    RowDeferred,
    RowFailed,
    RowFinished,
    RowResumed,
    RowsTakenOver,
    StepFailed,
    StepFinished,
)

KILLS = st.lists(st.tuples(st.integers(1, 150), st.sampled_from([0.0, 3600.0])), max_size=3)


def ended_rows(done):
    """The rows that ended in a run, or that it took over from one in which they had ended, as often as it told so."""
    taken = [row for event in done.of(RowsTakenOver) for row in event.rows]
    return sorted([*taken, *(event.row for event in done.of(RowFinished, RowFailed))])


def check_events(done):
    """Check that what a run told of a row and a step was told once."""
    ended = Counter((event.row, event.step) for event in done.of(StepFinished, StepFailed))
    assert set(ended.values()) <= {1}
    assert set(Counter(ended_rows(done)).values()) <= {1}
    moves = sorted(done.of(RowDeferred, RowResumed), key=lambda event: event.row)
    for _, told in groupby(moves, key=lambda event: event.row):
        kinds = [type(event) for event in told]
        assert kinds == [RowDeferred, RowResumed] * (len(kinds) // 2) + [RowDeferred] * (len(kinds) % 2)


def check_end(project, done, rows):
    """Check that each row ended once, and that each answer that was billed in a batch is in the store once."""
    assert done.error is None
    assert ended_rows(done) == [*range(rows)]
    assert len(done.of(RowDeferred)) == len(done.of(RowResumed))
    (counts,) = project.look("SELECT count(*), count(DISTINCT key) FROM attempt WHERE batch IS NOT NULL")
    ours = {name: times for name, times in project.api.billed.items() if times}
    assert counts == (len(ours), len(ours))
    assert set(ours.values()) <= {1}
    assert project.look("SELECT count(*) - count(DISTINCT key) FROM attempt") == [(0,)]
    assert project.look("SELECT count(*) FROM batch_request") == [(0,)]
    assert project.look("SELECT DISTINCT state FROM batch WHERE state <> 'collected'") == []


@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 7),
    options=st.fixed_dictionaries(
        {"minimum": st.integers(1, 3), "retries": st.integers(0, 3), "side": st.sampled_from(["true", "false"])}
    ),
    foreign=st.lists(st.integers(1, 6), max_size=3),
    kills=KILLS,
)
def test_every_row_ends_once_and_nothing_is_billed_twice(seed, rows, options, foreign, kills, tmp_path_factory):
    """Requests fail at random, calls fail at random, and some runs are killed."""
    folder = tmp_path_factory.mktemp("unlucky")
    project = UnluckyProject(folder, UnluckyAPI(seed, foreign))
    project.save(rows, **options)
    runs = []
    with pytest.MonkeyPatch.context() as patch:
        for kill, later in (*kills, (0, 0.0)):
            runs.append(project.run(patch, kill, later))
            check_events(runs[-1])
    check_end(project, runs[-1], rows)
    if not kills:
        arrived = [event for event in runs[-1].of(AnswerReceived) if event.batch]
        assert len(arrived) == len(project.api.billed)
        assert sum(event.cost for event in arrived) == pytest.approx(sum(end.cost for end in runs[-1].of(BatchEnded)))
