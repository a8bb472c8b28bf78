"""The sample of an input that is kept while it is checked."""

import json

import pytest

from file_sources import file_source
from yamlgen.data.row_sample import spread

ROWS = 3_000


@pytest.fixture
def source(tmp_path):
    """Returns the source of a file whose rows have ids, and a text of so many characters."""

    def written(size: int = 3, **settings):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps({"k": f"r{n}", "text": "x" * size}) + "\n" for n in range(ROWS)))
        return file_source(path=path, **({"id": "k"} | settings))

    return written


def sampled_of(rows, share):
    """The rows of a sample, as reading all rows shows them."""
    return [row for row in rows if row.index == 0 or spread(row.index) < share]


@pytest.mark.parametrize(("share", "limit"), [(0.05, ROWS), (0.02, 1_000), (0.0001, ROWS)])
def test_the_sample_is_that_of_reading_all_rows(source, share, limit):
    """Its rows, positions and identities are those that the input has there, and the file is not read for it."""
    scanned, count = source().scan(sample=100)
    expected = sampled_of(scanned.rows(limit), share)
    scanned.paths[0].unlink()
    assert count == ROWS
    assert list(scanned.sampled(share, limit)) == expected
    assert len(expected) <= 4 * 100


def test_a_share_that_was_not_kept_is_read(source):
    """A larger sample than the scan has kept has the rows of the file, all the same."""
    scanned, _ = source().scan(sample=10)
    assert scanned.kept.share < 0.5
    assert list(scanned.sampled(0.5, ROWS)) == sampled_of(scanned.rows(ROWS), 0.5)


def test_long_rows_are_not_kept(source, monkeypatch):
    """The strings of the kept rows have a maximum length together, so that memory does not grow with the rows."""
    monkeypatch.setattr("yamlgen.data.row_sample._MOST_TEXT", 5_000)
    scanned, _ = source(size=1_000).scan(sample=100)
    assert len(scanned.kept.rows) < 5
    assert list(scanned.sampled(0.03, ROWS)) == sampled_of(scanned.rows(ROWS), 0.03)


def test_rows_without_ids_are_read(source):
    """The identity of such a row depends on the rows before it, so that none is kept."""
    scanned, _ = source(id=None).scan(sample=100)
    assert scanned.kept is None
    assert list(scanned.sampled(0.05, ROWS)) == sampled_of(scanned.rows(ROWS), 0.05)
