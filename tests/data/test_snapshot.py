"""An input held to what it was when it was first read: what counts as changed, and when it is noticed."""

import csv
import json
import os
from pathlib import Path

import pytest

from file_sources import file_source
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.exit_codes import ExitCode

ROWS = [{"id": f"r{number}", "text": f"{number} " + "x" * 200} for number in range(4000)]
"""Close to a megabyte, so that a file of it has several blocks."""


def jsonl(rows):
    """The rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write_csv(path, rows):
    """The rows as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        writer.writerows(row.values() for row in rows)


@pytest.fixture
def path(tmp_path):
    """A file of rows, with nothing else beside it."""
    made = tmp_path / "rows.jsonl"
    made.write_bytes(jsonl(ROWS))
    return made


def scanned(path):
    """The source of a file after its scan, named by its bare name."""
    source, rows = file_source(path=path, id="id", shown=path.name).scan()
    assert rows == len(ROWS)
    return source


def rows_of(source, **settings):
    """The rows that a reading gives before its end or its error, and the error."""
    rows = []
    try:
        rows.extend(row.row for row in source.rows(**settings))
    except EnvironmentProblem as error:
        return rows, error
    return rows, None


def replaced(path, content):
    """Put another file in the place of one, as editors and `mv` do."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


def edited_unseen(path):
    """Change a byte in place, and set the time of the last change back."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(-10, os.SEEK_END)
        file.write(b"y")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES = {
    "another file": lambda path: replaced(path, jsonl({**row, "id": "s" + row["id"][1:]} for row in ROWS)),
    "sorted again": lambda path: path.write_bytes(jsonl(reversed(ROWS))),
    "sorted again in another file": lambda path: replaced(path, jsonl(reversed(ROWS))),
    "ids twice": lambda path: path.write_bytes(jsonl([*ROWS[:2000], *ROWS[:2000]])),
    "shorter": lambda path: os.truncate(path, path.stat().st_size - 1),
    "empty": lambda path: path.write_bytes(b""),
    "edited in place": edited_unseen,
    "rows in front": lambda path: replaced(path, jsonl([{"id": "new"}, *ROWS])),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}
SAME = {
    "touched": lambda path: path.touch(),
    "the same bytes written again": lambda path: path.write_bytes(jsonl(ROWS)),
    "the same bytes in another file": lambda path: replaced(path, jsonl(ROWS)),
    "a link to the same bytes": lambda path: path.symlink_to(path.rename(path.with_suffix(".moved"))),
}
GROWTH = {
    "one more row": jsonl([{"id": "new"}]),
    "the half of a row": b'{"id": "ne',
    "a row that is there": jsonl(ROWS[:1]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_input_ends_each_reading(path, change):
    """Once the file is another one, a reading gives none but rows of the scan, and ends with an error; so does the end.

    The error is one of the environment, names the input as the user knows it, and says what to do.
    """
    source = scanned(path)
    change(path)
    rows, error = rows_of(source)
    assert rows == ROWS[: len(rows)]
    assert len(rows) < len(ROWS)
    with pytest.raises(EnvironmentProblem) as at_the_end:
        source.verify()
    for each in (error, at_the_end.value):
        assert (each.code, each.exit_code) == (Code.INPUT_CHANGED, ExitCode.ENVIRONMENT)
        assert each.message.startswith("the input rows.jsonl changed after it was first read: ")
        assert "run again" in each.hint


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_the_same_bytes_are_the_same_input(path, change):
    """It does not matter which file holds the bytes, or when somebody wrote them."""
    source = scanned(path)
    change(path)
    assert rows_of(source) == (ROWS, None)
    assert source.verify() is None


@pytest.mark.parametrize("more", GROWTH.values(), ids=GROWTH)
def test_a_file_that_grew_is_read_to_its_first_length(path, more):
    """What was appended is not read, whatever it is; the end says that it is there."""
    source = scanned(path)
    with path.open("ab") as file:
        file.write(more)
    assert rows_of(source) == (ROWS, None)
    warning = source.verify()
    assert (
        warning == f"the input rows.jsonl grew by {len(more)} bytes during the run; run again to process the added rows"
    )


def test_a_last_line_that_goes_on_ends_where_it_ended(path):
    """A last line without an end is the row that it was, though more was written behind it."""
    path.write_bytes(jsonl(ROWS)[:-1])
    source = scanned(path)
    with path.open("ab") as file:
        file.write(b' {"id": 7}\n')
    assert rows_of(source) == (ROWS, None)
    assert source.verify()


def test_a_file_that_grew_and_changed_has_changed(path):
    """More rows behind other rows are no growth."""
    source = scanned(path)
    path.write_bytes(jsonl([*reversed(ROWS), {"id": "new"}]))
    assert rows_of(source)[1].code == Code.INPUT_CHANGED


@pytest.mark.parametrize("format", ["csv", "json"])
def test_every_format_is_held(tmp_path, format):  # noqa: A002 - the word of the language
    """CSV and JSON arrays are held as JSON lines are: to the first length, and to their bytes."""
    path = tmp_path / f"rows.{format}"
    write_csv(path, ROWS) if format == "csv" else path.write_text(json.dumps(ROWS))
    source = scanned(path)
    with path.open("a") as file:
        file.write('"not closed')
    assert rows_of(source) == (ROWS, None)
    assert source.verify()
    content = path.read_text().replace("3999 x", "3999 y")
    path.write_text(content)
    rows, error = rows_of(source)
    assert error.code == Code.INPUT_CHANGED
    assert rows == ROWS[: len(rows)]


def test_a_change_is_noticed_while_a_reading_is_open(path):
    """A reading that has begun gives the rows of the block that it has read, and then the error."""
    source = scanned(path)
    reading = source.rows()
    first = next(reading).row
    path.write_bytes(jsonl(reversed(ROWS)))
    rows = [first]
    with pytest.raises(EnvironmentProblem, match="changed after it was first read"):
        rows.extend(row.row for row in reading)
    assert rows == ROWS[: len(rows)]
    assert len(rows) < len(ROWS) / 2


def test_readings_at_once_are_held_each_by_itself(path):
    """Of two readings under way, one after the other meets what has changed before it."""
    source = scanned(path)
    ahead, behind = source.rows(), source.rows()
    assert next(ahead).row == next(behind).row == ROWS[0]
    assert [next(ahead).row for _ in range(3000)] == ROWS[1:3001]
    edited_unseen(path)
    for reading, at in ((ahead, 3001), (behind, 1)):
        rows = []
        with pytest.raises(EnvironmentProblem):
            rows.extend(row.row for row in reading)
        assert rows == ROWS[at : at + len(rows)]


def test_a_part_of_a_file_is_held_too(path):
    """The first rows of a changed file are refused where they changed; where they did not, the end refuses the file."""
    source = scanned(path)
    edited_unseen(path)
    assert rows_of(source, limit=10) == (ROWS[:10], None)
    with pytest.raises(EnvironmentProblem):
        source.verify()
    path.write_bytes(jsonl([ROWS[1], ROWS[0], *ROWS[2:]]))
    assert rows_of(source, limit=1)[0] == []


class Emptied(type(Path())):
    """A file that somebody empties once it was opened for the first time."""

    opened = 0

    def open(self, *arguments, **settings):
        """Open it, as often as asked."""
        self.opened += 1
        if self.opened > 1:
            os.truncate(self, 0)
        return super().open(*arguments, **settings)


def test_a_scan_that_cannot_find_the_first_of_two_says_why(path):
    """Where the first row of an id stands is told by a second look, which may find that the file has changed."""
    path.write_bytes(jsonl([*ROWS, ROWS[0]]))
    with pytest.raises(EnvironmentProblem, match="changed after it was first read"):
        file_source(path=Emptied(path), id="id", shown=path.name).scan()
