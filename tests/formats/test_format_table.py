"""What holds for each format of the table, whichever it is."""

import io
from pathlib import Path

import pytest

from output_schemas import json_line
from yamlgen.formats.format import ReadContext
from yamlgen.formats.format_table import ENDINGS, FORMATS, TABLE, format_of

ROWS = [{"name": "Oslo", "note": 'a, b; c\td "e"'}, {"name": "Łódź", "note": "two\nlines"}]


def test_no_two_formats_claim_one_name_or_ending():
    """Each name and each ending is that of one format."""
    endings = [ending for each in TABLE for ending in each.endings]
    assert len(FORMATS) == len(TABLE)
    assert sorted(endings) == sorted(ENDINGS.split(", "))
    assert all(format_of(Path(f"rows{ending.upper()}")) is each for each in TABLE for ending in each.endings)


def test_what_the_table_lacks_is_no_format():
    """Nothing stands in for a format that is not known, nor for an ending that is not there."""
    assert [format_of(Path(name)) for name in ("rows.xlsx", "rows", ".jsonl", "rows.gz")] == [None] * 4


@pytest.mark.parametrize("ending", ENDINGS.split(", "))
def test_each_format_reads_what_it_writes(ending):
    """Texts come back as they were, each row with a place that names the file."""
    path = Path(f"rows{ending}")
    kind, told = format_of(path), []
    content = b"".join(kind.write(lambda: map(json_line, ROWS), path, told.append))
    reading = ReadContext(path.name)
    found = list(kind.read(io.BytesIO(content), reading))
    assert ([row for _, row in found], told, reading.anomalies.told(path.name)) == (ROWS, [], ())
    places = [kind.place(reading, line, number) for number, (line, _) in enumerate(found, start=1)]
    assert all(place.startswith(path.name) for place in places)
    assert len(set(places)) == len(ROWS)


@pytest.mark.parametrize("kind", FORMATS.values(), ids=FORMATS)
def test_no_rows_are_written_and_read(kind):
    """An output without rows is no broken file."""
    path = Path(f"rows{kind.endings[0]}")
    content = b"".join(kind.write(list, path, bool))
    reading = ReadContext(path.name)
    assert list(kind.read(io.BytesIO(content), reading)) == []
    assert not kind.columns(io.BytesIO(content), reading)
