"""A scan reads in sets what is otherwise read row by row."""

import pytest

import profiled_runs as runs
from yamlgen.api.history import find_run, store_locations
from yamlgen.errors import EnvironmentProblem
from yamlgen.store import row_scan
from yamlgen.store.row_scan import RowScan
from yamlgen.store.run_session import open_runs

ROWS = 20


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A pipeline whose run failed in many ways; two of its rows each have the same results."""
    made = runs.lay_out(tmp_path_factory.mktemp("scanned"), rows=ROWS)
    runs.ran(made)
    return made


def opened(path):
    """Its latest run, and its store, to be read."""
    run = find_run(store_locations([path], None), None)
    return run.entry, open_runs(run.place)


@pytest.mark.parametrize("together", [1, 7, ROWS, 200])
def test_rows_are_those_that_are_read_one_by_one(path, monkeypatch, together):
    """In input order, with their columns, values, errors, lost items and attempts, whatever is read at once."""
    monkeypatch.setattr(row_scan, "_TOGETHER", together)
    entry, opening = opened(path)
    with opening as reader:
        scanned = list(RowScan(reader, entry).rows())
        stored = list(reader.all_rows(entry))
        assert [row.number for row in scanned] == list(range(ROWS))
        for row, known in zip(scanned, stored, strict=True):
            assert (row.stored, row.status, row.columns) == (known, known.status, reader.columns(known))
            assert row.id == reader.id(entry, known)
            assert list(row.steps) == [result.step for result in known.results]
            for step, result in zip(row.steps.values(), known.results, strict=True):
                lost = [*step.failed_items, *([step.error] if step.status == "null" else [])]
                assert (step.value, lost) == (reader.value(result), reader.lost(result))
                assert step.attempts == reader.attempts(result)
                if result.status == "failed":
                    assert step.error == reader.error(result)
        statuses = {step.status for row in scanned for step in row.steps.values()}
    assert statuses == {"finished", "failed", "null"}


def test_attempts_say_what_was_requested(path):
    """The model that was requested, beside the one that answered."""
    entry, opening = opened(path)
    with opening as reader:
        attempts = [
            each for row in RowScan(reader, entry).rows() for step in row.steps.values() for each in step.attempts
        ]
    assert {(each.requested, each.run) for each in attempts} == {("claude-haiku-5-5", entry.name)}
    assert any(each.errors for each in attempts)


@pytest.mark.parametrize("numbers", [[], [3], [17, 2, 2, 9], [5, 500], [*range(3, 15)]])
def test_some_rows_are_read_alone(path, numbers, monkeypatch):
    """In input order, each once, if the run has them, whatever is read at once."""
    monkeypatch.setattr(row_scan, "_TOGETHER", 5)
    entry, opening = opened(path)
    with opening as reader:
        found = [row.number for row in RowScan(reader, entry).rows(numbers)]
    assert found == sorted({number for number in numbers if number < ROWS})


def test_items_whose_errors_were_not_stored_are_those_of_their_attempts(tmp_path):
    """An earlier version stored the codes of failed items without their errors."""
    made = runs.lay_out(tmp_path, rows=ROWS)
    runs.ran(made)
    runs.edited(made, "UPDATE result SET error = NULL WHERE status = 'finished'")
    entry, opening = opened(made)
    with opening as reader:
        rows = zip(RowScan(reader, entry).rows(), reader.all_rows(entry), strict=True)
        pairs = [
            (step, reader.lost(result))
            for row, known in rows
            for step, result in zip(row.steps.values(), known.results, strict=True)
        ]
        assert any(lost for _, lost in pairs)
        assert all(step.failed_items == lost or step.error == lost[0] for step, lost in pairs)


@pytest.mark.parametrize("table", ["result", "attempt"])
def test_a_missing_record_is_damage(tmp_path, table):
    """It is no row without values."""
    made = runs.lay_out(tmp_path, rows=4)
    runs.ran(made)
    runs.edited(made, f"DELETE FROM {table} WHERE id = 2")  # noqa: S608 - a table of ours
    entry, opening = opened(made)
    with opening as reader, pytest.raises(EnvironmentProblem, match="damaged"):
        list(RowScan(reader, entry).rows())
